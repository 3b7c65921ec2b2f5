"""HTTP in: customers as staff and internal services read and change them. Every route is for the caller's own
business only; a record that became part of another stands for that one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request

from customer import store
from customer.commands import Desk
from customer.domain import Document
from customer.history import history_of
from customer.lifecycle import Lifecycle
from customer.outreach import Outreach
from customer.schemas import (
    MOST_PHONES,
    SOURCES,
    CandidatesQuery,
    ChangedAppointmentBody,
    ChangedCustomerBody,
    CustomerSchema,
    CustomersQuery,
    LookupQuery,
    NewAppointmentBody,
    NewCustomerBody,
    NoteBody,
    OtherCustomerBody,
    ProfileQuery,
    SuggestionSchema,
    TimelineQuery,
    dump_entry,
)
from customer.suggestions import alike, page_of_suggestions
from ringback.errors import Invalid, NotFound
from ringback.phone import to_e164
from ringback.seals import Seal
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.idempotency import RequestKey
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.bodies import load_body
from ringback.web.idempotency import request_key
from ringback.web.queries import PageQuery, load
from ringback.web.versions import unless_stale

OWNER = frozenset({"owner"})
# What takes a person's judgement: no system does it by itself.
PEOPLE = frozenset({"owner", "staff"})
# Systems read, and write down what they learn: booking systems book, importers and forms create.
ACCESS: Access = {
    "customers.list_customers": EVERY_ROLE,
    "customers.lookup": EVERY_ROLE,
    "customers.suggest": EVERY_ROLE,
    "customers.show": EVERY_ROLE,
    "customers.begin": EVERY_ROLE,
    "customers.timeline": EVERY_ROLE,
    "customers.create": EVERY_ROLE,
    "customers.update": EVERY_ROLE,
    "customers.add_note": EVERY_ROLE,
    "customers.book": EVERY_ROLE,
    "customers.change_appointment": EVERY_ROLE,
    "customers.merge_candidates": PEOPLE,
    "customers.merge": PEOPLE,
    "customers.unmerge": PEOPLE,
    "customers.delete": OWNER,
    "customers.export_person": OWNER,
}
PROFILE_ENTRIES = 50
CANDIDATES = 20
NUMBER = re.compile(r"[\d\s().+/-]*\d[\d\s().+/-]*")

CUSTOMER = CustomerSchema()
SUGGESTION = SuggestionSchema()

Answer = tuple[Response, HTTPStatus]


@dataclass(frozen=True)
class Api:
    """What the routes stand on."""

    settings: Settings
    database: Database
    desk: Desk
    lifecycle: Lifecycle
    outreach: Outreach
    seal: Seal

    def region(self) -> str:
        return self.settings.businesses[principal().business].country

    def existing(self, customer_id: str) -> Document:
        found = store.find_root(self.database, principal().business, customer_id)
        if found is None:
            raise NotFound("There is no such customer.")
        return found

    def profile(self, root: Document) -> Response:
        """A profile with the newest of its history. The ETag is of what PUT changes, not of the history."""
        return self.profile_with(root, None, None, PROFILE_ENTRIES)

    def profile_with(self, root: Document, kind: str | None, cursor: str | None, limit: int) -> Response:
        entries, following = history_of(self.database, root, kind, cursor, limit)
        history = {"timeline": [dump_entry(entry) for entry in entries], "timeline_next": following}
        suppressed = self.outreach.suppressed(root["business"], root)
        response = jsonify(CUSTOMER.dump(root) | {"suppressed": suppressed} | history)
        response.set_etag(str(root["version"]))
        return response

    def found(self, business: str, words: list[str]) -> list[Document]:
        return store.list_customers(self.database, business, {}, words, None, CANDIDATES).items

    def request_key(self, values: Mapping[str, Any]) -> RequestKey | None:
        return request_key(self.seal, values)


def customers_blueprint(api: Api) -> Blueprint:
    customers = Blueprint("customers", __name__)
    for add_routes in (_reading, _writing, _appointments, _lifecycle):
        add_routes(customers, api)
    return customers


def _reading(customers: Blueprint, api: Api) -> None:
    @customers.get("/customers")
    def list_customers() -> Response:
        """Customers, latest activity first; `q` finds by name, e-mail and number in any writing."""
        query = load(CustomersQuery(), request.args)
        words, cursor, limit = search_words(query.pop("q")), query.pop("cursor"), query.pop("limit")
        page = store.list_customers(api.database, principal().business, query, words, cursor, limit)
        body = {"items": CUSTOMER.dump(page.items, many=True), "next": page.next, "total": page.total}
        return jsonify(body | ({"total_is_floor": True} if page.total_is_floor else {}))

    @customers.get("/customers/lookup")
    def lookup() -> Response:
        """Whose number is this? `{"found": false}` is an answer, not an error."""
        phone = to_e164(load(LookupQuery(), request.args)["phone"], api.region())
        if phone is None:
            raise Invalid("Not a phone number.", errors={"phone": ["Not a phone number."]})
        found = store.find_by_phone(api.database, principal().business, phone)
        return jsonify({"found": True, "customer": CUSTOMER.dump(found)} if found else {"found": False})

    @customers.get("/customers/<customer_id>")
    def show(customer_id: str) -> Response:
        """A profile with the newest of its history, or as `kind` and `cursor` ask for it."""
        query = load(ProfileQuery(), request.args)
        return api.profile_with(api.existing(customer_id), **query)

    @customers.get("/customers/<customer_id>/timeline")
    def timeline(customer_id: str) -> Response:
        """The history, newest first."""
        query = load(TimelineQuery(), request.args)
        entries, following = history_of(api.database, api.existing(customer_id), **query)
        return jsonify({"items": [dump_entry(entry) for entry in entries], "next": following})


def _writing(customers: Blueprint, api: Api) -> None:
    @customers.get("/customers/create")
    def begin() -> Response:
        """What a customer can be entered with."""
        return jsonify(sources=SOURCES, phones=MOST_PHONES)

    @customers.post("/customers")
    def create() -> Answer:
        """A customer entered by hand; 409 `duplicate_phone` names whose number it is."""
        values = load_body(NewCustomerBody(api.region()))
        root = api.desk.create(principal().business, values, api.request_key(values))
        response = api.profile(root)
        response.location = f"/customers/{root['_id']}"
        return response, HTTPStatus.CREATED

    @customers.put("/customers/<customer_id>")
    def update(customer_id: str) -> Response:
        """Change what a person may change; what is absent stays. 412 by If-Match, 409 by `version`."""
        values = load_body(ChangedCustomerBody(api.region()))
        check = unless_stale(values.pop("version"))
        return api.profile(api.desk.update(principal().business, customer_id, values, check))

    @customers.post("/customers/<customer_id>/notes")
    def add_note(customer_id: str) -> Answer:
        """A note on the timeline, with who wrote it."""
        values, who = load_body(NoteBody()), principal()
        key = api.request_key(values)
        entry = api.desk.add_note(who.business, customer_id, values["text"], who.subject, key)
        return jsonify(dump_entry(entry)), HTTPStatus.CREATED


def _appointments(customers: Blueprint, api: Api) -> None:
    @customers.post("/customers/<customer_id>/appointments")
    def book(customer_id: str) -> Answer:
        """An appointment; the price in minor units."""
        values = load_body(NewAppointmentBody())
        entry = api.desk.book(principal().business, customer_id, values, api.request_key(values))
        return jsonify(dump_entry(entry)), HTTPStatus.CREATED

    @customers.patch("/customers/<customer_id>/appointments/<appointment_id>")
    def change_appointment(customer_id: str, appointment_id: str) -> Response:
        """Complete, cancel, reschedule, …; what is absent stays."""
        values = load_body(ChangedAppointmentBody())
        entry = api.desk.change_appointment(principal().business, customer_id, appointment_id, values)
        return jsonify(dump_entry(entry))


def _lifecycle(customers: Blueprint, api: Api) -> None:
    @customers.get("/customers/suggestions")
    def suggest() -> Response:
        """Likely duplicates, with the reason. A page may hold few or none and still have a `next`."""
        page = page_of_suggestions(api.database, principal().business, **load(PageQuery(), request.args))
        return jsonify({"items": SUGGESTION.dump(page.items, many=True), "next": page.next})

    @customers.get("/customers/<customer_id>/merge")
    def merge_candidates(customer_id: str) -> Response:
        """Who may be this customer, too: by `q`, else by what they share."""
        root, words = api.existing(customer_id), search_words(load(CandidatesQuery(), request.args)["q"])
        others = api.found(root["business"], words) if words else alike(api.database, root)
        items = [CUSTOMER.dump(other) for other in others if other["_id"] != root["_id"]]
        return jsonify(customer=CUSTOMER.dump(root), items=items)

    @customers.post("/customers/<customer_id>/merge")
    def merge(customer_id: str) -> Response:
        """The other becomes part of this one, with all history and numbers."""
        other_id, who = load_body(OtherCustomerBody())["other_id"], principal()
        return api.profile(api.lifecycle.merge(who.business, customer_id, other_id, who.subject))

    @customers.post("/customers/<customer_id>/unmerge")
    def unmerge(customer_id: str) -> Response:
        """The other stands for itself again, as it was."""
        other_id, who = load_body(OtherCustomerBody())["other_id"], principal()
        return api.profile(api.lifecycle.unmerge(who.business, customer_id, other_id, who.subject))

    @customers.delete("/customers/<customer_id>")
    def delete(customer_id: str) -> tuple[str, HTTPStatus]:
        """Erase the person everywhere."""
        api.lifecycle.delete(principal().business, customer_id)
        return "", HTTPStatus.NO_CONTENT

    @customers.get("/customers/<customer_id>/export")
    def export_person(customer_id: str) -> Response:
        """Everything stored of one person."""
        return jsonify(api.lifecycle.export_person(principal().business, customer_id))


def search_words(text: str) -> list[str]:
    """What to look for: a number as its digits, anything else word by word."""
    wanted = store.folded(text)
    if NUMBER.fullmatch(wanted.strip()):
        return [re.sub(r"\D", "", wanted)]
    return wanted.split()
