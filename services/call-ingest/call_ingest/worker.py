"""call-ingest's worker: folds raw requests into events, relays them, asks Twilio about what did not come, and forgets
whom it is told to forget."""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from call_ingest import store
from call_ingest.app import NAME, REQUIRED, twilio_api
from call_ingest.asking import Asking, Report
from call_ingest.domain import LONGEST_CALL
from call_ingest.erasures import erase_all, seal_with
from call_ingest.events import subscriptions
from call_ingest.handlers import Folding
from call_ingest.store import INDEXES, RAW_REQUESTS
from call_ingest.twilio_api import TwilioRefused, TwilioUnavailable
from ringback.bus.connection import Bus
from ringback.clock import Clock, rfc3339
from ringback.errors import describe, error_name
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.batch import commit_batch
from ringback.worker.consumer import EventConsumer
from ringback.worker.main import run_service
from ringback.worker.relay import Relay
from ringback.worker.runtime import Loop

BATCH = 200
# A batch has to fit into the few seconds that MongoDB gives a transaction.
BATCH_ROWS = 2000
IDLE_SECONDS = 0.02
STANDBY_SECONDS = 1.0
# Calls are asked about minutes after they began; Twilio is to be left alone for a while when it does not answer.
ASK_BATCH = 20
ASK_SECONDS = 5.0
TWILIO_AWAY_SECONDS = 30.0
# A worker that is told to stop waits for the step in hand.
ASK_TIMEOUT_SECONDS, ASK_ATTEMPTS = 5.0, 1
RECONCILE_EVERY = timedelta(minutes=15)
RECONCILE_LONGEST = timedelta(hours=24)
# Calls are listed by their start, whenever they end; webhooks may still be on their way.
RECONCILE_OVERLAP = LONGEST_CALL + timedelta(minutes=15)
RECONCILE_GRACE = timedelta(minutes=2)
# Who is on the line is not to wait until a long history is erased.
ERASE_BATCH = 50
ERASE_AGAIN, ERASE_LATER = timedelta(seconds=5), timedelta(minutes=1)

log = structlog.get_logger(__name__)


class WorkOff:
    """Erases what was folded before it was known that somebody is to be forgotten, a piece at a time.

    It is a part of folding: who folds a call that is erased meanwhile would leave a webhook of it behind.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._failed = False

    def piece(self, now: datetime) -> bool:
        """Whether there was anything to do."""
        erasure = store.due_erasure(self._database, now)
        if erasure is None:
            return False
        sids = store.to_erase(self._database, erasure, ERASE_BATCH)
        self._failed = False
        if sids:
            commit_batch(store.first_that_fit(self._database, sids, BATCH_ROWS), self._commit, self._report)
        self._settle(erasure, bool(sids), now)
        return True

    def _settle(self, erasure: Document, found: bool, now: datetime) -> None:
        if self._failed:
            store.erasure_due(self._database, erasure, now + ERASE_LATER)
        elif not found and now < erasure["until"]:
            store.erasure_due(self._database, erasure, now + ERASE_AGAIN)
        elif not found:
            store.erasure_done(self._database, erasure)

    def _commit(self, sids: Sequence[str]) -> None:
        work = UnitOfWork(self._database, self._clock)
        erase_all(work, sids, self._clock())
        work.commit()

    def _report(self, sid: str, error: Exception) -> None:
        self._failed = True
        log.error("erase.failed", subject=sid, code=error_name(error), reason=describe(error))


class FoldLoop:
    """Folds what waits, and erases; of several workers one at a time. A call that fails is put off, alone."""

    name = f"{NAME}.fold"

    def __init__(self, folding: Folding, database: Database, clock: Clock, holder: str, idle: float) -> None:
        self.wakeup = database.signal(RAW_REQUESTS)
        self._folding = folding
        self._database = database
        self._clock = clock
        self._idle = idle
        self._lease = Lease(database, "fold", holder)
        self._work_off = WorkOff(database, clock)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        now = self._clock()
        folded, erased = self._fold_waiting(now), self._work_off.piece(now)
        return 0.0 if folded or erased else self._idle

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _fold_waiting(self, now: datetime) -> bool:
        pending = store.pending_subjects(self._database, now, BATCH)
        subjects = list(dict.fromkeys([*pending, *store.due_calls(self._database, now, BATCH)]))
        if subjects:
            commit_batch(store.first_that_fit(self._database, subjects, BATCH_ROWS), self._commit, self._put_off)
        return bool(subjects)

    def _put_off(self, subject: str, error: Exception) -> None:
        log.error("fold.put_off", subject=subject, code=error_name(error), reason=describe(error))
        store.put_off(self._database, subject, self._clock())

    def _commit(self, subjects: Sequence[str]) -> None:
        work = UnitOfWork(self._database, self._clock)
        self._folding.fold(work, subjects, self._clock())
        work.commit()


class AskLoop:
    """Asks Twilio about calls that have not ended, and for transcriptions that came without their text."""

    name = f"{NAME}.ask"

    def __init__(self, asking: Asking, database: Database, clock: Clock, holder: str) -> None:
        self.wakeup = threading.Event()
        self._asking = asking
        self._database = database
        self._clock = clock
        self._lease = Lease(database, "ask", holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        calls = store.calls_to_ask(self._database, self._clock(), ASK_BATCH)
        for call in calls:
            try:
                self._asking.about(call)
            except (TwilioUnavailable, TwilioRefused) as error:
                log.error("ask.failed", call_sid=call["_id"], code=error.code, reason=error.message)
                self._asking.postpone(call)
                return TWILIO_AWAY_SECONDS
        return 0.0 if len(calls) == ASK_BATCH else ASK_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()


class ReconcileLoop:
    """Compares the last hours with Twilio's own lists every quarter of an hour, and stores what is missing."""

    name = f"{NAME}.reconcile"

    def __init__(self, asking: Asking, database: Database, clock: Clock, holder: str) -> None:
        self.wakeup = threading.Event()
        self._asking = asking
        self._database = database
        self._clock = clock
        self._lease = Lease(database, "reconcile", holder)
        self._run: Iterator[Report] | None = None
        self._report: Report

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        now, reconciled = self._clock(), store.reconciled(self._database)
        if reconciled is None:
            # What was before us is brought in by hand, if at all: it would be answered as if it were new.
            store.note_reconciled(self._database, now)
            return ASK_SECONDS
        if self._run is None and now < reconciled[1] + RECONCILE_EVERY:
            return ASK_SECONDS
        try:
            return self._go_on(reconciled, now)
        except (TwilioUnavailable, TwilioRefused) as error:
            log.error("reconcile.failed", code=error.code, reason=error.message)
            self.reset()
            return TWILIO_AWAY_SECONDS

    def reset(self) -> None:
        self._run = None

    def close(self) -> None:
        self._lease.release()

    def _go_on(self, reconciled: tuple[datetime, datetime], now: datetime) -> float:
        """A part of the window at a time: a step has to be short."""
        if self._run is None:
            self._begin(*reconciled, now)
        assert self._run is not None
        if next(self._run, None) is not None:
            return 0.0
        store.note_reconciled(self._database, self._report.until)
        told = self._report
        log.info("reconcile.done", calls=told.calls, messages=told.messages, repaired=told.repaired)
        self.reset()
        return ASK_SECONDS

    def _begin(self, first: datetime, last: datetime, now: datetime) -> None:
        since = max(first, last - RECONCILE_OVERLAP, now - RECONCILE_LONGEST)
        if since > last:
            log.error("reconcile.gap", since=rfc3339(last), until=rfc3339(since))
        self._report = Report(since, now - RECONCILE_GRACE)
        self._run = self._asking.reconcile_by_parts(self._report, repair=True)


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    folding = Folding(settings.businesses, seal)
    asking = Asking(lambda: twilio_api(settings, ASK_TIMEOUT_SECONDS, ASK_ATTEMPTS), database, settings, clock)
    return [
        FoldLoop(folding, database, clock, holder, idle),
        Relay(NAME, database, bus, clock, holder, idle),
        EventConsumer(NAME, subscriptions(clock, seal), database, bus, clock),
        *([AskLoop(asking, database, clock, holder)] if settings.twilio_account_known else []),
        *([ReconcileLoop(asking, database, clock, holder)] if settings.twilio_account_known else []),
    ]


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
