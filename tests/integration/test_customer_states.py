"""The customer service agrees with a simple model of it on a real replica set, too."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from customer.app import NAME
from customer.store import INDEXES, TIMELINE
from ringback.store.database import Database, open_database
from tests.unit.customer.states import CustomerMachine


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    # What waits is removed by the server's clock, which is not the machine's.
    database[TIMELINE].drop_index("waits_until_1")
    yield database
    database.close()


def emptied(database: Database) -> Database:
    """Without documents, but with its indexes."""
    for name in database.client[database.name].list_collection_names():
        database[name].delete_many({})
    return database


def test_the_service_agrees_with_the_model_on_a_replica_set(database: Database) -> None:
    class OnReplicaSet(CustomerMachine):
        def __init__(self) -> None:
            super().__init__(lambda: emptied(database))

    few = settings(
        max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(OnReplicaSet, settings=few)
