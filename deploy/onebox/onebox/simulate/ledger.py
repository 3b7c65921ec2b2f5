"""The client's own record of what the server accepted: what a kill -9 test compares the server with."""

import json
import os
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from onebox.simulate.model import Webhook


class Ledger:
    """Appends one JSON line for each webhook answered 2xx; a line is on disk when `record` returns.

    `params` are [name, value] pairs, as they were sent: names may repeat. Texts have no `call_sid`, calls no
    `message_sid`: it is empty.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = Lock()

    def record(self, webhook: Webhook, status: int) -> None:
        entry = {
            "call_sid": webhook.call_sid,
            "message_sid": webhook.message_sid,
            "path": webhook.path,
            "params": webhook.params,
            "status": status,
        }
        with self._lock:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
