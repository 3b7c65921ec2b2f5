"""A lease: of several workers of a service one at a time does what must not be done twice at once.

Losing it late is harmless: what is done under a lease is idempotent; the lease only saves double work. Time is
the database server's, so that clocks of workers need not agree.
"""

import time

from pymongo import ReturnDocument

from ringback.errors import ConcurrentUpdate
from ringback.store.database import LEASES, Database
from ringback.store.mongo import translated_errors

LEASE_SECONDS = 10.0


class Lease:
    """`holder` names the process: the same holder gets its own lease back at once after a crash."""

    def __init__(self, database: Database, name: str, holder: str, seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._renew_at = 0.0

    def held(self) -> bool:
        """Whether this holder has the lease now; renews it when a third of it is over."""
        if time.monotonic() < self._renew_at:
            return True
        asked_at = time.monotonic()
        if not self._acquire():
            return False
        self._renew_at = asked_at + self._seconds / 3
        return True

    def release(self) -> None:
        self._renew_at = 0.0
        with translated_errors():
            self._database[LEASES].delete_one({"_id": self._name, "holder": self._holder})

    def _acquire(self) -> bool:
        # A lease that nobody ever held has no `until`, and a missing value sorts before every date.
        free = {"$or": [{"$eq": ["$holder", self._holder]}, {"$lt": ["$until", "$$NOW"]}]}
        until = {"$add": ["$$NOW", int(self._seconds * 1000)]}
        taken = {
            "holder": {"$cond": [free, self._holder, "$holder"]},
            "until": {"$cond": [free, until, "$until"]},
        }
        try:
            with translated_errors():
                lease = self._database[LEASES].find_one_and_update(
                    {"_id": self._name}, [{"$set": taken}], upsert=True, return_document=ReturnDocument.AFTER
                )
        except ConcurrentUpdate:
            return False
        return lease is not None and lease["holder"] == self._holder
