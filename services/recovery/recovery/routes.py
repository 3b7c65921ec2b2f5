"""HTTP in: the queue of missed calls as people work it off. Every route is for the caller's own business only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import Schema

from recovery import store, summary
from recovery.commands import Desk
from recovery.schemas import (
    ALL,
    OPEN,
    ClaimBody,
    HandledBody,
    ItemsQuery,
    SummaryQuery,
    TextBody,
    dump_item,
    period_of,
    plain,
)
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import NotFound
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.bodies import load_body
from ringback.web.idempotency import request_key
from ringback.web.queries import load

# What takes a person's judgement: systems read.
PEOPLE = frozenset({"owner", "staff"})
ACCESS: Access = {
    "missed_calls.list_items": EVERY_ROLE,
    "missed_calls.summarize": EVERY_ROLE,
    "missed_calls.show": EVERY_ROLE,
    "missed_calls.send_sms": PEOPLE,
    "missed_calls.mark_handled": PEOPLE,
    "missed_calls.claim": PEOPLE,
    "missed_calls.release": PEOPLE,
}


@dataclass(frozen=True)
class Api:
    """What the routes stand on."""

    businesses: Mapping[str, Business]
    database: Database
    clock: Clock
    desk: Desk
    seal: Seal

    def business(self) -> Business:
        return self.businesses[principal().business]

    def item(self, item: Document) -> dict[str, Any]:
        return self.items([item])[0]

    def items(self, items: list[Document]) -> list[dict[str, Any]]:
        """With whose numbers they are now."""
        phones = [item["phone"] for item in items if item["phone"]]
        owners = store.customers_of_phones(self.database, principal().business, phones)
        now = self.clock()
        return [dump_item(item, owners.get(item["phone"], item["nameless_id"]), now) for item in items]


def missed_calls_blueprint(api: Api) -> Blueprint:
    missed_calls = Blueprint("missed_calls", __name__)
    for add_routes in (_reading, _writing):
        add_routes(missed_calls, api)
    return missed_calls


def _reading(missed_calls: Blueprint, api: Api) -> None:
    @missed_calls.get("/missed-calls")
    def list_items() -> Response:
        """The queue, what is due longest first."""
        query = load(ItemsQuery(), request.args)
        page = store.list_items(api.database, _wanted(api, query), query["cursor"], query["limit"])
        return jsonify({"items": api.items(page.items), "next": page.next})

    @missed_calls.get("/missed-calls/summary")
    def summarize() -> Response:
        """What became of the missed calls of a period, and by day, week or month."""
        period, by = _period(api)
        rows = store.figures(api.database, api.business().key, period, api.clock())
        gains = store.gains(api.database, api.business().key, period)
        head = {"from": period.since, "to": period.until, "by": by}
        return jsonify(plain({**head, **summary.total(rows, gains), "periods": summary.by_bucket(rows, gains)}))

    @missed_calls.get("/missed-calls/<item_id>")
    def show(item_id: str) -> Response:
        """One item; whoever has the id of one that turned out to be part of another gets that one."""
        found = store.find_item(api.database, principal().business, item_id)
        if found is None:
            raise NotFound("There is no such missed call.")
        return jsonify(api.item(found))


def _writing(missed_calls: Blueprint, api: Api) -> None:
    @missed_calls.post("/missed-calls/<item_id>/send-sms")
    def send_sms(item_id: str) -> tuple[Response, HTTPStatus]:
        """202, or 409 with the reason."""
        values, who = load_body(TextBody()), principal()
        key = request_key(api.seal, values)
        request_id = api.desk.send_text(who.business, item_id, who.subject, values, key)
        return jsonify({"request_id": request_id}), HTTPStatus.ACCEPTED

    @missed_calls.post("/missed-calls/<item_id>/mark-handled")
    def mark_handled(item_id: str) -> Response:
        """It is done with; again changes nothing."""
        values, who = _body_if_any(HandledBody()), principal()
        return jsonify(api.item(api.desk.mark_handled(who.business, item_id, who.subject, **values)))

    @missed_calls.post("/missed-calls/<item_id>/claim")
    def claim(item_id: str) -> Response:
        """The caller, or `assignee`, sees to it."""
        assignee, who = _body_if_any(ClaimBody()).get("assignee"), principal()
        return jsonify(api.item(api.desk.claim(who.business, item_id, who.subject, assignee or who.subject)))

    @missed_calls.post("/missed-calls/<item_id>/release")
    def release(item_id: str) -> Response:
        """Nobody sees to it any more."""
        who = principal()
        return jsonify(api.item(api.desk.release(who.business, item_id, who.subject)))


def _body_if_any(schema: Schema) -> dict[str, Any]:
    if request.get_data():
        return load_body(schema)
    loaded: dict[str, Any] = schema.load({})
    return loaded


def _wanted(api: Api, query: Mapping[str, Any]) -> dict[str, Any]:
    """The items that a query asks for."""
    wanted: dict[str, Any] = {"business": principal().business}
    if query["state"] == OPEN:
        wanted["open"] = True
    elif query["state"] != ALL:
        wanted["state"] = {"$eq": query["state"]}
    if query["assignee"] is not None:
        wanted["assignee"] = {"$eq": query["assignee"] or None}
    if query["min_age"] is not None:
        wanted["first_missed_at"] = {"$lte": api.clock() - timedelta(minutes=query["min_age"])}
    if query["overdue"] is not None:
        overdue = {"open": True, "responded_at": None, "due_at": {"$lt": api.clock()}}
        wanted["$and" if query["overdue"] else "$nor"] = [overdue]
    return wanted


def _period(api: Api) -> tuple[store.Period, str]:
    query, zone = load(SummaryQuery(), request.args), api.business().timezone
    since, until = period_of(query, api.clock(), zone)
    return store.Period(since, until, query["by"], zone.key), query["by"]
