"""The notifier service's web app, wired; nothing is opened before the first request."""

import uuid

from flask import Flask

from notifier.desk import Desk
from notifier.routes import ACCESS, Api, texts_blueprint
from ringback.clock import Clock
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web

NAME = "notifier"
REQUIRED = ("RINGBACK_SECRET_KEY",)


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    assert settings.secret_key is not None
    desk = Desk(database, settings.businesses, clock, new_id, seal_with(settings.secret_key))
    return create_web(
        NAME,
        blueprints=[texts_blueprint(Api(desk))],
        access=ACCESS,
        settings=settings,
        checks={"mongo": database.ping},
    )


def new_id() -> str:
    return str(uuid.uuid4())
