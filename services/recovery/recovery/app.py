"""The recovery service's web app, wired; nothing is opened before the first request."""

from flask import Flask

from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web

NAME = "recovery"
REQUIRED = ("RINGBACK_SECRET_KEY",)


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    return create_web(NAME, blueprints=(), access={}, settings=settings, checks={"mongo": database.ping})
