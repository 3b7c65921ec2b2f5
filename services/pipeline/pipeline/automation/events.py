"""What automations react to."""

from pipeline.automation.erasing import EraseTraces
from pipeline.automation.firing import RecordFacts
from pipeline.automation.triggers import TRIGGERS
from ringback.clock import Clock
from ringback.worker.consumer import Handler


def automation_subscriptions(clock: Clock) -> dict[str, Handler]:
    """In the unit of work of the leads': what EraseTraces goes by is erased in the same one."""
    handlers: dict[str, Handler] = dict.fromkeys(TRIGGERS, RecordFacts(clock))
    return handlers | {"customer.deleted": EraseTraces(clock)}
