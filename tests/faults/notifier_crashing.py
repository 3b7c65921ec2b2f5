"""A notifier that is killed at a chosen step of sending and settling.

Steps are the commands that write to MongoDB and the handing over of a text, each once before and once after. Killing
is SIGKILL: nothing is cleaned up.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pymongo import monitoring

from notifier.app import NAME
from notifier.store import INDEXES, MESSAGES
from notifier.twilio_api import TwilioMessages
from notifier.worker import sending_loops
from ringback.clock import Clock, system_clock
from ringback.errors import Transient
from ringback.settings import load_settings
from ringback.store.database import Database, open_database
from tests.faults.crashing import HOLDER, Steps
from tests.support.fake_twilio import ACCOUNT, TOKEN

QUIET_SECONDS = 20.0
# An answer that does not come is given up after that.
TIMEOUT_SECONDS = 0.5


def run(mongo_url: str, twilio_url: str, fatal: int, later: float, report: Any) -> None:
    """Work until nothing is to be done by a clock that is `later` seconds ahead; puts the number of steps."""
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    database.close()
    steps = Steps(fatal)
    monitoring.register(steps)
    database = open_database(mongo_url, NAME)
    TwilioMessages.send = _stepped(steps, TwilioMessages.send)  # type: ignore[method-assign]
    _work(database, twilio_url, _ahead(later))
    database.close()
    report.put(steps.taken)


def _stepped(steps: Steps, method: Callable[..., Any]) -> Callable[..., Any]:
    def send(messages: TwilioMessages, order: Any) -> Any:
        object.__setattr__(messages, "timeout_seconds", TIMEOUT_SECONDS)
        steps.take()
        answer = method(messages, order)
        steps.take()
        return answer

    return send


def _ahead(seconds: float) -> Clock:
    def clock() -> datetime:
        return system_clock() + timedelta(seconds=seconds)

    return clock


def _work(database: Database, twilio_url: str, clock: Clock) -> None:
    settings = load_settings(
        {
            "RINGBACK_SECRET_KEY": "s" * 40,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_API_BASE_URL": twilio_url,
        }
    )
    loops: list[Any] = sending_loops(settings, database, clock, HOLDER, 0.02)
    deadline = time.monotonic() + QUIET_SECONDS
    while not _quiet(database, loops, clock()):
        for loop in loops:
            _step(loop)
        if time.monotonic() > deadline:
            raise TimeoutError("The worker did not finish.")
    for loop in loops:
        loop.close()


def _step(loop: Any) -> None:
    try:
        loop.step()
    except Transient:
        loop.reset()
        time.sleep(0.02)


def _quiet(database: Database, loops: list[Any], now: datetime) -> bool:
    sending = loops[0]
    if sending._in_flight or sending._unrecorded:
        return False
    due = [{"due_at": {"$type": "date"}}, {"settle_at": {"$type": "date", "$lte": now}}]
    return database[MESSAGES].count_documents({"$or": due}) == 0
