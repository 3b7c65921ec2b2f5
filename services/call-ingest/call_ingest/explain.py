"""What a webhook said and what was answered, in words: the call log's "why is this missed?". Pure."""

from collections.abc import Callable, Mapping

from call_ingest.facts import Webhook
from call_ingest.outcomes import ringing_failed_by

ANSWERS: Mapping[str, str] = {
    "ring": "the telephones were rung",
    "ring_as_us": "the telephones were rung and shown the business's own number",
    "take_message": "the caller was asked to leave a message",
    "apologize": "the caller was told that nobody can take the call",
    "reject": "turned away: the number called is no business's",
    "turn_away": "turned away: the caller is blocked",
    "screen": "whoever was rung was asked to press 1",
    "put_through": "the caller was put through",
    "hang_up": "the telephone that was rung was hung up on",
    "thank": "the caller was thanked",
}


def meaning(webhook: Webhook) -> str:
    say = MEANINGS.get(webhook.kind)
    said = say(webhook.params) if say else FIXED.get(webhook.kind, "Something was received")
    answered = ANSWERS.get(webhook.answer)
    return f"{said}; {answered}." if answered else f"{said}."


def _dial(params: Mapping[str, str]) -> str:
    status, seconds = params.get("DialCallStatus") or "no status", params.get("DialCallDuration") or "0"
    bridged = {"true": ", put through", "false": ", not put through"}.get(params.get("DialBridged", "").lower(), "")
    verdict = "a person answered" if ringing_failed_by(params) is None else "nobody answered"
    return f"Ringing ended with {status} after {seconds} s{bridged}: {verdict}"


def _screen(params: Mapping[str, str]) -> str:
    digits = params.get("Digits")
    return f"Whoever was rung pressed {digits}" if digits else "A telephone that was rung was picked up"


def _status(params: Mapping[str, str]) -> str:
    return f"The call's status is {params.get('CallStatus') or 'not told'}"


def _recording(params: Mapping[str, str]) -> str:
    seconds = params.get("RecordingDuration") or "0"
    return f"A recording of {seconds} s is {params.get('RecordingStatus') or 'there'}"


def _transcription(params: Mapping[str, str]) -> str:
    return f"Transcription: {params.get('TranscriptionEvent') or params.get('TranscriptionStatus') or 'text'}"


def _rest(params: Mapping[str, str]) -> str:
    ringing = params.get("DialCallStatus")
    said = f"Twilio, when asked, said that the call ended with {params.get('CallStatus') or 'no status'}"
    return f"{said}, ringing with {ringing}" if ringing else said


FIXED: Mapping[str, str] = {"voice": "A call came in"}
MEANINGS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "dial": _dial,
    "screen": _screen,
    "status": _status,
    "recording": _recording,
    "transcription": _transcription,
    "rest": _rest,
}
