"""What the pipeline service reacts to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.automation.events import automation_subscriptions
from pipeline.handlers import KINDS, RecordLeads
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business], clock: Clock, seal: Seal) -> dict[str, Handler]:
    """Each part is given its own types; leads go first, so that the others find them brought up to date."""
    leads: dict[str, Handler] = dict.fromkeys(KINDS, RecordLeads(businesses, clock, seal))
    return all_of([leads, automation_subscriptions(clock)])


def all_of(parts: Sequence[Mapping[str, Handler]]) -> dict[str, Handler]:
    """One handler for every type: it gives each part, in their order, what that handles of a batch."""
    every: Handler = InTurn(parts)
    return dict.fromkeys((name for part in parts for name in part), every)


@dataclass(frozen=True, eq=False)
class InTurn:
    """A batch is one transaction: all parts' effects of an event, or none."""

    parts: Sequence[Mapping[str, Handler]]

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        for part in self.parts:
            for handler, group in _grouped(part, events).items():
                handler(work, group)


def _grouped(part: Mapping[str, Handler], events: Sequence[Event]) -> dict[Handler, list[Event]]:
    groups: dict[Handler, list[Event]] = {}
    for event in events:
        if event.type in part:
            groups.setdefault(part[event.type], []).append(event)
    return groups
