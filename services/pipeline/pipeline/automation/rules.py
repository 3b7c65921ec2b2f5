"""Whether a rule fires, and why. Pure.

A rule: {_id, business, name, active, trigger: {type, from?, to?}, conditions: [{field, operator, value}],
actions: [{type, …}]}. `values`: what the fields of `fields.FIELDS` were when it happened, None for what is not known.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.automation.fields import OPERATORS

Document = dict[str, Any]
Values = Mapping[str, Any]

# Of the triggers that tell of a change: the fields that it went from and to.
CHANGES = {"lead_stage_changed": ("previous_stage", "stage"), "segment_changed": ("previous_segment", "segment")}


def is_concerned(rule: Mapping[str, Any], trigger: str, values: Values) -> bool:
    """Whether this is what the rule waits for, before its conditions are looked at."""
    wanted = rule["trigger"]
    if wanted["type"] != trigger:
        return False
    previous, current = CHANGES.get(trigger, ("", ""))
    return _is_of(wanted.get("from"), values.get(previous)) and _is_of(wanted.get("to"), values.get(current))


def _is_of(wanted: list[str] | None, seen: Any) -> bool:
    return not wanted or seen in wanted


def judged(conditions: Iterable[Mapping[str, Any]], values: Values) -> list[Document]:
    """Each condition with the value that it saw, and whether it was met."""
    return [{**one, "seen": values.get(one["field"]), "met": _is_met(one, values)} for one in conditions]


def are_met(conditions: Iterable[Mapping[str, Any]], values: Values) -> bool:
    return all(_is_met(one, values) for one in conditions)


def _is_met(condition: Mapping[str, Any], values: Values) -> bool:
    operator, seen = OPERATORS[condition["operator"]], values.get(condition["field"])
    return operator.unknown if seen is None else operator.holds(seen, condition["value"])


def still_holds(run: Mapping[str, Any], values: Values) -> bool:
    """Whether a run that waited may go on: nothing moved on since, and the conditions hold as things are now."""
    _, current = CHANGES.get(run["trigger"], ("", ""))
    return values.get(current) == run["values"].get(current) and are_met(run["conditions"], values)
