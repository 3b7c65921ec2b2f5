"""What the simulator plans: calls, conversations by text, and the webhooks that Twilio sends about them."""

from dataclasses import dataclass, replace
from datetime import datetime

VOICE = "/twilio/voice"
DIAL = "/twilio/voice/dial"
RECORDING = "/twilio/voice/recording"
TRANSCRIPTION = "/twilio/voice/transcription"
STATUS = "/twilio/voice/status"
SMS = "/twilio/sms"
SMS_STATUS = "/twilio/sms/status"

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of Twilio's; a parameter may be repeated. `copies` of it are sent at the same moment."""

    path: str
    params: Params
    copies: int = 1

    @property
    def call_sid(self) -> str:
        """Empty for texts."""
        return self.first("CallSid")

    @property
    def message_sid(self) -> str:
        """Under its own or a legacy name; empty for calls."""
        return self.first("MessageSid", "SmsSid", "SmsMessageSid")

    def without(self, *names: str) -> "Webhook":
        return replace(self, params=tuple(pair for pair in self.params if pair[0] not in names))

    def first(self, *names: str) -> str:
        """The first value of the first of these parameters that there is, or nothing."""
        return next((value for name in names for key, value in self.params if key == name), "")


@dataclass(frozen=True, slots=True)
class Call:
    """A planned call. `steps` are sent one after the other, in this order, which `faults` may have disturbed.

    `caller` is the From as sent, empty when withheld by sending none; `identity` the caller's number in E.164, None
    when From identifies nobody. `oddities` names what is unusual about it.
    """

    call_sid: str
    kind: str
    caller: str
    caller_kind: str
    identity: str | None
    number: str
    at: datetime
    steps: tuple[Webhook, ...]
    faults: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Texts with one person, and what became of them. `steps`, `faults` and `oddities` as a call has them."""

    kind: str
    steps: tuple[Webhook, ...]
    faults: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()


Planned = Call | Conversation
