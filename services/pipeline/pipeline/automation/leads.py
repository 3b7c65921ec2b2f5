"""Whom a fact is about: leads by id or number, and what conditions see of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipeline import store
from pipeline.numbers import number_id_of
from ringback.businesses import Business
from ringback.known_customers import root_id
from ringback.phone import identify
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork


def load_leads(work: UnitOfWork, facts: Iterable[Document]) -> None:
    """The leads of these facts, and whom those are part of."""
    wanted = {fact["customer_id"] for fact in facts if fact["customer_id"]}
    phones = {number_id_of(fact["business"], fact["phone"]) for fact in facts if fact["phone"]}
    wanted |= {holder for number in store.load(work, store.NUMBERS, phones) for holder in number["holders"]}
    known: set[str] = set()
    while wanted:
        found = store.load(work, store.LEADS, wanted)
        known |= wanted
        wanted = {lead["merged_into"] for lead in found if lead["merged_into"]} - known


def lead_of(work: UnitOfWork, fact: Document) -> Document | None:
    """The lead on the board that a fact is about, by id or by number; None when it is not known.

    Who gave a number up is not who calls from it.
    """
    if fact["customer_id"]:
        return _root(work, fact["customer_id"])
    if not fact["phone"]:
        return None
    number = work.get(store.NUMBERS, number_id_of(fact["business"], fact["phone"]))
    roots = (_root(work, holder) for holder in (number["holders"] if number else ()))
    return next((root for root in roots if root is not None and fact["phone"] in root["phones"]), None)


def _root(work: UnitOfWork, customer_id: str) -> Document | None:
    root = work.get(store.LEADS, root_id(customer_id, lambda one: work.get(store.LEADS, one)))
    return root if root is not None and root["shown"] else None


def values_of(lead: Document | None, business: Business, now: datetime) -> dict[str, Any]:
    """What the fields of `fields.FIELDS` that exist for every trigger are."""
    known = lead or {}
    phone = known.get("phone")
    return {
        **{name: known.get(name) for name in ("stage", "segment", "source", "value")},
        "has_name": bool(known.get("name")),
        "has_phone": bool(phone),
        "phone_kind": identify(phone, business.country).kind if phone else "none",
        "open_now": business.is_open(now),
    }


def shown_customer(lead: Document | None, phone: str | None) -> dict[str, Any] | None:
    """Who a payload is about; somebody who is no customer is a number."""
    if lead is not None:
        return {"id": lead["_id"], "name": lead["name"], "phone": lead["phone"]}
    return {"id": None, "name": None, "phone": phone} if phone else None
