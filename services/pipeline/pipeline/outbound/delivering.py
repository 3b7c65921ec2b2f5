"""Attempts to deliver, and the loop that makes them.

At least once: an attempt whose process died is made again, with the same `webhook-id`. Several workers share the
deliveries by claiming them one by one.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog

from pipeline.outbound import store
from pipeline.outbound.attempts import Outcome
from pipeline.outbound.client import NoAnswer, WebhookClient
from pipeline.outbound.deliveries import CANCELED, attempted, finished, noticed
from pipeline.outbound.payloads import TEST
from pipeline.outbound.signing import Secret, secrets_with, signed_headers
from ringback.clock import Clock
from ringback.errors import describe, error_name
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork, repeated

USER_AGENT = "Ringback/1 (webhooks)"
THREADS = 16
# A slow receiver holds up no other: so many of the threads may wait for one endpoint.
MOST_AT_ONCE = 2
IDLE_SECONDS = 0.5
BUSY_SECONDS = 0.05

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Delivering:
    """`spread` gives random numbers from 0 to 1, for the jitter of retries."""

    database: Database
    clock: Clock
    client: WebhookClient
    secret: Secret
    spread: Callable[[], float] = random.random

    def attempt(self, delivery: Document) -> None:
        """Try a claimed delivery once, and write down what came of it."""
        endpoint = store.find_endpoint(self.database, delivery["business"], delivery["endpoint_id"])
        if endpoint is None or (not endpoint["active"] and delivery["type"] != TEST):
            self._change(delivery, lambda one, now: finished(one, CANCELED, "endpoint_disabled", now))
            return
        started_at = self.clock()
        self._settle(delivery, self._post(delivery, endpoint, started_at), started_at)

    def _post(self, delivery: Document, endpoint: Document, now: datetime) -> Outcome:
        secrets = [self.secret(endpoint["_id"], endpoint["generation"])]
        if endpoint["previous_until"] and now < endpoint["previous_until"]:
            secrets.append(self.secret(endpoint["_id"], endpoint["generation"] - 1))
        headers = signed_headers(secrets, delivery["_id"], now, delivery["body"])
        headers |= {"content-type": "application/json", "user-agent": USER_AGENT}
        try:
            answer = self.client.post(endpoint["url"], delivery["body"].encode(), headers)
        except NoAnswer as error:
            return Outcome(None, error.code)
        return Outcome(answer.status, None, answer.body, answer.retry_after)

    def _settle(self, delivery: Document, outcome: Outcome, started_at: datetime) -> None:
        spread = self.spread()
        settled = self._change(delivery, lambda one, now: attempted(one, outcome, started_at, now, spread))
        if settled:
            repeated(self.database, self.clock, lambda work: self._notice(work, delivery, outcome))

    def _change(self, delivery: Document, change: Callable[[Document, datetime], Document]) -> bool:
        """Whether it was changed: not when somebody else took it, or ended it, meanwhile."""

        def in_work(work: UnitOfWork) -> bool:
            found = store.load_delivery(work, delivery["business"], delivery["_id"])
            if found is None or found["version"] != delivery["version"]:
                return False
            work.save(store.DELIVERIES, change(found, self.clock()))
            return True

        return repeated(self.database, self.clock, in_work)

    def _notice(self, work: UnitOfWork, delivery: Document, outcome: Outcome) -> None:
        endpoint = store.load_endpoint(work, delivery["business"], delivery["endpoint_id"])
        if endpoint is None:
            return
        after = noticed(endpoint, outcome, self.clock())
        work.save(store.ENDPOINTS, after)
        if endpoint["active"] and not after["active"]:
            log.error("webhook.endpoint_disabled", endpoint_id=endpoint["_id"], reason=after["disabled_reason"])


def delivery_loop(settings: Settings, database: Database, clock: Clock) -> "DeliveryLoop":
    """`settings` with a secret key."""
    assert settings.secret_key is not None
    client = WebhookClient(settings.webhook_allow_private)
    return DeliveryLoop(Delivering(database, clock, client, secrets_with(settings.secret_key)), database, clock)


class DeliveryLoop:
    """Makes attempts in threads of its own, at most MOST_AT_ONCE at a time for an endpoint."""

    name = "pipeline.webhooks"

    def __init__(self, delivering: Delivering, database: Database, clock: Clock) -> None:
        self.wakeup = database.signal(store.DELIVERIES)
        self._delivering = delivering
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=self.name)

    def step(self) -> float:
        """Claim what is due, as far as threads are free."""
        waiting = store.waiting_endpoints(self._database)
        random.shuffle(waiting)  # so that none is always last when threads are few
        started = sum(map(self._start, waiting))
        return BUSY_SECONDS if started else IDLE_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps: what was claimed is being tried."""

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _start(self, endpoint_id: str) -> int:
        started = 0
        while self._has_room(endpoint_id):
            delivery = store.claim(self._database, endpoint_id, self._clock())
            if delivery is None:
                break
            self._count(endpoint_id, 1)
            self._threads.submit(self._attempt, delivery)
            started += 1
        return started

    def _has_room(self, endpoint_id: str) -> bool:
        with self._lock:
            return self._running.total() < THREADS and self._running[endpoint_id] < MOST_AT_ONCE

    def _count(self, endpoint_id: str, change: int) -> None:
        with self._lock:
            self._running[endpoint_id] += change
            self._running += Counter()  # forgets those that have none

    def _attempt(self, delivery: Document) -> None:
        try:
            self._delivering.attempt(delivery)
        except Exception as error:
            log.error("webhook.failed", delivery_id=delivery["_id"], code=error_name(error), reason=describe(error))
        finally:
            self._count(delivery["endpoint_id"], -1)
            self.wakeup.set()
