"""The board as it is read: five columns, each with what it comes to and its first cards. Few, bounded reads."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import store
from pipeline.stages import STAGES, Stage
from pipeline.store import EVERYBODY, Document, Filters, Total
from ringback.errors import Invalid
from ringback.store.database import Database

NOTHING = Total(0, 0)


@dataclass(frozen=True)
class Board:
    """One business's leads. `currency` is what values are in."""

    database: Database
    business: str
    currency: str
    now: datetime

    def columns(self, filters: Filters, limit: int) -> list[Document]:
        """All columns, each with its first `limit` cards."""
        known = self._known_totals(filters)
        return [self._column(stage, filters, None, limit, known) for stage in STAGES.values()]

    def column(self, stage: str, filters: Filters, cursor: str | None, limit: int) -> Document:
        """One column, with the cards after `cursor`. Raises Invalid when the cursor is none of ours."""
        after = _decode(cursor) if cursor else None
        return self._column(STAGES[stage], filters, after, limit, self._known_totals(filters))

    def _known_totals(self, filters: Filters) -> Mapping[str, Total] | None:
        """Of all leads; None when only some are asked for."""
        return store.board_totals(self.database, self.business) if filters == EVERYBODY else None

    def _column(
        self,
        stage: Stage,
        filters: Filters,
        after: tuple[str, str] | None,
        limit: int,
        known: Mapping[str, Total] | None,
    ) -> Document:
        cards = store.find_cards(self.database, self.business, stage.key, filters, after, limit + 1)
        oldest_at = store.oldest_entry(self.database, self.business, stage.key, filters)
        return {
            "stage": stage.key,
            "label": stage.label,
            "kind": stage.kind,
            **self._total(stage, filters, known),
            "currency": self.currency,
            "oldest_at": oldest_at,
            "oldest_age_seconds": _seconds(oldest_at, self.now),
            "cards": cards[:limit],
            "next": _encode(cards[limit - 1]) if len(cards) > limit else None,
        }

    def _total(self, stage: Stage, filters: Filters, known: Mapping[str, Total] | None) -> dict[str, Any]:
        """Exact for the whole board; of what a filter leaves at most MOST_COUNTED are counted."""
        if known is not None:
            total = known.get(stage.key, NOTHING)
        else:
            total = store.filtered_total(self.database, self.business, stage.key, filters)
        return {"count": total.count, "value": total.value, "is_floor": total.is_floor}


def _seconds(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else max(0, round((now - since).total_seconds()))


def _encode(card: Document) -> str:
    text = json.dumps([card["rank"], card["_id"]])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, str]:
    try:
        rank, customer_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        for text in (rank, customer_id):
            str.encode(text)  # a lone surrogate is no text that MongoDB could compare with
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid("The cursor is not one of ours.", errors={"cursor": ["Not valid."]}) from error
    return rank, customer_id
