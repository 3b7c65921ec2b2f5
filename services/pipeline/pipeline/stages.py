"""The stages of a lead. Pure.

What a stage is called may change; `kind` is what reports go by, and `step` how far it is on the way.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """`kind`: open, ongoing, won, lost. `step` orders automatic moves, which only go forward."""

    key: str
    label: str
    kind: str
    step: int


NEW_LEAD, CONTACTED, APPOINTMENT_SET, CONVERTED, LOST = (
    Stage("new_lead", "New lead", "open", 0),
    Stage("contacted", "Contacted", "ongoing", 1),
    Stage("appointment_set", "Appointment set", "ongoing", 2),
    Stage("converted", "Converted", "won", 3),
    # From here only a person moves a lead on: nothing is further.
    Stage("lost", "Lost", "lost", 4),
)
STAGES = {stage.key: stage for stage in (NEW_LEAD, CONTACTED, APPOINTMENT_SET, CONVERTED, LOST)}


def is_further(stage: str, than: str) -> bool:
    return STAGES[stage].step > STAGES[than].step
