"""A message that a caller leaves: Twilio's requests about the recording and its transcription.

The result of `<Record>`, the recording's own status and the transcription are three requests, of which each may be
missing (docs/voice/twiml/record, docs/voice/api/recording).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from random import Random

from onebox.simulate.identifiers import sid
from onebox.simulate.model import RECORDING, TRANSCRIPTION, Params, Webhook
from onebox.simulate.webhooks import ACCOUNTS, Leg, base

MESSAGES = (
    "Hi, this is Anna. I would like to move my appointment to next week. Please call me back.",
    "Good morning, my crown came off. Do you have time today?",
    "It's about the invoice from last month, I think it was charged twice. Thanks, bye.",
    "Hello? Hello? I'll try again later.",
    "Ja, guten Tag, hier ist Jürgen. Ich rufe später noch einmal an.",
)


@dataclass(frozen=True, slots=True)
class Voicemail:
    """How the recording and its transcription turn out; without `recorded` the caller said nothing at all."""

    oddity: str | None
    recorded: bool = True
    transcription: str | None = "completed"
    has_text: bool = True


TRANSCRIBED = Voicemail(None)
VOICEMAILS = (
    *[TRANSCRIBED] * 4,
    Voicemail("voicemail_not_transcribed", transcription=None),
    Voicemail("transcription_failed", transcription="failed", has_text=False),
    Voicemail("transcription_without_text", has_text=False),
    Voicemail("recording_absent", recorded=False, transcription=None),
)


def result(leg: Leg, voicemail: Voicemail, seconds: int) -> Iterator[Webhook]:
    """The `action` of `<Record>`: the caller left a message and hung up. An empty message makes no request."""
    if voicemail.recorded:
        what = (*_recording(leg), ("RecordingDuration", str(seconds)), ("Digits", "hangup"))
        yield Webhook(RECORDING, base(leg, "completed") + what)


def callbacks(leg: Leg, voicemail: Voicemail, seconds: int, began: datetime, rng: Random) -> Iterator[Webhook]:
    """What comes later, when Twilio has processed the recording: its status, and what was said."""
    yield _status(leg, "completed" if voicemail.recorded else "absent", seconds if voicemail.recorded else 0, began)
    if voicemail.transcription:
        yield _transcription(leg, voicemail.transcription, rng.choice(MESSAGES) if voicemail.has_text else None)


def _status(leg: Leg, status: str, seconds: int, began: datetime) -> Webhook:
    """The `recordingStatusCallback`: it names neither caller nor number."""
    what = (
        ("AccountSid", leg.account_sid),
        ("CallSid", leg.call_sid),
        *_recording(leg),
        ("RecordingStatus", status),
        ("RecordingDuration", str(seconds)),
        ("RecordingChannels", "1"),
        ("RecordingStartTime", format_datetime(began)),
        ("RecordingSource", "RecordVerb"),
        ("RecordingTrack", "both"),
        ("ErrorCode", "0"),
    )
    return Webhook(RECORDING, what)


def _transcription(leg: Leg, status: str, text: str | None) -> Webhook:
    """The `transcribeCallback`. Twilio sends `url` beside TranscriptionUrl, and not always the text."""
    transcription_sid = sid("TR", leg.call_sid)
    url = f"{ACCOUNTS}/{leg.account_sid}/Transcriptions/{transcription_sid}"
    what = (
        ("TranscriptionSid", transcription_sid),
        ("TranscriptionStatus", status),
        *((("TranscriptionText", text),) if text is not None else ()),
        ("TranscriptionUrl", url),
        ("TranscriptionType", "fast"),
        *_recording(leg),
        ("url", url),
    )
    return Webhook(TRANSCRIPTION, base(leg, "completed") + what)


def _recording(leg: Leg) -> Params:
    recording_sid = sid("RE", leg.call_sid)
    url = f"{ACCOUNTS}/{leg.account_sid}/Recordings/{recording_sid}"
    return (("RecordingUrl", url), ("RecordingSid", recording_sid))
