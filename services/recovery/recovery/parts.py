"""HTTP in: what the recovery service says on the start page."""

from datetime import datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from recovery import store, summary
from recovery.schemas import plain
from recovery.showing import shown_items
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import Access, principal

PARTS_ACCESS: Access = {"parts.missed_calls": frozenset({"owner", "staff"})}
MOST_URGENT = 3
WEEK = timedelta(days=7)


def parts_blueprint(settings: Settings, database: Database, clock: Clock) -> Blueprint:
    routes = Blueprint("parts", __name__)

    @routes.get("/parts/missed-calls")
    def missed_calls() -> Response:
        """Who waits, and what became of those who called today, this week and this month; money is in minor units."""
        return jsonify(_at_a_glance(database, settings.businesses[principal().business], clock()))

    return routes


def _at_a_glance(database: Database, business: Business, now: datetime) -> dict[str, Any]:
    today = datetime.combine(now.astimezone(business.timezone), time(), business.timezone)
    tomorrow, month = today + timedelta(days=1), today.replace(day=1)
    urgent = store.most_urgent(database, business.key, MOST_URGENT)
    return {
        "open": store.count_open(database, business.key),
        "overdue": store.count_overdue(database, business.key, now),
        "counted_to": store.MOST_COUNTED,
        "today": _summed(database, business, today, tomorrow, now),
        "week": _summed(database, business, tomorrow - WEEK, tomorrow, now),
        "revenue_this_month": summary.revenue(store.gains(database, business.key, _days(business, month, tomorrow))),
        "urgent": shown_items(database, business.key, urgent, now),
    }


def _summed(
    database: Database, business: Business, since: datetime, until: datetime, now: datetime
) -> dict[str, Any]:
    """Of who called then; what they brought is told by the month."""
    rows: list[Document] = store.figures(database, business.key, _days(business, since, until), now)
    shown: dict[str, Any] = plain(summary.total(rows, []))
    return {name: value for name, value in shown.items() if name not in {"appointments", "revenue"}}


def _days(business: Business, since: datetime, until: datetime) -> store.Period:
    return store.Period(since, until, "day", business.timezone.key)
