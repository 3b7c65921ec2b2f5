"""call-ingest's web app, wired; nothing is opened before the first request."""

from flask import Flask

from call_ingest.handlers import Reception
from call_ingest.journal import Journal
from call_ingest.routes import ACCESS, answer_in_twiml, twilio_blueprint
from call_ingest.signature import SignatureCheck
from call_ingest.store import RAW_REQUESTS, insert_into
from ringback.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web

NAME = "call-ingest"
REQUIRED = ("RINGBACK_SECRET_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    assert settings.twilio_account_sid is not None
    reception = Reception(settings, Journal(insert_into(database), database.signal(RAW_REQUESTS)), clock)
    signature = SignatureCheck(settings.public_url, settings.twilio_account_sid, settings.twilio_auth_tokens)
    return create_web(
        NAME,
        blueprints=[twilio_blueprint(reception, signature)],
        access=ACCESS,
        settings=settings,
        checks={"mongo": database.ping},
        in_other_words=answer_in_twiml,
    )
