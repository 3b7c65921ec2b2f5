"""The box: embedded MongoDB, every service's web app and worker, one HTTP server, one clean end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
from flask import Flask

import call_ingest.app
import call_ingest.store
import call_ingest.worker
import customer.app
import customer.store
import customer.worker
import notifier.app
import notifier.store
import notifier.worker
import pipeline.app
import pipeline.indexes
import pipeline.worker
import recovery.app
import recovery.store
import recovery.worker
from customer.home import FETCH
from customer.users import users_of
from onebox.embedded_mongo import EmbeddedMongo
from onebox.engine import EngineError, locate
from onebox.gateway import TWILIO, Gateway, fetch_in_process
from onebox.http_server import THREADS, HttpServer
from ringback.bus.connection import Bus
from ringback.bus.embedded import release_leases
from ringback.clock import system_clock
from ringback.errors import StoreUnavailable, Transient
from ringback.process import CreateApp, process_name
from ringback.running import forget_running, write_running
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database, Indexes, open_database
from ringback.web.app import create_web, loops_of
from ringback.web.bulkhead import Bulkhead
from ringback.web.pages import add_pages
from ringback.worker.main import MakeLoops
from ringback.worker.runtime import Worker

# One process on an embedded MongoDB: whatever lease was held there before a crash was its own.
HOLDER = "onebox"
# Loops are woken by what this process writes, and nobody else writes.
IDLE_SECONDS = 0.5
MOST_READERS = THREADS * 5 // 8

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Member:
    """A service in the box."""

    name: str
    required: tuple[str, ...]
    indexes: Indexes
    create_app: CreateApp
    loops: MakeLoops


MEMBERS = (
    Member(
        call_ingest.app.NAME,
        call_ingest.app.REQUIRED,
        call_ingest.store.INDEXES,
        call_ingest.app.create_app,
        call_ingest.worker.loops,
    ),
    Member(
        customer.app.NAME,
        customer.app.REQUIRED,
        customer.store.INDEXES,
        customer.app.create_app,
        customer.worker.loops,
    ),
    Member(
        pipeline.app.NAME,
        pipeline.app.REQUIRED,
        pipeline.indexes.INDEXES,
        pipeline.app.create_app,
        pipeline.worker.loops,
    ),
    Member(
        recovery.app.NAME,
        recovery.app.REQUIRED,
        recovery.store.INDEXES,
        recovery.app.create_app,
        recovery.worker.loops,
    ),
    Member(
        notifier.app.NAME,
        notifier.app.REQUIRED,
        notifier.store.INDEXES,
        notifier.app.create_app,
        notifier.worker.loops,
    ),
)


class Box:
    """`start`, serve until told to stop, `stop`. Killing it loses nothing that was answered 2xx."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._mongo: EmbeddedMongo | None = None
        self._databases: list[Database] = []
        self._worker: Worker | None = None
        self._beside: Worker | None = None
        self._noted = False
        self._server: HttpServer | None = None

    def start(self) -> None:
        """Webhooks are accepted when this returns. Events flow then, too, unless MongoDB is another's and away:
        `heal` starts what needs it."""
        self.settings = self._with_embedded_engines(self.settings)
        assert self.settings.mongo_url is not None
        self._databases = [open_database(self.settings.mongo_url, member.name) for member in MEMBERS]
        apps = [
            member.create_app(self.settings, database, system_clock)
            for member, database in zip(MEMBERS, self._databases, strict=True)
        ]
        served = self._served(apps)
        for app in apps:
            app.extensions[FETCH] = partial(fetch_in_process, served)
        self._server = HttpServer(served, self.settings.port)
        self._beside = Worker([loop for app in apps for loop in loops_of(app)])
        self._beside.start()
        if self._mongo is not None:
            self._start_worker()
        self._server.start()
        write_running(self.settings)
        self._noted = True
        self.heal()

    @property
    def complete(self) -> bool:
        """False while webhooks are only kept, because MongoDB was never there yet."""
        return self._worker is not None

    def has_no_users(self, business: str) -> bool:
        """Whether nobody of the business can sign in to the pages yet."""
        assert self.settings.secret_key is not None
        names = [member.name for member in MEMBERS]
        database = self._databases[names.index(customer.app.NAME)]
        return users_of(database, system_clock, seal_with(self.settings.secret_key)).none_of(business)

    def heal(self) -> None:
        """Start MongoDB again if it ended, and the worker as soon as MongoDB is there.

        To be called every second or so, from the main thread.
        """
        if self._mongo is not None and not self._mongo.running:
            self._restart_mongo(self._mongo)
        if self._worker is None:
            self._start_worker_if_possible()

    def stop(self) -> None:
        """Stop listening, finish what is in hand, then stop MongoDB."""
        if self._noted:
            forget_running(self.settings)
        if self._server is not None:
            self._server.stop()
        for worker in (self._worker, self._beside):
            if worker is not None and not worker.stop():
                log.error("box.worker_stop_timed_out")
        for database in self._databases:
            database.close()
        if self._mongo is not None:
            self._mongo.stop()

    def _restart_mongo(self, mongo: EmbeddedMongo) -> None:
        log.error("box.mongod_ended")
        try:
            mongo.start()
        except EngineError as error:
            log.error("box.mongod_not_started", reason=error.message)

    def _start_worker_if_possible(self) -> None:
        try:
            self._start_worker()
        except StoreUnavailable as error:
            log.warning("box.waits_for_mongo", reason=error.message)

    def _start_worker(self) -> None:
        """Indexes first: without them one caller could become two customers."""
        for member, database in zip(MEMBERS, self._databases, strict=True):
            database.ensure_indexes(member.indexes)
        bus = self._prepare_bus()
        loops = [
            loop
            for member, database in zip(MEMBERS, self._databases, strict=True)
            for loop in member.loops(self.settings, database, bus, system_clock, self._holder(), IDLE_SECONDS)
        ]
        self._worker = Worker(loops)
        self._worker.start()

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

    def _served(self, apps: Sequence[Flask]) -> Bulkhead:
        """Whatever people look at, threads are left for Twilio."""
        return Bulkhead(Gateway(self._own_app(), apps[0], apps), MOST_READERS, [TWILIO, "/healthz"])

    def _own_app(self) -> Flask:
        checks = {"worker": self._check_worker} | {
            f"mongo.{database.name}": database.ping for database in self._databases
        }
        app = create_web("onebox", blueprints=(), access={}, settings=self.settings, checks=checks)
        # Who mistypes an address is told so on a page.
        add_pages(app, self.settings, system_clock, package="ringback.web", pages={}, forms={})
        return app

    def _check_worker(self) -> None:
        if self._worker is None:
            raise Transient("The worker waits for MongoDB.", code="worker_waiting")
        if not self._worker.alive():
            raise Transient("A loop of the worker is stuck.", code="worker_stuck")


def required_settings() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for member in MEMBERS for name in member.required))
