"""How a service's two processes start: settings, logs, its database with its indexes.

Nothing is opened before these are called; a gunicorn worker calls its own after the fork.
"""

import gc
import os
import socket
from collections.abc import Callable

import structlog
from flask import Flask

from ringback.clock import Clock, system_clock
from ringback.errors import RingbackError, StoreUnavailable
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, Indexes, open_database
from ringback.telemetry import configure_logging
from ringback.web.app import loops_of
from ringback.worker.runtime import Worker

log = structlog.get_logger(__name__)

# Who can work without MongoDB does not wait for it: somebody is on the line.
INDEX_SECONDS = 0.5

CreateApp = Callable[[Settings, Database, Clock], Flask]


def start(
    name: str, required: tuple[str, ...], indexes: Indexes, *, needs_store: bool = True
) -> tuple[Settings, Database]:
    """Settings and database of the service `name`; `required` are the settings that it cannot do without.

    Ends the process with the reason when that fails, so that whoever runs it starts it again; with `needs_store`
    False it starts while MongoDB is away, too: its worker makes the indexes.
    """
    configure_logging()
    try:
        settings = load_settings(os.environ, require=("RINGBACK_MONGO_URL", *required))
        assert settings.mongo_url is not None
        database = open_database(settings.mongo_url, name)
        _make_indexes(database, indexes, needs_store)
    except RingbackError as error:
        raise SystemExit(error.message) from error
    return settings, database


def _make_indexes(database: Database, indexes: Indexes, needs_store: bool) -> None:
    try:
        database.ensure_indexes(indexes, None if needs_store else INDEX_SECONDS)
    except StoreUnavailable as error:
        if needs_store:
            raise
        log.warning("start.without_store", reason=error.message)


def web_application(
    name: str, required: tuple[str, ...], indexes: Indexes, create_app: CreateApp, *, needs_store: bool = True
) -> Flask:
    """The app, with its loops running."""
    settings, database = start(name, required, indexes, needs_store=needs_store)
    app = create_app(settings, database, system_clock)
    Worker(loops_of(app)).start()
    gc.collect()
    gc.freeze()  # what a process keeps as long as it lives need not be looked through again and again
    return app


def process_name() -> str:
    """Who holds a lease: this process on this host."""
    return f"{socket.gethostname()}:{os.getpid()}"
