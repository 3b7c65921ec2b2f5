"""The pipeline service's web app, wired; nothing is opened before the first request."""

import uuid

from flask import Flask

from pipeline.automation.editor import Editor
from pipeline.automation.form_routes import FORM_ACCESS, automation_forms_blueprint
from pipeline.automation.routes import AUTOMATION_ACCESS, automation_api, automations_blueprint
from pipeline.moves import Moves
from pipeline.outbound.routes import OUTBOUND_ACCESS, outbound_api, outbound_blueprint
from pipeline.pages import FORMS, Shown, pages
from pipeline.parts import PARTS_ACCESS, parts_blueprint
from pipeline.routes import ACCESS, Api, leads_blueprint
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web
from ringback.web.pages import add_pages

NAME = "pipeline"
REQUIRED = ("RINGBACK_SECRET_KEY",)


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    moves = Moves(database, settings.businesses, clock, _new_id)
    automation = automation_api(database, settings.businesses, clock, _new_id)
    outbound = outbound_api(settings, database, clock, _new_id)
    editor = Editor(database, automation.automations, automation.dry_runs)
    blueprints = [
        leads_blueprint(Api(settings, database, moves, clock)),
        automations_blueprint(automation),
        automation_forms_blueprint(editor),
        outbound_blueprint(outbound),
        parts_blueprint(settings, database, clock),
    ]
    app = create_web(
        NAME,
        blueprints=blueprints,
        access={**ACCESS, **AUTOMATION_ACCESS, **FORM_ACCESS, **OUTBOUND_ACCESS, **PARTS_ACCESS},
        settings=settings,
        checks={"mongo": database.ping},
    )
    shown = Shown(database, clock, outbound.secret)
    add_pages(app, settings, clock, package=NAME, pages=pages(shown, editor), forms=FORMS)
    return app


def _new_id() -> str:
    return str(uuid.uuid4())
