"""`gunicorn "call_ingest.wsgi:application()"`: the app on its own connections, made in each gunicorn worker."""

from flask import Flask

from call_ingest.app import NAME, REQUIRED, create_app
from call_ingest.store import INDEXES
from ringback.process import web_application


def application() -> Flask:
    """Serves while MongoDB is away, too: what comes in waits in the spool."""
    return web_application(NAME, REQUIRED, INDEXES, create_app, needs_store=False)
