"""Which calls happen, and how often."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a call goes; `endings` are the possible final statuses of the incoming leg.

    Seconds are inclusive ranges; `weight` is the share among first calls, `weight_again` among repeated ones.
    `bridged`: a person talked with the caller.
    """

    kind: str
    weight: int
    weight_again: int
    dial_result: str
    endings: tuple[str, ...]
    ring_seconds: tuple[int, int]
    talk_seconds: tuple[int, int] = (0, 0)
    message_seconds: tuple[int, int] = (0, 0)
    hangs_up_first: bool = False
    bridged: bool = False

    @property
    def longest_seconds(self) -> int:
        return self.ring_seconds[1] + self.talk_seconds[1] + self.message_seconds[1]


SCENARIOS = (
    Scenario("answered", 46, 65, "completed", ("completed",), (3, 17), talk_seconds=(12, 900), bridged=True),
    Scenario("missed", 20, 12, "no-answer", ("completed", "no-answer"), (18, 18)),
    Scenario("voicemail", 15, 10, "no-answer", ("completed",), (18, 18), message_seconds=(3, 90)),
    Scenario("abandoned", 10, 8, "canceled", ("canceled", "no-answer"), (1, 16), hangs_up_first=True),
    Scenario("busy", 6, 3, "busy", ("completed", "busy"), (1, 3)),
    Scenario("failed", 3, 2, "failed", ("completed", "failed"), (1, 3)),
    # The voicemail of the mobile that was rung picks up, which Twilio, too, calls completed.
    Scenario(
        "voicemail_of_mobile",
        6,
        4,
        "completed",
        ("completed",),
        (14, 18),
        talk_seconds=(2, 8),
        message_seconds=(3, 60),
    ),
)
FIRST_CALLS = tuple((scenario, scenario.weight) for scenario in SCENARIOS)
REPEATED_CALLS = tuple((scenario, scenario.weight_again) for scenario in SCENARIOS)
