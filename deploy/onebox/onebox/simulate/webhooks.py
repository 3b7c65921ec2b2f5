"""The parameters of each webhook, as Twilio's docs/voice/twiml and docs/voice/api/call-resource have them."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from onebox.simulate.callers import IDENTIFIABLE, SIP, Caller
from onebox.simulate.identifiers import digest, sid
from onebox.simulate.model import DIAL, STATUS, VOICE, Params, Webhook
from onebox.simulate.places import Place, place_of

API_VERSION = "2010-04-01"
ACCOUNTS = f"https://api.twilio.com/{API_VERSION}/Accounts"
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
    to = "" if leg.caller.calls_an_app else leg.number
    return Webhook(VOICE, base(leg, "ringing", to) + _voice_extras(leg))


def dial(leg: Leg, call_status: str, result: str, talk_seconds: int, *, bridged: bool) -> Webhook:
    """The `action` of `<Dial>`: how ringing the staff ended."""
    duration = (("DialCallDuration", str(talk_seconds)),) if result == "completed" else ()
    return Webhook(
        DIAL,
        (
            *base(leg, call_status),
            ("DialCallStatus", result),
            ("DialCallSid", sid("CA", leg.call_sid, "child")),
            *duration,
            ("DialBridged", "true" if bridged else "false"),
        ),
    )


def status(leg: Leg, call_status: str, seconds: int, ended: datetime) -> Webhook:
    """The number's status callback: the call is over. Only `completed` carries Duration, in begun minutes."""
    minutes = (("Duration", str(-(-seconds // 60))),) if call_status == "completed" else ()
    return Webhook(
        STATUS,
        (
            *base(leg, call_status),
            ("CallDuration", str(seconds)),
            *minutes,
            ("SipResponseCode", SIP_RESPONSES[call_status]),
            ("Timestamp", format_datetime(ended)),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "0"),
        ),
    )


def base(leg: Leg, call_status: str, to: str | None = None) -> Params:
    """What all requests about a call have; To is the number called unless it is given."""
    address = leg.caller.address
    who = () if address is None else (("From", address), ("Caller", address))
    called = leg.number if to is None else to
    return (
        ("CallSid", leg.call_sid),
        ("AccountSid", leg.account_sid),
        ("ApiVersion", API_VERSION),
        ("Direction", "inbound"),
        ("CallStatus", call_status),
        *who,
        ("To", called),
        ("Called", called),
        *_geo(leg),
    )


def _geo(leg: Leg) -> Params:
    if leg.caller.place is None:
        return ()
    return geo(leg.caller.place, "From", "Caller") + geo(place_of(leg.number), "To", "Called")


def geo(place: Place, *prefixes: str) -> Params:
    """A place as the parameters FromCity, FromState, … for each prefix."""
    values = (("City", place.city), ("State", place.state), ("Zip", place.zip), ("Country", place.country))
    return tuple((prefix + name, value) for prefix in prefixes for name, value in values)


def _voice_extras(leg: Leg) -> Params:
    optional = {
        "CallerName": leg.caller.name,
        "StirVerstat": leg.caller.stir,
        "ForwardedFrom": leg.number if leg.forwarded else None,
        "CallToken": _call_token(leg) if leg.caller.kind in IDENTIFIABLE else None,
        "ApplicationSid": sid("AP", leg.account_sid) if leg.caller.calls_an_app else None,
        "SipDomain": "ringback.sip.twilio.com" if leg.caller.kind == SIP else None,
    }
    return tuple((name, value) for name, value in optional.items() if value is not None)


def _call_token(leg: Leg) -> str:
    """Opaque, long and JSON-looking, as the real one is."""
    token = digest("token", leg.call_sid)
    return f'{{"parentCallInfoToken":"eyJhbGciOiJFUzI1NiJ9.{token * 4}","identityHeaderTokens":["{token}"]}}'
