"""HTTP in: customers as internal services and staff read them."""

import re

from flask import Blueprint, Response, jsonify, request

from customer import store
from customer.domain import Document
from customer.schemas import (
    CustomerSchema,
    CustomersQuery,
    LookupQuery,
    TimelineQuery,
    dump_entry,
)
from ringback.errors import Invalid, NotFound
from ringback.phone import to_e164
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.queries import load

ACCESS: Access = {
    "customers.list_customers": EVERY_ROLE,
    "customers.lookup": EVERY_ROLE,
    "customers.show": EVERY_ROLE,
    "customers.timeline": EVERY_ROLE,
}
PROFILE_ENTRIES = 50
NUMBER = re.compile(r"[\d\s().+/-]*\d[\d\s().+/-]*")

CUSTOMER = CustomerSchema()


def customers_blueprint(settings: Settings, database: Database) -> Blueprint:
    customers = Blueprint("customers", __name__)

    @customers.get("/customers")
    def list_customers() -> Response:
        """Customers, latest activity first; `q` finds by name, e-mail and number in any writing."""
        query = load(CustomersQuery(), request.args)
        words, cursor, limit = search_words(query.pop("q")), query.pop("cursor"), query.pop("limit")
        page = store.list_customers(database, principal().business, query, words, cursor, limit)
        body = {"items": CUSTOMER.dump(page.items, many=True), "next": page.next, "total": page.total}
        return jsonify(body | ({"total_is_floor": True} if page.total_is_floor else {}))

    @customers.get("/customers/lookup")
    def lookup() -> Response:
        """Whose number is this? `{"found": false}` is an answer, not an error."""
        region = settings.businesses[principal().business].country
        phone = to_e164(load(LookupQuery(), request.args)["phone"], region)
        if phone is None:
            raise Invalid("Not a phone number.", errors={"phone": ["Not a phone number."]})
        found = store.find_by_phone(database, principal().business, phone)
        return jsonify({"found": True, "customer": CUSTOMER.dump(found)} if found else {"found": False})

    @customers.get("/customers/<customer_id>")
    def show(customer_id: str) -> Response:
        """A profile with the newest of its history."""
        profile = _existing(customer_id)
        entries, _ = store.list_timeline(database, profile["_id"], None, None, PROFILE_ENTRIES)
        return jsonify(CUSTOMER.dump(profile) | {"timeline": [dump_entry(entry) for entry in entries]})

    @customers.get("/customers/<customer_id>/timeline")
    def timeline(customer_id: str) -> Response:
        """The history, newest first."""
        query = load(TimelineQuery(), request.args)
        profile = _existing(customer_id)
        entries, following = store.list_timeline(
            database, profile["_id"], query["kind"], query["cursor"], query["limit"]
        )
        return jsonify({"items": [dump_entry(entry) for entry in entries], "next": following})

    def _existing(customer_id: str) -> Document:
        found = store.find_customer(database, principal().business, customer_id)
        if found is None:
            raise NotFound("There is no such customer.")
        return found

    return customers


def search_words(text: str) -> list[str]:
    """What to look for: a number as its digits, anything else word by word."""
    if NUMBER.fullmatch(text.strip()):
        return [re.sub(r"\D", "", text)]
    return text.casefold().split()
