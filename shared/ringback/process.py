"""How a service's two processes start: settings, logs, its database with its indexes.

Nothing is opened before these are called; a gunicorn worker calls its own after the fork.
"""

import gc
import os
import socket
import time
from collections.abc import Callable

import structlog
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

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
WAIT_SECONDS = 2.0

CreateApp = Callable[[Settings, Database, Clock], Flask]


def settings_of(required: tuple[str, ...]) -> Settings:
    """The settings, out of the environment; `required` are those that the service cannot do without.

    Ends the process with the reason when one is missing or malformed.
    """
    configure_logging()
    try:
        return load_settings(os.environ, require=("RINGBACK_MONGO_URL", *required))
    except RingbackError as error:
        raise SystemExit(error.message) from error


def database_of(settings: Settings, name: str, indexes: Indexes, *, needs_store: bool = True) -> Database:
    """The database of the service `name`, with its indexes.

    Waits for a MongoDB that is away or refuses us: who ends instead is started again ever more seldom, and is missing
    when it is back. With `needs_store` False it waits for nothing: the worker makes the indexes. Ends the process
    with the reason when no waiting helps.
    """
    assert settings.mongo_url is not None
    try:
        database = open_database(settings.mongo_url, name)
        while not _has_indexes(database, indexes, needs_store) and needs_store:
            time.sleep(WAIT_SECONDS)
    except RingbackError as error:
        raise SystemExit(error.message) from error
    return database


def _has_indexes(database: Database, indexes: Indexes, needs_store: bool) -> bool:
    try:
        database.ensure_indexes(indexes, None if needs_store else INDEX_SECONDS)
    except StoreUnavailable as error:
        log.warning("start.waits" if needs_store else "start.without_store", reason=error.message)
        return False
    return True


def web_application(
    name: str, required: tuple[str, ...], indexes: Indexes, create_app: CreateApp, *, needs_store: bool = True
) -> Flask:
    """The app, with its loops running."""
    settings = settings_of(required)
    database = database_of(settings, name, indexes, needs_store=needs_store)
    app = create_app(settings, database, system_clock)
    # Whose address it is says the nearest of our own proxies; what a client wrote into the header stays unread.
    if settings.proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxy_hops, x_proto=0)  # type: ignore[method-assign]
    Worker(loops_of(app)).start()
    gc.collect()
    gc.freeze()  # what a process keeps as long as it lives need not be looked through again and again
    return app


def process_name() -> str:
    """Who holds a lease: this process on this host."""
    return f"{socket.gethostname()}:{os.getpid()}"
