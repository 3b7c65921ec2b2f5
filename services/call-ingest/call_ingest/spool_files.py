"""The spool's folder and the files in it: named by age, each held by the process that appends to it."""

import fcntl
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SUFFIX = ".spool"
DAMAGED_SUFFIX = ".damaged"


class ActiveFile:
    """A new file, by its name younger than all others, that only its maker may append to."""

    def __init__(self, folder: Path, room: int) -> None:
        self._room = room
        self._durable_bytes = 0
        self._descriptor, name = tempfile.mkstemp(SUFFIX, f"{_next_number(folder):012d}-", folder)
        self._path = Path(name)

    def accepts(self, size: int) -> bool:
        """Holds the file too. Also false when it is lost: to a drain that came before it was held, or to an rm."""
        return self._durable_bytes + size <= self._room and hold(self._descriptor, self._path)

    def append(self, block: bytes) -> None:
        """On disk when it returns. After an error the file is good for nothing but `close`: the kernel tells of a
        failed write-back once, and a second fsync would succeed."""
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        if not self._durable_bytes:
            _sync(self._path.parent)
        self._durable_bytes += len(block)

    def close(self) -> None:
        """A file in which nothing is durable goes: on a full disk every append would leave one."""
        with suppress(OSError):
            if not self._durable_bytes:
                self._path.unlink(missing_ok=True)
        with suppress(OSError):
            os.close(self._descriptor)


def hold(descriptor: int, path: Path) -> bool:
    """Whether this is still the file of that name, and from now on, or since before, held by nobody else.

    Never waits. The kernel lets go when the descriptor is closed, however its process ends.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def make(folder: Path) -> None:
    """Each folder that was missing is on disk when it returns: a file is lost with the folder that holds it."""
    if not folder.exists():
        make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def spooled(folder: Path) -> Sequence[Path]:
    """Oldest first; without the damaged."""
    return [path for path in _files(folder) if path.suffix == SUFFIX]


def used_bytes(folder: Path) -> int:
    return sum(size(path) for path in _files(folder))


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process drained it
        return 0


def keep_as_damaged(path: Path) -> None:
    path.rename(path.with_name(path.name + DAMAGED_SUFFIX))


def _files(folder: Path) -> Sequence[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:  # nothing was ever appended
        return ()


def _next_number(folder: Path) -> int:
    """Not a time: clocks are set back. Damaged files count, so that no name is given twice."""
    numbers = (re.match(r"\d+", path.name) for path in _files(folder))
    return 1 + max((int(number[0]) for number in numbers if number), default=0)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
