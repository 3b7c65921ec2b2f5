"""The parameters of each webhook, as Twilio's docs/voice/twiml and docs/voice/api/call-resource have them."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from onebox.simulate.callers import IDENTIFIABLE, SIP, Caller, Place, place_of
from onebox.simulate.identifiers import digest, sid
from onebox.simulate.model import DIAL, RECORDING, STATUS, VOICE, Params, Webhook

RECORDINGS = "https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{recording}"
SIP_RESPONSES = {"completed": "200", "busy": "486", "no-answer": "487", "canceled": "487", "failed": "404"}


@dataclass(frozen=True, slots=True)
class Leg:
    """The incoming leg of a call: what all its webhooks repeat."""

    call_sid: str
    account_sid: str
    caller: Caller
    number: str
    forwarded: bool


def voice(leg: Leg) -> Webhook:
    """The first request: a call comes in and Twilio asks what to do."""
    return Webhook(VOICE, _base(leg, "ringing") + _voice_extras(leg))


def dial(leg: Leg, call_status: str, result: str, talk_seconds: int) -> Webhook:
    """The `action` of `<Dial>`: how ringing the staff ended."""
    bridged = result == "completed"
    duration = (("DialCallDuration", str(talk_seconds)),) if bridged else ()
    return Webhook(
        DIAL,
        (
            *_base(leg, call_status),
            ("DialCallStatus", result),
            ("DialCallSid", sid("CA", leg.call_sid, "child")),
            *duration,
            ("DialBridged", "true" if bridged else "false"),
        ),
    )


def recording(leg: Leg, seconds: int) -> Webhook:
    """The `action` of `<Record>`: the caller left a message and hung up."""
    recording_sid = sid("RE", leg.call_sid)
    return Webhook(
        RECORDING,
        (
            *_base(leg, "completed"),
            ("RecordingUrl", RECORDINGS.format(account=leg.account_sid, recording=recording_sid)),
            ("RecordingSid", recording_sid),
            ("RecordingDuration", str(seconds)),
            ("Digits", "hangup"),
        ),
    )


def status(leg: Leg, call_status: str, seconds: int, ended: datetime) -> Webhook:
    """The number's status callback: the call is over. Only `completed` carries Duration, in begun minutes."""
    minutes = (("Duration", str(-(-seconds // 60))),) if call_status == "completed" else ()
    return Webhook(
        STATUS,
        (
            *_base(leg, call_status),
            ("CallDuration", str(seconds)),
            *minutes,
            ("SipResponseCode", SIP_RESPONSES[call_status]),
            ("Timestamp", format_datetime(ended)),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "0"),
        ),
    )


def _base(leg: Leg, call_status: str) -> Params:
    address = leg.caller.address
    who = () if address is None else (("From", address), ("Caller", address))
    return (
        ("CallSid", leg.call_sid),
        ("AccountSid", leg.account_sid),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("CallStatus", call_status),
        *who,
        ("To", leg.number),
        ("Called", leg.number),
        *_geo(leg),
    )


def _geo(leg: Leg) -> Params:
    if leg.caller.place is None:
        return ()
    return _place(leg.caller.place, "From", "Caller") + _place(place_of(leg.number), "To", "Called")


def _place(place: Place, *prefixes: str) -> Params:
    values = (("City", place.city), ("State", place.state), ("Zip", place.zip), ("Country", place.country))
    return tuple((prefix + name, value) for prefix in prefixes for name, value in values)


def _voice_extras(leg: Leg) -> Params:
    optional = {
        "CallerName": leg.caller.name,
        "StirVerstat": leg.caller.stir,
        "ForwardedFrom": leg.number if leg.forwarded else None,
        "CallToken": _call_token(leg) if leg.caller.kind in IDENTIFIABLE else None,
        "SipDomain": "ringback.sip.twilio.com" if leg.caller.kind == SIP else None,
    }
    return tuple((name, value) for name, value in optional.items() if value is not None)


def _call_token(leg: Leg) -> str:
    """Opaque, long and JSON-looking, as the real one is."""
    token = digest("token", leg.call_sid)
    return f'{{"parentCallInfoToken":"eyJhbGciOiJFUzI1NiJ9.{token * 4}","identityHeaderTokens":["{token}"]}}'
