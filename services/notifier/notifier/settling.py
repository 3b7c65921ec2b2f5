"""Use case: what became of texts that may have been sent, and whose sending nobody recorded.

The callback that names the request settles most of them. For the others Twilio is asked for its list of messages.
What neither shows is left to a person; nothing is sent again by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from notifier import domain, store
from notifier.domain import UNKNOWN_AFTER, WAITING, Document
from notifier.matching import SKEW, Listed, owners
from notifier.outcomes import LOST
from notifier.rules import QUIET_HOURS
from notifier.sids import new_sid, sid_id, take_sid
from notifier.store import MESSAGES, SIDS
from notifier.telling import put_message
from ringback.clock import Clock
from ringback.errors import UpstreamRefused, UpstreamUnavailable
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

PUT_OFF = timedelta(minutes=1)


class ListMessages(Protocol):
    def __call__(self, to: str, since: datetime) -> Sequence[Listed]:
        """Messages to a number, at least those created since then. Raises UpstreamUnavailable and UpstreamRefused."""


@dataclass(frozen=True)
class Settling:
    """`listed` asks Twilio; None when there is no account: then nothing was ever sent."""

    database: Database
    clock: Clock
    listed: ListMessages | None

    def due(self, limit: int) -> list[str]:
        return store.messages_to_settle(self.database, self.clock(), limit)

    def settle(self, message_id: str) -> None:
        """Find out about one, and all that look like it. Raises ConcurrentUpdate."""
        work, now = UnitOfWork(self.database, self.clock), self.clock()
        store.load(work, MESSAGES, [message_id])
        message = work.get(MESSAGES, message_id)
        if message is None or message["state"] != "reserved" or message["settle_at"] > now:
            return
        self._settle(work, message, now)
        work.commit()

    def expired(self, limit: int) -> list[str]:
        return store.expired_messages(self.database, self.clock(), limit)

    def drop(self, message_ids: Sequence[str]) -> None:
        """End these, whose time is over, whatever else stands in their way. Raises ConcurrentUpdate."""
        work, now = UnitOfWork(self.database, self.clock), self.clock()
        store.load(work, MESSAGES, message_ids)
        for message in (work.get(MESSAGES, one) for one in message_ids):
            if message is not None and message["state"] in WAITING and message["expires_at"] <= now:
                reason = QUIET_HOURS if message["state"] == "held" else "expired"
                put_message(work, domain.suppressed(message, reason, now), now)
        work.commit()

    def put_off(self, message_id: str, name: str) -> None:
        """Take one that cannot be worked on out of the way of the others; `name`: expires_at or settle_at."""
        store.put_off(self.database, message_id, name, self.clock() + PUT_OFF)

    def _settle(self, work: UnitOfWork, message: Document, now: datetime) -> None:
        if message["dry_run"]:
            put_message(work, domain.not_sent(message, now, "not_recorded", None, now), now)
            return
        if message["erased"]:
            put_message(work, domain.not_found_yet(message, now, asked=True), now)
            return
        alike = [one for one in store.load_reserved_like(work, message) if not one["dry_run"]]
        in_doubt = [one for one in alike if not domain.is_in_hand(one, now)]
        if len(in_doubt) < len(alike):
            # The message of one that is still being sent must not be taken for another's.
            _wait(work, in_doubt, now)
            return
        self._look(work, in_doubt, now)

    def _look(self, work: UnitOfWork, alike: Sequence[Document], now: datetime) -> None:
        listed = self._listed(alike)
        if listed is None:
            _wait(work, alike, now)
            return
        business = alike[0]["business"]
        store.load(work, SIDS, (sid_id(business, one.sid) for one in listed))
        rows = {one.sid: work.get(SIDS, sid_id(business, one.sid)) or new_sid(business, one.sid) for one in listed}
        taken = [sid for sid, row in rows.items() if row["message_id"]]
        last_look = now >= min(one["attempted_at"] for one in alike) + UNKNOWN_AFTER
        found = owners(alike, listed, taken, last_look=last_look)
        for message in alike:
            one = found.get(message["_id"])
            if one is None:
                put_message(work, domain.not_found_yet(message, now, asked=True), now)
            else:
                put_message(work, _found(take_sid(work, message, rows[one.sid]), one, now), now)

    def _listed(self, alike: Sequence[Document]) -> Sequence[Listed] | None:
        """None when Twilio cannot be asked now."""
        if self.listed is None:
            return None
        since = min(one["attempted_at"] for one in alike) - SKEW
        try:
            return self.listed(alike[0]["to"], since)
        except (UpstreamUnavailable, UpstreamRefused):
            return None


def _wait(work: UnitOfWork, alike: Sequence[Document], now: datetime) -> None:
    for message in alike:
        put_message(work, domain.not_found_yet(message, now, asked=False), now)


def _found(message: Document, listed: Listed, now: datetime) -> Document:
    """What the list says of an end comes by callback as well, with its code; the list may say it first."""
    code = listed.error_code if listed.status in LOST else None
    return domain.with_status(message, listed.status or "accepted", code, now)
