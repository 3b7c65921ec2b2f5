"""What became of the missed calls of a period: recovered, answered in time, and what they brought. Pure.

Times to respond are of opening hours. Money is what the completed appointments cost, in minor units by currency;
an appointment that several items led to counts once, for the first of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from recovery.domain import BOOKED, CALLED_BACK, REPLIED, RESOLUTIONS
from recovery.ledger import Document

RECOVERED = (CALLED_BACK, REPLIED, BOOKED)
COUNTS = ("items", "missed_calls", "open", "texts", "replies")
CANCELED, COMPLETED = "canceled", "completed"


def total(rows: Sequence[Mapping[str, Any]], gains: Sequence[Mapping[str, Any]]) -> Document:
    """What rows of `store.figures` and `store.gains` come to together."""
    resolutions = {name: sum(row[name] for row in rows) for name in RESOLUTIONS}
    return {
        **{name: sum(row[name] for row in rows) for name in COUNTS},
        "recovered": sum(resolutions[name] for name in RECOVERED),
        "resolutions": resolutions,
        **_service_level(rows),
        "median_response_minutes": _median_minutes(rows),
        "appointments": sum(gain["status"] != CANCELED for gain in gains),
        "revenue": _revenue(gains),
    }


def by_bucket(rows: Sequence[Mapping[str, Any]], gains: Sequence[Mapping[str, Any]]) -> list[Document]:
    """The same for each day, week or month in which a call was missed, the earliest first."""
    return [
        {"from": row["_id"], **total([row], [gain for gain in gains if gain["bucket"] == row["_id"]])}
        for row in sorted(rows, key=_bucket_of)
    ]


def _bucket_of(row: Mapping[str, Any]) -> datetime:
    bucket: datetime = row["_id"]
    return bucket


def _service_level(rows: Sequence[Mapping[str, Any]]) -> Document:
    """`share_met`: of the items that were answered, or should have been by now."""
    met, not_met = (sum(row[name] for row in rows) for name in ("met", "not_met"))
    return {"met": met, "not_met": not_met, "share_met": round(met / (met + not_met), 4) if met + not_met else None}


def _median_minutes(rows: Iterable[Mapping[str, Any]]) -> float | None:
    seconds = [one for row in rows for one in row["response_seconds"] if one is not None]
    return round(median(seconds) / 60, 1) if seconds else None


def _revenue(gains: Iterable[Mapping[str, Any]]) -> list[Document]:
    visits: dict[str, list[int]] = {}
    for gain in gains:
        if gain["status"] == COMPLETED:
            visits.setdefault(gain["currency"], []).append(gain["price"])
    return [
        {"currency": currency, "total": sum(prices), "visits": len(prices)}
        for currency, prices in sorted(visits.items())
    ]
