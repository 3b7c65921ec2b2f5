"""Use cases that text a customer: a review request in one click, and a text that a person writes.

Nothing is sent here: `sms.requested` is told in the same transaction as what it changes, and the notifier, which
knows more (opt-outs of other scopes, quiet hours), sends or says why not.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customer import store
from customer.domain import Document
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import new_event
from ringback.errors import Conflict, NotFound
from ringback.phone import NOT_TEXTABLE
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

COOL_DOWN = timedelta(days=180)
# A request that could not be sent by then is not worth sending.
REVIEW_EXPIRES = timedelta(days=3)
TEXT_EXPIRES = timedelta(hours=12)
CODE_BYTES = 6
REVIEW_TEXT = "Thank you for visiting {business}! How was it? {link} Reply STOP to get no more texts."


class Suppressed(Conflict):
    """The customer may not be texted now; `code` says why."""

    code = "suppressed"


@dataclass(frozen=True)
class Outreach:
    """`opted_out` tells whether a number of a business's customer said STOP; `public_url` begins tracked links."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]
    public_url: str
    opted_out: Callable[[str, str], bool]

    def request_review(self, business: str, customer_id: str, actor: str, *, force: bool) -> Document:
        """Ask for a review, at most once in COOL_DOWN unless forced: {request_id, review_requested_at}.

        Raises Suppressed.
        """
        return self._done(lambda people: self._review(people, business, customer_id, actor, force))

    def send_text(self, business: str, customer_id: str, body: str) -> Document:
        """Text what a person wrote: {request_id}. Raises Suppressed."""
        return self._done(lambda people: self._text(people, business, customer_id, body))

    def suppressed(self, business: str, root: Document) -> dict[str, Document | None]:
        """Why a text, and why a review request, would be refused now: {code, message}, None if it would not."""
        code = self._reason_against(business, root)
        refused = {"code": code, "message": REASONS[code]} if code else None
        return {"text": refused, "review": refused or self._reason_against_review(business, root)}

    def _reason_against_review(self, business: str, root: Document) -> Document | None:
        try:
            self._refuse_without_link(business)
            _refuse_too_soon(root, self.clock())
        except Suppressed as refused:
            return {"code": refused.code, "message": refused.message}
        return None

    def _done(self, act: Callable[[People], Document]) -> Document:
        def in_work(work: UnitOfWork) -> Document:
            return act(People(work, self.businesses, self.clock()))

        return repeated(self.database, self.clock, in_work)

    def _review(self, people: People, business: str, customer_id: str, actor: str, force: bool) -> Document:
        root = self._textable(people, business, customer_id)
        url = self._refuse_without_link(business)
        if not force:
            _refuse_too_soon(root, people.now)
        request_id, code = self.new_id(), secrets.token_urlsafe(CODE_BYTES)
        store.put_link(people.work, code, business, root["_id"], url, people.now)
        text = REVIEW_TEXT.format(business=self.businesses[business].name, link=f"{self.public_url}/r/{code}")
        self._tell(people, root, request_id, text, "marketing", "review_request", people.now + REVIEW_EXPIRES)
        people.put_entry(self._entry(people, root, "review_request", request_id, actor))
        own = {**root["own"], "review_requested_at": people.now, "updated_at": people.now}
        finish(people, {**root, "own": own}, Cause(request_id, people.now))
        return {"request_id": request_id, "review_requested_at": people.now}

    def _text(self, people: People, business: str, customer_id: str, body: str) -> Document:
        root = self._textable(people, business, customer_id)
        request_id = self.new_id()
        self._tell(people, root, request_id, body, "transactional", "manual", people.now + TEXT_EXPIRES)
        return {"request_id": request_id}

    def _textable(self, people: People, business: str, customer_id: str) -> Document:
        people.load(Needs(records={customer_id}))
        record = people.record(customer_id)
        if record is None or record["business"] != business:
            raise NotFound("There is no such customer.")
        root = people.root_of(record)
        reason = self._reason_against(business, root)
        if reason is not None:
            raise Suppressed(REASONS[reason], code=reason)
        return root

    def _reason_against(self, business: str, root: Document) -> str | None:
        phone = root["phone"]
        if phone is None:
            return "no_number"
        if phone in self.businesses[business].numbers:
            return "own_number"
        if root["phone_kind"] in NOT_TEXTABLE:
            return "landline"
        return "opted_out" if self.opted_out(business, phone) else None

    def _refuse_without_link(self, business: str) -> str:
        url = self.businesses[business].review_url
        if url is None:
            raise Suppressed("The business has no review link (review_url).", code="no_review_url")
        return url

    def _tell(
        self,
        people: People,
        root: Document,
        request_id: str,
        body: str,
        purpose: str,
        reason: str,
        expires_at: datetime,
    ) -> None:
        data: dict[str, Any] = {
            "request_id": request_id,
            "recipient": root["phone"],
            "body": body,
            "purpose": purpose,
            "reason": reason,
            "customer_id": root["_id"],
            "expires_at": expires_at,
        }
        event = new_event(
            "sms.requested",
            business=root["business"],
            subject=root["_id"],
            time=people.now,
            data=data,
            cause=(request_id,),
        )
        people.work.emit(event)

    def _entry(self, people: People, root: Document, kind: str, request_id: str, actor: str) -> Document:
        return {
            "_id": f"{root['business']}:{kind}:{request_id}",
            "business": root["business"],
            "customer_id": root["_id"],
            "kind": kind,
            "at": people.now,
            "request_id": request_id,
            "actor": actor,
        }


def _refuse_too_soon(root: Document, now: datetime) -> None:
    last: datetime | None = root["review_requested_at"]
    if last is None or now >= last + COOL_DOWN:
        return
    until = (last + COOL_DOWN).date().isoformat()
    raise Suppressed(f"A review was asked for on {last.date().isoformat()}; again from {until}.", code="cool_down")


REASONS = {
    "no_number": "The customer has no telephone number.",
    "own_number": "The number is one of the business's own.",
    "landline": "The number cannot receive texts.",
    "opted_out": "The customer asked for no more texts.",
}
