"""How leads get on: conversion between stages, time in each, and why they are lost. Pure.

A *visit* is a lead's stay in a stage: {customer_id, source, stage, following, entered_at, left_at, lost_reason};
`following` is the stage that it was left for, None while it lasts.
"""

import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.stages import CONVERTED, LOST, NEW_LEAD, STAGES, Stage, is_further

Visit = Mapping[str, Any]


def funnel_of(visits: Sequence[Visit]) -> dict[str, Any]:
    """What came of these visits, those that began in a period. Leads are counted once, however often they came."""
    return {
        "stages": [
            _stage(stage, [visit for visit in visits if visit["stage"] == stage.key]) for stage in STAGES.values()
        ],
        "lost_reasons": _lost_reasons(visits),
        "sources": [_source(source, visits) for source in sorted({str(visit["source"] or "") for visit in visits})],
    }


def _stage(stage: Stage, visits: Sequence[Visit]) -> dict[str, Any]:
    entered, moved_on = _leads(visits), _leads([visit for visit in visits if _moved_on(visit)])
    goes_on = stage not in {CONVERTED, LOST}
    return {
        "stage": stage.key,
        "label": stage.label,
        "kind": stage.kind,
        "entered": len(entered),
        "moved_on": len(moved_on),
        "lost": len(_leads([visit for visit in visits if visit["following"] == LOST.key])),
        "conversion": _share(moved_on, entered) if goes_on else None,
        "median_seconds": _median_seconds(visits),
    }


def _moved_on(visit: Visit) -> bool:
    following = visit["following"]
    return following not in {None, LOST.key} and is_further(following, visit["stage"])


def _leads(visits: Sequence[Visit]) -> set[str]:
    return {visit["customer_id"] for visit in visits}


def _share(part: Collection[str], whole: Collection[str]) -> float | None:
    return round(len(part) / len(whole), 4) if whole else None


def _median_seconds(visits: Sequence[Visit]) -> int | None:
    """Of the visits that are over."""
    ended = [(visit["left_at"] - visit["entered_at"]).total_seconds() for visit in visits if visit["left_at"]]
    return round(statistics.median(ended)) if ended else None


def _lost_reasons(visits: Sequence[Visit]) -> list[dict[str, Any]]:
    """The most frequent first."""
    counted = Counter((visit["lost_reason"], visit["source"]) for visit in visits if visit["stage"] == LOST.key)
    rows = [{"reason": reason, "source": source, "count": count} for (reason, source), count in counted.items()]
    return sorted(rows, key=lambda row: (-row["count"], row["reason"] or "", row["source"] or ""))


def _source(source: str, visits: Sequence[Visit]) -> dict[str, Any]:
    of_source = [visit for visit in visits if (visit["source"] or "") == source]
    in_stage = {stage: _leads([one for one in of_source if one["stage"] == stage]) for stage in STAGES}
    return {
        "source": source or None,
        "entered": len(in_stage[NEW_LEAD.key]),
        "converted": len(in_stage[CONVERTED.key]),
        "lost": len(in_stage[LOST.key]),
        "conversion": _share(in_stage[NEW_LEAD.key] & in_stage[CONVERTED.key], in_stage[NEW_LEAD.key]),
    }
