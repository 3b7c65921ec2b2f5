"""HTTP in: texts and what came of them, the business's templates, and who opted out."""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from notifier import store
from notifier.desk import Desk
from notifier.schemas import (
    MessageSchema,
    MessagesQuery,
    MessageWithHistorySchema,
    OptOutBody,
    OptOutSchema,
    OptOutsQuery,
    PreviewBody,
    ResolveBody,
    StatusSchema,
)
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.bodies import load_body
from ringback.web.queries import load

OWNER = frozenset({"owner"})
ACCESS: Access = {
    "texts.list_messages": EVERY_ROLE,
    "texts.show": EVERY_ROLE,
    "texts.status": EVERY_ROLE,
    "texts.preview": EVERY_ROLE,
    # Whoever says that a text is to be sent again answers for it that somebody may get it twice.
    "texts.resolve": OWNER,
    "texts.list_templates": EVERY_ROLE,
    "texts.list_opt_outs": EVERY_ROLE,
    # Consent that systems collect elsewhere is as good as what staff is told.
    "texts.put_opt_out": EVERY_ROLE,
}
MESSAGE, MESSAGE_WITH_HISTORY = MessageSchema(), MessageWithHistorySchema()
STATUS, OPT_OUT = StatusSchema(), OptOutSchema()


@dataclass(frozen=True)
class Api:
    """What the routes stand on."""

    desk: Desk

    def region(self) -> str:
        return self.desk.businesses[principal().business].country


def texts_blueprint(api: Api) -> Blueprint:
    texts = Blueprint("texts", __name__)
    for add_routes in (_messages, _templates, _opt_outs):
        add_routes(texts, api)
    return texts


def _messages(texts: Blueprint, api: Api) -> None:
    @texts.get("/messages")
    def list_messages() -> Response:
        """Texts, the newest first."""
        query = load(MessagesQuery(api.region()), request.args)
        cursor, limit = query.pop("cursor"), query.pop("limit")
        page = store.list_messages(api.desk.database, principal().business, query, cursor, limit)
        return jsonify({"items": MESSAGE.dump(page.items, many=True), "next": page.next})

    @texts.get("/messages/status")
    def status() -> Response:
        """Whether texts go out now, and how many are in which state."""
        return jsonify(STATUS.dump(api.desk.status(principal().business)))

    @texts.post("/messages/preview")
    def preview() -> Response:
        """What a text takes, before it is sent."""
        body = load_body(PreviewBody())
        text, template = body.get("body"), body.get("template")
        return jsonify(api.desk.preview(principal().business, text, template, body["name"]))

    @texts.get("/messages/<request_id>")
    def show(request_id: str) -> Response:
        """One text with its history."""
        return jsonify(MESSAGE_WITH_HISTORY.dump(api.desk.message(principal().business, request_id)))

    @texts.post("/messages/<request_id>/resolve")
    def resolve(request_id: str) -> Response:
        """Say what became of an `unknown` one; 409 `not_resolvable` for any other."""
        outcome = load_body(ResolveBody())["outcome"]
        return jsonify(MESSAGE_WITH_HISTORY.dump(api.desk.resolve(principal().business, request_id, outcome)))


def _templates(texts: Blueprint, api: Api) -> None:
    @texts.get("/templates")
    def list_templates() -> Response:
        """The business's texts by name, as its configuration has them."""
        return jsonify({"items": api.desk.templates(principal().business)})


def _opt_outs(texts: Blueprint, api: Api) -> None:
    @texts.get("/opt-outs")
    def list_opt_outs() -> Response:
        """Who opted out, the latest first; with `phone` that number, whatever it said."""
        query = load(OptOutsQuery(api.region()), request.args)
        business, phone = principal().business, query.pop("phone")
        if phone is not None:
            return jsonify({"items": [OPT_OUT.dump(api.desk.opt_out(business, phone))], "next": None})
        page = store.list_opt_outs(api.desk.database, business, **query)
        return jsonify({"items": OPT_OUT.dump(page.items, many=True), "next": page.next})

    @texts.put("/opt-outs")
    def put_opt_out() -> tuple[Response, HTTPStatus]:
        """Write down what a number said to a person, about all texts or those of this sender."""
        values = load_body(OptOutBody(api.region()))
        return jsonify(OPT_OUT.dump(api.desk.put_opt_out(principal().business, **values))), HTTPStatus.OK
