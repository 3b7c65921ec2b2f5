"""Use case: what is told of texts, theirs and ours → records and timelines."""

from customer import texts
from customer.domain import Document, first_seen_by, noted
from customer.identity import need_person, of_phone, owner_of, person
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.contracts.envelope import Event
from ringback.phone import NAMELESS_KINDS


def need_received(event: Event, needs: Needs, _business: Business) -> None:
    need_person(needs, event.business, _sender(event), event.data["message_sid"])
    needs.entries.add(texts.received_id_of(event.business, event.data["message_sid"]))


def take_received(people: People, event: Event) -> None:
    data = event.data
    before = people.entry(texts.received_id_of(event.business, data["message_sid"]))
    if before is not None:
        return
    record = person(people, event, _sender(event), data["sender_kind"], "sms", data["message_sid"], data["at"])
    entry = texts.received(event.business, record["_id"], data)
    own = first_seen_by(noted(record["own"], None, entry, data["at"], contact=True), "sms", data["at"])
    people.put_entry(entry)
    finish(people, {**record, "own": own}, Cause.of(event))


def _sender(event: Event) -> str | None:
    return None if event.data["sender_kind"] in NAMELESS_KINDS else event.data["sender"]


def need_text(event: Event, needs: Needs, _business: Business) -> None:
    needs.entries.add(texts.sent_id_of(event.business, event.data["request_id"]))
    needs.phones[event.business].add(event.data["recipient"])
    if event.data.get("customer_id"):
        needs.records.add(event.data["customer_id"])


def take_text(people: People, event: Event) -> None:
    """A text of ours belongs to who has the number; to somebody who is not known it waits to belong."""
    data, entry_id = event.data, texts.sent_id_of(event.business, event.data["request_id"])
    if data.get("customer_id") in people.erased:
        return
    before = people.entry(entry_id)
    record = owner_of(people, before) or _recipient(people, event)
    entry = texts.merged_text(before, text_fact(event), entry_id, event.business, record["_id"] if record else None)
    if record is None:
        people.wait(entry, of_phone(event.business, data["recipient"]))
        return
    people.give(entry, record["_id"])
    known = before if before and before["customer_id"] else None
    own = noted(record["own"], known, entry, texts.told_until(entry), contact=False)
    finish(people, {**record, "own": own}, Cause.of(event))


def text_fact(event: Event) -> texts.TextFact:
    data = event.data
    return texts.TextFact(
        request_id=data["request_id"],
        status=event.type.removeprefix("sms."),
        at=event.time,
        body=data.get("body"),
        purpose=data.get("purpose"),
        reason=data.get("reason"),
        message_sid=data.get("message_sid"),
        error_code=data.get("error_code"),
    )


def _recipient(people: People, event: Event) -> Document | None:
    named = people.record(event.data.get("customer_id"))
    if named is not None and named["business"] == event.business:
        return named
    return people.with_phone(event.business, event.data["recipient"])
