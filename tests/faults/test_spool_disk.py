"""The spool under kill -9 and on a disk that takes no more: what was acknowledged comes out."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from call_ingest.spool import Spool
from tests.support.waiting import eventually

PROCESS_SECONDS = 60

BEGIN = """
import os, signal, sys
from pathlib import Path
from call_ingest.spool import Spool, SpoolUnavailable
spool = Spool(Path(sys.argv[1]))
def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")  # in one piece, whoever else writes
    sys.stdout.flush()
def append(number):
    spool.append([b"%d" % number, b"%d, the second of its group" % number])
    say("appended", number)
"""

APPEND_FOR_EVER = """
number = 0
while True:
    append(number)
    number += 1
"""

# Every call that reaches the disk is two steps, one before and one after; a write is two calls.
APPEND_AND_DRAIN_UNTIL_KILLED = """
import fcntl, tempfile
taken_steps, fatal_step = 0, int(sys.argv[2])
def step():
    global taken_steps
    taken_steps += 1
    if taken_steps == fatal_step:
        os.kill(os.getpid(), signal.SIGKILL)
def around(function):
    def stepped(*args, **kwargs):
        step()
        result = function(*args, **kwargs)
        step()
        return result
    return stepped
write = os.write
os.write = lambda descriptor, data: write(descriptor, data[:(len(data) + 1) // 2])
for owner, name in ((os, "write"), (os, "fsync"), (os, "close"), (fcntl, "flock"), (tempfile, "mkstemp"),
                    (Path, "mkdir"), (Path, "unlink")):
    setattr(owner, name, around(getattr(owner, name)))
def take(batch):
    step()
    for record in batch:
        say("taken", record.decode())
    step()
append(0)
append(1)
spool.close()
append(2)
spool.drain(take)
append(3)
spool.close()
say("ended", taken_steps)
"""

APPEND_TO_SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for number in range(60):
    try:
        append(number)
    except SpoolUnavailable:
        say("refused", number)
"""

APPEND_WITHOUT_LEAVE = """
if os.geteuid() == 0:
    os.setuid(65534)
try:
    append(0)
except SpoolUnavailable:
    say("refused", 0)
"""

APPEND_ON_BOTH_SIDES_OF_A_FORK = """
child = os.fork()
append(2 if child else 1)
if child:
    os.waitpid(child, 0)
"""


@contextmanager
def process(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", BEGIN + program, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def said_by(program: str, *args: object, code: int = 0) -> list[tuple[str, str]]:
    """What it said until its end, as verb and rest."""
    with process(program, *args) as child:
        words, _ = child.communicate(timeout=PROCESS_SECONDS)
        assert child.returncode == code
    return pairs(words)


def pairs(words: str) -> list[tuple[str, str]]:
    return [(verb, rest) for verb, _, rest in (line.partition(" ") for line in words.splitlines())]


def rests(said: list[tuple[str, str]], verb: str) -> list[str]:
    return [rest for each, rest in said if each == verb]


def group(number: str) -> list[str]:
    return [number, f"{number}, the second of its group"]


def drained(folder: Path) -> list[str]:
    records: list[bytes] = []
    Spool(folder).drain(records.extend)
    return [record.decode() for record in records]


@pytest.mark.fault
def test_nothing_appended_is_lost_by_kill_9_at_any_step(tmp_path: Path) -> None:
    whole = said_by(APPEND_AND_DRAIN_UNTIL_KILLED, tmp_path / "0", 0)
    [steps] = rests(whole, "ended")
    assert int(steps) > 50
    for fatal in range(1, int(steps) + 1):
        folder = tmp_path / str(fatal)
        said = said_by(APPEND_AND_DRAIN_UNTIL_KILLED, folder, fatal, code=-signal.SIGKILL)
        came_out = rests(said, "taken") + drained(folder)
        for number in rests(said, "appended"):
            assert set(group(number)) <= set(came_out), fatal
        assert drained(folder) == []
        assert not list(folder.glob("*")), fatal


@pytest.mark.fault
def test_others_drain_a_process_only_after_its_kill_9_and_then_all_of_it(tmp_path: Path) -> None:
    with process(APPEND_FOR_EVER, tmp_path) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(50)]
        assert Spool(tmp_path).waiting()
        assert drained(tmp_path) == []
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
        eventually(lambda: child.poll() == -signal.SIGKILL)
    appended = rests(pairs("".join(said)), "appended")
    came_out = drained(tmp_path)
    assert came_out[: 2 * len(appended)] == [record for number in appended for record in group(number)]
    assert came_out[2 * len(appended) :] in ([], [str(len(appended))], group(str(len(appended))))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_a_file_that_may_not_grow_takes_nothing_acknowledged_along(tmp_path: Path) -> None:
    said = said_by(APPEND_TO_SMALL_FILES, tmp_path)
    appended, refused = rests(said, "appended"), rests(said, "refused")
    assert len(appended) + len(refused) == 60
    assert len(appended) > 40
    assert 1 < len(refused) <= len(list(tmp_path.iterdir()))
    came_out = drained(tmp_path)
    expected = [record for number in appended for record in group(number)]
    assert [record for record in came_out if record.partition(",")[0] not in refused] == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o500)
    assert said_by(APPEND_WITHOUT_LEAVE, tmp_path / "spool") == [("refused", "0")]


@pytest.mark.fault
def test_a_fork_before_the_first_append_makes_two_that_append(tmp_path: Path) -> None:
    said = said_by(APPEND_ON_BOTH_SIDES_OF_A_FORK, tmp_path)
    assert sorted(said) == [("appended", "1"), ("appended", "2")]
    assert sorted(drained(tmp_path)) == sorted(group("1") + group("2"))
