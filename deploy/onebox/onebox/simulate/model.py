"""What the simulator plans: calls and the webhooks that Twilio sends about them."""

from dataclasses import dataclass

VOICE = "/twilio/voice"
DIAL = "/twilio/voice/dial"
RECORDING = "/twilio/voice/recording"
STATUS = "/twilio/voice/status"

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of Twilio's; no parameter name occurs twice. `copies` of it are sent at the same moment."""

    path: str
    params: Params
    copies: int = 1

    @property
    def call_sid(self) -> str:
        return dict(self.params)["CallSid"]


@dataclass(frozen=True, slots=True)
class Call:
    """A planned call. `steps` are sent one after the other, in this order, which `faults` may have disturbed.

    `caller` is the From as sent, empty when withheld by sending none.
    """

    call_sid: str
    kind: str
    caller: str
    caller_kind: str
    number: str
    steps: tuple[Webhook, ...]
    faults: tuple[str, ...] = ()
