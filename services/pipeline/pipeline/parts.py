"""HTTP in: what the pipeline service says on the start page."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from pipeline import store
from pipeline.stages import CONVERTED, STAGES
from pipeline.store import Arrivals, Total
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.access import Access, principal

PARTS_ACCESS: Access = {"parts.leads": frozenset({"owner", "staff"})}
DAYS = 30
WEEK = timedelta(days=7)
NOTHING = Total(0, 0)


def parts_blueprint(settings: Settings, database: Database, clock: Clock) -> Blueprint:
    routes = Blueprint("parts", __name__)

    @routes.get("/parts/leads")
    def leads() -> Response:
        """Leads at a glance: who is in which stage now, who came lately, and what came of them."""
        return jsonify(_at_a_glance(database, settings.businesses[principal().business], clock()))

    return routes


def _at_a_glance(database: Database, business: Business, now: datetime) -> dict[str, Any]:
    today = _midnight(now.astimezone(business.timezone))
    week = today - WEEK + timedelta(days=1)
    came = store.arrivals(database, business.key, now - timedelta(days=DAYS), {"today": today, "week": week})
    return {
        "stages": _stages(store.board_totals(database, business.key)),
        "currency": business.currency,
        "new_today": sum(one.since["today"] for one in came),
        "new_in_7_days": sum(one.since["week"] for one in came),
        "conversion": _conversion(came),
    }


def _stages(totals: Mapping[str, Total]) -> list[dict[str, Any]]:
    return [
        {
            "stage": stage.key,
            "label": stage.label,
            "count": totals.get(stage.key, NOTHING).count,
            "value": totals.get(stage.key, NOTHING).value,
        }
        for stage in STAGES.values()
    ]


def _conversion(came: list[Arrivals]) -> dict[str, Any]:
    """Of those who came in so many days, how many are converted by now."""
    entered = sum(one.count for one in came)
    converted = sum(one.count for one in came if one.stage == CONVERTED.key)
    share = round(converted / entered, 4) if entered else None
    return {"days": DAYS, "entered": entered, "converted": converted, "share": share}


def _midnight(local: datetime) -> datetime:
    """The beginning of a day by the business's clock."""
    return datetime.combine(local.date(), time(), local.tzinfo)
