"""What was said on a call, put together out of Twilio's transcription callbacks. Pure, free of their order.

Legacy (`transcribeCallback` of `<Record>`): one callback with the whole text, which may be missing. Real-time
(twilio.com/docs/voice/twiml/transcription): one callback a sentence, numbered by `SequenceId` from 1, the text as
JSON inside the form field `TranscriptionData`.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from call_ingest.facts import Webhook, in_order, whole_characters

# How long the sentences before a transcription's end may still be on their way.
SETTLE = timedelta(seconds=10)
VOICEMAIL, REALTIME = "voicemail", "realtime"
CONTENT, STOPPED, ERROR = "transcription-content", "transcription-stopped", "transcription-error"
ENDS = (STOPPED, ERROR)
SPEAKERS = {"inbound_track": "Caller", "outbound_track": "Staff"}


@dataclass(frozen=True, slots=True)
class Transcript:
    """`sid` names the transcription; `recording_sid` the voicemail that it is of."""

    source: str
    sid: str
    text: str
    at: datetime
    confidence: float | None = None
    recording_sid: str | None = None

    @property
    def cause(self) -> tuple[str, ...]:
        """Text that came late makes another event."""
        return self.source, self.sid, hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The transcripts that are whole by now, when more will be, and the transcriptions whose text has to be asked."""

    transcripts: tuple[Transcript, ...] = ()
    due_at: datetime | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sentence:
    sequence: int
    track: str
    text: str
    confidence: float | None
    at: datetime


def transcribed(webhooks: Sequence[Webhook], ended_at: datetime | None, now: datetime) -> Transcribed:
    """`webhooks` are a call's of the kind `transcription`, in any order; `ended_at` is when its end became known."""
    received = sorted(webhooks, key=in_order)
    live = [webhook for webhook in received if "TranscriptionEvent" in webhook.params]
    legacy = [webhook for webhook in received if "TranscriptionEvent" not in webhook.params]
    told, missing = _voicemails(legacy)
    spoken, due_at = _conversations(live, ended_at, now)
    return Transcribed((*told, *spoken), due_at, missing)


def _voicemails(webhooks: Sequence[Webhook]) -> tuple[list[Transcript], tuple[str, ...]]:
    done = [w for w in webhooks if (w.params.get("TranscriptionStatus") or "completed") == "completed"]
    by_sid = _by_sid(done)
    found = {sid: _voicemail(sid, callbacks) for sid, callbacks in by_sid.items()}
    return [told for told in found.values() if told], tuple(sid for sid, told in found.items() if sid and not told)


def _voicemail(sid: str, callbacks: Sequence[Webhook]) -> Transcript | None:
    """The text may come later than its recording's name, and without it: when Twilio had to be asked for it."""
    spoken = next((webhook for webhook in callbacks if webhook.params.get("TranscriptionText")), None)
    if spoken is None:
        return None
    recordings = (webhook.params.get("RecordingSid") for webhook in (spoken, *callbacks))
    return Transcript(
        source=VOICEMAIL,
        sid=sid,
        text=spoken.params["TranscriptionText"],
        at=spoken.received_at,
        recording_sid=next((recording for recording in recordings if recording), None),
    )


def _by_sid(webhooks: Iterable[Webhook]) -> Mapping[str, list[Webhook]]:
    grouped: defaultdict[str, list[Webhook]] = defaultdict(list)
    for webhook in webhooks:
        grouped[webhook.params.get("TranscriptionSid", "")].append(webhook)
    return grouped


def _conversations(
    webhooks: Iterable[Webhook], ended_at: datetime | None, now: datetime
) -> tuple[list[Transcript], datetime | None]:
    whole, due = [], []
    for sid, callbacks in _by_sid(webhooks).items():
        ready_at = _ready_at(callbacks, ended_at)
        if ready_at is not None and now >= ready_at:
            whole += _conversation(sid, callbacks)
        elif ready_at is not None:
            due.append(ready_at)
    return whole, min(due, default=None)


def _ready_at(callbacks: Sequence[Webhook], call_ended_at: datetime | None) -> datetime | None:
    """When no more sentences are to be expected: at once when all numbers up to the end are there."""
    ends = [webhook for webhook in callbacks if webhook.params["TranscriptionEvent"] in ENDS]
    if any(_is_whole(callbacks, _sequence(end.params)) for end in ends):
        return max(webhook.known_at for webhook in callbacks)
    moments = [*(end.known_at for end in ends), *([call_ended_at] if call_ended_at else [])]
    return min(moments) + SETTLE if moments else None


def _is_whole(callbacks: Sequence[Webhook], last: int) -> bool:
    return 0 < last <= len(callbacks) and {_sequence(webhook.params) for webhook in callbacks} >= set(
        range(1, last + 1)
    )


def _conversation(sid: str, callbacks: Sequence[Webhook]) -> list[Transcript]:
    sentences = sorted({(s.sequence, s.at, s.track, s.text): s for s in _sentences(callbacks)}.items())
    if not sentences:
        return []
    spoken = _first_of_each_number([sentence for _, sentence in sentences])
    confidences = [sentence.confidence for sentence in spoken if sentence.confidence is not None]
    confidence = round(sum(confidences) / len(confidences), 4) if confidences else None
    return [Transcript(REALTIME, sid, _text(spoken), max(s.at for s in spoken), confidence)]


def _sentences(callbacks: Sequence[Webhook]) -> Iterable[_Sentence]:
    for webhook in callbacks:
        params = webhook.params
        text, confidence = _spoken(params.get("TranscriptionData", ""))
        if params["TranscriptionEvent"] == CONTENT and text and params.get("Final", "true").lower() == "true":
            yield _Sentence(_sequence(params), params.get("Track", ""), text, confidence, webhook.received_at)


def _first_of_each_number(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """A callback that came twice counts once; sentences without a number cannot be told apart but by their text."""
    seen: dict[tuple[int, str], _Sentence] = {}
    for sentence in sentences:
        key = (sentence.sequence, sentence.track if sentence.sequence else sentence.text)
        seen.setdefault(key, sentence)
    return list(seen.values())


def _text(sentences: Sequence[_Sentence]) -> str:
    """One voice as running text; two as one line each time the speaker changes."""
    if len({sentence.track for sentence in sentences}) == 1:
        return " ".join(sentence.text for sentence in sentences)
    turns = groupby(sentences, key=lambda sentence: sentence.track)
    return "\n".join(f"{SPEAKERS.get(track, track)}: {' '.join(s.text for s in turn)}" for track, turn in turns)


def _spoken(data: str) -> tuple[str, float | None]:
    """Text and confidence (0 to 1); what is not the JSON that Twilio documents says nothing."""
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("transcript"), str):
        return "", None
    return whole_characters(parsed["transcript"].strip()), _confidence(parsed.get("confidence"))


def _confidence(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _sequence(params: Mapping[str, str]) -> int:
    text = params.get("SequenceId", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
