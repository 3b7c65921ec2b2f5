"""HTTP in: webhook endpoints and what was delivered to them, of the caller's own business only."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request

from pipeline.outbound import store
from pipeline.outbound.endpoints import Endpoints
from pipeline.outbound.schemas import (
    ChangedEndpointBody,
    DeliverySchema,
    EndpointSchema,
    NewEndpointBody,
    WholeDeliverySchema,
)
from pipeline.outbound.signing import Secret, secrets_with
from ringback.clock import Clock
from ringback.errors import NotFound
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import Access, principal
from ringback.web.bodies import load_body
from ringback.web.queries import PageQuery, load
from ringback.web.versions import unless_stale

OWNER = frozenset({"owner"})
PEOPLE = frozenset({"owner", "staff"})
OUTBOUND_ACCESS: Access = {
    "webhooks.list_endpoints": PEOPLE,
    "webhooks.create": OWNER,
    "webhooks.show": PEOPLE,
    "webhooks.update": OWNER,
    "webhooks.delete": OWNER,
    "webhooks.rotate_secret": OWNER,
    "webhooks.test": OWNER,
    "webhooks.list_deliveries": PEOPLE,
    "webhooks.show_delivery": PEOPLE,
    "webhooks.replay": OWNER,
}
ENDPOINT = EndpointSchema()
DELIVERY = DeliverySchema()
WHOLE_DELIVERY = WholeDeliverySchema()

Answer = tuple[Response, HTTPStatus]


@dataclass(frozen=True)
class OutboundApi:
    """What the routes stand on. `allowed`: see `check_url`."""

    database: Database
    endpoints: Endpoints
    secret: Secret
    allowed: Set[str]

    def existing(self, endpoint_id: str) -> Document:
        found = store.find_endpoint(self.database, principal().business, endpoint_id)
        if found is None:
            raise NotFound("There is no such endpoint.")
        return found

    def with_secret(self, endpoint: Document) -> dict[str, Any]:
        secret = self.secret(endpoint["_id"], endpoint["generation"])
        return {**ENDPOINT.dump(endpoint), "secret": secret}


def outbound_api(settings: Settings, database: Database, clock: Clock, new_id: Callable[[], str]) -> OutboundApi:
    """`settings` with a secret key."""
    assert settings.secret_key is not None
    endpoints = Endpoints(database, clock, new_id)
    return OutboundApi(database, endpoints, secrets_with(settings.secret_key), settings.webhook_allow_private)


def outbound_blueprint(api: OutboundApi) -> Blueprint:
    webhooks = Blueprint("webhooks", __name__)
    for add_routes in (_reading, _writing, _deliveries):
        add_routes(webhooks, api)
    return webhooks


def _reading(webhooks: Blueprint, api: OutboundApi) -> None:
    @webhooks.get("/webhook-endpoints")
    def list_endpoints() -> Response:
        """The endpoints, the newest first."""
        page = store.list_endpoints(api.database, principal().business, **load(PageQuery(), request.args))
        return jsonify({"items": ENDPOINT.dump(page.items, many=True), "next": page.next})

    @webhooks.get("/webhook-endpoints/<endpoint_id>")
    def show(endpoint_id: str) -> Response:
        """An endpoint, without its secret."""
        return _shown(api.existing(endpoint_id))


def _writing(webhooks: Blueprint, api: OutboundApi) -> None:
    @webhooks.post("/webhook-endpoints")
    def create() -> Answer:
        """A new endpoint; its `secret` is told here and never again."""
        who = principal()
        endpoint = api.endpoints.create(who.business, load_body(NewEndpointBody(api.allowed)), who.subject)
        response = jsonify(api.with_secret(endpoint))
        response.location = f"/webhook-endpoints/{endpoint['_id']}"
        return response, HTTPStatus.CREATED

    @webhooks.put("/webhook-endpoints/<endpoint_id>")
    def update(endpoint_id: str) -> Response:
        """What is absent stays. 412 by If-Match, 409 by `version`."""
        values, who = load_body(ChangedEndpointBody(api.allowed)), principal()
        check = unless_stale(values.pop("version"))
        return _shown(api.endpoints.update(who.business, endpoint_id, values, check, who.subject))

    @webhooks.delete("/webhook-endpoints/<endpoint_id>")
    def delete(endpoint_id: str) -> tuple[str, HTTPStatus]:
        """What is not delivered yet is canceled."""
        api.endpoints.delete(principal().business, endpoint_id)
        return "", HTTPStatus.NO_CONTENT

    @webhooks.post("/webhook-endpoints/<endpoint_id>/rotate-secret")
    def rotate_secret(endpoint_id: str) -> Response:
        """The new secret, told once; until `previous_secret_until` the one before signs, too."""
        who = principal()
        return jsonify(api.with_secret(api.endpoints.rotate_secret(who.business, endpoint_id, who.subject)))

    @webhooks.post("/webhook-endpoints/<endpoint_id>/test")
    def test(endpoint_id: str) -> Answer:
        """A message of the type `test` is sent; the delivery says what came of it."""
        who = principal()
        delivery_id = api.endpoints.test(who.business, endpoint_id, who.subject)
        return jsonify({"delivery_id": delivery_id}), HTTPStatus.ACCEPTED


def _deliveries(webhooks: Blueprint, api: OutboundApi) -> None:
    @webhooks.get("/webhook-endpoints/<endpoint_id>/deliveries")
    def list_deliveries(endpoint_id: str) -> Response:
        """What was sent in the last 30 days, the newest first."""
        query = load(PageQuery(), request.args)
        page = store.list_deliveries(api.database, api.existing(endpoint_id)["_id"], **query)
        return jsonify({"items": DELIVERY.dump(page.items, many=True), "next": page.next})

    @webhooks.get("/webhook-deliveries/<delivery_id>")
    def show_delivery(delivery_id: str) -> Response:
        """A delivery with what was sent; `payload` is null once the customer was deleted."""
        found = store.find_delivery(api.database, principal().business, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        return jsonify(WHOLE_DELIVERY.dump(found))

    @webhooks.post("/webhook-deliveries/<delivery_id>/replay")
    def replay(delivery_id: str) -> Answer:
        """It is sent again under the same id."""
        return jsonify(DELIVERY.dump(api.endpoints.replay(principal().business, delivery_id))), HTTPStatus.ACCEPTED


def _shown(endpoint: Mapping[str, Any]) -> Response:
    response = jsonify(ENDPOINT.dump(endpoint))
    response.set_etag(str(endpoint["version"]))
    return response
