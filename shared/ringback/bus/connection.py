"""Connections to the bus. One a thread, made after any fork; after any error thrown away, never mended."""

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import amqp
from kombu import Connection

from ringback.bus.embedded import Transport as EmbeddedTransport
from ringback.bus.publisher import ConfirmedPublisher, EmbeddedPublisher, Publisher
from ringback.bus.topology import Topology
from ringback.clock import Clock, system_clock

HEARTBEAT_SECONDS = 15
CONNECT_SECONDS = 3
EMBEDDED_SCHEMES = ("mongodb://", "mongodb+srv://")


@dataclass(frozen=True)
class Bus:
    """Where the bus is and what must exist on it; opens nothing by itself."""

    url: str = field(repr=False)
    topology: Topology = field(default_factory=Topology)
    clock: Clock = system_clock

    @property
    def embedded(self) -> bool:
        return self.url.startswith(EMBEDDED_SCHEMES)

    def connect(self, name: str) -> Any:
        """An open kombu connection on which the topology has been declared; `name` shows at the broker."""
        connection = self._connection(name)
        try:
            connection.connect()
            with connection.channel() as channel:
                self.topology.declare(channel)
        except BaseException:
            discard(connection)
            raise
        return connection

    def publisher(self, connection: Any) -> Publisher:
        if self.embedded:
            return EmbeddedPublisher(connection)
        return ConfirmedPublisher(connection)

    def _connection(self, name: str) -> Connection:
        if self.embedded:
            options = {"url": self.url, "clock": self.clock}
            return Connection(transport=EmbeddedTransport, transport_options=options)
        properties = {"connection_name": name}
        return Connection(
            self.url,
            heartbeat=HEARTBEAT_SECONDS,
            connect_timeout=CONNECT_SECONDS,
            transport_options={"client_properties": properties},
        )


def keep_alive(connection: Any) -> None:
    """Exchange heartbeats; to be called every few seconds while nothing else is asked of the connection.

    Raises when the other side has been silent for two heartbeats. What came in is taken on the way: unread
    heartbeats would count as silence.
    """
    if not connection.supports_heartbeats:
        return
    with suppress(socket.timeout):
        connection.drain_events(timeout=0.001)
    connection.heartbeat_check(rate=4)


def discard(connection: Any) -> None:
    """Drop a connection whatever its state, without waiting for the other side's goodbye."""
    with suppress(Exception):
        raw = connection._connection  # noqa: SLF001 - kombu would say goodbye first, and leave the socket if it fails
        if isinstance(raw, amqp.Connection):
            raw.collect()
    with suppress(Exception):
        connection.collect()
