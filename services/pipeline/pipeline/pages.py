"""Which template shows an endpoint's JSON, and what is said once a form was taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g

from pipeline import store
from pipeline.automation import store as automations
from pipeline.automation.editor import Editor
from pipeline.automation.fields import SEGMENTS, SOURCES
from pipeline.automation.form_routes import FORM_PAGE
from pipeline.automation.recipes import RECIPES
from pipeline.outbound.payloads import KINDS
from pipeline.outbound.signing import Secret
from pipeline.outbound.store import find_endpoint
from pipeline.stages import STAGES
from pipeline.store import EVERYBODY
from ringback.clock import Clock
from ringback.store.database import Database
from ringback.web.pages import Done, Page

Json = Mapping[str, Any]

RULE = "rule:"
PERIODS = (7, 30, 90)
# Cards that one can be put above by a list; further down nobody reads one.
NEIGHBOURS = 20
# How long whoever made a secret finds it on the endpoint's page.
SECRET_SHOWN = timedelta(minutes=2)
SECRET_NOTICES = frozenset({"created", "secret rotated"})


@dataclass(frozen=True)
class Shown:
    """What pages show beside the JSON of their route."""

    database: Database
    clock: Clock
    secret: Secret

    def lead(self, lead: Json) -> Json:
        """The names of the rules that moved it, and the cards that it can be put above."""
        actors = [visit["actor"] or "" for visit in lead["history"]]
        ids = [actor.removeprefix(RULE) for actor in actors if actor.startswith(RULE)]
        names = automations.rule_names(self.database, g.business.key, ids)
        rules = {f"{RULE}{rule_id}": name for rule_id, name in names.items()}
        return {"rules": rules, "neighbours": self._neighbours(lead), "stages": STAGES}

    def _neighbours(self, lead: Json) -> list[Json]:
        cards = store.find_cards(self.database, g.business.key, lead["stage"], EVERYBODY, None, NEIGHBOURS)
        return [card for card in cards if card["_id"] != lead["customer_id"]]

    def funnel(self, funnel: Json) -> Json:
        """The days of the period as the form has them, and the periods that a click away."""
        today = g.formats.local(self.clock()).date()
        periods = [(days, (today - timedelta(days=days)).isoformat()) for days in PERIODS]
        since, until = (g.formats.local(funnel[name]).date().isoformat() for name in ("from", "to"))
        return {"sources": SOURCES, "periods": periods, "since": since, "until": until}

    def runs(self, runs: Json) -> Json:
        """What those are called whom the runs were about."""
        ids = [run["customer_id"] for run in runs["items"] if run["customer_id"]]
        return {"called": store.find_called(self.database, g.business.key, ids)}

    def endpoint(self, endpoint: Json) -> Json:
        """The secret, for a moment and only to who made it."""
        return {"kinds": KINDS, "secret": self._secret(endpoint) if self._is_just_made(endpoint) else None}

    def _is_just_made(self, endpoint: Json) -> bool:
        made = [one for one in endpoint["notices"] if one["notice"] in SECRET_NOTICES]
        if not made or made[-1]["by"] != g.principal.subject or g.principal.role != "owner":
            return False
        return self.clock() - datetime.fromisoformat(made[-1]["at"]) < SECRET_SHOWN

    def _secret(self, endpoint: Json) -> str | None:
        found = find_endpoint(self.database, g.business.key, endpoint["id"])
        return self.secret(found["_id"], found["generation"]) if found else None


def board(_document: Json) -> Json:
    return {"sources": SOURCES, "segments": SEGMENTS, "stages": STAGES}


def rules(_document: Json) -> Json:
    return {"recipes": {key: recipe for key, recipe in RECIPES.items() if recipe["name"]}}


def endpoints(_document: Json) -> Json:
    return {"kinds": KINDS}


def pages(shown: Shown, editor: Editor) -> Mapping[str, Page]:
    return {
        "leads.board": Page("leads.html", board),
        "leads.show": Page("lead.html", shown.lead),
        "leads.funnel": Page("funnel.html", shown.funnel),
        "parts.leads": Page("part_leads.html"),
        "automations.list_rules": Page("automations.html", rules),
        "automations.show": Page("automation.html"),
        "automation_forms.begin": Page(FORM_PAGE, editor.new),
        "automation_forms.edit": Page(FORM_PAGE, editor.existing),
        "automations.dry_run": Page("automation_dry_run.html"),
        "automations.runs_of_all": Page("automation_runs.html", shown.runs),
        "automations.runs_of_one": Page("automation_runs.html", shown.runs),
        "webhooks.list_endpoints": Page("endpoints.html", endpoints),
        "webhooks.show": Page("endpoint.html", shown.endpoint),
        "webhooks.list_deliveries": Page("deliveries.html"),
        "webhooks.show_delivery": Page("delivery.html"),
    }


def _of_rule(rule: Json) -> str:
    return f"/automations/{rule['id']}"


def _of_endpoint(endpoint: Json) -> str:
    return f"/webhook-endpoints/{endpoint['id']}"


def _of_delivery(delivery: Json) -> str:
    return f"/webhook-deliveries/{delivery.get('delivery_id') or delivery['id']}"


FORMS: Mapping[str, Done] = {
    "leads.move_stage": Done("Moved."),
    "automations.create": Done("The automation is saved.", _of_rule),
    "automations.update": Done("The automation is saved.", _of_rule),
    "automations.switch": Done("Saved."),
    "automations.delete": Done("The automation is deleted; what it did stays in the log.", lambda _: "/automations"),
    "webhooks.create": Done("The endpoint is saved. Copy its secret now.", _of_endpoint),
    "webhooks.update": Done("Saved."),
    "webhooks.delete": Done("The endpoint is deleted.", lambda _: "/webhook-endpoints"),
    "webhooks.rotate_secret": Done("There is a new secret. Copy it now.", _of_endpoint),
    "webhooks.test": Done("A test is on its way.", _of_delivery),
    "webhooks.replay": Done("It is sent again.", _of_delivery),
}
