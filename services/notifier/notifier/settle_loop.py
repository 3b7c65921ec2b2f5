"""The loop that settles what may have been sent, and ends what waited too long."""

import threading

import structlog

from notifier.settling import Settling
from ringback.errors import Transient, describe, error_name
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.worker.batch import commit_batch

BATCH = 200
# Each asks Twilio, which may take as long as it likes: a step is to end before the worker counts as stuck.
LOOKS = 3
IDLE_SECONDS = 1.0
STANDBY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class SettlingLoop:
    """Of several workers one at a time."""

    name = "notifier.settle"

    def __init__(self, settling: Settling, database: Database, holder: str) -> None:
        self.wakeup = threading.Event()
        self._settling = settling
        self._lease = Lease(database, "settle", holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        expired, unsettled = self._settling.expired(BATCH), self._settling.due(LOOKS)
        if expired:
            commit_batch(expired, self._settling.drop, self._put_off_sending)
        for message_id in unsettled:
            commit_batch([message_id], lambda ids: self._settling.settle(ids[0]), self._put_off_settling)
        return 0.0 if len(expired) == BATCH or len(unsettled) == LOOKS else IDLE_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _put_off_sending(self, message_id: str, error: Exception) -> None:
        self._put_off(message_id, error, "expires_at")

    def _put_off_settling(self, message_id: str, error: Exception) -> None:
        self._put_off(message_id, error, "settle_at")

    def _put_off(self, message_id: str, error: Exception, name: str) -> None:
        log.error("settle.put_off", message_id=message_id, code=error_name(error), reason=describe(error))
        # A worker that was killed blocks what it was writing for a while: that is no text's fault.
        if not isinstance(error, Transient):
            self._settling.put_off(message_id, name)
