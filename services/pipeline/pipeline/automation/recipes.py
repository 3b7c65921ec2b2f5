"""Rules to begin with: what businesses ask for most, to be changed before they are saved."""

from collections.abc import Mapping, Sequence
from typing import Any

DAY = 24 * 3600


def _recipe(
    name: str, trigger: Mapping[str, Any], actions: Sequence[Mapping[str, Any]], conditions: Sequence[Any] = ()
) -> Mapping[str, Any]:
    return {"name": name, "active": True, "trigger": trigger, "conditions": conditions, "actions": actions}


def _to(stage: str) -> Mapping[str, Any]:
    return {"type": "lead_stage_changed", "to": [stage]}


def _text(body: str, purpose: str = "transactional") -> Mapping[str, Any]:
    return {"type": "send_text", "body": body, "purpose": purpose}


RECIPES: Mapping[str, Mapping[str, Any]] = {
    "blank": _recipe("", {"type": "lead_stage_changed"}, ()),
    "thanks": _recipe(
        "Thank new customers",
        _to("converted"),
        [_text("Hi {name}, thank you for your visit to {business}! Reply here whenever you need us.")],
    ),
    "follow-up": _recipe(
        "Ask again after three days",
        _to("contacted"),
        [
            {"type": "wait", "seconds": 3 * DAY, "still": True},
            _text("Hi {name}, this is {business}. Shall we find a time for you? Just reply here."),
        ],
    ),
    "win-back": _recipe(
        "Win back who was lost",
        _to("lost"),
        [
            {"type": "wait", "seconds": 30 * DAY, "still": True},
            _text("Hi {name}, it has been a while. {business} would love to see you again!", "marketing"),
        ],
    ),
}
