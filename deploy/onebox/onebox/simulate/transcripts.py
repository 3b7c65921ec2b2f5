"""Real-time transcription of a call: form-encoded requests with JSON inside (docs/voice/twiml/transcription)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from onebox.simulate.identifiers import sid
from onebox.simulate.model import TRANSCRIPTION, Params, Webhook
from onebox.simulate.webhooks import Leg

TRACKS = ("inbound_track", "outbound_track")
PARTIAL_SHARE = 0.3
LANGUAGE = ("LanguageCode", "en-US")
STARTED: Params = (
    ("TranscriptionEngine", "google"),
    ("ProviderConfiguration", '{"profanityFilter":"true","speechModel":"telephony"}'),
    LANGUAGE,
    ("PartialResults", "true"),
    ("Track", "both_tracks"),
)
FAILED: Params = (("TranscriptionErrorCode", "32655"), ("TranscriptionError", "The engine is not available."))
SENTENCES = (
    "Good morning, how can I help you?",
    "I would like to make an appointment for a check-up.",
    "Would Thursday at half past two work for you?",
    "Thursday is bad, I have to pick up the children then.",
    "We could also do Friday, first thing in the morning.",
    "Perfect, and do you take my insurance?",
    "We do, please bring your card along.",
    'She said "a quarter to nine", I think — or was it ten?',
    "One moment please, I will have a look at the calendar.",
    "My last visit was in spring, with Dr. Núñez.",
    "Is there parking near the entrance?",
    "There is, behind the building, but it fills up quickly.",
)


@dataclass(frozen=True, slots=True)
class Speech:
    """How much is said while a call is transcribed, and what is unusual about how that arrives."""

    oddity: str | None
    utterances: tuple[int, int] = (2, 6)
    sentences: tuple[int, int] = (1, 2)
    shuffled: bool = False
    fails: bool = False


USUAL = Speech(None)
SPEECHES: tuple[Speech | None, ...] = (
    *[None] * 25,
    *[USUAL] * 6,
    *[Speech("transcript_shuffled", shuffled=True)] * 3,
    Speech("transcript_error", fails=True),
    Speech("transcript_long", utterances=(70, 70), sentences=(9, 11)),
)


def live(leg: Leg, speech: Speech, began: datetime, seconds: int, rng: Random) -> tuple[Webhook, ...]:
    """The events of `seconds` of talk, in the order in which they arrive."""
    contents = [("transcription-error", FAILED)] if speech.fails else list(_said(speech, rng))
    events = [("transcription-started", STARTED), *contents, ("transcription-stopped", ())]
    apart = timedelta(seconds=seconds) / len(events)
    webhooks = [
        _event(leg, number, began + number * apart, name, params) for number, (name, params) in enumerate(events, 1)
    ]
    if speech.shuffled:
        rng.shuffle(webhooks)
    return tuple(webhooks)


def _said(speech: Speech, rng: Random) -> Iterator[tuple[str, Params]]:
    """Both sides in turn; what is not final yet comes without a confidence."""
    for number in range(rng.randint(*speech.utterances)):
        text = " ".join(rng.choices(SENTENCES, k=rng.randint(*speech.sentences)))
        track = TRACKS[number % len(TRACKS)]
        if rng.random() < PARTIAL_SHARE:
            partial = {"transcript": text[: len(text) // 2]}
            yield _content(partial, track, ("Final", "false"), ("Stability", "0.8"))
        yield _content({"transcript": text, "confidence": rng.randint(60, 99) / 100}, track, ("Final", "true"))


def _content(data: Mapping[str, str | float], track: str, *params: tuple[str, str]) -> tuple[str, Params]:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return "transcription-content", (("TranscriptionData", text), ("Track", track), LANGUAGE, *params)


def _event(leg: Leg, number: int, at: datetime, name: str, params: Params) -> Webhook:
    what = (
        ("TranscriptionEvent", name),
        ("AccountSid", leg.account_sid),
        ("CallSid", leg.call_sid),
        ("TranscriptionSid", sid("GT", leg.call_sid)),
        ("Timestamp", f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"),
        ("SequenceId", str(number)),
        *params,
    )
    return Webhook(TRANSCRIPTION, what)
