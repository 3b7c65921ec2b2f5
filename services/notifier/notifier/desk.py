"""Use cases that people and systems ask for over HTTP. All raise NotFound for another business's things."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from notifier import consent, domain, pace, store
from notifier.domain import STATES, Document, message_id
from notifier.heeding import ACCOUNT_LINE, contact_of
from notifier.store import CONTACTS, MESSAGES
from notifier.telling import put_message, put_statement
from ringback import templates
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.consents import consent_id
from ringback.errors import Conflict, NotFound
from ringback.seals import Seal
from ringback.sms_length import measure
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

# The texts of a business that have a place of their own in its configuration.
TEXT_BACK_OPEN, TEXT_BACK_CLOSED = "text_back.open", "text_back.closed"


class NotResolvable(Conflict):
    """The message is not one that a person has to look at, or was erased."""

    code = "not_resolvable"


@dataclass(frozen=True)
class Desk:
    """`new_id` names what a person did; `seal` is the one that numbers of contacts are sealed with."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]
    seal: Seal

    # Messages.

    def message(self, business: str, request_id: str) -> Document:
        found = store.find_message(self.database, business, message_id(business, request_id))
        return found or _refuse_unknown()

    def resolve(self, business: str, request_id: str, outcome: str) -> Document:
        """Say what became of an `unknown` message: `sent`, `failed`, or send it (`retry`). Raises NotResolvable.

        With `retry` a person answers for it that the recipient may get the text twice.
        """
        return repeated(self.database, self.clock, lambda work: self._resolve(work, business, request_id, outcome))

    def _resolve(self, work: UnitOfWork, business: str, request_id: str, outcome: str) -> Document:
        wanted = message_id(business, request_id)
        store.load(work, MESSAGES, [wanted])
        message = work.get(MESSAGES, wanted) or _refuse_unknown()
        if message["state"] != "unknown":
            raise NotResolvable(f"The message is {message['state']}.")
        if message["erased"] and outcome == "retry":
            raise NotResolvable("The message was erased.")
        put_message(work, domain.resolved(message, outcome, self.clock()), self.clock())
        return work.get(MESSAGES, wanted) or message

    def status(self, business: str) -> dict[str, Any]:
        """What stops a business's texts now, and how many are in which state (up to store.MOST_COUNTED each)."""
        lines, now = store.find_lines(self.database, [ACCOUNT_LINE, business]), self.clock()
        today = now.astimezone(self.businesses[business].timezone).date()
        line = lines.get(business, pace.new_line(business))
        return {
            "account_pause": lines.get(ACCOUNT_LINE, pace.new_line(ACCOUNT_LINE))["pause"],
            "sender_pause": line["pause"],
            "texts_today": pace.texts_on(line, today),
            "segments_today": pace.segments_on(line, today),
            "states": {state: store.count_in_state(self.database, business, state) for state in STATES},
        }

    # Templates.

    def templates(self, business: str) -> list[dict[str, Any]]:
        """The business's texts by name, with what each takes before names are filled in."""
        return [self._described(business, name, text) for name, text in self._texts(business).items()]

    def preview(self, business: str, text: str | None, template: str | None, name: str) -> dict[str, Any]:
        """A text, or a template with `name` filled in, and what it takes. Raises NotFound."""
        body = text if text is not None else self._filled(business, template or "", name)
        return {"text": body, **_size(body)}

    def _filled(self, business: str, template: str, name: str) -> str:
        found = self._texts(business).get(template)
        if found is None:
            raise NotFound("There is no such template.")
        return templates.fill(found, {templates.BUSINESS: self.businesses[business].name, templates.NAME: name})

    def _texts(self, business: str) -> dict[str, str]:
        served = self.businesses[business]
        text_back = {TEXT_BACK_OPEN: served.text_back.open, TEXT_BACK_CLOSED: served.text_back.closed}
        return {**served.templates, **text_back}

    def _described(self, business: str, name: str, text: str) -> dict[str, Any]:
        return {"name": name, "template": text, **_size(self._filled(business, name, ""))}

    # Opt-outs.

    def opt_out(self, business: str, phone: str) -> Document:
        """What a number (E.164) said to the business; nothing said is no refusal."""
        contact_id = consent_id(self.seal, business, phone)
        found = store.find_contact(self.database, contact_id)
        contact = found or {"entries": {}, "opted_out": False, "changed_at": None}
        return {**contact, "phone": phone}

    def put_opt_out(self, business: str, phone: str, scope: str, opted_out: bool, reason: str | None) -> Document:
        """Write down what a number said to a person."""

        def act(work: UnitOfWork) -> Document:
            store.load(work, CONTACTS, [consent_id(self.seal, business, phone)])
            contact = contact_of(work, self.seal, business, phone)
            said = consent.by_hand(scope, opted_out, reason, self.clock())
            return put_statement(work, contact, phone, said, self.new_id())

        return repeated(self.database, self.clock, act)


def _size(text: str) -> dict[str, Any]:
    length = measure(text)
    return {"encoding": length.encoding, "segments": length.segments, "characters": len(text)}


def _refuse_unknown() -> Document:
    raise NotFound("There is no such message.")
