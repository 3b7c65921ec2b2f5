"""What customers are by DESIGN §6 and §7, as simply as can be: the second opinion of the state machine.

Nothing is kept that can be added up, groups are a tree of merges, and nothing of the service's code is used. Ids are
the service's: the model is told them when somebody is new.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ringback.contracts.envelope import Event

Newcomer = Callable[[Event], str]
"""The id that the service gave to who is new by an event."""


@dataclass
class Appointment:
    """What was told of it, by when."""

    told: dict[datetime, dict[str, Any]] = field(default_factory=dict)

    @property
    def stands(self) -> dict[str, Any]:
        return self.told[max(self.told)]

    @property
    def kept(self) -> bool:
        return self.kept_at(max(self.told))

    def kept_at(self, moment: datetime) -> bool:
        known = [told for told in self.told if told <= moment]
        return bool(known) and bool(self.told[max(known)]["status"] != "canceled")

    @property
    def completed(self) -> bool:
        return bool(self.stands["status"] == "completed")


@dataclass
class Record:
    """What is known under one identity."""

    id: str
    phones: list[str] = field(default_factory=list)
    name_by_hand: str | None = None
    names_told: set[tuple[datetime, str]] = field(default_factory=set)
    email: str | None = None
    came: set[tuple[datetime, str]] = field(default_factory=set)
    active: set[datetime] = field(default_factory=set)
    calls: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: set[str] = field(default_factory=set)
    transcripts: set[str] = field(default_factory=set)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    stages: set[tuple[datetime, str]] = field(default_factory=set)
    reviews: set[datetime] = field(default_factory=set)
    notes: int = 0
    merges: int = 0

    @property
    def name(self) -> str | None:
        return self.name_by_hand or min(self.names_told, default=(None, None))[1]

    @property
    def missed(self) -> int:
        return sum(bool(outcomes) and "answered" not in outcomes for outcomes in self.calls.values())

    @property
    def kinds(self) -> Counter[str]:
        """How many entries of which kind there are; those of changed segments are counted elsewhere."""
        return Counter(
            call=len(self.calls),
            sms=len(self.texts),
            transcript=len(self.transcripts),
            appointment=len(self.appointments),
            stage=len(self.stages),
            review_request=len(self.reviews),
            note=self.notes,
            merge=self.merges,
        )


@dataclass
class Model:
    """Of one business."""

    vip_appointments: int
    inactive_months: int
    currency: str
    zone: ZoneInfo
    newcomer: Newcomer
    records: dict[str, Record] = field(default_factory=dict)
    part_of: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    """Calls, texts and bookings of who was erased."""
    texts_waiting: dict[str, str] = field(default_factory=dict)
    transcripts_waiting: set[str] = field(default_factory=set)
    erased_phones: set[str] = field(default_factory=set)
    opted_out: set[str] = field(default_factory=set)
    totals: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    # Who is who.

    def roots(self) -> list[str]:
        return [one for one in self.records if one not in self.part_of]

    def root(self, record_id: str) -> str:
        while record_id in self.part_of:
            record_id = self.part_of[record_id]
        return record_id

    def group(self, record_id: str) -> list[str]:
        """The record, and whom it brings along."""
        parts = (part for part, whole in self.part_of.items() if whole == record_id)
        return [record_id, *(one for part in parts for one in self.group(part))]

    def all_of(self, root: str) -> list[Record]:
        return [self.records[one] for one in self.group(root)]

    def phones(self, root: str) -> list[str]:
        return [phone for record in self.all_of(root) for phone in record.phones]

    def with_phone(self, phone: str | None) -> Record | None:
        return next((record for record in self.records.values() if phone in record.phones), None)

    def merge(self, kept: str, other: str) -> None:
        root = self.root(kept)
        self.part_of[other] = root
        self.records[root].merges += 1

    def unmerge(self, other: str) -> None:
        self.records[self.root(other)].merges += 1
        del self.part_of[other]

    def delete(self, customer_id: str) -> None:
        root = self.root(customer_id)
        self._keep_totals(root)
        self.erased_phones |= set(self.phones(root))
        for record in self.all_of(root):
            self.refused |= {*record.calls, *record.texts, *record.appointments}
            self.gone.add(record.id)
            del self.records[record.id]
        self.part_of = {part: whole for part, whole in self.part_of.items() if part in self.records}

    def _keep_totals(self, root: str) -> None:
        visits: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for record in self.all_of(root):
            for one in (one.stands for one in record.appointments.values() if one.completed):
                month = one["starts_at"].astimezone(self.zone).strftime("%Y-%m")
                visits[month, one["currency"]].append(one["price"])
        for key, prices in visits.items():
            before = self.totals.get(key, [0, 0, 0])
            self.totals[key] = [had + more for had, more in zip(before, [sum(prices), len(prices), 1], strict=True)]

    # What people do.

    def create(self, record_id: str, values: dict[str, Any], source: str, now: datetime) -> None:
        record = self.records[record_id] = Record(
            record_id, name_by_hand=values.get("name"), email=values.get("email"), came={(now, source)}, active={now}
        )
        self._give_phones(record, values["phones"])

    def update(self, root: str, values: dict[str, Any]) -> None:
        record = self.records[root]
        record.name_by_hand = values.get("name", record.name_by_hand)
        record.email = values.get("email", record.email)
        if "phones" in values:
            self._renumber(root, values["phones"])

    def _renumber(self, root: str, wanted: list[str]) -> None:
        first, *members = self.all_of(root)
        for member in members:
            member.phones = [phone for phone in member.phones if phone in wanted]
        of_members = [phone for member in members for phone in member.phones]
        first.phones = []
        self._give_phones(first, [phone for phone in wanted if phone not in of_members])

    def _give_phones(self, record: Record, phones: list[str]) -> None:
        """With a number come the texts that waited for somebody to have it."""
        record.phones += phones
        for text in [text for text, phone in self.texts_waiting.items() if phone in phones]:
            del self.texts_waiting[text]
            record.texts.add(text)

    def tell_appointment(self, record: Record, name: str, stands: dict[str, Any], told_at: datetime) -> None:
        appointment = record.appointments.setdefault(name, Appointment())
        appointment.told[told_at] = stands
        record.active.add(told_at)

    def change_appointment(self, name: str, values: dict[str, Any], now: datetime) -> None:
        """What a person says comes after all that was said."""
        record = self.owner_of_appointment(name)
        assert record is not None
        appointment = record.appointments[name]
        stood = appointment.stands
        if stood | values != stood:
            told_at = max(now, max(appointment.told) + timedelta(milliseconds=1))
            self.tell_appointment(record, name, stood | values, told_at)

    def owner_of_appointment(self, name: str) -> Record | None:
        return next((record for record in self.records.values() if name in record.appointments), None)

    # What is told.

    def take(self, event: Event) -> None:
        """An event's effect, once; the machine does not tell of a second time."""
        TAKES[event.type.partition(".")[0]](self, event)

    def refuses(self, event: Event) -> bool:
        """Whether nobody can be found for it: it is a dead letter."""
        data = event.data
        unknown = data.get("customer_id") not in self.records
        if event.type == "booking.recorded":
            known = self.owner_of_appointment(data["booking_id"]) or data["booking_id"] in self.refused
            return unknown and not data["phone"] and not known
        return event.type == "lead.stage_changed" and unknown and data["customer_id"] not in self.gone

    def _take_call(self, event: Event) -> None:
        data = event.data
        if data["call_sid"] in self.refused:
            return
        owner = next((one for one in self.records.values() if data["call_sid"] in one.calls), None)
        if event.type == "call.transcribed":
            (owner.transcripts if owner else self.transcripts_waiting).add(data["call_sid"])
            return
        record = owner or self._person(event, data["caller"] if data["caller_kind"] == "mobile" else None)
        outcomes = {"call.completed": {"answered"}, "call.missed": {"missed"}, "call.started": set[str]()}
        record.calls[data["call_sid"]] |= outcomes[event.type]
        self._seen(record, "call", data["at"], data["caller_name"])
        if data["call_sid"] in self.transcripts_waiting:
            self.transcripts_waiting.remove(data["call_sid"])
            record.transcripts.add(data["call_sid"])

    def _take_text(self, event: Event) -> None:
        data = event.data
        if event.type == "sms.received":
            self._take_received(event)
        elif not self._knows_text(data["request_id"]) and data.get("customer_id") not in self.gone:
            record = self.records.get(data.get("customer_id", "")) or self.with_phone(data["recipient"])
            if record is None:
                self.texts_waiting[data["request_id"]] = data["recipient"]
                return
            self.texts_waiting.pop(data["request_id"], None)
            record.texts.add(data["request_id"])

    def _take_received(self, event: Event) -> None:
        sid = event.data["message_sid"]
        if not self._knows_text(sid):
            record = self._person(event, event.data["sender"])
            record.texts.add(sid)
            self._seen(record, "sms", event.data["at"], None)

    def _knows_text(self, name: str) -> bool:
        return name in self.refused or any(name in record.texts for record in self.records.values())

    def _take_booking(self, event: Event) -> None:
        data = event.data
        if data["booking_id"] in self.refused:
            return
        record = (
            self.owner_of_appointment(data["booking_id"])
            or self.records.get(data["customer_id"] or "")
            or self._person(event, data["phone"])
        )
        self._seen(record, "import", event.time, data["name"])
        stands = {name: data[name] for name in ("starts_at", "service", "price", "status")}
        stands["currency"] = data["currency"] or self.currency
        self.tell_appointment(record, data["booking_id"], stands, event.time)

    def _take_stage(self, event: Event) -> None:
        if event.data["customer_id"] in self.records:
            self.records[event.data["customer_id"]].stages.add((event.data["at"], event.data["current"]))

    def _take_consent(self, event: Event) -> None:
        self.opted_out.add(event.data["phone"])

    def _person(self, event: Event, phone: str | None) -> Record:
        known = self.with_phone(phone) if phone else None
        return known or self._new(self.newcomer(event), phone)

    def _new(self, record_id: str, phone: str | None) -> Record:
        assert record_id not in self.records
        assert record_id not in self.gone
        record = self.records[record_id] = Record(record_id)
        self._give_phones(record, [phone] if phone else [])
        return record

    def _seen(self, record: Record, source: str, at: datetime, name: str | None) -> None:
        record.came.add((at, source))
        record.active.add(at)
        if name and not record.name_by_hand:
            record.names_told.add((at, name))

    # What is shown.

    def view(self, root: str) -> dict[str, Any]:
        records = self.all_of(root)
        appointments = [one for record in records for one in record.appointments.values()]
        visits = [one.stands for one in appointments if one.completed]
        spend = _spend(visits)
        staged = [record for record in records if record.stages]
        latest = max(staged, key=lambda record: max(record.stages)[0], default=None)
        return {
            "members": self.group(root)[1:],
            "phones": self.phones(root),
            "phone": next(iter(self.phones(root)), None),
            "name": next((record.name for record in records if record.name), None),
            "email": next((record.email for record in records if record.email), None),
            "source": min(min(record.came) for record in records)[1],
            "pipeline_stage": max(latest.stages)[1] if latest else "new_lead",
            "total_calls": sum(len(record.calls) for record in records),
            "missed_calls": sum(record.missed for record in records),
            "total_texts": sum(len(record.texts) for record in records),
            "total_appointments": sum(one.kept for one in appointments),
            "spend": spend,
            "total_spent": spend.get(self.currency, {"total": 0})["total"],
            "currency": self.currency,
            "last_visit_at": max((one["starts_at"] for one in visits), default=None),
            "last_activity_at": max(at for record in records for at in record.active),
            "review_requested_at": max((at for record in records for at in record.reviews), default=None),
        }

    def segment(self, root: str, now: datetime) -> str:
        records = self.all_of(root)
        if self._most_at_once(records) >= self.vip_appointments:
            return "vip"
        if now >= months_later(max(at for record in records for at in record.active), self.inactive_months):
            return "inactive"
        booked = [min(one.told) for record in records for one in record.appointments.values() if one.kept]
        if booked and now < months_later(max(booked), self.inactive_months):
            return "active"
        return "lead"

    def kinds(self, root: str) -> Counter[str]:
        return sum((record.kinds for record in self.all_of(root)), Counter())

    @staticmethod
    def _most_at_once(records: list[Record]) -> int:
        """The appointments of one person that were not canceled at one moment, the most there ever were."""
        appointments = [one for record in records for one in record.appointments.values()]
        moments = {moment for one in appointments for moment in one.told}
        return max((sum(one.kept_at(moment) for one in appointments) for moment in moments), default=0)


def _spend(visits: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    prices: defaultdict[str, list[int]] = defaultdict(list)
    for visit in visits:
        prices[visit["currency"]].append(visit["price"])
    return {currency: {"total": sum(all_of), "visits": len(all_of)} for currency, all_of in prices.items()}


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month; of a month that has no such day the last."""
    month = moment.month - 1 + months
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=moment.year + month // 12, month=month % 12 + 1, day=day)
        except ValueError:
            continue
    raise AssertionError


TAKES: dict[str, Callable[[Model, Event], None]] = {
    "call": Model._take_call,
    "sms": Model._take_text,
    "booking": Model._take_booking,
    "lead": Model._take_stage,
    "contact": Model._take_consent,
}
