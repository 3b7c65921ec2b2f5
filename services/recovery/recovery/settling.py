"""What keeps a ledger short: what is long over is dropped from it, its items stay as they are. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recovery.domain import Episode
from recovery.ledger import KEYS, Document, kept_where, latest_fact_at, put

# Longer than dead letters are kept to be replayed: until then a late fact has the effect that it would have had.
KEPT = timedelta(days=45)
MOST_FACTS = 600
MOST_CALLS = 300
# So many of an episode's latest calls stay apart; those before are summed up in the first.
CALLS_APART = 150
A_MOMENT = timedelta(milliseconds=1)


def settled(ledger: Document, found: Sequence[Episode], now: datetime) -> tuple[Document, list[Episode]]:
    """The ledger without what is over since KEPT, or earlier if there is too much of it, and the episodes left."""
    until = _over_until(ledger, now)
    left = [episode for episode in found if episode.closed_at is None or episode.closed_at > until]
    limit = min(until, left[0].opened_at - A_MOMENT) if left else until
    for name in (*KEYS, "told"):
        ledger = kept_where(ledger, name, lambda fact: fact["at"] > limit or _is_recent_text(fact, now))
    return _with_calls_summed_up(ledger, left), left


def forget_at(ledger: Mapping[str, Any], now: datetime) -> datetime | None:
    """When nothing in it matters any more, unless something more is told; None while an item is open."""
    if ledger["wake_at"] is not None:
        return None
    latest = latest_fact_at(ledger)
    return latest + KEPT if latest else now


def _over_until(ledger: Mapping[str, Any], now: datetime) -> datetime:
    times = sorted(fact["at"] for name in KEYS for fact in ledger[name])
    until = now - KEPT
    return max(until, times[-MOST_FACTS // 2]) if len(times) > MOST_FACTS else until


def _is_recent_text(fact: Document, now: datetime) -> bool:
    """The window of a text back may outlast its item."""
    return "request_id" in fact and fact["at"] > now - KEPT


def _with_calls_summed_up(ledger: Document, left: Sequence[Episode]) -> Document:
    misses = left[-1].misses if left else []
    if len(misses) <= MOST_CALLS:
        return ledger
    told = {one["sid"] for one in ledger["told"]}
    summed_up = [miss for miss in misses[1:-CALLS_APART] if miss["sid"] not in told]
    first = {**misses[0], "count": misses[0]["count"] + sum(miss["count"] for miss in summed_up)}
    gone = {miss["sid"] for miss in summed_up}
    return put(kept_where(ledger, "calls", lambda call: call["sid"] not in gone), "calls", first)
