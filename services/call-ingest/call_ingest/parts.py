"""HTTP in: what call-ingest says on the start page."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from flask import Blueprint, Response, jsonify

from call_ingest import store
from ringback.businesses import Business
from ringback.clock import Clock, rfc3339
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import Access, principal

PARTS_ACCESS: Access = {"parts.calls": frozenset({"owner", "staff"})}
DAYS = 7
OUTCOMES = {"answered": "completed", "missed": "missed", "open": None}


def parts_blueprint(settings: Settings, database: Database, clock: Clock) -> Blueprint:
    routes = Blueprint("parts", __name__)

    @routes.get("/parts/calls")
    def calls() -> Response:
        """Calls of today and of the week that ends with it, by the business's clock."""
        return jsonify(_at_a_glance(database, settings.businesses[principal().business], clock()))

    return routes


def _at_a_glance(database: Database, business: Business, now: datetime) -> dict[str, Any]:
    zone = business.timezone
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    since, until = _midnight(days[0], zone), _midnight(today + timedelta(days=1), zone)
    rows = store.count_calls(database, business.key, since, until, zone.key)
    found = [{**row, "hour": row["hour"].astimezone(zone)} for row in rows]
    of_today = [row for row in found if row["hour"].date() == today]
    return {
        "today": summed(of_today),
        "hours": [{"hour": hour, **_of_hour(of_today, hour)} for hour in range(24)],
        "days": [{"starts_at": rfc3339(_midnight(day, zone)), **_of_day(found, day)} for day in days],
    }


def _of_hour(rows: Sequence[Document], hour: int) -> dict[str, Any]:
    return summed([row for row in rows if row["hour"].hour == hour])


def _of_day(rows: Sequence[Document], day: date) -> dict[str, Any]:
    return summed([row for row in rows if row["hour"].date() == day])


def summed(rows: Sequence[Document]) -> dict[str, Any]:
    """How many calls there were; the share is of those that ended, None of none."""
    counts = {name: _count(rows, outcome) for name, outcome in OUTCOMES.items()}
    ended = counts["answered"] + counts["missed"]
    share = round(counts["answered"] / ended, 4) if ended else None
    return {"calls": sum(counts.values()), **counts, "answered_share": share}


def _count(rows: Sequence[Document], outcome: str | None) -> int:
    return sum(row["count"] for row in rows if row["outcome"] == outcome)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)
