"""A local spool: what cannot be stored now waits in files, on disk before it is acknowledged.

Each process appends to a file of its own, which it holds as long as it lives. A file that nobody holds is complete,
and any process may drain it.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from call_ingest.spool_files import ActiveFile, hold, keep_as_damaged, make, size, spooled, used_bytes
from call_ingest.spool_records import RECORD_BYTES, Contents, batches, decode, encode
from ringback.errors import StoreUnavailable

LIMIT_BYTES = 256 * 1024 * 1024
# A drain reads a file whole.
FILE_BYTES = 8 * 1024 * 1024

Take = Callable[[Sequence[bytes]], None]

log = structlog.get_logger(__name__)


class SpoolUnavailable(StoreUnavailable):
    """The spool is full or its disk fails. What was being appended may be drained later, or not."""

    code = "spool_unavailable"


class Spool:
    """Safe to call from any number of threads, and from processes that share the folder.

    A process may be forked before its first append, not after.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        """Opens and makes nothing. The limit is on all files of the folder, damaged ones too."""
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._active: ActiveFile | None = None

    def append(self, records: Sequence[bytes]) -> None:
        """All are on disk when it returns. Raises SpoolUnavailable when that is not known, and for a record of more
        than RECORD_BYTES; the next append begins a new file."""
        if any(len(record) > RECORD_BYTES for record in records):
            raise SpoolUnavailable("A record is too large for the local spool.")
        if records:
            with self._lock, _errors_as_unavailable():
                self._write(b"".join(encode(record) for record in records))

    def waiting(self) -> bool:
        """Whether a file holds something, be it one that a living process appends to. Cheap.

        Raises SpoolUnavailable when the folder cannot be read.
        """
        with _errors_as_unavailable():
            return any(size(path) for path in spooled(self._folder))

    def check(self) -> None:
        """Raises SpoolUnavailable when not even a small record could be appended."""
        with self._lock, _errors_as_unavailable():
            self._file_for(1)

    def drain(self, take: Take) -> int:
        """Hand over what this process appended and ended ones left, oldest first, in batches; the number of records.

        A file goes once `take` returned for all of it. What `take` raises ends the drain and leaves the file: its
        records, those taken too, come again. A file with damaged bytes stays, renamed, once its whole records are
        taken. One that cannot be read or removed stays, is logged, and holds up no other. Raises SpoolUnavailable
        when the folder cannot be read.
        """
        self.close()
        with _errors_as_unavailable():
            paths = spooled(self._folder)
        return sum(_drain(path, take) for path in paths)

    def close(self) -> None:
        """Leaves what was appended to the next drain, of this process or another."""
        with self._lock:
            self._seal()

    def _write(self, block: bytes) -> None:
        try:
            self._file_for(len(block)).append(block)
        except BaseException:
            self._seal()
            raise

    def _file_for(self, block_bytes: int) -> ActiveFile:
        while self._active is None or not self._active.accepts(block_bytes):
            self._seal()
            self._active = ActiveFile(self._folder, self._room(block_bytes))
        return self._active

    def _room(self, block_bytes: int) -> int:
        make(self._folder)
        room = self._limit_bytes - used_bytes(self._folder)
        if block_bytes > room:
            raise SpoolUnavailable("The local spool is full.")
        return max(block_bytes, min(room, FILE_BYTES))

    def _seal(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.close()


def _drain(path: Path, take: Take) -> int:
    drained = 0
    with closing(_batches_of(path)) as waiting:
        for batch in waiting:
            take(batch)
            drained += len(batch)
    return drained


def _batches_of(path: Path) -> Generator[Sequence[bytes], None, None]:
    """Who asks for more after the last batch has taken all: then the file goes."""
    try:
        with path.open("r+b", buffering=0) as file:
            if hold(file.fileno(), path):
                contents = decode(file.readall())
                yield from batches(contents.records)
                _dispose(path, contents)
    except FileNotFoundError:  # another process drained it
        return
    except OSError as error:
        log.error("spool.file_failed", file=path.name, reason=error.strerror)


def _dispose(path: Path, contents: Contents) -> None:
    counts = {"records": len(contents.records), "damaged": contents.damaged_bytes, "torn": contents.torn_bytes}
    if contents.damaged_bytes:
        log.error("spool.damaged", file=path.name, **counts)
        keep_as_damaged(path)
        return
    if contents.torn_bytes:
        log.warning("spool.torn", file=path.name, **counts)
    path.unlink()


@contextmanager
def _errors_as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolUnavailable(f"The local spool cannot be used: {error.strerror}.") from error
