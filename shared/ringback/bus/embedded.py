"""The embedded transport: a kombu transport whose queues are a MongoDB collection.

kombu's own MongoDB transport takes a message out of the database when it is delivered, so a kill -9 of the
consumer loses it. Here a delivery is a lease: the message stays until it is acknowledged, and comes back when
its consumer died. It understands the arguments of our queues that RabbitMQ understands: `x-message-ttl` with
`x-dead-letter-routing-key` (delayed retries), and `x-delivery-limit`.

Bindings live in the connection: every connection declares the whole topology before it publishes.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from queue import Empty
from time import monotonic
from typing import Any

from bson import Binary, ObjectId
from kombu.transport import virtual
from pymongo import ASCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from ringback.clock import Clock, system_clock
from ringback.store.mongo import Document, connect

LEASE_SECONDS = 30
POLL_SECONDS = 0.25
FETCH = 200
COLLECTION = "bus_messages"


class Arrivals:
    """Wakes the consumers of this process when something was put; other processes find it by polling."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def announce(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.count != seen, seconds)


ARRIVALS = Arrivals()


class LeasedQoS(virtual.QoS):
    """Acknowledging deletes the message; rejecting with requeue and closing give the lease back."""

    # At interpreter exit the database may be gone, and a lease ends by itself.
    restore_at_shutdown = False

    def ack(self, delivery_tag: Any) -> None:
        self.channel.forget([delivery_tag])
        super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if requeue:
            self.channel.give_back([delivery_tag])
        else:
            self.channel.forget([delivery_tag])
        self._quick_ack(delivery_tag)

    def restore_unacked(self) -> list[Any]:
        self._flush()
        self.channel.give_back(list(self._delivered))
        self._delivered.clear()
        return []

    def ack_up_to(self, delivery_tag: Any) -> None:
        """AMQP's `multiple`: this delivery and all before it on the channel."""
        self._flush()
        tags = []
        for tag in self._delivered:
            tags.append(tag)
            if tag == delivery_tag:
                break
        self.channel.forget(tags)
        for tag in tags:
            del self._delivered[tag]


class Channel(virtual.Channel):
    QoS = LeasedQoS
    body_encoding = None
    from_transport_options = (*virtual.Channel.from_transport_options, "url", "clock")
    url: str
    clock: Clock = staticmethod(system_clock)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pending_inserts: list[Document] | None = None
        self._messages: Collection[Document] = self.connection.messages(self.url)

    # What kombu calls

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        self.connection.queue_arguments[queue] = kwargs.get("arguments") or {}

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return queue in self.connection.queue_arguments

    def _size(self, queue: str) -> int:
        return self._messages.count_documents({"queue": queue})

    def _purge(self, queue: str) -> int:
        return self._messages.delete_many({"queue": queue}).deleted_count

    def basic_publish(self, message: Document, exchange: str, routing_key: str, **_: Any) -> list[str]:
        """The queues that took it: none means unroutable."""
        self._inplace_augment_message(message, exchange, routing_key)
        queues: list[str] = self._lookup(exchange, routing_key) if exchange else [routing_key]
        for queue in queues:
            self._put(queue, message)
        return queues

    def _put(self, queue: str, message: Document, **_: Any) -> None:
        row = self._row(queue, message)
        if self._pending_inserts is not None:
            self._pending_inserts.append(row)
            return
        self._insert([row])

    def _get(self, queue: str, timeout: float | None = None) -> Document:
        rows = self._lease([queue], 1)
        if not rows:
            raise Empty
        return _payload(rows[0])

    def _get_many(self, queues: Sequence[str], timeout: float | None = None) -> None:
        room = self.qos.can_consume_max_estimate()
        rows = self._lease(queues, FETCH if room is None else min(FETCH, room))
        if not rows:
            raise Empty
        for row in rows:
            self.connection._deliver(_payload(row), row["queue"])  # noqa: SLF001 - how kombu transports deliver

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        if multiple:
            self.qos.ack_up_to(delivery_tag)
        else:
            self.qos.ack(delivery_tag)

    def close(self) -> None:
        """Stop consuming and give back what was not acknowledged."""
        if not self.closed and self._qos is not None:
            self._qos.restore_unacked()
        super().close()

    # What the rest of the bus calls

    @contextmanager
    def one_insert(self) -> Iterator[None]:
        """Whatever is published inside goes into the database in one insert, at the end."""
        self._pending_inserts = []
        try:
            yield
            self._insert(self._pending_inserts)
        finally:
            self._pending_inserts = None

    def forget(self, tags: Sequence[Any]) -> None:
        self._messages.delete_many({"lease": {"$in": list(tags)}})

    def give_back(self, tags: Sequence[Any]) -> None:
        if not tags:
            return
        self._messages.update_many({"lease": {"$in": list(tags)}}, {"$set": {"visible_at": self.clock()}})

    # How a message is kept

    def _row(self, queue: str, message: Document) -> Document:
        arguments = self.connection.queue_arguments.get(queue, {})
        delay_ms = _delay_ms(arguments, message)
        target = arguments["x-dead-letter-routing-key"] if delay_ms is not None else queue
        return {
            "_id": ObjectId(),
            "queue": target,
            "visible_at": self.clock() + timedelta(milliseconds=delay_ms or 0),
            "deliveries": 0,
            "body": Binary(message["body"]),
            "content_type": message["content-type"],
            "content_encoding": message["content-encoding"],
            "headers": message["headers"],
            "message_id": message["properties"]["message_id"],
            "routing_key": message["properties"]["delivery_info"]["routing_key"],
        }

    def _insert(self, rows: list[Document]) -> None:
        if not rows:
            return
        self._messages.insert_many(rows, ordered=True)
        ARRIVALS.announce()

    def _lease(self, queues: Sequence[str], limit: int) -> list[Document]:
        now = self.clock()
        waiting = {"queue": {"$in": list(queues)}, "visible_at": {"$lte": now}}
        order = [("visible_at", ASCENDING), ("_id", ASCENDING)]
        candidates = [row["_id"] for row in self._messages.find(waiting, {"_id": 1}).sort(order).limit(limit)]
        if not candidates:
            return []
        # Every row its own tag: row and lease in one, so that a late ack of an older lease deletes nothing.
        lease = uuid.uuid4().hex
        tag = {"$concat": [lease, ":", {"$toString": "$_id"}]}
        until = now + timedelta(seconds=LEASE_SECONDS)
        taken = {"lease": tag, "visible_at": until, "deliveries": {"$add": ["$deliveries", 1]}}
        self._messages.update_many({"_id": {"$in": candidates}, "visible_at": {"$lte": now}}, [{"$set": taken}])
        rows = self._messages.find({"_id": {"$in": candidates}, "lease": {"$regex": f"^{lease}:"}}).sort(order[1:])
        return self._within_limit(list(rows))

    def _within_limit(self, rows: list[Document]) -> list[Document]:
        kept = []
        for row in rows:
            arguments = self.connection.queue_arguments.get(row["queue"], {})
            limit = arguments.get("x-delivery-limit")
            if limit is None or row["deliveries"] <= limit:
                kept.append(row)
                continue
            self._move_to_dead_letters(row, arguments["x-dead-letter-routing-key"])
        return kept

    def _move_to_dead_letters(self, row: Document, queue: str) -> None:
        headers = row["headers"] | {"ringback-reason": "delivery_limit"}
        moved = {"queue": queue, "visible_at": self.clock(), "headers": headers, "deliveries": 0}
        self._messages.update_one({"_id": row["_id"]}, {"$set": moved, "$unset": {"lease": ""}})


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = "mongodb"
    driver_name = "pymongo"
    connection_errors = (*virtual.Transport.connection_errors, PyMongoError)
    implements = virtual.Transport.implements.extend(exchange_type=frozenset(["direct", "topic"]))

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.queue_arguments: dict[str, dict[str, Any]] = {}
        self._client: MongoClient[Document] | None = None
        super().__init__(client, **kwargs)

    def messages(self, url: str) -> Collection[Document]:
        """The collection of messages; one MongoDB client for a connection, which makes the indexes first."""
        if self._client is not None:
            return _collection(self._client)
        self._client = connect(url, "bus")
        messages = _collection(self._client)
        messages.create_index([("queue", ASCENDING), ("visible_at", ASCENDING), ("_id", ASCENDING)])
        messages.create_index([("lease", ASCENDING)], sparse=True)
        return messages

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what waits; woken at once by this process, within POLL_SECONDS by another."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            seen = ARRIVALS.count
            try:
                self.cycle.get(self._deliver, timeout=timeout)
            except Empty:
                self._await_arrival(seen, deadline)
            else:
                return

    def _await_arrival(self, seen: int, deadline: float | None) -> None:
        remaining = POLL_SECONDS if deadline is None else deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        ARRIVALS.wait(seen, min(POLL_SECONDS, remaining))

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        if self._client is not None:
            self._client.close()
            self._client = None

    def _collect(self, connection: Any) -> None:
        """How kombu drops a connection; without this it would change the process's default socket timeout."""
        self.close_connection(connection)

    def driver_version(self) -> str:
        return "1"


def release_leases(url: str, clock: Clock) -> None:
    """Make every delivery visible again: for the one process that owns the bus, when it starts after a crash."""
    client = connect(url, "bus")
    try:
        leased = {"lease": {"$exists": True}, "visible_at": {"$gt": clock()}}
        change = {"$set": {"visible_at": clock()}, "$unset": {"lease": ""}}
        _collection(client).update_many(leased, change)
    finally:
        client.close()


def _collection(client: MongoClient[Document]) -> Collection[Document]:
    return client.get_default_database("ringback")[COLLECTION]


def _delay_ms(arguments: Document, message: Document) -> int | None:
    """How long a message waits in a queue that only delays: the shorter of the queue's and its own TTL."""
    queue_ttl = arguments.get("x-message-ttl")
    if queue_ttl is None or "x-dead-letter-routing-key" not in arguments:
        return None
    own = message["properties"].get("expiration")
    return int(queue_ttl) if own is None else min(int(queue_ttl), int(own))


def _payload(row: Document) -> Document:
    return {
        "body": row["body"],
        "content-type": row["content_type"],
        "content-encoding": row["content_encoding"],
        "headers": row["headers"],
        "properties": {
            "message_id": row["message_id"],
            "delivery_tag": row["lease"],
            "delivery_info": {"exchange": "", "routing_key": row["routing_key"]},
            "body_encoding": None,
        },
    }
