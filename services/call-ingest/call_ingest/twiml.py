"""The answers to Twilio, out of twilio's own classes: always valid TwiML, well under 64 kB.

Verbs: twilio.com/docs/voice/twiml. A `<Record>` without an action would ask for the current document again, for
ever; one that records nothing makes no request and falls through to the next verb. Nothing that a caller sent
stands in an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twilio.twiml.voice_response import Dial, Gather, Start, VoiceResponse

from ringback.businesses import Business

# Twilio transcribes recordings of more than 2 and less than 120 seconds (twilio.com/docs/api/errors/13617).
VOICEMAIL_SECONDS = 119
PRESS_SECONDS = 8


@dataclass(frozen=True)
class Scene:
    """Whose call it is, and the address that Twilio is to call."""

    business: Business | None
    public_url: str

    def url(self, path: str) -> str:
        return f"{self.public_url}/twilio/voice{path}"


def render(answer: str, scene: Scene) -> str:
    """The document of the answer of that name; an apology where a business is gone that gave it once."""
    name = "apologize" if scene.business is None and answer in OF_A_BUSINESS else answer
    return str(ANSWERS[name](scene))


def _nothing(_scene: Scene) -> VoiceResponse:
    """The call goes on as Twilio has it, or ends."""
    return VoiceResponse()


def _reject(_scene: Scene) -> VoiceResponse:
    """Turned away unanswered, and unbilled."""
    response = VoiceResponse()
    response.reject()
    return response


def _ring(scene: Scene) -> VoiceResponse:
    """Ring everybody at once; what came of it is told to /twilio/voice/dial."""
    assert scene.business is not None
    return _ringing(scene, scene.business, {})


def _ring_as_us(scene: Scene) -> VoiceResponse:
    """Of a caller without a number the telephones are shown ours: Twilio rings nobody without a valid one
    (twilio.com/docs/api/errors/13214)."""
    assert scene.business is not None
    return _ringing(scene, scene.business, {"caller_id": scene.business.numbers[0]})


def _ringing(scene: Scene, business: Business, shown: Mapping[str, str]) -> VoiceResponse:
    response = VoiceResponse()
    if "realtime" in business.transcribe:
        response.append(_listen(scene))
    response.append(_dial(scene, business, shown))
    return response


def _listen(scene: Scene) -> Start:
    start = Start()
    start.transcription(
        status_callback_url=scene.url("/transcription"),
        status_callback_method="POST",
        track="both_tracks",
        partial_results=False,
    )
    return start


def _dial(scene: Scene, business: Business, shown: Mapping[str, str]) -> Dial:
    dial = Dial(
        action=scene.url("/dial"),
        method="POST",
        timeout=business.ring_seconds,
        answer_on_bridge=True,
        **shown,
    )
    screened = {"url": _screen_url(scene), "method": "POST"} if business.screen_calls else {}
    for number in business.forward_to:
        dial.number(number, **screened)
    return dial


def _screen_url(scene: Scene) -> str:
    """The leg to the telephone that is rung knows nothing of the number that was called."""
    return scene.url("/screen") + (f"?business={scene.business.key}" if scene.business else "")


def _screen(scene: Scene) -> VoiceResponse:
    """Said to whoever was rung, before the caller is put through; a voicemail box presses nothing."""
    gather = Gather(action=_screen_url(scene), method="POST", num_digits=1, timeout=PRESS_SECONDS)
    gather.say(f"A call for {scene.business.name}. Press 1 to answer." if scene.business else "Press 1 to answer.")
    response = VoiceResponse()
    response.append(gather)
    response.hangup()
    return response


def _hang_up(_scene: Scene) -> VoiceResponse:
    response = VoiceResponse()
    response.hangup()
    return response


def _take_message(scene: Scene) -> VoiceResponse:
    """Ask for a voicemail; what was recorded is told to /twilio/voice/recording."""
    assert scene.business is not None
    transcription = {"transcribe": True, "transcribe_callback": scene.url("/transcription")}
    response = VoiceResponse()
    response.say(f"You have reached {scene.business.name}. Please leave a message after the tone.")
    response.record(
        action=scene.url("/recording"),
        method="POST",
        max_length=VOICEMAIL_SECONDS,
        play_beep=True,
        recording_status_callback=scene.url("/recording"),
        recording_status_callback_event="completed absent",
        **(transcription if "voicemail" in scene.business.transcribe else {}),
    )
    response.say("We did not hear anything. Goodbye.")
    response.hangup()
    return response


def _apologize(scene: Scene) -> VoiceResponse:
    """Nobody is there and no message is taken."""
    response = VoiceResponse()
    response.say(
        f"{scene.business.name} cannot take your call right now." if scene.business else "Nobody can take your call."
    )
    response.hangup()
    return response


def _thank(_scene: Scene) -> VoiceResponse:
    response = VoiceResponse()
    response.say("Thank you. We will call you back.")
    response.hangup()
    return response


ANSWERS: Mapping[str, Callable[[Scene], VoiceResponse]] = {
    "nothing": _nothing,
    "reject": _reject,
    "turn_away": _reject,
    "ring": _ring,
    "ring_as_us": _ring_as_us,
    "screen": _screen,
    "put_through": _nothing,
    "hang_up": _hang_up,
    "take_message": _take_message,
    "apologize": _apologize,
    "thank": _thank,
}
OF_A_BUSINESS = frozenset({"ring", "ring_as_us", "take_message"})
NOTHING = render("nothing", Scene(None, ""))
