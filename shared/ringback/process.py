"""How a service's two processes start: settings, logs, its database with its indexes.

Nothing is opened before these are called; a gunicorn worker calls its own after the fork.
"""

import os
import socket
from collections.abc import Callable

from flask import Flask

from ringback.clock import Clock, system_clock
from ringback.errors import RingbackError
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, Indexes, open_database
from ringback.telemetry import configure_logging

CreateApp = Callable[[Settings, Database, Clock], Flask]


def start(name: str, required: tuple[str, ...], indexes: Indexes) -> tuple[Settings, Database]:
    """Settings and database of the service `name`; `required` are the settings that it cannot do without.

    Ends the process with the reason when that fails, so that whoever runs it starts it again.
    """
    configure_logging()
    try:
        settings = load_settings(os.environ, require=("RINGBACK_MONGO_URL", *required))
        assert settings.mongo_url is not None
        database = open_database(settings.mongo_url, name)
        database.ensure_indexes(indexes)
    except RingbackError as error:
        raise SystemExit(error.message) from error
    return settings, database


def web_application(name: str, required: tuple[str, ...], indexes: Indexes, create_app: CreateApp) -> Flask:
    settings, database = start(name, required, indexes)
    return create_app(settings, database, system_clock)


def process_name() -> str:
    """Who holds a lease: this process on this host."""
    return f"{socket.gethostname()}:{os.getpid()}"
