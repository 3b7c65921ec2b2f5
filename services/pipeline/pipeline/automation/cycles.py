"""Rules that would set each other off without end: found before they are saved. Pure.

Only moves of leads set off rules. A rule is taken to set off another when there is a stage from which its move would;
conditions on stages count, those on anything else may hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.automation.rules import are_met, is_concerned
from pipeline.stages import STAGES

Rule = Mapping[str, Any]
STAGE_CHANGED = "lead_stage_changed"
ABOUT_STAGES = frozenset({"stage", "previous_stage"})


def cycle_with(rule: Rule, others: Sequence[Rule]) -> list[Rule] | None:
    """The rules of a cycle that begins and ends with `rule`, without it at the end; None when there is none.

    All are taken as active.
    """
    return _path_back(rule, [rule, *others], [rule], {rule["_id"]})


def _path_back(goal: Rule, rules: Sequence[Rule], path: list[Rule], seen: set[str]) -> list[Rule] | None:
    for following in rules:
        if not _sets_off(path[-1], following):
            continue
        if following["_id"] == goal["_id"]:
            return path
        if following["_id"] not in seen:
            seen.add(following["_id"])
            found = _path_back(goal, rules, [*path, following], seen)
            if found:
                return found
    return None


def _sets_off(rule: Rule, following: Rule) -> bool:
    return any(_fires_on(following, previous, stage) for previous, stage in _moves(rule))


def _moves(rule: Rule) -> Iterator[tuple[str, str]]:
    """The changes of stage that the rule's actions may make."""
    stages = _stages_at_start(rule)
    for action in rule["actions"]:
        if action["type"] == "wait" and not action["still"]:
            stages = set(STAGES)
        if action["type"] == "move_stage":
            yield from ((previous, action["stage"]) for previous in stages if previous != action["stage"])
            stages = {action["stage"]}


def _stages_at_start(rule: Rule) -> set[str]:
    if rule["trigger"]["type"] != STAGE_CHANGED:
        return {stage for stage in STAGES if are_met(_about_stages(rule), {"stage": stage})}
    return {stage for stage in STAGES for previous in STAGES if _fires_on(rule, previous, stage)}


def _fires_on(rule: Rule, previous: str, stage: str) -> bool:
    values = {"previous_stage": previous, "stage": stage}
    return previous != stage and is_concerned(rule, STAGE_CHANGED, values) and are_met(_about_stages(rule), values)


def _about_stages(rule: Rule) -> list[Mapping[str, Any]]:
    return [condition for condition in rule["conditions"] if condition["field"] in ABOUT_STAGES]
