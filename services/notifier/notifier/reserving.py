"""Use case: reserve what may be sent now, and judge what may not.

Between the two stands the one step that cannot be taken back and has no transaction. Whoever reserved a text, and
nobody else, hands it to Twilio, once. If what came of it is not recorded, settling.py finds out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from notifier import contacts, domain, pace, store
from notifier.domain import WAITING, Document
from notifier.heeding import ACCOUNT_LINE, contact_of, line_of
from notifier.numbers import Number, number_of
from notifier.orders import Order, order_of
from notifier.rules import BY_HAND, Facts, Hold, Send, Suppress, judge
from notifier.store import CONTACTS, LINES, MESSAGES
from notifier.telling import put_message
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.consents import consent_id
from ringback.errors import RingbackError, describe
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

# Slots are taken ahead for so long: what is reserved and not yet sent when a worker dies is at most that.
AHEAD = timedelta(milliseconds=200)
# What is judged in one step of a business beyond what is sent: held, suppressed, expired.
MOST_JUDGED = 50
PUT_OFF = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is to be sent once `work` is committed."""

    work: UnitOfWork
    orders: list[Order]


@dataclass(frozen=True)
class Reserving:
    """`new_id` names attempts. `dry_run`: nothing is to be handed to Twilio. `seal` is that of the contacts."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal
    new_id: Callable[[], str]
    dry_run: bool

    # Reserving.

    def is_paused(self) -> bool:
        """Whether nothing at all is to be sent now."""
        line = store.find_lines(self.database, [ACCOUNT_LINE]).get(ACCOUNT_LINE)
        return line is not None and pace.is_paused(line, self.clock())

    def prepare(self, businesses: Sequence[str], room: int) -> Reservation:
        """Reserve texts of these businesses, in turn, at most `room`; judge those that may not be sent.

        To be committed by the caller. One transaction with the counts and consents that decide: of two who come at
        once one finds ConcurrentUpdate.
        """
        work, now = UnitOfWork(self.database, self.clock), self.clock()
        store.load(work, LINES, [ACCOUNT_LINE, *businesses])
        account = line_of(work, ACCOUNT_LINE)
        if pace.is_paused(account, now):
            return Reservation(work, [])
        room = 1 if pace.is_on_trial(account) else room
        orders: list[Order] = []
        for place, business in enumerate(businesses):
            share = -(-(room - len(orders)) // (len(businesses) - place))
            orders += self._reserve_of(work, self.businesses[business], share, now)
        if orders and pace.is_on_trial(account):
            work.save(LINES, pace.with_trial(account, orders[0].slot))
        return Reservation(work, orders)

    def _reserve_of(self, work: UnitOfWork, business: Business, room: int, now: datetime) -> list[Order]:
        line = line_of(work, business.key)
        if room <= 0 or pace.is_paused(line, now) or pace.next_slot(line, now) >= now + AHEAD:
            return []
        room = 1 if pace.is_on_trial(line) else room
        orders: list[Order] = []
        for message in self._due(work, business, now):
            if len(orders) == room or pace.next_slot(line_of(work, business.key), now) >= now + AHEAD:
                break
            order = self._take_or_put_off(work, business, message, now)
            orders += [order] if order else []
        return orders

    def put_off(self, business: str) -> None:
        """Take the text that waits longest, which nobody can commit, out of the way of the others."""
        for message_id in store.due_messages(self.database, business, self.clock(), 1):
            store.put_off(self.database, message_id, "due_at", self.clock() + PUT_OFF)

    def _due(self, work: UnitOfWork, business: Business, now: datetime) -> list[Document]:
        ids = store.due_messages(self.database, business.key, now, MOST_JUDGED)
        store.load(work, MESSAGES, ids)
        due = [one for one in (work.get(MESSAGES, name) for name in ids) if one and one["state"] in WAITING]
        store.load(work, CONTACTS, (consent_id(self.seal, business.key, one["to"] or "") for one in due))
        return due

    def _take_or_put_off(
        self, work: UnitOfWork, business: Business, message: Document, now: datetime
    ) -> Order | None:
        try:
            return self._take(work, business, message, now)
        except RingbackError:
            raise
        except Exception as error:
            log.error("send.message_put_off", message_id=message["_id"], reason=describe(error))
            store.put_off(self.database, message["_id"], "due_at", now + PUT_OFF)
            return None

    def _take(self, work: UnitOfWork, business: Business, message: Document, now: datetime) -> Order | None:
        facts = self._facts(work, business, message, now)
        verdict = judge(facts)
        match verdict:
            case Suppress(reason):
                put_message(work, domain.suppressed(message, reason, now), now)
            case Hold(until):
                put_message(work, domain.held(message, until, now), now)
            case Send():
                return self._reserve(work, business, message, facts, now)
        return None

    def _reserve(self, work: UnitOfWork, business: Business, message: Document, facts: Facts, now: datetime) -> Order:
        texting, line = business.texting, line_of(work, business.key)
        due = pace.next_slot(line, now)
        line, slot = pace.with_slot_taken(line, due, message["segments"], texting.per_second), max(due, now)
        line = pace.with_trial(line, slot) if pace.is_on_trial(line) else line
        contact = contact_of(work, self.seal, business.key, message["to"])
        if facts.first:
            line = pace.with_text_counted(line, now.astimezone(business.timezone).date(), message["segments"])
            contact = contacts.texted(contact, now, automatic=facts.automatic)
        work.save(LINES, line)
        # An opt-out or an erasure at the same moment has to be noticed.
        work.save(CONTACTS, contacts.touched(contact))
        sender = texting.messaging_service_sid or texting.sender
        taken = domain.reserved(message, self.new_id(), slot, sender, dry_run=self.dry_run, now=now)
        put_message(work, taken, now)
        return order_of(taken)

    def _facts(self, work: UnitOfWork, business: Business, message: Document, now: datetime) -> Facts:
        today = now.astimezone(business.timezone).date()
        line = line_of(work, business.key)
        number = self._number(business, message)
        contact = contact_of(work, self.seal, business.key, message["to"] or "")
        return Facts(
            now=now,
            expires_at=message["expires_at"],
            body=message["body"] or "",
            purpose=message["purpose"],
            segments=message["segments"],
            number=number,
            limits=business.texting,
            zone=business.timezone,
            opted_out=contact["opted_out"],
            own_number=any(number.e164 in other.numbers for other in self.businesses.values()),
            erased=message["erased"],
            automatic=message["reason"] != BY_HAND,
            held=message["state"] == "held",
            first=message["attempts"] == 0,
            to_number_today=contacts.texts_of_day(contact, now),
            automatic_within_hour=contacts.automatic_texts_of_hour(contact, now),
            business_today=pace.texts_on(line, today),
            segments_today=pace.segments_on(line, today),
        )

    def _number(self, business: Business, message: Document) -> Number:
        return number_of(message["to"] or "", business.country)
