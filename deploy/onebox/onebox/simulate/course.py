"""How one call goes, from its first webhook to its last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from onebox.simulate import transcripts, voicemail, webhooks
from onebox.simulate.dealer import Dealer
from onebox.simulate.model import Webhook
from onebox.simulate.scenarios import Scenario
from onebox.simulate.transcripts import Speech
from onebox.simulate.voicemail import Voicemail


@dataclass(frozen=True, slots=True)
class Course:
    """How long everything takes, how the call ends, and what is kept of what was said."""

    scenario: Scenario
    at: datetime
    ring: int
    talk: int
    message: int
    ending: str
    voicemail: Voicemail | None
    speech: Speech | None

    @property
    def talk_at(self) -> datetime:
        return self.at + timedelta(seconds=self.ring)

    @property
    def message_at(self) -> datetime:
        return self.talk_at + timedelta(seconds=self.talk)

    @property
    def ended_at(self) -> datetime:
        return self.message_at + timedelta(seconds=self.message)

    @property
    def billed_seconds(self) -> int:
        return self.ring + self.talk + self.message if self.ending == "completed" else 0

    @property
    def oddities(self) -> tuple[str, ...]:
        return tuple(kept.oddity for kept in (self.voicemail, self.speech) if kept and kept.oddity)


def new_course(scenario: Scenario, at: datetime, rng: Random, dealer: Dealer) -> Course:
    ring, talk, message = (
        rng.randint(*seconds) for seconds in (scenario.ring_seconds, scenario.talk_seconds, scenario.message_seconds)
    )
    return Course(
        scenario=scenario,
        at=at,
        ring=ring,
        talk=talk,
        message=message,
        ending=rng.choice(scenario.endings),
        voicemail=dealer.voicemails.deal() if message else None,
        speech=dealer.speeches.deal() if scenario.bridged else None,
    )


def steps_of(leg: webhooks.Leg, course: Course, rng: Random) -> Iterator[Webhook]:
    """In the order in which Twilio sends them."""
    yield webhooks.voice(leg)
    if course.speech:
        yield from transcripts.live(leg, course.speech, course.talk_at, course.talk, rng)
    yield _dial(leg, course)
    if course.voicemail:
        yield from voicemail.result(leg, course.voicemail, course.message)
    yield webhooks.status(leg, course.ending, course.billed_seconds, course.ended_at)
    if course.voicemail:
        yield from voicemail.callbacks(leg, course.voicemail, course.message, course.message_at, rng)


def _dial(leg: webhooks.Leg, course: Course) -> Webhook:
    """A caller who hung up while it rang is gone when Twilio reports the result."""
    scenario = course.scenario
    call_status = course.ending if scenario.hangs_up_first else "in-progress"
    return webhooks.dial(leg, call_status, scenario.dial_result, course.talk, bridged=scenario.bridged)
