"""What an error code of Twilio's means beyond its message: a number that opted out, an account that may not send."""

from datetime import datetime

from notifier import consent, pace, store
from notifier.contacts import new_contact
from notifier.domain import Document
from notifier.outcomes import ACCOUNT, VERDICTS, OptedOut, Pause
from notifier.store import CONTACTS, LINES
from notifier.telling import put_statement
from ringback.consents import consent_id
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

# No business has such a key.
ACCOUNT_LINE = ":account"


def heed(
    work: UnitOfWork, seal: Seal, message: Document, code: int | None, at: datetime, now: datetime, cause: str
) -> None:
    """Act upon the code of a message that was handed to Twilio; `cause` names what told it, `at` is when it did."""
    verdict = VERDICTS.get(code or 0)
    if isinstance(verdict, OptedOut):
        opt_out(work, seal, message, at, cause)
    if isinstance(verdict, Pause):
        pause(work, verdict, message, code, now)


def opt_out(work: UnitOfWork, seal: Seal, message: Document, at: datetime, cause: str) -> None:
    """Twilio refuses to text the number: it said STOP where we did not hear it."""
    if message["to"] is None:
        return
    store.load(work, CONTACTS, [consent_id(seal, message["business"], message["to"])])
    contact = contact_of(work, seal, message["business"], message["to"])
    put_statement(work, contact, message["to"], consent.by_twilio(at), cause, message["traceparent"])


def pause(
    work: UnitOfWork,
    verdict: Pause,
    message: Document,
    code: int | None,
    now: datetime,
    retry_after: float | None = None,
) -> datetime:
    """Stop the account or the business's sender for a while: until when."""
    line_id = ACCOUNT_LINE if verdict.whose == ACCOUNT else message["business"]
    store.load(work, LINES, [line_id])
    line = line_of(work, line_id)
    after = pace.paused(line, verdict, code, message["attempted_at"] or now, now, retry_after)
    work.save(LINES, after)
    until: datetime = after["pause"]["until"] if after["pause"] else now
    return until


def line_of(work: UnitOfWork, line_id: str) -> pace.Line:
    """The line of a business or the account, which was loaded if there is one."""
    return work.get(LINES, line_id) or pace.new_line(line_id)


def contact_of(work: UnitOfWork, seal: Seal, business: str, phone: str) -> Document:
    """The contact of a number, which was loaded if there is one."""
    contact_id = consent_id(seal, business, phone)
    return work.get(CONTACTS, contact_id) or new_contact(contact_id, business)
