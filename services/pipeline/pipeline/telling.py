"""What the pipeline service tells of a change: `lead.stage_changed`, once for each stage that others see."""

from dataclasses import dataclass
from typing import Self

from pipeline.domain import Document, to_announce
from pipeline.stages import NEW_LEAD
from ringback.contracts.envelope import Event, new_event
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to a change: an event or a request. `id` goes into the ids of the events that follow."""

    id: str
    traceparent: str | None = None

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(event.id, event.traceparent)


def tell_stage(work: UnitOfWork, root: Document, cause: Cause) -> Document:
    """The root with what others were told of it; a lead that is new to them they take for a new one."""
    if root["announced"] is None:
        root = {**root, "announced": {"stage": NEW_LEAD.key, "at": root["opened_at"]}}
    change = to_announce(root)
    if change is None:
        return root
    work.emit(
        new_event(
            "lead.stage_changed",
            business=root["business"],
            subject=root["_id"],
            time=change["at"],
            data=change,
            cause=(root["_id"], cause.id, change["current"]),
            traceparent=cause.traceparent,
        )
    )
    return {**root, "announced": {"stage": change["current"], "at": change["at"]}}
