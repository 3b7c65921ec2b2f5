"""`gunicorn "pipeline.wsgi:application()"`: the app on its own connections, made in each gunicorn worker."""

from flask import Flask

from pipeline.app import NAME, REQUIRED, create_app
from pipeline.indexes import INDEXES
from ringback.process import web_application


def application() -> Flask:
    return web_application(NAME, REQUIRED, INDEXES, create_app)
