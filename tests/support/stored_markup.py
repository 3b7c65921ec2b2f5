"""What callers may say and be called that must stay text: written the ways that strangers have."""

import requests

from tests.support.box import Box
from tests.support.events import call_sid
from tests.support.waiting import eventually

# Each tries to run; `xss-probe` and `ran` show whether it came any way at all.
MARKUP = (
    "<xss-probe><script>window.ran=1</script>",
    '"><xss-probe><img src=x onerror="window.ran=1">',
    "'><xss-probe/onmouseover=window.ran=1>",
    "</textarea></title></script><xss-probe><svg onload=window.ran=1>",
    "<!--<xss-probe>",
    "{{ 7*7 }}{% raw %}<xss-probe>",
    "javascript:window.ran=1//<xss-probe>",
    "<a href='javascript:window.ran=1'><xss-probe>x</a>",
    "\u202e<xss-probe>\u2066",
    "&lt;xss-probe&gt;<xss-probe>",
)


def store_markup(box: Box) -> list[str]:
    """Names, texts, transcripts and notes, by webhooks and the API; the ids of whom they are of."""
    for number, text in enumerate(MARKUP):
        _call(box, number, text)
        _text(box, number, text)
    token = box.token()
    ids = eventually(lambda: _ids(box, token), 30)
    headers = {"Authorization": f"Bearer {token}"}
    for customer_id, text in zip(ids, MARKUP, strict=True):
        note = requests.post(
            f"{box.url}/customers/{customer_id}/notes",
            json={"text": text.strip("\u202e\u2066")},
            headers=headers,
            timeout=15,
        )
        assert note.status_code == 201, note.text
    return ids


def _caller(number: int) -> str:
    return f"+1415555{1100 + number}"


def _call(box: Box, number: int, text: str) -> None:
    params = box.call(call_sid(7000 + number), _caller(number), CallerName=text, FromCity=text)
    recording = {"RecordingSid": f"RE{number:032x}", "RecordingDuration": "9", "RecordingStatus": "completed"}
    spoken = {"TranscriptionSid": f"TR{number:032x}", "TranscriptionStatus": "completed", "TranscriptionText": text}
    for path, more in (
        ("/twilio/voice", {}),
        ("/twilio/voice/dial", {"DialCallStatus": "no-answer"}),
        ("/twilio/voice/recording", recording),
        ("/twilio/voice/transcription", {**recording, **spoken}),
        ("/twilio/voice/status", {"CallStatus": "completed", "CallDuration": "20"}),
    ):
        assert box.post(path, {**params, **more}).ok


def _text(box: Box, number: int, text: str) -> None:
    params = box.call("", _caller(number), MessageSid=f"SM{number:032x}", Body=text, NumMedia="0")
    assert box.post("/twilio/sms", {name: value for name, value in params.items() if name != "CallSid"}).ok


def _ids(box: Box, token: str) -> list[str]:
    """None before all of it stands on their timelines."""
    by_phone = {customer["phone"]: customer["id"] for customer in box.customers(token)}
    ids = [by_phone.get(_caller(number)) for number in range(len(MARKUP))]
    found = [one for one in ids if one is not None and _is_complete(box, token, one)]
    return found if len(found) == len(MARKUP) else []


def _is_complete(box: Box, token: str, customer_id: str) -> bool:
    kinds = {entry["kind"] for entry in box.get(f"/customers/{customer_id}", token)["timeline"]}
    return {"call", "sms", "transcript"} <= kinds
