"""Use cases that people and other systems ask for over HTTP. Each is one unit of work: all of it or nothing.

They raise NotFound for what is not there or another business's, Conflict for what stands in the way, and
ConcurrentUpdate when others were first again and again. They give the item as it is stored then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recovery import store, text_back
from recovery.callers import Callers, Needs
from recovery.consents import load_consents, opted_out
from recovery.ledger import CLAIM, HANDLED, RELEASE, Document, latest_fact_at, put
from recovery.rules import is_ours
from recovery.texting import filled, with_request
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import Conflict, Invalid, NotFound
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.idempotency import RequestKey, once
from ringback.store.unit_of_work import UnitOfWork, repeated

TEXT_EXPIRES = timedelta(hours=12)
# What a person does comes after all that is known, whatever the clock that dated that.
NEXT = timedelta(milliseconds=1)
REASONS = {
    text_back.LANDLINE: "The number cannot receive texts.",
    text_back.OPTED_OUT: "The caller asked for no more texts.",
    "own_number": "The number is one of the business's own.",
}
NO_NUMBER = "The caller ID is no number that could be texted."

Act = Callable[[Callers, Document, Document], Document]
"""An item and its ledger → the ledger after it."""


class Suppressed(Conflict):
    """The caller may not be texted now; `code` says why."""

    code = "suppressed"


class Closed(Conflict):
    """The item is done with."""

    code = "already_closed"


@dataclass(frozen=True)
class Desk:
    """`new_id` makes ids of what a person does; `seal` is the one that opt-outs are kept with.

    What is given a `key` has its effect once for that key, see ringback/store/idempotency.py.
    """

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]
    seal: Seal

    def mark_handled(self, business: str, item_id: str, who: str, resolution: str, note: str | None) -> Document:
        """Somebody is done with it; an item that is closed stays as it is."""

        def act(callers: Callers, item: Document, ledger: Document) -> Document:
            if item["resolution"]:
                return ledger
            return self._with_act(callers, ledger, HANDLED, by=who, resolution=resolution, note=note)

        return self._done(business, item_id, act)

    def claim(self, business: str, item_id: str, who: str, assignee: str) -> Document:
        """`assignee` sees to it, whoever did before. Raises Closed."""

        def act(callers: Callers, item: Document, ledger: Document) -> Document:
            _refuse_closed(item)
            if item["assignee"] == assignee:
                return ledger
            return self._with_act(callers, ledger, CLAIM, by=who, assignee=assignee)

        return self._done(business, item_id, act)

    def release(self, business: str, item_id: str, who: str) -> Document:
        """Nobody sees to it any more. Raises Closed."""

        def act(callers: Callers, item: Document, ledger: Document) -> Document:
            _refuse_closed(item)
            if item["assignee"] is None:
                return ledger
            return self._with_act(callers, ledger, RELEASE, by=who, assignee=None)

        return self._done(business, item_id, act)

    def send_text(
        self, business: str, item_id: str, who: str, values: Mapping[str, str], key: RequestKey | None = None
    ) -> str:
        """Text the caller what a person wrote (`body`), or a template of the business (`template`): the request's id.

        Raises Suppressed; Invalid for a template that is none.
        """

        def in_work(work: UnitOfWork) -> str:
            callers = self._callers(work)
            return once(work, key, callers.now, lambda: self._send(callers, business, item_id, who, values))

        return repeated(self.database, self.clock, in_work)

    def _send(self, callers: Callers, business: str, item_id: str, who: str, values: Mapping[str, str]) -> str:
        item, ledger = _existing(callers, business, item_id)
        self._refuse_untextable(callers, item)
        request_id, at = self.new_id(), _next_moment(callers, ledger)
        body = values.get("body") or filled(callers, ledger, self._template(business, values["template"]))
        expires_at = callers.now + TEXT_EXPIRES
        callers.ledgers.put(with_request(callers, ledger, request_id, body, at=at, expires_at=expires_at, by=who))
        callers.finish()
        return request_id

    def _template(self, business: str, name: str) -> str:
        template = self.businesses[business].templates.get(name)
        if template is None:
            raise Invalid("Some fields are not valid.", errors={"template": ["There is no such template."]})
        return template

    def _refuse_untextable(self, callers: Callers, item: Document) -> None:
        business, phone = self.businesses[item["business"]], item["phone"]
        reason = text_back.unreachable_by_text(item["caller_kind"])
        if reason is None and is_ours(business, phone):
            reason = "own_number"
        load_consents(callers.work, self.seal, [(item["business"], phone)] if phone else [])
        if reason is None and opted_out(callers.work, self.seal, item["business"], phone):
            reason = text_back.OPTED_OUT
        if reason is not None:
            raise Suppressed(REASONS.get(reason, NO_NUMBER), code=reason)

    def _with_act(self, callers: Callers, ledger: Document, kind: str, **values: Any) -> Document:
        act = {"id": self.new_id(), "at": _next_moment(callers, ledger), "kind": kind, **values}
        return put(ledger, "acts", act)

    def _done(self, business: str, item_id: str, act: Act) -> Document:
        def in_work(work: UnitOfWork) -> Document:
            callers = self._callers(work)
            item, ledger = _existing(callers, business, item_id)
            after = act(callers, item, ledger)
            if after == ledger:
                return item
            callers.ledgers.put(after)
            callers.finish()
            return work.get(store.ITEMS, item["_id"]) or item

        return repeated(self.database, self.clock, in_work)

    def _callers(self, work: UnitOfWork) -> Callers:
        return Callers(work, self.businesses, self.clock(), self.seal)


def _existing(callers: Callers, business: str, item_id: str) -> tuple[Document, Document]:
    item = store.load_item(callers.work, business, item_id)
    if item is None:
        raise NotFound("There is no such missed call.")
    callers.load(Needs(ledgers={item["ledger"]}))
    return item, callers.ledger(business, item["ledger"], item["phone"])


def _refuse_closed(item: Document) -> None:
    if item["resolution"]:
        raise Closed("It is done with already.")


def _next_moment(callers: Callers, ledger: Document) -> datetime:
    latest = latest_fact_at(ledger)
    return max(callers.now, latest + NEXT) if latest else callers.now
