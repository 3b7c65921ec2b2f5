"""A way out to the bus: a publisher on a connection of its own, made when needed, dropped after any error."""

from collections.abc import Sequence
from typing import Any

from ringback.bus.connection import Bus, discard, keep_alive
from ringback.bus.message import Message
from ringback.bus.publisher import Publisher
from ringback.errors import BusUnavailable, error_name


class Outlet:
    """`name` shows at the broker. For one thread."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name
        self._connection: Any = None
        self._publisher: Publisher | None = None

    def publish(self, messages: Sequence[Message]) -> set[str]:
        """As `Publisher.publish`; raises BusUnavailable whatever went wrong: the outcome is unknown."""
        try:
            return self._connected().publish(messages)
        except Exception as error:
            self.close()
            if isinstance(error, BusUnavailable):
                raise
            raise BusUnavailable(f"The broker is out of reach ({error_name(error)}).") from error

    def keep_alive(self) -> None:
        """To be called every few seconds; a connection that died while idle is dropped."""
        if self._connection is None:
            return
        try:
            keep_alive(self._connection)
        except Exception:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            discard(self._connection)
        self._connection = self._publisher = None

    def _connected(self) -> Publisher:
        if self._publisher is None:
            self._connection = self._bus.connect(self._name)
            self._publisher = self._bus.publisher(self._connection)
        return self._publisher
