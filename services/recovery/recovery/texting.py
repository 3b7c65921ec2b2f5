"""Asking for a text: `sms.requested`, and the ledger's note of it, in one unit of work.

Nothing is sent here. The notifier, which knows more (quiet hours, caps), sends or says why not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recovery.callers import Callers
from recovery.ledger import Document, put
from ringback import templates
from ringback.contracts.envelope import new_event

TEXT_BACK, MANUAL = "text_back", "manual"


def filled(callers: Callers, ledger: Mapping[str, Any], template: str) -> str:
    """A template with the names of the business and, as far as it is known, of the customer."""
    row = callers.customers.get(callers.owner_of(ledger) or "")
    name = (row["name"] if row else None) or ""
    business = callers.businesses[ledger["business"]].name
    return templates.fill(template, {templates.BUSINESS: business, templates.NAME: name})


def with_request(
    callers: Callers,
    ledger: Document,
    request_id: str,
    body: str,
    *,
    at: datetime,
    expires_at: datetime,
    by: str | None,
) -> Document:
    """The ledger after a text was asked for; `by` is the person who wrote it, None for a text back."""
    customer_id = callers.owner_of(ledger)
    data = {
        "request_id": request_id,
        "recipient": ledger["phone"],
        "body": body,
        "purpose": "transactional",
        "reason": TEXT_BACK if by is None else MANUAL,
        "customer_id": customer_id,
        "expires_at": expires_at,
    }
    event = new_event(
        "sms.requested",
        business=ledger["business"],
        subject=customer_id or request_id,
        time=at,
        data=data,
        cause=(request_id,),
        producer="recovery",
    )
    callers.work.emit(event)
    text = {"request_id": request_id, "at": at, "by": by, "body": body}
    return put(ledger, "texts", text | {"status": "requested", "told_at": at, "why": None})
