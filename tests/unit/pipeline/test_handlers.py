"""Parts of the service that react to the same events each get theirs, in their order, in one transaction."""

from collections.abc import Sequence

from pipeline.events import all_of
from ringback.contracts.envelope import Event
from ringback.store.unit_of_work import UnitOfWork
from tests.unit.fakes import MemoryDatabase
from tests.unit.pipeline.leads_service import ANNA, called, created, deleted


def test_each_part_gets_its_own_events_of_a_batch_at_once_and_in_turn() -> None:
    seen: list[tuple[str, list[str]]] = []

    def first(_work: UnitOfWork, events: Sequence[Event]) -> None:
        seen.append(("first", [event.type for event in events]))

    def second(_work: UnitOfWork, events: Sequence[Event]) -> None:
        seen.append(("second", [event.type for event in events]))

    handlers = all_of(
        [dict.fromkeys(("customer.created", "call.completed"), first), dict.fromkeys(("customer.created",), second)]
    )
    assert set(handlers) == {"customer.created", "call.completed"}
    assert len({id(handler) for handler in handlers.values()}) == 1
    batch = [called(ANNA, 1), created(ANNA), deleted(ANNA)]
    handlers["call.completed"](MemoryDatabase().work(), batch)
    assert seen == [("first", ["call.completed", "customer.created"]), ("second", ["customer.created"])]
