"""What conditions can look at, and how they compare: one table of each. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain import AUTO, MANUAL
from pipeline.stages import STAGES

STAGE_KEYS = tuple(STAGES)
MISSED_REASONS = ("no-answer", "busy", "failed", "canceled", "abandoned", "closed", "timeout")
SEGMENTS = ("lead", "active", "inactive", "vip")
SOURCES = ("call", "sms", "manual", "import", "referral")
PHONE_KINDS = (
    "mobile",
    "landline",
    "landline_or_mobile",
    "toll_free",
    "premium",
    "shared_cost",
    "voip",
    "personal",
    "pager",
    "company",
    "voicemail",
    "valid",
    "possible",
    "none",
)
CHOICE, NUMBER, BOOLEAN, TEXT = "choice", "number", "boolean", "text"
EVERY_TRIGGER = frozenset[str]()


@dataclass(frozen=True)
class Field:
    """`triggers`: those that it exists for, none for all. `choices` of a CHOICE."""

    kind: str
    description: str
    choices: tuple[str, ...] = ()
    triggers: frozenset[str] = EVERY_TRIGGER

    def exists_for(self, trigger: str) -> bool:
        return not self.triggers or trigger in self.triggers

    def operators(self) -> list[str]:
        return [name for name, operator in OPERATORS.items() if self.kind in operator.kinds]


def _only(trigger: str) -> frozenset[str]:
    return frozenset({trigger})


FIELDS: Mapping[str, Field] = {
    "stage": Field(CHOICE, "the lead's stage", STAGE_KEYS),
    "segment": Field(CHOICE, "the customer's segment", SEGMENTS),
    "source": Field(CHOICE, "how the customer came", SOURCES),
    "value": Field(NUMBER, "what the lead's appointments come to, in minor units"),
    "has_name": Field(BOOLEAN, "whether the customer's name is known"),
    "has_phone": Field(BOOLEAN, "whether the customer's number is known"),
    "phone_kind": Field(CHOICE, "the kind of number", PHONE_KINDS),
    "open_now": Field(BOOLEAN, "whether the business is open"),
    "previous_stage": Field(CHOICE, "the stage before", STAGE_KEYS, _only("lead_stage_changed")),
    "cause": Field(CHOICE, "whether a person moved the lead", (MANUAL, AUTO), _only("lead_stage_changed")),
    "seconds_in_previous_stage": Field(NUMBER, "time in the stage before", (), _only("lead_stage_changed")),
    "previous_segment": Field(CHOICE, "the segment before", SEGMENTS, _only("segment_changed")),
    "service": Field(TEXT, "the appointment's service", (), _only("appointment_completed")),
    "price": Field(NUMBER, "the appointment's price in minor units", (), _only("appointment_completed")),
    "attempts": Field(NUMBER, "calls that nobody answered", (), _only("missed_call_opened")),
    "missed_reason": Field(CHOICE, "why the call was missed", MISSED_REASONS, _only("missed_call_opened")),
}


@dataclass(frozen=True)
class Operator:
    """`holds(seen, wanted)`; `unknown` is what it says of a field that nothing is known of."""

    kinds: frozenset[str]
    holds: Callable[[Any, Any], bool]
    takes_list: bool = False
    unknown: bool = False


def _kinds(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


OPERATORS: Mapping[str, Operator] = {
    "eq": Operator(_kinds(CHOICE, NUMBER, BOOLEAN, TEXT), lambda seen, wanted: bool(seen == wanted)),
    "ne": Operator(_kinds(CHOICE, NUMBER, BOOLEAN, TEXT), lambda seen, wanted: bool(seen != wanted), unknown=True),
    "in": Operator(_kinds(CHOICE), lambda seen, wanted: seen in wanted, takes_list=True),
    "not_in": Operator(_kinds(CHOICE), lambda seen, wanted: seen not in wanted, takes_list=True, unknown=True),
    "lt": Operator(_kinds(NUMBER), lambda seen, wanted: bool(seen < wanted)),
    "lte": Operator(_kinds(NUMBER), lambda seen, wanted: bool(seen <= wanted)),
    "gt": Operator(_kinds(NUMBER), lambda seen, wanted: bool(seen > wanted)),
    "gte": Operator(_kinds(NUMBER), lambda seen, wanted: bool(seen >= wanted)),
    "contains": Operator(_kinds(TEXT), lambda seen, wanted: wanted.casefold() in seen.casefold()),
}
