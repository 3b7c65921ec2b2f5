"""HTTP in: a business's own automations, what they did and what they would have done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request

from pipeline.automation import store
from pipeline.automation.fields import FIELDS
from pipeline.automation.history import DryRuns
from pipeline.automation.rule_forms import read_form
from pipeline.automation.saving import Automations
from pipeline.automation.schemas import (
    ChangedRuleBody,
    ListedRuleSchema,
    RuleBody,
    RuleSchema,
    SwitchBody,
    dump_field,
    dump_run,
)
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.store.database import Database
from ringback.web.access import Access, principal
from ringback.web.bodies import load_body
from ringback.web.queries import PageQuery, load
from ringback.web.versions import unless_stale

OWNER = frozenset({"owner"})
PEOPLE = frozenset({"owner", "staff"})
AUTOMATION_ACCESS: Access = {
    "automations.list_rules": PEOPLE,
    "automations.fields": PEOPLE,
    "automations.create": OWNER,
    "automations.show": PEOPLE,
    "automations.update": OWNER,
    "automations.switch": OWNER,
    "automations.delete": OWNER,
    "automations.dry_run": PEOPLE,
    "automations.dry_run_unsaved": PEOPLE,
    "automations.runs_of_all": PEOPLE,
    "automations.runs_of_one": PEOPLE,
}
RULE, LISTED_RULE = RuleSchema(), ListedRuleSchema()

Answer = tuple[Response, HTTPStatus]


@dataclass(frozen=True)
class AutomationApi:
    """What the routes stand on."""

    database: Database
    automations: Automations
    dry_runs: DryRuns


def automation_api(
    database: Database, businesses: Mapping[str, Business], clock: Clock, new_id: Callable[[], str]
) -> AutomationApi:
    automations = Automations(database, businesses, clock, new_id)
    return AutomationApi(database, automations, DryRuns(database, businesses, clock))


def automations_blueprint(api: AutomationApi) -> Blueprint:
    automations = Blueprint("automations", __name__)
    for add_routes in (_reading, _writing, _runs, _dry_runs):
        add_routes(automations, api)
    return automations


def _reading(automations: Blueprint, api: AutomationApi) -> None:
    @automations.get("/automations")
    def list_rules() -> Response:
        """The rules, the newest first."""
        page = store.list_rules(api.database, principal().business, **load(PageQuery(), request.args))
        runs = store.last_runs(api.database, [rule["_id"] for rule in page.items])
        rules = [{**rule, "last_run": runs.get(rule["_id"])} for rule in page.items]
        return jsonify({"items": LISTED_RULE.dump(rules, many=True), "next": page.next})

    @automations.get("/automations/fields")
    def fields() -> Response:
        """What conditions can look at, and how they compare."""
        return jsonify({"items": [dump_field(name, field) for name, field in FIELDS.items()]})

    @automations.get("/automations/<rule_id>")
    def show(rule_id: str) -> Response:
        """A rule; the ETag is for PUT."""
        return _shown(api.automations.existing(principal().business, rule_id))


def _writing(automations: Blueprint, api: AutomationApi) -> None:
    @automations.post("/automations")
    def create() -> Answer:
        """A new rule; 422 `circular_rules` names the circle that it would close."""
        who = principal()
        rule = api.automations.create(who.business, load_body(RuleBody(), read_form), who.subject)
        response = _shown(rule)
        response.location = f"/automations/{rule['_id']}"
        return response, HTTPStatus.CREATED

    @automations.put("/automations/<rule_id>")
    def update(rule_id: str) -> Response:
        """The whole rule anew. 412 by If-Match, 409 by `version`."""
        values, who = load_body(ChangedRuleBody(), read_form), principal()
        check = unless_stale(values.pop("version"))
        return _shown(api.automations.update(who.business, rule_id, values, check, who.subject))

    @automations.patch("/automations/<rule_id>")
    def switch(rule_id: str) -> Response:
        """Only `active` is changed. 412 by If-Match, 409 by `version`."""
        values, who = load_body(SwitchBody()), principal()
        check = unless_stale(values["version"])
        return _shown(api.automations.switch(who.business, rule_id, values["active"], check, who.subject))

    @automations.delete("/automations/<rule_id>")
    def delete(rule_id: str) -> tuple[str, HTTPStatus]:
        """What waits is stopped."""
        api.automations.delete(principal().business, rule_id)
        return "", HTTPStatus.NO_CONTENT


def _runs(automations: Blueprint, api: AutomationApi) -> None:
    @automations.get("/automations/runs")
    def runs_of_all() -> Response:
        """What the rules did and why, the newest first."""
        return _page_of_runs(api, None)

    @automations.get("/automations/<rule_id>/runs")
    def runs_of_one(rule_id: str) -> Response:
        """What a rule did and why; of one that was deleted, too."""
        return _page_of_runs(api, rule_id)


def _dry_runs(automations: Blueprint, api: AutomationApi) -> None:
    @automations.post("/automations/dry-run")
    def dry_run_unsaved() -> Response:
        """What a rule that is not saved would have done."""
        business, values = principal().business, load_body(RuleBody(), read_form)
        api.automations.check(business, values)
        return jsonify(api.dry_runs.dry_run(business, values))

    @automations.route("/automations/<rule_id>/dry-run", methods=["GET", "POST"])
    def dry_run(rule_id: str) -> Response:
        """What a rule would have done."""
        business = principal().business
        return jsonify(api.dry_runs.dry_run(business, api.automations.existing(business, rule_id)))


def _page_of_runs(api: AutomationApi, rule_id: str | None) -> Response:
    query = load(PageQuery(), request.args)
    business = principal().business
    page = store.list_runs(api.database, business, rule_id, **query)
    if rule_id and not page.items:
        api.automations.existing(business, rule_id)
    return jsonify({"items": [dump_run(run) for run in page.items], "next": page.next})


def _shown(rule: Mapping[str, Any]) -> Response:
    response = jsonify(RULE.dump(rule))
    response.set_etag(str(rule["version"]))
    return response
