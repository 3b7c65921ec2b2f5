"""HTTP in: what the customer service says on the start page."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from customer import store
from customer.schemas import CustomerSchema
from customer.segments import SEGMENTS
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import Access, principal

PARTS_ACCESS: Access = {"parts.customers": frozenset({"owner", "staff"})}
NEWEST = 5
# So many are counted one by one; beyond that a number says nothing more.
MOST = 10_000
WEEK = timedelta(days=7)
NEWEST_CUSTOMER = CustomerSchema(only=("id", "name", "phone", "phone_kind", "segment", "source", "created_at"))


def parts_blueprint(settings: Settings, database: Database, clock: Clock) -> Blueprint:
    routes = Blueprint("parts", __name__)

    @routes.get("/parts/customers")
    def customers() -> Response:
        """Customers at a glance: counts are exact up to `counted_to`, money is in minor units."""
        return jsonify(_at_a_glance(database, settings.businesses[principal().business], clock()))

    return routes


def _at_a_glance(database: Database, business: Business, now: datetime) -> dict[str, Any]:
    local = now.astimezone(business.timezone)
    today, month = _midnight(local), _midnight(local.replace(day=1))
    return {
        "segments": {name: store.count_segment(database, business.key, name, MOST) for name in SEGMENTS},
        "new_today": store.count_made_since(database, business.key, today, MOST),
        "new_in_7_days": store.count_made_since(database, business.key, today - WEEK + timedelta(days=1), MOST),
        "counted_to": MOST,
        "appointments_today": _kept(_between(database, business, today, _midnight(today + timedelta(days=1)))),
        "appointments_in_7_days": _kept(_between(database, business, now, now + WEEK)),
        "revenue_this_month": _revenue(database, business, month),
        "newest": NEWEST_CUSTOMER.dump(store.newest_customers(database, business.key, NEWEST), many=True),
    }


def _midnight(local: datetime) -> datetime:
    """The beginning of a day by the business's clock."""
    return datetime.combine(local.date(), time(), local.tzinfo)


def _between(database: Database, business: Business, since: datetime, until: datetime) -> list[Document]:
    return store.appointments_between(database, business.key, since, until)


def _kept(found: Iterable[Document]) -> int:
    return sum(row["count"] for row in found if row["status"] != "canceled")


def _revenue(database: Database, business: Business, month: datetime) -> list[dict[str, Any]]:
    """Of completed appointments, those of people who were erased since among them; the business's currency first."""
    following = _midnight((month + timedelta(days=32)).replace(day=1))
    visits = [row for row in _between(database, business, month, following) if row["status"] == "completed"]
    totals = Counter({business.currency: 0})
    for row in (*visits, *store.totals_of_erased(database, business.key, f"{month:%Y-%m}")):
        totals[row["currency"]] += row["total"]
    return [{"currency": currency, "total": total} for currency, total in totals.items()]
