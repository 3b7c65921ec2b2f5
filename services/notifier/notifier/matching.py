"""Which of the messages that Twilio lists are which of ours, when nothing but number, text and time says so. Pure.

The list names no request: the address of the callback is not part of Twilio's message resource
(twilio.com/docs/messaging/api/message-resource).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

# Twilio dates to the second, by another clock than ours.
SKEW = timedelta(seconds=30)
# What a trial account puts before every text.
TRIAL_PREFIX = "Sent from your Twilio trial account - "


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as Twilio lists it."""

    sid: str
    to: str = field(repr=False)
    from_: str = field(repr=False)
    body: str = field(repr=False)
    direction: str
    status: str
    error_code: int | None
    created_at: datetime | None
    messaging_service_sid: str | None = None


def owners(
    unsettled: Sequence[Mapping[str, Any]], listed: Iterable[Listed], taken: Iterable[str], *, last_look: bool
) -> dict[str, Listed]:
    """{message id: what was sent for it}; `unsettled` are all messages of one text to one number that may have been
    sent, `taken` the SIDs that are others' already.

    Of fewer listed than unsettled nobody knows whose they are, so all wait for their callbacks until the last look:
    then the earliest are taken for sent. It makes no difference to who got them.
    """
    in_order = sorted(unsettled, key=lambda message: (message["attempted_at"], message["_id"]))
    found = sorted(_of_ours(in_order, listed, frozenset(taken)), key=lambda one: (one.created_at, one.sid))
    if len(found) < len(in_order) and not last_look:
        return {}
    return {message["_id"]: one for message, one in zip(in_order, found, strict=False)}


def _of_ours(unsettled: Sequence[Mapping[str, Any]], listed: Iterable[Listed], taken: frozenset[str]) -> list[Listed]:
    since = unsettled[0]["attempted_at"] - SKEW
    return [
        one
        for one in listed
        if one.sid not in taken and one.created_at is not None and one.created_at >= since
        if _is_same(one, unsettled[0])
    ]


def _is_same(listed: Listed, message: Mapping[str, Any]) -> bool:
    from_us = message["sender"] in {listed.from_, listed.messaging_service_sid}
    same_text = listed.body.removeprefix(TRIAL_PREFIX).strip() == message["body"].strip()
    return from_us and same_text and listed.to == message["to"] and listed.direction.startswith("outbound")
