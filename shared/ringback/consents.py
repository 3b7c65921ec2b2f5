"""Who asked for no more texts, kept by sealed number, so that it outlives whoever is erased. Pure.

A row: {_id: the sealed number of a business, opted_out, at, scopes: [{scope, opted_out, at}]}. Somebody who opted out
of any scope counts as opted out; the notifier, who sends, knows which texts a scope is about.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ringback.seals import Seal

TYPES: Mapping[str, bool] = {"contact.opted_out": True, "contact.opted_in": False}


def consent_id(seal: Seal, business: str, phone: str) -> str:
    return seal(f"{business}:{phone}")


def told(row: dict[str, Any] | None, row_id: str, scope: str, opted_out: bool, at: datetime) -> dict[str, Any]:
    """The row after somebody said so: of what was said in a scope the latest counts, of two at once the refusal.

    Commutative and idempotent.
    """
    scopes = {one["scope"]: one for one in (row or {"scopes": []})["scopes"]}
    said = {"scope": scope, "opted_out": opted_out, "at": at}
    scopes[scope] = max(scopes.get(scope, said), said, key=lambda one: (one["at"], one["opted_out"]))
    every = [scopes[name] for name in sorted(scopes)]
    return {
        **(row or {"_id": row_id}),
        "opted_out": any(one["opted_out"] for one in every),
        "at": max(one["at"] for one in every),
        "scopes": every,
    }
