"""call-ingest's web app, wired; nothing is opened before the first request."""

from flask import Flask

from call_ingest.call_log import CALL_LOG_ACCESS, call_log_blueprint
from call_ingest.journal import Drain, Journal
from call_ingest.pages import FORMS, PAGES
from call_ingest.parts import PARTS_ACCESS, parts_blueprint
from call_ingest.reception import Reception
from call_ingest.routes import Webhooks
from call_ingest.signature import SignatureCheck
from call_ingest.spool import Spool
from call_ingest.store import RAW_REQUESTS, RawRequests
from call_ingest.twilio_api import TwilioApi
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web
from ringback.web.bulkhead import Bulkhead
from ringback.web.pages import add_pages

NAME = "call-ingest"
REQUIRED = ("RINGBACK_SECRET_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
# Who listens can press again: a thread is not to be held while Twilio is asked again and again.
LISTEN_SECONDS = 5.0
# Of the 16 threads that a web process is meant to have.
MOST_READERS = 8


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    assert settings.twilio_account_sid is not None
    records = RawRequests(database, clock)
    spool = Spool(settings.data / "spool" / NAME)
    journal = Journal(records, spool, database.signal(RAW_REQUESTS))
    signature = SignatureCheck(
        settings.public_url,
        settings.twilio_account_sid,
        settings.twilio_auth_tokens,
        settings.twilio_shared_keys,
    )
    app = create_web(
        NAME,
        blueprints=[
            call_log_blueprint(settings, database, lambda: twilio_api(settings, LISTEN_SECONDS, attempts=1)),
            parts_blueprint(settings, database, clock),
        ],
        access={**CALL_LOG_ACCESS, **PARTS_ACCESS},
        settings=settings,
        checks={"accepting": journal.check},
        loops=[Drain(journal, records, spool, database.signal(RAW_REQUESTS))],
    )
    add_pages(app, settings, clock, package="call_ingest", pages=PAGES, forms=FORMS)
    # Whatever people look at, a thread is left for Twilio. Flask's own way to put something around an app.
    people = Bulkhead(app.wsgi_app, MOST_READERS, ["/healthz"])
    reception = Reception(settings, journal, clock)
    app.wsgi_app = Webhooks(people, signature, reception.answer)  # type: ignore[method-assign]
    return app


def twilio_api(settings: Settings, timeout_seconds: float = 10.0, attempts: int = 4) -> TwilioApi:
    assert settings.twilio_account_sid is not None
    return TwilioApi(
        settings.twilio_account_sid,
        settings.twilio_auth_tokens,
        settings.twilio_api_base_url,
        timeout_seconds,
        attempts,
    )
