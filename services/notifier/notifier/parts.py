"""HTTP in: what the notifier says on the start page."""

from datetime import datetime, time
from typing import Any

from flask import Blueprint, Response, jsonify

from notifier import store
from notifier.desk import Desk
from notifier.domain import STATES
from notifier.schemas import PauseSchema
from ringback.web.access import Access, principal

PARTS_ACCESS: Access = {"parts.messages": frozenset({"owner", "staff"})}
PAUSE = PauseSchema()


def parts_blueprint(desk: Desk) -> Blueprint:
    routes = Blueprint("parts", __name__)

    @routes.get("/parts/messages")
    def messages() -> Response:
        """What became of the texts that were asked for today, and whether anything stops them now."""
        return jsonify(_at_a_glance(desk, principal().business))

    return routes


def _at_a_glance(desk: Desk, business: str) -> dict[str, Any]:
    zone = desk.businesses[business].timezone
    today = datetime.combine(desk.clock().astimezone(zone), time(), zone)
    pauses = [PAUSE.dump(pause) for pause in desk.pauses(business).values() if pause]
    return {
        "today": {state: store.count_in_state(desk.database, business, state, today) for state in STATES},
        "counted_to": store.MOST_COUNTED,
        "unknown": store.count_in_state(desk.database, business, "unknown"),
        "pauses": pauses,
    }
