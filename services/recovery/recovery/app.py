"""The recovery service's web app, wired; nothing is opened before the first request."""

import uuid

from flask import Flask

from recovery.commands import Desk
from recovery.routes import ACCESS, Api, missed_calls_blueprint
from ringback.clock import Clock
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web

NAME = "recovery"
REQUIRED = ("RINGBACK_SECRET_KEY",)


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    desk = Desk(database, settings.businesses, clock, _new_id, seal)
    api = Api(settings.businesses, database, clock, desk, seal)
    return create_web(
        NAME,
        blueprints=[missed_calls_blueprint(api)],
        access=ACCESS,
        settings=settings,
        checks={"mongo": database.ping},
    )


def _new_id() -> str:
    return str(uuid.uuid4())
