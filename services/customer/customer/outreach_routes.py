"""HTTP in: texts that a person sends, and the short links in them."""

from flask import Blueprint, Response, jsonify, redirect, request
from marshmallow import fields
from werkzeug.wrappers import Response as AnyResponse

from customer import store
from customer.outreach import Outreach
from ringback.clock import Clock, rfc3339
from ringback.errors import Forbidden, NotFound
from ringback.store.database import Database
from ringback.web.access import EVERY_ROLE, PUBLIC, Access, principal
from ringback.web.bodies import Body, Paragraphs, load_body

OUTREACH_ACCESS: Access = {
    "outreach.send_review_request": EVERY_ROLE,
    "outreach.send_sms": EVERY_ROLE,
    "outreach.follow": PUBLIC,
}
LONGEST_TEXT = 1600  # what Twilio takes as one text


class ReviewRequestBody(Body):
    force = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class TextBody(Body):
    body = Paragraphs(LONGEST_TEXT, required=True)


def outreach_blueprint(outreach: Outreach, database: Database, clock: Clock) -> Blueprint:
    routes = Blueprint("outreach", __name__)

    @routes.post("/customers/<customer_id>/send-review-request")
    def send_review_request(customer_id: str) -> tuple[Response, int]:
        """202, or 409 with the reason; only an owner may force one within the cool-down."""
        force = load_body(ReviewRequestBody())["force"] if request.get_data() else False
        who = principal()
        if force and who.role != "owner":
            raise Forbidden("Only an owner may ask again before the cool-down is over.")
        asked = outreach.request_review(who.business, customer_id, who.subject, force=force)
        asked["review_requested_at"] = rfc3339(asked["review_requested_at"])
        return jsonify(asked), 202

    @routes.post("/customers/<customer_id>/send-sms")
    def send_sms(customer_id: str) -> tuple[Response, int]:
        """202, or 409 with the reason."""
        body = load_body(TextBody())["body"]
        return jsonify(outreach.send_text(principal().business, customer_id, body)), 202

    @routes.get("/r/<code>")
    def follow(code: str) -> AnyResponse:
        """The short link of a review request: counts the click and leads on."""
        url = store.follow_link(database, code, clock())
        if url is None:
            raise NotFound("There is no such link.")
        return redirect(url, 302)

    return routes
