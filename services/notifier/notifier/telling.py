"""What the notifier tells: what came of a request, and who may be texted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from notifier.consent import SCOPES, Statement, refused_scopes, said_at, with_statement
from notifier.contacts import identified
from notifier.domain import Document, outcomes_to_tell
from notifier.store import CONTACTS, MESSAGES
from ringback.contracts.envelope import new_event
from ringback.store.unit_of_work import UnitOfWork

# The outcomes whose cause is worth telling: a text that was sent has none but a dry run's.
REASONED = frozenset({"sms.failed", "sms.suppressed"})


def put_message(work: UnitOfWork, message: Document, at: datetime) -> None:
    """Save a message, and tell each outcome of it once."""
    outcomes = outcomes_to_tell(message)
    for name in outcomes:
        _tell_outcome(work, name, message, at)
    work.save(MESSAGES, {**message, "told": [*message["told"], *outcomes]})


def _tell_outcome(work: UnitOfWork, name: str, message: Mapping[str, Any], at: datetime) -> None:
    data = {
        "request_id": message["request_id"],
        "message_sid": message["message_sid"],
        "recipient": message["to"],
        "error_code": message["error_code"] if name in REASONED else None,
        "reason": message["state_reason"] if name in REASONED or message["dry_run"] else None,
    }
    event = new_event(
        name,
        business=message["business"],
        subject=message["request_id"],
        time=at,
        data=data,
        cause=(message["request_id"],),
        traceparent=message["traceparent"],
    )
    work.emit(event)


def put_statement(
    work: UnitOfWork, contact: Document, phone: str, said: Statement, cause: str, traceparent: str | None = None
) -> Document:
    """Save what a number said, and tell each scope in which it now may or may not be texted: the contact."""
    after = identified(with_statement(contact, said), phone, said.at)
    before, now = refused_scopes(contact), refused_scopes(after)
    for scope in SCOPES:
        if (scope in before) != (scope in now):
            _tell_consent(work, after, phone, scope, said, cause, traceparent)
    work.save(CONTACTS, after)
    return after


def _tell_consent(
    work: UnitOfWork,
    contact: Mapping[str, Any],
    phone: str,
    scope: str,
    said: Statement,
    cause: str,
    traceparent: str | None,
) -> None:
    name = "contact.opted_out" if scope in refused_scopes(contact) else "contact.opted_in"
    event = new_event(
        name,
        business=contact["business"],
        subject=contact["_id"],
        time=said_at(contact, scope),
        data={"phone": phone, "scope": scope, "keyword": said.keyword},
        cause=(contact["_id"], scope, cause),
        traceparent=traceparent,
    )
    work.emit(event)
