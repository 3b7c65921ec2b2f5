"""The box: embedded MongoDB, every service's web app and worker, one HTTP server, one clean end."""

from dataclasses import dataclass, replace

import structlog
from flask import Flask

import call_ingest.app
import call_ingest.store
import call_ingest.worker
import customer.app
import customer.store
import customer.worker
from onebox.embedded_mongo import EmbeddedMongo
from onebox.engine import EngineError, locate
from onebox.gateway import Gateway
from onebox.http_server import HttpServer
from ringback.bus.connection import Bus
from ringback.bus.embedded import release_leases
from ringback.clock import system_clock
from ringback.errors import Transient
from ringback.process import CreateApp, process_name
from ringback.settings import Settings
from ringback.store.database import Database, Indexes, open_database
from ringback.web.app import create_web
from ringback.worker.main import MakeLoops
from ringback.worker.runtime import Worker

# One process on an embedded MongoDB: whatever lease was held there before a crash was its own.
HOLDER = "onebox"
# Loops are woken by what this process writes, and nobody else writes.
IDLE_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Member:
    """A service in the box."""

    name: str
    indexes: Indexes
    create_app: CreateApp
    loops: MakeLoops


MEMBERS = (
    Member(call_ingest.app.NAME, call_ingest.store.INDEXES, call_ingest.app.create_app, call_ingest.worker.loops),
    Member(customer.app.NAME, customer.store.INDEXES, customer.app.create_app, customer.worker.loops),
)


class Box:
    """`start`, serve until told to stop, `stop`. Killing it loses nothing that was answered 2xx."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._mongo: EmbeddedMongo | None = None
        self._databases: list[Database] = []
        self._worker: Worker | None = None
        self._server: HttpServer | None = None

    def start(self) -> None:
        """Ready when this returns: webhooks are accepted and events flow."""
        self.settings = self._with_embedded_engines(self.settings)
        bus = self._prepare_bus()
        apps, loops = [], []
        for member in MEMBERS:
            database = self._open(member)
            apps.append(member.create_app(self.settings, database, system_clock))
            loops += member.loops(self.settings, database, bus, system_clock, self._holder(), IDLE_SECONDS)
        self._worker = Worker(loops)
        self._worker.start()
        self._server = HttpServer(Gateway(self._own_app(), apps[0], apps), self.settings.port)
        self._server.start()

    def heal(self) -> None:
        """Start MongoDB again if it ended; to be called every second or so, from the main thread."""
        if self._mongo is None or self._mongo.running:
            return
        log.error("box.mongod_ended")
        try:
            self._mongo.start()
        except EngineError as error:
            log.error("box.mongod_not_started", reason=error.message)

    def stop(self) -> None:
        """Stop listening, finish what is in hand, then stop MongoDB."""
        if self._server is not None:
            self._server.stop()
        if self._worker is not None and not self._worker.stop():
            log.error("box.worker_stop_timed_out")
        for database in self._databases:
            database.close()
        if self._mongo is not None:
            self._mongo.stop()

    def _holder(self) -> str:
        return HOLDER if self._mongo is not None else process_name()

    def _with_embedded_engines(self, settings: Settings) -> Settings:
        mongo_url = settings.mongo_url
        if mongo_url is None:
            self._mongo = EmbeddedMongo(locate(), settings.data)
            mongo_url = self._mongo.start()
        return replace(settings, mongo_url=mongo_url, bus_url=settings.bus_url or mongo_url)

    def _prepare_bus(self) -> Bus:
        assert self.settings.bus_url is not None
        bus = Bus(self.settings.bus_url)
        if bus.embedded and self._mongo is not None:
            release_leases(bus.url, system_clock)
        return bus

    def _open(self, member: Member) -> Database:
        assert self.settings.mongo_url is not None
        database = open_database(self.settings.mongo_url, member.name)
        self._databases.append(database)
        database.ensure_indexes(member.indexes)
        return database

    def _own_app(self) -> Flask:
        checks = {"worker": self._check_worker} | {
            f"mongo.{database.name}": database.ping for database in self._databases
        }
        return create_web("onebox", blueprints=(), access={}, settings=self.settings, checks=checks)

    def _check_worker(self) -> None:
        if self._worker is None or not self._worker.alive():
            raise Transient("A loop of the worker is stuck.", code="worker_stuck")


def required_settings() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*call_ingest.app.REQUIRED, *customer.app.REQUIRED)))
