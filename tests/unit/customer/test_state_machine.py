"""The customer service agrees with a simple model of it, whatever happens."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.customer.states import BOOKED, PHONES, CustomerMachine

ANNA, BOB, CLEO = PHONES


def test_the_service_agrees_with_the_model() -> None:
    run_state_machine_as_test(
        CustomerMachine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


# Ways that chance seldom takes.


def vip_as_long_as_together(machine: CustomerMachine) -> None:
    machine.open_with([(ANNA, 1), (BOB, 1)], [])
    anna, bob = machine.model.roots()
    machine.merge_these(anna, bob)
    machine.cancel(0)
    machine.agrees()
    assert machine.model.segment(anna, machine.system.now) == "vip"
    machine.unmerge_these(anna, bob)


def gone_from_who_brought_them(machine: CustomerMachine) -> None:
    machine.open_with([(ANNA, 0), (BOB, 0), (CLEO, 0)], [])
    anna, bob, cleo = machine.model.roots()
    machine.merge_these(bob, cleo)
    machine.merge_these(anna, bob)
    machine.unmerge_these(anna, cleo)
    machine.agrees()
    machine.unmerge_these(anna, bob)


def asked_for_a_review_too_soon(machine: CustomerMachine) -> None:
    machine.bring_in(ANNA)
    for days in (179, 2):
        machine.request_review(0, force=False)
        machine.agrees()
        machine.jump(days, 0)
    machine.request_review(0, force=False)
    [anna] = machine.model.records.values()
    assert len(anna.reviews) == 2


def numbers_taken_away_again_and_again(machine: CustomerMachine) -> None:
    for _ in range(2):
        machine.bring_in(ANNA)
        machine.agrees()
        machine.take_a_number_away()
    for _ in range(2):
        machine.record_booking(ANNA, BOOKED, None, timedelta(), "now")
        machine.agrees()
        machine.take_a_number_away()
    assert len(machine.model.roots()) == 4


PATHS = (
    vip_as_long_as_together,
    gone_from_who_brought_them,
    asked_for_a_review_too_soon,
    numbers_taken_away_again_and_again,
)


@pytest.mark.parametrize("path", PATHS)
def test_on_this_way_they_agree_too(path: Callable[[CustomerMachine], None]) -> None:
    machine = CustomerMachine()
    path(machine)
    machine.agrees()
    machine.teardown()
