"""Use case: what came of texts that were handed to Twilio, written down with all that follows from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from notifier import domain, pace, store
from notifier.domain import Document
from notifier.heeding import ACCOUNT_LINE, opt_out, pause
from notifier.orders import NOT_TRIED, Result
from notifier.outcomes import (
    UNREACHABLE,
    UNRELIABLE,
    Accepted,
    Ambiguous,
    NotReached,
    OptedOut,
    Pause,
    Refused,
    verdict_of,
)
from notifier.sids import new_sid, sid_id, take_sid
from notifier.store import LINES, MESSAGES, SIDS
from notifier.telling import put_message
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Recording:
    """`seal` is the one that numbers of contacts are sealed with."""

    database: Database
    clock: Clock
    seal: Seal

    def record(self, results: Sequence[Result]) -> None:
        """Write down what came of these. May be repeated. Raises ConcurrentUpdate."""
        work = UnitOfWork(self.database, self.clock)
        store.load(work, MESSAGES, (result.order.message_id for result in results))
        store.load(work, SIDS, _sids(results))
        store.load(work, LINES, {ACCOUNT_LINE, *(result.order.business for result in results)})
        for result in results:
            message = work.get(MESSAGES, result.order.message_id)
            if message is not None and _is_about(result, message):
                RECORD[type(result.answer)](self, work, message, result)
        work.commit()

    def record_accepted(self, work: UnitOfWork, message: Document, result: Result) -> None:
        answer = result.answer
        assert isinstance(answer, Accepted)
        business, sid = message["business"], answer.message_sid
        if sid is not None:
            row = work.get(SIDS, sid_id(business, sid)) or new_sid(business, sid)
            message = take_sid(work, message, row)
        put_message(work, domain.accepted(message, sid, answer.status, result.at), result.at)
        _calm(work, result)

    def record_refused(self, work: UnitOfWork, message: Document, result: Result) -> None:
        answer = result.answer
        assert isinstance(answer, Refused)
        verdict = verdict_of(answer)
        if isinstance(verdict, Pause):
            self._pause(work, message, verdict, result, answer.code, answer.retry_after)
            return
        _calm(work, result)
        if isinstance(verdict, OptedOut):
            put_message(work, domain.refused_by_recipient(message, answer.code, result.at), result.at)
            opt_out(work, self.seal, message, result.at, message["_id"])
            return
        put_message(work, domain.failed(message, "refused_by_twilio", answer.code, result.at), result.at)

    def record_not_reached(self, work: UnitOfWork, message: Document, result: Result) -> None:
        assert isinstance(result.answer, NotReached)
        if result.answer.why in NOT_TRIED:
            put_message(work, domain.not_sent(message, result.at, result.answer.why, None, result.at), result.at)
            return
        self._pause(work, message, UNREACHABLE, result, None, None)

    def _pause(
        self,
        work: UnitOfWork,
        message: Document,
        verdict: Pause,
        result: Result,
        code: int | None,
        retry_after: float | None,
    ) -> None:
        until = pause(work, verdict, message, code, result.at, retry_after)
        put_message(work, domain.not_sent(message, until, verdict.reason, code, result.at), result.at)

    def record_ambiguous(self, work: UnitOfWork, message: Document, result: Result) -> None:
        assert isinstance(result.answer, Ambiguous)
        # As long as Twilio answers so, more would only be in doubt, too: one at a time shows when it is over.
        pause(work, UNRELIABLE, message, None, result.at)
        put_message(work, domain.uncertain(message, result.answer.why, result.at), result.at)


Record = Callable[[Recording, UnitOfWork, Document, Result], None]
RECORD: Mapping[type, Record] = {
    Accepted: Recording.record_accepted,
    Refused: Recording.record_refused,
    NotReached: Recording.record_not_reached,
    Ambiguous: Recording.record_ambiguous,
}


def _calm(work: UnitOfWork, result: Result) -> None:
    """Twilio works: whatever it said of the text, it said it properly."""
    for line_id in (ACCOUNT_LINE, result.order.business):
        line = work.get(LINES, line_id)
        if line is not None:
            work.save(LINES, pace.calmed(line, result.order.slot))


def _is_about(result: Result, message: Document) -> bool:
    """What another attempt than the present one says counts only if it was sent."""
    return isinstance(result.answer, Accepted) or bool(message["attempt_id"] == result.order.attempt_id)


def _sids(results: Sequence[Result]) -> list[str]:
    accepted = ((result.order.business, result.answer) for result in results)
    return [
        sid_id(business, answer.message_sid)
        for business, answer in accepted
        if isinstance(answer, Accepted) and answer.message_sid
    ]
