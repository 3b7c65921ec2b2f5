"""The pipeline service's web app, wired; nothing is opened before the first request."""

import uuid

from flask import Flask

from pipeline.automation.routes import AUTOMATION_ACCESS, automation_api, automations_blueprint
from pipeline.moves import Moves
from pipeline.outbound.routes import OUTBOUND_ACCESS, outbound_api, outbound_blueprint
from pipeline.routes import ACCESS, Api, leads_blueprint
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web

NAME = "pipeline"
REQUIRED = ("RINGBACK_SECRET_KEY",)


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    moves = Moves(database, settings.businesses, clock, _new_id)
    blueprints = [
        leads_blueprint(Api(settings, database, moves, clock)),
        automations_blueprint(automation_api(database, settings.businesses, clock, _new_id)),
        outbound_blueprint(outbound_api(settings, database, clock, _new_id)),
    ]
    return create_web(
        NAME,
        blueprints=blueprints,
        access={**ACCESS, **AUTOMATION_ACCESS, **OUTBOUND_ACCESS},
        settings=settings,
        checks={"mongo": database.ping},
    )


def _new_id() -> str:
    return str(uuid.uuid4())
