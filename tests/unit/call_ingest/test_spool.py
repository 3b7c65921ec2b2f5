"""The spool: what was appended comes out, whole and in order, whatever happened to its file."""

import errno
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from call_ingest import spool_files
from call_ingest.spool import LIMIT_BYTES, Spool, SpoolUnavailable
from call_ingest.spool_files import hold, size
from call_ingest.spool_records import HEADER_BYTES, MAGIC, RECORD_BYTES, Contents, batches, decode, encode
from ringback.errors import StoreUnavailable, Transient
from tests.support.waiting import eventually

SOON = 10.0
MOST_BYTES = 1000  # of a file that two small records fit into

# Also what looks like a record's start, and a whole record inside a record.
payloads = st.one_of(st.binary(max_size=12), st.just(MAGIC), st.builds(encode, st.binary(max_size=4)))
files = st.lists(payloads, min_size=1, max_size=4)


def spooled(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def drained(spool: Spool) -> list[bytes]:
    records: list[bytes] = []
    assert spool.drain(records.extend) == len(records)
    return records


@contextmanager
def folder() -> Iterator[Path]:
    """For a property's examples, which share a test's tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    one = Spool(tmp_path / "spool")
    yield one
    one.close()


# --- the records in a file ---


@given(files, st.lists(st.integers(0, 2), max_size=3))
def test_what_was_appended_is_drained_once_and_in_order(records: list[bytes], seals: list[int]) -> None:
    with folder() as path:
        spool = Spool(path)
        for index, record in enumerate(records):
            spool.append([record, record])
            if index in seals:
                spool.close()
        assert drained(spool) == [record for record in records for _ in range(2)]
        assert drained(spool) == []
        assert spooled(path) == []


@settings(max_examples=30)
@given(files)
def test_a_file_that_ends_anywhere_yields_the_records_before_that(records: list[bytes]) -> None:
    whole = b"".join(map(encode, records))
    ends = [len(b"".join(map(encode, records[:count]))) for count in range(len(records) + 1)]
    with folder() as path:
        for cut in range(len(whole) + 1):
            (path / "1-a.spool").write_bytes(whole[:cut])
            with capture_logs() as logs:
                assert drained(Spool(path)) == records[: sum(end <= cut for end in ends) - 1]
            assert spooled(path) == []
            assert [entry["event"] for entry in logs] == ([] if cut in ends else ["spool.torn"])


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=4), st.integers(1, 255))
def test_a_damaged_byte_costs_its_record_and_no_other(records: list[bytes], flip: int) -> None:
    whole = b"".join(map(encode, records))
    owner = [index for index, record in enumerate(records) for _ in encode(record)]
    with folder() as path:
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= flip
            (path / "1-a.spool").write_bytes(damaged)
            assert drained(Spool(path)) == [one for index, one in enumerate(records) if index != owner[position]]
            assert spooled(path) == ["1-a.spool.damaged"]
            assert (path / "1-a.spool.damaged").read_bytes() == damaged


@given(files, files, st.binary(min_size=1, max_size=40))
def test_what_is_no_record_hides_none_around_it(before: list[bytes], after: list[bytes], junk: bytes) -> None:
    contents = decode(b"".join(map(encode, before)) + junk + b"".join(map(encode, after)))
    assert contents.records == [*before, *after]
    assert (contents.damaged_bytes, contents.torn_bytes) == (len(junk), 0)


@given(files, files, st.data())
def test_a_torn_record_hides_none_behind_it(before: list[bytes], after: list[bytes], data: st.DataObject) -> None:
    torn = encode(b"torn off")[: data.draw(st.integers(1, HEADER_BYTES + 7))]
    contents = decode(b"".join(map(encode, before)) + torn + b"".join(map(encode, after)))
    assert contents.records == [*before, *after]
    assert (contents.damaged_bytes, contents.torn_bytes) == (len(torn), 0)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    contents = decode(data)
    whole = sum(len(encode(record)) for record in contents.records)
    assert whole + contents.damaged_bytes + contents.torn_bytes == len(data)


def test_zeros_that_a_power_failure_leaves_are_damage() -> None:
    contents = decode(encode(b"kept") + bytes(4096))
    assert (contents.records, contents.damaged_bytes, contents.torn_bytes) == ([b"kept"], 4096, 0)


def test_a_few_bytes_at_the_end_are_torn_only_if_a_record_begins_so() -> None:
    torn, junk = decode(encode(b"a") + MAGIC[:3]), decode(encode(b"a") + b"junk")
    assert (torn.damaged_bytes, torn.torn_bytes) == (0, 3)
    assert (junk.damaged_bytes, junk.torn_bytes) == (4, 0)


def test_a_torn_record_is_none_even_if_its_checksum_is_that_of_nothing() -> None:
    payload = bytes.fromhex("9d0ad96d")
    assert crc32(payload) == crc32(b"")
    assert decode(encode(payload)[:HEADER_BYTES]) == Contents([], 0, HEADER_BYTES)


def test_a_record_that_quotes_a_record_is_one() -> None:
    quoting = b"a" + encode(b"never appended") + b"b"
    assert decode(encode(quoting)).records == [quoting]


@given(st.text())
def test_no_text_looks_like_the_start_of_a_record(text: str) -> None:
    assert not set(MAGIC) & set(text.encode())


def test_a_record_stays_readable_as_it_was_written() -> None:
    """Else an update would find damage in what was appended before it."""
    written = bytes.fromhex("f9fbfdff 00000002 d8932aac 72901ef4") + b"hi"
    assert encode(b"hi") == written
    assert decode(written).records == [b"hi"]


def test_a_batch_has_an_end() -> None:
    many = [b"%d" % number for number in range(450)]
    assert [len(batch) for batch in batches(many)] == [200, 200, 50]
    large = [b"x" * 3_000_000, b"y" * 5_000_000, b"z", b"v" * 8_000_000, b"w" * 8_000_001]
    assert list(batches(large)) == [large[:2], large[2:3], large[3:4], large[4:]]
    assert [len(batch) for batch in batches([b"x" * 3_000_000] * 5)] == [2, 2, 1]
    assert list(batches(large[4:])) == [large[4:]]
    assert list(batches([])) == []


# --- draining ---


def test_a_failing_take_loses_nothing_and_leaves_the_rest(spool: Spool, tmp_path: Path) -> None:
    records = [b"%d" % number for number in range(450)]
    spool.append(records)
    spool.close()
    spool.append([b"younger"])
    taken: list[bytes] = []

    def take(batch: Sequence[bytes]) -> None:
        if taken:
            raise StoreUnavailable("gone again")
        taken.extend(batch)

    with pytest.raises(StoreUnavailable, match="gone again") as failure:
        spool.drain(take)
    assert taken == records[:200]
    assert len(spooled(tmp_path / "spool")) == 2
    assert spool.waiting()
    assert drained(spool) == [*records, b"younger"]
    assert failure.value.__traceback__ is not None  # kept, and with it the frames: they must not keep the file


def test_an_error_of_take_is_told_as_it_is_even_one_like_a_disks(spool: Spool) -> None:
    spool.append([b"a"])

    def take(batch: Sequence[bytes]) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    with pytest.raises(ConnectionResetError):
        spool.drain(take)
    assert drained(spool) == [b"a"]


def test_what_is_appended_during_a_drain_waits_for_the_next(spool: Spool) -> None:
    spool.append([b"first"])
    assert spool.drain(lambda _: spool.append([b"second"])) == 1
    assert spool.waiting()
    assert drained(spool) == [b"second"]


def test_another_drains_only_what_was_left(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool")
    spool.append([b"a"])
    assert other.waiting()
    assert drained(other) == []
    spool.close()
    assert drained(other) == [b"a"]
    assert not spool.waiting()
    assert drained(spool) == []


def test_two_drains_at_once_do_not_share_a_file(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool")
    spool.append([b"a"])
    seen: list[int] = []
    assert spool.drain(lambda _: seen.append(other.drain(lambda _: None))) == 1
    assert seen == [0]


def test_files_of_all_are_drained_oldest_first(tmp_path: Path) -> None:
    one, other = Spool(tmp_path), Spool(tmp_path)
    for number in range(12):
        each = (one, other)[number % 2]
        each.append([b"%d" % number])
        each.close()
    assert drained(one) == [b"%d" % number for number in range(12)]


def test_a_clock_that_is_set_back_changes_no_order(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        monkeypatch.setattr("time.time_ns", lambda number=number: 1000 - number)
        monkeypatch.setattr("time.time", lambda number=number: 1000.0 - number)
        spool.append([b"%d" % number])
        spool.close()
    assert drained(spool) == [b"0", b"1", b"2"]


def test_a_large_backlog_is_many_files(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("call_ingest.spool.FILE_BYTES", MOST_BYTES)
    records = [b"%03d" % number + b"x" * 400 for number in range(20)]
    for record in records:
        spool.append([record])
    sizes = [path.stat().st_size for path in (tmp_path / "spool").iterdir()]
    assert len(sizes) == 10
    assert max(sizes) <= MOST_BYTES
    assert drained(spool) == records


def test_a_group_larger_than_a_file_is_a_file(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("call_ingest.spool.FILE_BYTES", MOST_BYTES)
    spool.append([b"x" * MOST_BYTES] * 3)
    assert len(spooled(tmp_path / "spool")) == 1
    assert drained(spool) == [b"x" * MOST_BYTES] * 3


def test_damaged_files_are_read_once(spool: Spool, tmp_path: Path) -> None:
    spool.append([b"a", b"secret words", b"c"])
    [path] = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes().replace(b"secret", b"SECRET"))
    with capture_logs() as logs:
        assert drained(spool) == [b"a", b"c"]
    counts = {"records": 2, "damaged": len(encode(b"secret words")), "torn": 0}
    assert logs == [{"event": "spool.damaged", "log_level": "error", "file": path.name, **counts}]
    assert not spool.waiting()
    assert drained(spool) == []
    assert spooled(tmp_path / "spool") == [f"{path.name}.damaged"]


def test_a_name_is_not_given_again_while_its_damaged_file_stays(tmp_path: Path) -> None:
    (tmp_path / "000000000041-a.spool.damaged").touch()
    spool = Spool(tmp_path)
    spool.append([b"a"])
    assert spooled(tmp_path)[1].startswith("000000000042-")
    spool.close()


def test_a_torn_file_is_logged_without_its_content(spool: Spool, tmp_path: Path) -> None:
    spool.append([b"kept"])
    spool.close()
    [path] = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes() + encode(b"words")[:-1])
    with capture_logs() as logs:
        assert drained(spool) == [b"kept"]
    counts = {"records": 1, "damaged": 0, "torn": len(encode(b"words")) - 1}
    assert logs == [{"event": "spool.torn", "log_level": "warning", "file": path.name, **counts}]


def test_damage_is_put_aside_only_when_its_whole_records_were_taken(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1-a.spool").write_bytes(b"junk" + encode(b"a"))

    def take(batch: Sequence[bytes]) -> None:
        raise StoreUnavailable("x")

    with pytest.raises(StoreUnavailable):
        spool.drain(take)
    assert spooled(tmp_path / "spool") == ["1-a.spool"]
    assert drained(spool) == [b"a"]


def test_of_a_file_both_damaged_and_torn_the_damage_counts(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1-a.spool").write_bytes(b"junk" + encode(b"a") + MAGIC)
    with capture_logs() as logs:
        assert drained(spool) == [b"a"]
    assert [(entry["event"], entry["damaged"], entry["torn"]) for entry in logs] == [("spool.damaged", 4, 4)]
    assert spooled(tmp_path / "spool") == ["1-a.spool.damaged"]


def test_a_file_that_another_drained_meanwhile_is_none(spool: Spool, tmp_path: Path) -> None:
    spool.append([b"a"])
    spool.close()
    spool.append([b"b"])
    others: list[bytes] = []

    def take(batch: Sequence[bytes]) -> None:
        Spool(tmp_path / "spool").drain(others.extend)

    with capture_logs() as logs:
        assert spool.drain(take) == 1
    assert (others, logs) == ([b"b"], [])
    assert size(tmp_path / "spool" / "no such file") == 0


def test_an_empty_file_is_not_waited_for_but_goes(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1-a.spool").touch()
    assert not spool.waiting()
    assert drained(spool) == []
    assert spooled(tmp_path / "spool") == []


def test_a_file_that_cannot_be_read_holds_up_no_other(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool" / "000000000001-dir.spool").mkdir(parents=True)
    spool.append([b"a"])
    with capture_logs() as logs:
        assert drained(spool) == [b"a"]
    assert [entry["event"] for entry in logs] == ["spool.file_failed"]


def test_a_file_that_cannot_be_removed_holds_up_no_other(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([b"a"])
    spool.close()
    spool.append([b"b"])
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Path, "unlink", failing(errno.EROFS))
        assert drained(spool) == [b"a", b"b"]
    assert [entry["event"] for entry in logs] == ["spool.file_failed"] * 2
    assert drained(spool) == [b"a", b"b"]


@pytest.mark.parametrize("meanwhile", [Path.unlink, lambda path: path.rename(path.with_suffix(".damaged"))])
def test_who_opened_a_file_before_it_was_drained_does_not_get_it(
    tmp_path: Path, meanwhile: Callable[[Path], object]
) -> None:
    path = tmp_path / "1-a.spool"
    path.touch()
    with path.open("r+b") as early:
        meanwhile(path)
        assert not hold(early.fileno(), path)


def test_a_file_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "1-a.spool"
    path.touch()
    with path.open("r+b") as one, path.open("r+b") as other:
        assert hold(one.fileno(), path)
        assert hold(one.fileno(), path)
        assert not hold(other.fileno(), path)
        one.close()
        assert hold(other.fileno(), path)


# --- the folder ---


def test_nothing_is_made_before_the_first_append(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "data" / "spool")
    assert not spool.waiting()
    assert drained(spool) == []
    spool.append([])
    spool.close()
    assert spooled(tmp_path) == []
    spool.append([b"a"])
    assert spool.waiting()
    assert drained(spool) == [b"a"]
    assert LIMIT_BYTES == 256 * 1024 * 1024


def test_only_the_owner_can_read_it(spool: Spool, tmp_path: Path) -> None:
    spool.append([b"a"])
    [path] = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_and_a_new_folder_are_on_disk_by_name_too(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    spool.append([b"a"])
    [path] = (tmp_path / "spool").iterdir()
    assert synced == [tmp_path, path, path.parent]
    spool.append([b"b"])
    assert synced[3:] == [path]


def test_a_folder_that_cannot_be_is_told_and_may_come_to_be(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(SpoolUnavailable, match="cannot be used"):
        spool.append([b"a"])
    with pytest.raises(SpoolUnavailable):
        spool.waiting()
    with pytest.raises(SpoolUnavailable):
        spool.drain(lambda _: None)
    (tmp_path / "spool").unlink()
    spool.append([b"b"])
    assert drained(spool) == [b"b"]


def test_its_error_is_one_of_the_store(tmp_path: Path) -> None:
    assert issubclass(SpoolUnavailable, StoreUnavailable)
    assert issubclass(SpoolUnavailable, Transient)
    assert SpoolUnavailable.code == "spool_unavailable"


def test_a_removed_file_is_not_appended_to(spool: Spool, tmp_path: Path) -> None:
    spool.append([b"lost with its file"])
    for path in (tmp_path / "spool").iterdir():
        path.unlink()
    spool.append([b"b"])
    assert drained(spool) == [b"b"]


@pytest.mark.parametrize("held", [False, True], ids=["and removes it", "and still holds it"])
def test_a_drain_that_finds_a_file_before_it_is_held_costs_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    other, opened = Spool(tmp_path / "spool"), tempfile.mkstemp
    holders: list[int] = []

    def raced(*args: object) -> tuple[int, str]:
        descriptor, name = opened(*args)  # type: ignore[call-overload]
        if not holders:
            holders.append(os.open(name, os.O_RDWR))
            assert hold(holders[0], Path(name)) if held else other.drain(lambda _: None) == 0
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", raced)
    spool.append([b"a"])
    os.close(holders[0])
    assert len(spooled(tmp_path / "spool")) == 1
    assert drained(other) == []
    assert drained(spool) == [b"a"]


# --- the limit ---


def test_a_full_spool_refuses_and_takes_again_when_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST_BYTES)
    spool.append([b"x" * 600])
    for _ in range(3):
        with pytest.raises(SpoolUnavailable, match="full"):
            spool.append([b"y" * 600])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= MOST_BYTES
    assert drained(spool) == [b"x" * 600]
    spool.append([b"z" * 600])
    assert drained(spool) == [b"z" * 600]


def test_the_limit_is_reached_to_the_byte(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST_BYTES)
    spool.append([b"x" * 500])
    spool.append([b"y" * (500 - 2 * HEADER_BYTES)])
    with pytest.raises(SpoolUnavailable, match="full"):
        spool.append([b""])
    assert drained(spool) == [b"x" * 500, b"y" * (500 - 2 * HEADER_BYTES)]
    spool.append([b"z" * (MOST_BYTES - HEADER_BYTES)])
    assert len(drained(spool)) == 1


def test_a_group_is_refused_as_a_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST_BYTES)
    with pytest.raises(SpoolUnavailable, match="full"):
        spool.append([b"x" * 600, b"y" * 600])
    assert drained(spool) == []


def test_what_others_left_counts_and_so_does_damage(tmp_path: Path) -> None:
    (tmp_path / "1-a.spool.damaged").write_bytes(b"x" * 400)
    (tmp_path / "2-a.spool").write_bytes(encode(b"x" * 400))
    spool = Spool(tmp_path, MOST_BYTES)
    with pytest.raises(SpoolUnavailable, match="full"):
        spool.append([b"y" * 400])
    assert len(drained(spool)) == 1
    spool.append([b"y" * 400])
    spool.close()


def test_what_another_process_drained_is_room_again(tmp_path: Path) -> None:
    left = tmp_path / "1-a.spool"
    left.write_bytes(encode(b"x" * 600))
    spool = Spool(tmp_path, MOST_BYTES)
    spool.append([b"y" * 200])
    left.unlink()
    spool.append([b"z" * 600])
    assert drained(spool) == [b"y" * 200, b"z" * 600]


def test_a_record_that_fits_no_batch_is_refused(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable, match="too large"):
        spool.append([b"a", bytes(RECORD_BYTES + 1)])
    assert not (tmp_path / "spool").exists()
    spool.append([bytes(RECORD_BYTES)])
    assert [len(record) for record in drained(spool)] == [RECORD_BYTES]


# --- a failing disk ---


def failing(code: int) -> Callable[..., None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def short_then_full(left: int) -> Callable[[int, memoryview], int]:
    """A disk with room for so many bytes."""
    room, write = [left], os.write

    def limited(descriptor: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    return limited


@pytest.mark.parametrize("left", range(HEADER_BYTES + 5))
def test_a_disk_that_fills_up_takes_nothing_acknowledged_along(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    spool.append([b"before"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_then_full(left))
        with pytest.raises(SpoolUnavailable, match="No space left") as failure:
            spool.append([b"never"])
    assert isinstance(failure.value.__cause__, OSError)
    spool.append([b"after"])
    assert len(spooled(tmp_path / "spool")) == 2
    assert drained(spool) == [b"before", b"after"]
    assert spooled(tmp_path / "spool") == []


def test_a_short_write_is_continued(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        spool.append([b"a record of more than seven bytes", b"b"])
    assert drained(spool) == [b"a record of more than seven bytes", b"b"]


def test_a_full_disk_collects_no_files_and_no_descriptors(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([b"before"])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the directory lists its own descriptor
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(errno.ENOSPC))
        for _ in range(20):
            with pytest.raises(SpoolUnavailable):
                spool.append([b"x"])
    assert len(spooled(tmp_path / "spool")) == 1
    assert len(os.listdir("/proc/self/fd")) == before - 1  # noqa: PTH208 - likewise; the active file was closed
    assert drained(spool) == [b"before"]


def test_a_file_whose_fsync_failed_is_never_synced_again(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([b"before"])
    [first] = spooled(tmp_path / "spool")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(SpoolUnavailable, match="Input/output error"):
            spool.append([b"unknown"])
    abandoned = size(tmp_path / "spool" / first)
    spool.append([b"after"])
    assert size(tmp_path / "spool" / first) == abandoned
    assert spooled(tmp_path / "spool")[0] == first
    assert drained(spool) == [b"before", b"unknown", b"after"]


def test_a_file_whose_name_is_not_on_disk_acknowledges_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spool").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(spool_files, "_sync", failing(errno.EIO))
        with pytest.raises(SpoolUnavailable):
            spool.append([b"unknown"])
    assert spooled(tmp_path / "spool") == []
    spool.append([b"after"])
    assert drained(spool) == [b"after"]


def test_an_interrupted_append_leaves_its_file(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([b"before"])

    def interrupted(descriptor: int, data: memoryview) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            spool.append([b"x"])
    spool.append([b"after"])
    assert len(spooled(tmp_path / "spool")) == 2
    assert drained(spool) == [b"before", b"after"]


# --- threads ---


def test_threads_append_while_others_drain(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("call_ingest.spool.FILE_BYTES", MOST_BYTES)
    taken: list[bytes] = []
    errors: list[Exception] = []

    def append(thread: int) -> None:
        try:
            for number in range(50):
                spool.append([b"%d %02d" % (thread, number), b"%d %02d more" % (thread, number)])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()

    def ended() -> bool:
        spool.drain(taken.extend)
        return not any(thread.is_alive() for thread in threads)

    eventually(ended, 60.0)
    spool.drain(taken.extend)
    assert not errors
    for index in range(4):
        mine = [record for record in taken if record.startswith(b"%d " % index)]
        assert mine == [b"%d %02d%s" % (index, number, end) for number in range(50) for end in (b"", b" more")]


def test_every_folder_that_was_made_is_on_disk_before_the_first_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power loss takes the file with the folder that holds it."""
    synced: list[Path] = []
    monkeypatch.setattr(spool_files, "_sync", synced.append)
    Spool(tmp_path / "var" / "spool" / "call-ingest").append([b"x"])
    assert synced[:3] == [tmp_path, tmp_path / "var", tmp_path / "var" / "spool"]
