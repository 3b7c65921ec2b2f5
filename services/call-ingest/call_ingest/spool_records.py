"""How records stand in a file of the spool: each behind a header that tells damage from an unfinished write."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

RECORD_BYTES = 8_000_000
BATCH_BYTES = 8_000_000
BATCH_RECORDS = 200

# None of these bytes occurs in UTF-8: nothing that a caller says looks like the start of a record.
MAGIC = b"\xf9\xfb\xfd\xff"
FIELDS = struct.Struct(">4sII")  # magic, length and checksum of the payload
CHECKSUM = struct.Struct(">I")  # of the fields: only a length to be trusted tells a torn record from a damaged one
HEADER_BYTES = FIELDS.size + CHECKSUM.size


@dataclass(frozen=True)
class Contents:
    """What a file holds. `torn_bytes` are the beginning of one record at its end; `damaged_bytes` are all else
    that is no whole record."""

    records: Sequence[bytes]
    damaged_bytes: int
    torn_bytes: int


def encode(payload: bytes) -> bytes:
    fields = FIELDS.pack(MAGIC, len(payload), crc32(payload))
    return fields + CHECKSUM.pack(crc32(fields)) + payload


def decode(data: bytes) -> Contents:
    """Every record that is whole and as it was written, in order, whatever stands before, between and after."""
    found = list(_whole_records(data))
    end = _end(*found[-1]) if found else 0
    torn = len(data) - end if _is_beginning(data[end:]) else 0
    whole = sum(_end(0, payload) for _, payload in found)
    return Contents([payload for _, payload in found], len(data) - whole - torn, torn)


def batches(records: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """In order; each of at most BATCH_RECORDS and BATCH_BYTES, but never empty."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        if batch and (len(batch) == BATCH_RECORDS or size + len(record) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield batch


def _whole_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = data.find(MAGIC)
    while start >= 0:
        payload = _payload_at(data, start)
        if payload is not None:
            yield start, payload
        start = data.find(MAGIC, start + 1 if payload is None else _end(start, payload))


def _end(start: int, payload: bytes) -> int:
    return start + HEADER_BYTES + len(payload)


def _payload_at(data: bytes, start: int) -> bytes | None:
    header = _header_at(data, start)
    if header is None:
        return None
    length, checksum = header
    begin = start + HEADER_BYTES
    payload = data[begin : begin + length]
    return payload if len(payload) == length and crc32(payload) == checksum else None


def _header_at(data: bytes, start: int) -> tuple[int, int] | None:
    """Length and checksum of the payload."""
    if start + HEADER_BYTES > len(data):
        return None
    fields = data[start : start + FIELDS.size]
    if CHECKSUM.unpack_from(data, start + FIELDS.size) != (crc32(fields),):
        return None
    _, length, checksum = FIELDS.unpack(fields)
    return length, checksum


def _is_beginning(rest: bytes) -> bool:
    """Whether the writing of a record may have ended here, before its end."""
    if len(rest) < HEADER_BYTES:
        return MAGIC.startswith(rest[: len(MAGIC)])
    header = _header_at(rest, 0)
    return header is not None and HEADER_BYTES + header[0] > len(rest)
