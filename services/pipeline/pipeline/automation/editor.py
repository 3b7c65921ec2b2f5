"""What the page of a rule's form shows: the draft, what can be chosen, what is wrong with it, and how it would do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flask import g, request
from marshmallow import ValidationError

from pipeline.automation import rule_forms
from pipeline.automation.fields import BOOLEAN, CHOICE, FIELDS, SEGMENTS, STAGE_KEYS
from pipeline.automation.history import DryRuns
from pipeline.automation.recipes import RECIPES
from pipeline.automation.rule_forms import IN_HOURS, IN_MONEY, Draft, Row
from pipeline.automation.saving import Automations
from pipeline.automation.schemas import ACTIONS, CHANGING, RuleBody
from pipeline.outbound import store as endpoints
from pipeline.outbound.payloads import KINDS
from ringback.errors import Invalid
from ringback.store.database import Database
from ringback.web.bodies import flattened
from ringback.web.forms import Form
from ringback.web.pages import Failed

Errors = Mapping[str, Sequence[str]]
# As the API says where in a rule something is wrong.
IN_ROW = re.compile(r"(conditions|actions)\[(\d+)\]\.(\w+): (.*)", re.DOTALL)
TRY = "try"
MOST_ENDPOINTS = 50
CHOICE_OPERATORS = ("in", "not_in")


@dataclass(frozen=True)
class Editor:
    """`values` of the page, over the rule's JSON or none."""

    database: Database
    automations: Automations
    dry_runs: DryRuns

    def new(self, _document: Mapping[str, Any]) -> Mapping[str, Any]:
        recipe = RECIPES.get(request.args.get("recipe", ""), RECIPES["blank"])
        return self._values(rule_forms.draft_from(recipe, g.formats))

    def existing(self, rule: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._values(rule_forms.draft_from(rule, g.formats))

    def after(self, form: Form) -> Mapping[str, Any]:
        """The form after one of its buttons, named `change`; nothing is saved."""
        draft, wanted = rule_forms.draft_of(form), form.get("change", "")
        if wanted != TRY:
            return self._shown(rule_forms.changed(draft, wanted, form.get("new_field", "")))
        return self._shown(draft, *self._tried(draft))

    def _values(self, stored: Draft) -> Mapping[str, Any]:
        failed: Failed | None = g.get("failed")
        if failed is None:
            return self._shown(stored)
        return self._shown(rule_forms.draft_of(failed.typed), failed.problem.get("errors", {}))

    def _shown(
        self, draft: Draft, errors: Errors = MappingProxyType({}), tried: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        return {"draft": _with_errors(draft, errors), "tried": tried, **self._choices(draft)}

    def _tried(self, draft: Draft) -> tuple[Errors, Mapping[str, Any] | None]:
        """What is wrong with the draft, else what it would have done."""
        rule = rule_forms.rule_of({**draft, "version": None, "name": draft["name"] or "-"}, g.business)
        try:
            values = RuleBody().load(rule)
            self.automations.check(g.business.key, values)
        except ValidationError as error:
            return flattened(error.messages_dict), None
        except Invalid as error:
            return error.errors, None
        return {}, self.dry_runs.dry_run(g.business.key, values)

    def _choices(self, draft: Draft) -> Mapping[str, Any]:
        known = endpoints.list_endpoints(self.database, g.business.key, None, MOST_ENDPOINTS).items
        return {
            "triggers": KINDS,
            "changing": CHANGING.get(draft["trigger"], ()),
            "fields": [name for name, field in FIELDS.items() if field.exists_for(draft["trigger"])],
            "action_kinds": tuple(ACTIONS),
            "stages": STAGE_KEYS,
            "segments": SEGMENTS,
            "templates": g.business.templates,
            "endpoints": [{"id": one["_id"], "name": one["description"] or one["url"]} for one in known],
        }


def _with_errors(draft: Draft, errors: Errors) -> Draft:
    """The draft with what is wrong beside each row, and the rest of it by section."""
    beside: dict[tuple[str, int], dict[str, list[str]]] = {}
    rest: dict[str, list[str]] = {}
    for section, messages in errors.items():
        for message in messages:
            match = IN_ROW.fullmatch(message)
            if match:
                beside.setdefault((match[1], int(match[2])), {}).setdefault(match[3], []).append(match[4])
            else:
                rest.setdefault(section, []).append(message)
    rows = {
        section: [_row(row, beside.get((section, place), {})) for place, row in enumerate(draft[section])]
        for section in ("conditions", "actions")
    }
    return {**draft, **rows, "errors": rest, "is_wrong": bool(beside or rest)}


def _row(row: Row, errors: Mapping[str, list[str]]) -> Row:
    """A row with its errors, a condition also with what its field takes."""
    field = FIELDS.get(row.get("field", ""))
    if field is None:
        return {**row, "errors": errors}
    unit = "money" if row["field"] in IN_MONEY else "hours" if row["field"] in IN_HOURS else ""
    return {
        "operator": "",
        "value": [],
        **row,
        "errors": errors,
        "kind": field.kind,
        "unit": unit,
        "choices": ("true", "false") if field.kind == BOOLEAN else field.choices,
        "operators": CHOICE_OPERATORS if field.kind == CHOICE else field.operators(),
    }
