"""Which numbers a customer had when: what a booking of theirs is about. Pure.

A row of the projection has `numbers`: [{revision, at, phones}], what was told of the customer's numbers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recovery.ledger import Document

# Nobody's number changes so often.
MOST_TOLD = 100


def with_numbers(row: Document, revision: str, at: datetime, phones: list[str]) -> Document:
    """The row after that was told. Commutative and idempotent."""
    told = [one for one in row.get("numbers", []) if one["revision"] != revision]
    every = sorted([*told, {"revision": revision, "at": at, "phones": phones}], key=_order)
    return {**row, "numbers": every[-MOST_TOLD:]}


def numbers_at(row: Mapping[str, Any] | None, at: datetime) -> list[str]:
    """The numbers at that time; before anything was told the first that were."""
    told = row.get("numbers", []) if row else []
    before = [one for one in told if one["at"] <= at] or told[:1]
    return list(before[-1]["phones"]) if before else []


def every_number(row: Mapping[str, Any]) -> set[str]:
    return {phone for one in row.get("numbers", []) for phone in one["phones"]}


def _order(told: Mapping[str, Any]) -> tuple[datetime, str]:
    return told["at"], told["revision"]
