"""The customer service's web app, wired; nothing is opened before the first request."""

import functools
import uuid

from flask import Flask

from customer.commands import Desk
from customer.consents import opted_out
from customer.home import HOME_ACCESS, home_blueprint
from customer.importing import Importing
from customer.lifecycle import Lifecycle
from customer.outreach import Outreach
from customer.outreach_routes import OUTREACH_ACCESS, outreach_blueprint
from customer.pages import FORMS, PAGES
from customer.parts import PARTS_ACCESS, parts_blueprint
from customer.routes import ACCESS, Api, customers_blueprint
from customer.sign_in import SIGN_IN_ACCESS, SignIn, sign_in_blueprint
from customer.transfer_routes import TRANSFER_ACCESS, transfer_blueprint
from customer.users import users_of
from ringback.clock import Clock
from ringback.seals import Seal, seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.app import create_web
from ringback.web.pages import add_pages

NAME = "customer"
REQUIRED = ("RINGBACK_SECRET_KEY",)
# A note of the longest kind may take twelve bytes a character, when a client escapes what is not ASCII.
MAX_BODY = 256 * 1024


def create_app(settings: Settings, database: Database, clock: Clock) -> Flask:
    """`settings` loaded with REQUIRED."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    outreach = _outreach(settings, database, clock, seal)
    blueprints = [
        customers_blueprint(_api(settings, database, clock, seal, outreach)),
        outreach_blueprint(outreach, database, clock),
        transfer_blueprint(Importing(database, settings.businesses, clock, seal), database),
        sign_in_blueprint(SignIn(settings, users_of(database, clock, seal), clock)),
        home_blueprint(settings),
        parts_blueprint(settings, database, clock),
    ]
    app = create_web(
        NAME,
        blueprints=blueprints,
        access={**ACCESS, **OUTREACH_ACCESS, **TRANSFER_ACCESS, **SIGN_IN_ACCESS, **HOME_ACCESS, **PARTS_ACCESS},
        settings=settings,
        checks={"mongo": database.ping},
        max_body=MAX_BODY,
    )
    add_pages(app, settings, clock, package=NAME, pages=PAGES, forms=FORMS)
    return app


def _api(settings: Settings, database: Database, clock: Clock, seal: Seal, outreach: Outreach) -> Api:
    desk = Desk(database, settings.businesses, clock, _new_id, seal)
    lifecycle = Lifecycle(database, settings.businesses, clock, _new_id, seal)
    return Api(settings, database, desk, lifecycle, outreach, seal)


def _outreach(settings: Settings, database: Database, clock: Clock, seal: Seal) -> Outreach:
    refuses = functools.partial(opted_out, database, seal)
    return Outreach(database, settings.businesses, clock, _new_id, settings.public_url, refuses)


def _new_id() -> str:
    return str(uuid.uuid4())
