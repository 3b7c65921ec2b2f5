"""HTTP bodies of automations. Everything that can be wrong with a rule is said when it is saved."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from pipeline.automation.fields import BOOLEAN, CHOICE, FIELDS, NUMBER, OPERATORS, SEGMENTS, STAGE_KEYS, TEXT, Field
from pipeline.outbound.payloads import KINDS
from ringback import templates
from ringback.clock import rfc3339
from ringback.contracts.fields import Timestamp
from ringback.contracts.notes import LONGEST_NOTE
from ringback.contracts.texts import PURPOSES
from ringback.web.bodies import Body, Line, Paragraphs, flattened

LONGEST_NAME = 100
LONGEST_TEXT = 1600  # what Twilio takes as one text
LONGEST_VALUE = 200
MOST_CONDITIONS = 20
MOST_ACTIONS = 20
MOST_MINOR_UNITS = 10**12
LONGEST_WAIT = 90 * 24 * 3600
# What a trigger's `from` and `to` may name.
CHANGING: Mapping[str, tuple[str, ...]] = {"lead_stage_changed": STAGE_KEYS, "segment_changed": SEGMENTS}


class Part(Schema):
    class Meta:
        unknown = RAISE


class TriggerPart(Part):
    """`from` and `to`: any of these, or any at all when they are left out."""

    type = fields.String(required=True, validate=validate.OneOf(KINDS))
    previous = fields.List(fields.String(), data_key="from", attribute="from", load_default=list)
    current = fields.List(fields.String(), data_key="to", attribute="to", load_default=list)

    @validates_schema
    def filters_fit(self, data: dict[str, Any], **_: Any) -> None:
        known = CHANGING.get(data["type"], ())
        for name in ("from", "to"):
            unknown = sorted(set(data[name]) - set(known))
            if unknown and not known:
                raise ValidationError(f"{data['type']} has no {name}.", name)
            if unknown:
                raise ValidationError(f"Unknown: {', '.join(unknown)}. Known: {', '.join(known)}.", name)


class ConditionPart(Part):
    field = fields.String(required=True, validate=validate.OneOf(FIELDS))
    operator = fields.String(required=True, validate=validate.OneOf(OPERATORS))
    value = fields.Raw(required=True)

    @validates_schema
    def value_fits(self, data: dict[str, Any], **_: Any) -> None:
        field, operator = FIELDS[data["field"]], OPERATORS[data["operator"]]
        if field.kind not in operator.kinds:
            raise ValidationError(f"Not for {data['field']}.", "operator")
        if operator.takes_list:
            _check_list(field, data["value"])
        else:
            _check_value(field, data["value"])


def _check_list(field: Field, value: Any) -> None:
    if not isinstance(value, list) or not 0 < len(value) <= len(field.choices):
        raise ValidationError("A list is needed.", "value")
    for one in value:
        _check_value(field, one)


def _check_value(field: Field, value: Any) -> None:
    if field.kind == CHOICE and value not in field.choices:
        raise ValidationError(f"One of {', '.join(field.choices)} is needed.", "value")
    problem = VALUE_PROBLEMS[field.kind](value)
    if problem:
        raise ValidationError(problem, "value")


def _number_problem(value: Any) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_MINOR_UNITS
    return None if whole else "A whole number from 0 on is needed."


def _boolean_problem(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false is needed."


def _text_problem(value: Any) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_VALUE and value.isprintable()
    return None if fits else f"A text of at most {LONGEST_VALUE} characters is needed."


VALUE_PROBLEMS: Mapping[str, Callable[[Any], str | None]] = {
    NUMBER: _number_problem,
    BOOLEAN: _boolean_problem,
    CHOICE: _text_problem,
    TEXT: _text_problem,
}


class Words(Paragraphs):
    """A text with the placeholders that every text of a business may have."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            templates.check(text, templates.PLAIN)
        except templates.TemplateError as error:
            raise ValidationError(str(error)) from error
        return text


class SendTextPart(Part):
    """Either a `template` of the business's configuration or a `body`."""

    template = fields.String()
    body = Words(LONGEST_TEXT)
    purpose = fields.String(load_default="transactional", validate=validate.OneOf(PURPOSES))

    @validates_schema
    def one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if ("template" in data) == ("body" in data):
            raise ValidationError("Either a template or a body is needed.", "body")


class MoveStagePart(Part):
    stage = fields.String(required=True, validate=validate.OneOf(STAGE_KEYS))
    lost_reason = Line(LONGEST_VALUE)


class AddNotePart(Part):
    text = Words(LONGEST_NOTE, required=True)


class WebhookPart(Part):
    endpoint_id = fields.String(required=True, validate=validate.Length(min=1, max=100))


class WaitPart(Part):
    """`still`: afterwards go on only if nothing moved on meanwhile and the conditions hold."""

    seconds = fields.Integer(strict=True, required=True, validate=validate.Range(min=1, max=LONGEST_WAIT))
    still = fields.Boolean(load_default=False, truthy={True}, falsy={False})


ACTIONS: Mapping[str, Schema] = {
    "send_text": SendTextPart(),
    "move_stage": MoveStagePart(),
    "add_note": AddNotePart(),
    "webhook": WebhookPart(),
    "wait": WaitPart(),
}
CONDITION = ConditionPart()


class Parts(fields.Field[list[dict[str, Any]]]):
    """A list of objects; each message says in which of them, and in which field of it, something is wrong."""

    def __init__(self, load_part: Callable[[dict[str, Any]], dict[str, Any]], most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._load_part = load_part
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise ValidationError("A list of objects is needed.")
        if len(value) > self._most:
            raise ValidationError(f"Longer than maximum length {self._most}.")
        problems: list[str] = []
        loaded = [self._loaded(f"{attr}[{place}]", part, problems) for place, part in enumerate(value)]
        if problems:
            raise ValidationError(problems)
        return loaded

    def _loaded(self, path: str, part: dict[str, Any], problems: list[str]) -> dict[str, Any]:
        try:
            return self._load_part(part)
        except ValidationError as error:
            told = flattened(error.messages_dict)
            problems += [f"{path}.{field}: {message}" for field, messages in told.items() for message in messages]
            return {}


def _load_condition(part: dict[str, Any]) -> dict[str, Any]:
    return dict(CONDITION.load(part))


def _load_action(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in ACTIONS:
        raise ValidationError({"type": [f"Must be one of: {', '.join(ACTIONS)}."]})
    rest = {name: value for name, value in part.items() if name != "type"}
    return {"type": kind, **ACTIONS[kind].load(rest)}


class RuleBody(Body):
    """A whole rule: what is absent is as if it had never been there."""

    name = Line(LONGEST_NAME, required=True)
    active = fields.Boolean(load_default=True, truthy={True}, falsy={False})
    trigger = fields.Nested(TriggerPart, required=True)
    conditions = Parts(_load_condition, MOST_CONDITIONS, load_default=list)
    actions = Parts(_load_action, MOST_ACTIONS, required=True, validate=validate.Length(min=1))

    @validates_schema
    def fields_exist_for_the_trigger(self, data: dict[str, Any], **_: Any) -> None:
        trigger = data["trigger"]["type"]
        problems = [
            f"conditions[{place}].field: {condition['field']} is not known of {trigger}."
            for place, condition in enumerate(data["conditions"])
            if not FIELDS[condition["field"]].exists_for(trigger)
        ]
        if problems:
            raise ValidationError(problems, "conditions")


class ChangedRuleBody(RuleBody):
    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(min=1))


class RuleSchema(Schema):
    """A rule as the API gives it."""

    id = fields.String(attribute="_id")
    name = fields.String()
    active = fields.Boolean()
    trigger = fields.Raw()
    conditions = fields.Raw()
    actions = fields.Raw()
    created_at = Timestamp()
    updated_at = Timestamp()
    updated_by = fields.String()
    version = fields.Integer()


def dump_field(name: str, field: Field) -> dict[str, Any]:
    """A field as the API gives it; without `triggers` it exists for all."""
    shown = {"field": name, "kind": field.kind, "description": field.description}
    return {**shown, "operators": field.operators(), "choices": field.choices, "triggers": sorted(field.triggers)}


def dump_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as the API gives it: what happened and why."""
    shown = {name: _plain(run[name]) for name in RUN_FIELDS}
    return {"id": run["_id"], **shown, "resumes_at": _plain(run["due_at"])}


RUN_FIELDS = (
    "rule_id",
    "rule_name",
    "trigger",
    "event_id",
    "customer_id",
    "at",
    "fired_at",
    "state",
    "reason",
    "conditions",
    "log",
    "causation",
    "finished_at",
)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
