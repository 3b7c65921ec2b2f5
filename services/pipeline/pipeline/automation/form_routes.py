"""HTTP in: the form of an automation, empty, filled, and as it is after one of its buttons. Nothing is saved here."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from werkzeug.exceptions import UnsupportedMediaType

from pipeline.automation.editor import Editor
from pipeline.automation.fields import FIELDS
from pipeline.automation.schemas import RuleSchema, dump_field
from ringback.web.access import Access, principal
from ringback.web.pages import is_own_path, page_context, wants_page

OWNER = frozenset({"owner"})
FORM_ACCESS: Access = {
    "automation_forms.begin": OWNER,
    "automation_forms.edit": OWNER,
    "automation_forms.change": OWNER,
}
FORM_PAGE = "automation_form.html"
RULE = RuleSchema()


def automation_forms_blueprint(editor: Editor) -> Blueprint:
    forms = Blueprint("automation_forms", __name__)

    @forms.get("/automations/create")
    def begin() -> Response:
        """What a rule can be made of."""
        return jsonify({"items": [dump_field(name, field) for name, field in FIELDS.items()]})

    @forms.get("/automations/<rule_id>/edit")
    def edit(rule_id: str) -> Response:
        """A rule that is to be changed."""
        return jsonify(_rule(editor, rule_id))

    @forms.post("/automations/draft")
    def change() -> str:
        """The form again, with a row more or less, or tried. For browsers only."""
        if not wants_page():
            raise UnsupportedMediaType("Only the form of the pages is taken here; see /automations/dry-run.")
        rule_id, page = request.form.get("_rule"), request.form.get("_page", "")
        values = {"data": _rule(editor, rule_id) if rule_id else {}, **editor.after(request.form)}
        here = page if is_own_path(page) else "/automations/create"
        return render_template(FORM_PAGE, **page_context() | {"said": "", "here": here}, **values)

    return forms


def _rule(editor: Editor, rule_id: str) -> Mapping[str, Any]:
    rule: Mapping[str, Any] = RULE.dump(editor.automations.existing(principal().business, rule_id))
    return rule
