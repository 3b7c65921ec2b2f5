"""A rule's form: rows of conditions and actions as fields like `actions-0-body`, and the rule that they stand for.

A *draft* is what the form shows: {name, active, trigger, from, to, version, conditions: [row], actions: [row]}, each
row with its fields as texts.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import g
from marshmallow import Schema, fields

from pipeline.automation.fields import BOOLEAN, CHOICE, FIELDS, NUMBER, Field
from pipeline.automation.schemas import ACTIONS
from ringback.businesses import Business
from ringback.web.formats import Formats
from ringback.web.forms import MONEY, Form, form_values

Row = dict[str, Any]
Draft = dict[str, Any]

ROW_FIELD = re.compile(r"(conditions|actions)-(\d{1,3})-([a-z_]{1,20})", re.ASCII)
IN_MONEY = frozenset({"value", "price"})
IN_HOURS = frozenset({"seconds_in_previous_stage"})
HOUR = 3600
UNITS = {"days": 24 * HOUR, "hours": HOUR, "minutes": 60, "seconds": 1}
# Of choices a form knows lists only; these are the same, of one.
AS_LISTS = {"eq": "in", "ne": "not_in"}


class Amounts(Schema):
    number = fields.Integer()
    money = fields.Integer(metadata=MONEY)


def read_form(form: Form) -> dict[str, Any]:
    """The rule that a form stands for."""
    return rule_of(draft_of(form), g.business)


# A form's fields as a draft.


def draft_of(form: Form) -> Draft:
    version = form.get("version", "")
    return {
        "name": form.get("name", ""),
        "active": form.getlist("active")[-1:] != ["false"],
        "trigger": form.get("trigger", ""),
        "from": form.getlist("from"),
        "to": form.getlist("to"),
        "version": int(version) if version.isdecimal() else None,
        **{section: _rows(form, section) for section in ("conditions", "actions")},
    }


def _rows(form: Form, section: str) -> list[Row]:
    found: dict[int, Row] = {}
    for key in form:
        match = ROW_FIELD.fullmatch(key)
        if match and match[1] == section:
            values = form.getlist(key)
            found.setdefault(int(match[2]), {})[match[3]] = values if match[3] == "value" else values[-1]
    return [found[place] for place in sorted(found)]


# A draft as a rule.


def rule_of(draft: Draft, business: Business) -> dict[str, Any]:
    """The rule as the API takes it; what cannot be read stays as it was typed, for the schema to refuse."""
    rule = {
        "name": draft["name"],
        "active": draft["active"],
        "trigger": {"type": draft["trigger"], "from": draft["from"], "to": draft["to"]},
        "conditions": [_condition(row, business) for row in draft["conditions"]],
        "actions": [_action(row, business) for row in draft["actions"]],
    }
    return rule if draft["version"] is None else rule | {"version": draft["version"]}


def _condition(row: Row, business: Business) -> dict[str, Any]:
    name, values = row.get("field", ""), row.get("value", [])
    field = FIELDS.get(name)
    return {"field": name, "operator": row.get("operator", ""), "value": _value(name, field, values, business)}


def _value(name: str, field: Field | None, values: list[str], business: Business) -> Any:
    text = values[-1] if values else ""
    if field is None or field.kind == CHOICE:
        return values
    if field.kind == NUMBER:
        amount = _amount("money" if name in IN_MONEY else "number", text, business)
        return amount * HOUR if name in IN_HOURS and isinstance(amount, int) else amount
    return text == "true" if field.kind == BOOLEAN else text


def _amount(kind: str, text: str, business: Business) -> Any:
    return form_values(Amounts(), Form({kind: text}), business).get(kind, text)


def _action(row: Row, business: Business) -> dict[str, Any]:
    kind = row.get("type", "")
    if kind not in ACTIONS:
        return {"type": kind}
    typed = {name: value for name, value in row.items() if name in ACTIONS[kind].fields}
    if kind == "wait":
        typed["seconds"] = str(_seconds(row, business))
    return {"type": kind, **form_values(ACTIONS[kind], Form(typed), business)}


def _seconds(row: Row, business: Business) -> Any:
    amount = _amount("number", row.get("amount", ""), business)
    return amount * UNITS.get(row.get("unit", ""), 1) if isinstance(amount, int) else amount


# A rule as a draft.


def draft_from(rule: Mapping[str, Any], formats: Formats) -> Draft:
    """What the form of a rule shows that is there already."""
    return {
        "name": rule["name"],
        "active": rule["active"],
        "trigger": rule["trigger"]["type"],
        "from": rule["trigger"].get("from") or [],
        "to": rule["trigger"].get("to") or [],
        "version": rule.get("version"),
        "conditions": [_condition_row(condition, formats) for condition in rule["conditions"]],
        "actions": [_action_row(action) for action in rule["actions"]],
    }


def _condition_row(condition: Mapping[str, Any], formats: Formats) -> Row:
    name, operator, value = condition["field"], condition["operator"], condition["value"]
    if FIELDS[name].kind == CHOICE:
        return {"field": name, "operator": AS_LISTS.get(operator, operator), "value": [*_listed(value)]}
    return {"field": name, "operator": operator, "value": [_text(name, value, formats)]}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _text(name: str, value: Any, formats: Formats) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in IN_MONEY:
        return formats.input_money(value)
    return f"{value / HOUR:g}" if name in IN_HOURS else str(value)


def _action_row(action: Mapping[str, Any]) -> Row:
    if action["type"] != "wait":
        return dict(action)
    unit = next(unit for unit, seconds in UNITS.items() if action["seconds"] % seconds == 0)
    still = "true" if action["still"] else "false"
    return {"type": "wait", "amount": str(action["seconds"] // UNITS[unit]), "unit": unit, "still": still}


# What a button changes.


def changed(draft: Draft, wanted: str, new_field: str) -> Draft:
    """The draft after a button: `add:condition`, `add:<action>`, `drop:<section>:<row>`, `up:actions:<row>`."""
    verb, _, what = wanted.partition(":")
    change = CHANGES.get(verb)
    return change(draft, what, new_field) if change else draft


def _added(draft: Draft, what: str, new_field: str) -> Draft:
    if what in ACTIONS:
        return {**draft, "actions": [*draft["actions"], {"type": what}]}
    if what == "condition" and new_field in FIELDS:
        return {**draft, "conditions": [*draft["conditions"], {"field": new_field, "operator": "", "value": []}]}
    return draft


def _dropped(draft: Draft, what: str, _new_field: str) -> Draft:
    section, place = _place(what)
    return {**draft, section: [row for number, row in enumerate(draft[section]) if number != place]}


def _raised(draft: Draft, what: str, _new_field: str) -> Draft:
    section, place = _place(what)
    rows = list(draft[section])
    if 0 < place < len(rows):
        rows[place - 1], rows[place] = rows[place], rows[place - 1]
    return {**draft, section: rows}


def _place(what: str) -> tuple[str, int]:
    section, _, place = what.partition(":")
    return "conditions" if section == "conditions" else "actions", int(place) if place.isdecimal() else -1


CHANGES: Mapping[str, Callable[[Draft, str, str], Draft]] = {"add": _added, "drop": _dropped, "up": _raised}
