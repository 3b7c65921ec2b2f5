"""Use cases that ask Twilio's API: about calls that do not end, and what never reached us.

What Twilio answers is stored as a raw request of the kind `rest` with the parameter names of the webhooks, so that
the same pure function concludes from it. Asking twice stores it once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from call_ingest import store
from call_ingest.domain import next_ask
from call_ingest.journal import Accepted, Params
from call_ingest.messages import rank
from call_ingest.outcomes import FINAL_STATUSES, REST, TURN_AWAY
from call_ingest.twilio_api import TwilioApi, TwilioCall, TwilioMessage
from ringback.businesses import Business
from ringback.clock import Clock, rfc3339
from ringback.errors import NotFound, StoreUnavailable, UpstreamRefused, UpstreamUnavailable, describe, error_name
from ringback.phone import to_e164
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document

T = TypeVar("T")

log = structlog.get_logger(__name__)

CHUNK = 25
# Of several telephones that were rung the first of these tells what came of it.
CHILD_RESULTS = ("completed", "busy", "no-answer", "failed", "canceled")
MEDIA_URL = "https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}"


@dataclass(frozen=True)
class Gap:
    """Something that Twilio knows and we did not: `what` is unknown_call, unfinished_call, unknown_message or
    unknown_status."""

    what: str
    sid: str
    at: datetime | None
    status: str


@dataclass
class Report:
    """What a reconciliation found between `since` and `until`; `repaired` counts what was stored for it."""

    since: datetime
    until: datetime
    calls: int = 0
    messages: int = 0
    repaired: int = 0
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True)
class Asking:
    """`make_api` gives an API of its own to whoever asks: it is for one thread."""

    make_api: Callable[[], TwilioApi]
    database: Database
    settings: Settings
    clock: Clock

    def about(self, call: Document) -> int:
        """Ask what came of a call, and for transcriptions without text; how much was new.

        Raises TwilioUnavailable, TwilioRefused, StoreUnavailable.
        """
        api, learned = self.make_api(), []
        if call["in_doubt"]:
            learned += self._of_call(api, call["_id"])
        for sid in call["missing"]:
            learned += self._of_transcription(api, call["_id"], sid)
        new = store.learn(self.database, learned)
        self._wake(new)
        self.postpone(call)
        return new

    def reconcile(self, since: datetime, until: datetime, *, repair: bool) -> Report:
        """Compare all calls and messages of a window with ours, and store what is missing. Idempotent.

        Raises TwilioUnavailable, TwilioRefused, StoreUnavailable; what was repaired before stays.
        """
        report = Report(since, until)
        for _ in self.reconcile_by_parts(report, repair=repair):
            pass
        return report

    def reconcile_by_parts(self, report: Report, *, repair: bool) -> Iterator[Report]:
        """`reconcile` of the report's window, a few calls or messages a turn; gives the report as it stands."""
        api = self.make_api()
        for calls in _chunks(api.calls_between(report.since, report.until)):
            self._reconcile_calls(api, report, calls, repair)
            yield report
        for messages in _chunks(api.messages_between(report.since, report.until)):
            self._reconcile_messages(api, report, messages, repair)
            yield report

    def postpone(self, call: Document) -> None:
        """Ask about others first."""
        store.asked(self.database, call, next_ask(call["started_at"], call["asked"] + 1))

    def _reconcile_calls(self, api: TwilioApi, report: Report, calls: Sequence[TwilioCall], repair: bool) -> None:
        ours = [call for call in calls if call.direction == "inbound" and self.settings.business_of(call.to)]
        report.calls += len(ours)
        heard = store.subjects_heard_of(self.database, [call.sid for call in ours])
        done = store.ended_calls(self.database, [call.sid for call in ours])
        done |= store.erased_of(self.database, [call.sid for call in ours])
        for call in ours:
            if call.sid in done or call.status not in FINAL_STATUSES:
                continue
            what = "unfinished_call" if call.sid in heard else "unknown_call"
            gap = Gap(what, call.sid, call.started_at, call.status)
            self._mend(report, gap, partial(self._ended, api, call), repair)

    def _reconcile_messages(
        self, api: TwilioApi, report: Report, messages: Sequence[TwilioMessage], repair: bool
    ) -> None:
        ours = [message for message in messages if self._business_of(message)]
        report.messages += len(ours)
        statuses = store.message_statuses(self.database, [message.sid for message in ours])
        erased = store.erased_of(self.database, [message.sid for message in ours])
        for message in ours:
            if message.sid in erased:
                continue
            inbound = message.direction == "inbound"
            if message.sid in statuses and (inbound or rank(message.status) <= rank(statuses[message.sid])):
                continue
            what = "unknown_message" if inbound else "unknown_status"
            gap = Gap(what, message.sid, message.sent_at, message.status)
            self._mend(report, gap, partial(self._received, api, message), repair)

    def _mend(self, report: Report, gap: Gap, learn: Callable[[], list[Document]], repair: bool) -> None:
        """What was brought in before and only waits to be folded is no gap; what cannot be holds up no other."""
        try:
            new = store.learn(self.database, learn()) if repair else 0
        except (UpstreamUnavailable, UpstreamRefused, StoreUnavailable):
            raise
        except Exception as error:
            log.error("reconcile.skipped", sid=gap.sid, code=error_name(error), reason=describe(error))
            report.gaps.append(gap)
            return
        if new or not repair:
            report.gaps.append(gap)
        report.repaired += new
        self._wake(new)

    def _wake(self, new: int) -> None:
        if new:
            self.database.signal(store.RAW_REQUESTS).set()

    def _of_call(self, api: TwilioApi, sid: str) -> list[Document]:
        try:
            return self._ended(api, api.call(sid))
        except NotFound:
            return []

    def _ended(self, api: TwilioApi, call: TwilioCall) -> list[Document]:
        """Nothing before all its legs have ended, too: Twilio's API is only in time consistent."""
        if call.status not in FINAL_STATUSES:
            return []
        children = api.child_calls(call.sid)
        ended = all(child.status in FINAL_STATUSES for child in children)
        return [self._told_of(call, children)] if ended else []

    def _of_transcription(self, api: TwilioApi, call_sid: str, sid: str) -> list[Document]:
        try:
            text = api.transcription_text(sid)
        except NotFound:
            return []
        told = {"CallSid": call_sid, "TranscriptionSid": sid, "TranscriptionText": text or ""}
        return [self._raw_request("transcription", told, None)] if text else []

    def _told_of(self, call: TwilioCall, children: Sequence[TwilioCall]) -> Document:
        business = self.settings.business_of(call.to)
        blocked = business is not None and to_e164(call.from_, business.country) in business.blocked
        return self._raw_request(REST, call_params(call, children), business, TURN_AWAY if blocked else "")

    def _received(self, api: TwilioApi, message: TwilioMessage) -> list[Document]:
        media = self._media_of(api, message) if message.media and message.direction == "inbound" else []
        params = message_params(message, media, self.settings.twilio_account_sid or "")
        return [self._raw_request(REST, params, self._business_of(message))]

    def _media_of(self, api: TwilioApi, message: TwilioMessage) -> list[tuple[str, str]]:
        try:
            return api.media_of(message.sid)
        except NotFound:  # deleted since
            return []

    def _business_of(self, message: TwilioMessage) -> Business | None:
        return self.settings.business_of(message.to if message.direction == "inbound" else message.from_)

    def _raw_request(
        self, kind: str, told: Mapping[str, str], business: Business | None, answer: str = ""
    ) -> Document:
        params: Params = [(name, value) for name, value in told.items() if value]
        return store.raw_request(Accepted(kind, REST, params), self.clock(), business, answer)


def call_params(call: TwilioCall, children: Sequence[TwilioCall]) -> dict[str, str]:
    """A call as the webhooks' parameters; times in ISO 8601. What came of ringing is what the child calls say."""
    params = {
        "CallSid": call.sid,
        "From": call.from_,
        "To": call.to,
        "Direction": call.direction,
        "CallStatus": call.status,
        "CallerName": call.caller_name or "",
        "StartTime": rfc3339(call.started_at) if call.started_at else "",
        "EndTime": rfc3339(call.ended_at) if call.ended_at else "",
        "CallDuration": _text(call.duration_seconds),
    }
    return params | _dial_params(children)


def _dial_params(children: Sequence[TwilioCall]) -> dict[str, str]:
    results = [child for child in children if child.status in CHILD_RESULTS]
    if not results:
        return {}
    told = min(results, key=lambda c: (CHILD_RESULTS.index(c.status), -(c.duration_seconds or 0), c.sid))
    return {"DialCallStatus": told.status, "DialCallDuration": _text(told.duration_seconds)}


def message_params(message: TwilioMessage, media: Sequence[tuple[str, str]], account_sid: str) -> dict[str, str]:
    """A message as the webhooks' parameters; `media` are SIDs with their content types."""
    params = {
        "MessageSid": message.sid,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "MessageStatus": message.status,
        "ErrorCode": _text(message.error_code),
        "SentAt": rfc3339(message.sent_at) if message.sent_at else "",
    }
    for number, (sid, content_type) in enumerate(media):
        params[f"MediaUrl{number}"] = MEDIA_URL.format(account=account_sid, message=message.sid, media=sid)
        params[f"MediaContentType{number}"] = content_type
    return params


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _chunks(items: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(items, CHUNK)):
        yield chunk
