"""What time alone changes: texts back that are due, items that are given up. Each caller says when."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery import store, text_back
from recovery.callers import Callers, Needs
from recovery.consents import load_consents, opted_out
from recovery.domain import Episode, episodes, item_id_of, text_back_due_at
from recovery.ledger import NOT_TEXTED, Document, put
from recovery.rules import rules_of
from recovery.texting import filled, with_request
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

PUT_OFF = timedelta(hours=1)
REQUEST_NAMESPACE = uuid.UUID("8f6f0f8a-90cf-5b1c-8f4f-2f1f1f0c2d31")


@dataclass(frozen=True)
class Timers:
    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def due(self, limit: int) -> list[str]:
        return store.due_callers(self.database, self.clock(), limit)

    def wake(self, ledger_ids: Sequence[str]) -> None:
        """Do what is due for these callers, in one transaction. Raises ConcurrentUpdate."""
        work = UnitOfWork(self.database, self.clock)
        callers = Callers(work, self.businesses, self.clock(), self.seal)
        callers.load(Needs(ledgers=set(ledger_ids)))
        ledgers = [ledger for ledger in map(callers.ledgers.get, ledger_ids) if ledger is not None]
        load_consents(work, self.seal, [(one["business"], one["phone"]) for one in ledgers if one["phone"]])
        for ledger in ledgers:
            callers.ledgers.put(self._woken(callers, ledger))
        callers.finish()
        work.commit()

    def put_off(self, ledger_id: str) -> None:
        """Take one that cannot be done now out of the way of the others."""
        store.put_off(self.database, ledger_id, self.clock() + PUT_OFF)

    def _woken(self, callers: Callers, ledger: Document) -> Document:
        rules = rules_of(self.businesses[ledger["business"]])
        found = episodes(ledger, rules.expire_after, callers.now)
        due_at = text_back_due_at(ledger, found[-1], rules.text_back) if found else None
        if due_at is None or due_at > callers.now:
            return ledger
        return self._texted_back(callers, ledger, found[-1], due_at)

    def _texted_back(self, callers: Callers, ledger: Document, episode: Episode, due_at: datetime) -> Document:
        business = self.businesses[ledger["business"]]
        request_id = request_id_of(ledger["business"], episode, due_at)
        expires_at = episode.text_back_expires_at(rules_of(business).text_back.delay)
        why = self._reason_against(callers, ledger, expires_at)
        if why is not None:
            act = {"id": request_id, "at": callers.now, "kind": NOT_TEXTED, "why": why}
            return put(_without_decisions(ledger, episode), "acts", act)
        template = business.text_back.open if business.is_open(callers.now) else business.text_back.closed
        body = filled(callers, ledger, template)
        return with_request(callers, ledger, request_id, body, at=callers.now, expires_at=expires_at, by=None)

    def _reason_against(self, callers: Callers, ledger: Document, expires_at: datetime) -> str | None:
        if callers.now >= expires_at:
            return text_back.TOO_LATE
        refused = opted_out(callers.work, self.seal, ledger["business"], ledger["phone"])
        return text_back.OPTED_OUT if refused else None


def request_id_of(business: str, episode: Episode, due_at: datetime) -> str:
    """A function of what led to it, so that a second run makes the same."""
    item_id = item_id_of(business, episode.misses[0]["sid"])
    return str(uuid.uuid5(REQUEST_NAMESPACE, f"{item_id}\n{due_at.isoformat()}"))


def _without_decisions(ledger: Document, episode: Episode) -> Document:
    """Of an item's decisions against a text the last one says it all."""
    earlier = {act["id"] for act in episode.happened[NOT_TEXTED]}
    return {**ledger, "acts": [act for act in ledger["acts"] if act["id"] not in earlier]}
