"""Indexes, ahead of the services: on a collection that has grown, making one takes longer than a start may."""

from functools import partial

import structlog

from ringback.store.database import open_database
from ringback_setup.secret_files import secret
from ringback_setup.services import SERVICES, indexes_of
from ringback_setup.waiting import patiently

LONGEST_SECONDS = 3600.0

log = structlog.get_logger(__name__)


def prepare() -> None:
    for service in SERVICES:
        database = open_database(secret(f"{service}_mongo_url"), service)
        make = partial(database.ensure_indexes, indexes_of(service), LONGEST_SECONDS)
        try:
            patiently(make)
        finally:
            database.close()
        log.info("setup.indexes_made", service=service)
