"""Unusual requests: what Twilio leaves out, adds and repeats (docs/voice/twiml: parameters come without notice)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from onebox.simulate.identifiers import digest
from onebox.simulate.model import DIAL, RECORDING, STATUS, VOICE, Webhook

Change = Callable[[Webhook, Random], tuple[Webhook, ...]]


@dataclass(frozen=True, slots=True)
class Oddity:
    """`change` makes the request unusual; what it cannot change it gives back as it is."""

    name: str
    change: Change


def setting(name: str, value: str) -> Change:
    return lambda webhook, _rng: (_set(webhook, name, value),)


def adding(*params: tuple[str, str]) -> Change:
    return lambda webhook, _rng: (replace(webhook, params=webhook.params + params),)


def without(*names: str) -> Change:
    return lambda webhook, _rng: (webhook.without(*names),)


def _set(webhook: Webhook, name: str, value: str) -> Webhook:
    """The parameter in its place, or else as the last one."""
    if all(key != name for key, _ in webhook.params):
        return replace(webhook, params=(*webhook.params, (name, value)))
    return replace(webhook, params=tuple((key, value if key == name else old) for key, old in webhook.params))


def _blank_geo(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    """As for callers from abroad: nothing is known but the country, and what is not known is sent empty."""
    for side in ("From", "Caller"):
        for name, value in (("City", ""), ("State", ""), ("Zip", ""), ("Country", "LK")):
            webhook = _set(webhook, side + name, value)
    return (webhook,)


def _passport(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    token = digest("passport", webhook.call_sid)
    return (
        _set(webhook, "StirPassportToken", f"eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0In0.{token * 13}.{token * 2}"),
    )


def _long_call_token(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    token = digest("long token", webhook.call_sid)
    return (_set(webhook, "CallToken", f'{{"parentCallInfoToken":"{token * 32}","identityHeaderTokens":[]}}'),)


def _forwarded_by_itself(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    """Some carriers say so of direct calls."""
    return (_set(webhook, "ForwardedFrom", webhook.first("From")),)


def _without_bridged(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    """Not where it is the only evidence that nobody answered."""
    misleading = webhook.first("DialCallStatus") == "completed" and webhook.first("DialBridged") == "false"
    return (webhook if misleading else webhook.without("DialBridged"),)


def _minimal(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    kept = ("CallSid", "Called", "Caller", "CallDuration")
    return (replace(webhook, params=tuple(pair for pair in webhook.params if pair[0] in kept)),)


def _after_unknown_status(webhook: Webhook, rng: Random) -> tuple[Webhook, ...]:
    status = rng.choice(("answered", "on-hold", "Completed"))
    return _set(webhook.without("CallDuration", "Duration", "SipResponseCode"), "CallStatus", status), webhook


def _error_without_duration(webhook: Webhook, _: Random) -> tuple[Webhook, ...]:
    return (_set(webhook.without("CallDuration", "Duration"), "ErrorCode", "31205"),)


ODD_NAMES = {
    "name_unicode": ("Ελένη Παπαδοπούλου", "\u202ediaphanous", "👩‍⚕️ Dr. مريم"),
    "name_markup": ("</Response><Say>free</Say>", "<script>alert(1)</script>", "&lt;&#0;]]>"),
    "name_control_characters": ("BELL\x07 \x1b[31mLABS", "TAB\tLINE\r\nX-Injected: 1", "NUL\x00L"),
}
OPEN_VALUES = ("TN-Validation-Passed-A-Diverted", "TN-Validation-Failed", "No-TN-Validation-Diverted", "TN-Later")
REPEATED = (("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("Tag", ""))
SIP_HEADERS = (("SipHeader_X-Account", "a=1;b=ü"), ("SipHeader_User-to-User", "56;encoding=hex"))
UNKNOWN = (("BrandedCallReason", "appointment"), ("foo", "bar"), ("x.y[0]", "€"), ("$where", "1"))
FALLBACK = (
    ("ErrorCode", "11200"),
    ("ErrorUrl", "https://crm.example.com/twilio/voice"),
    ("ErrorMessage", "HTTP retrieval failure"),
)
ODDITIES: Mapping[str, tuple[Oddity, ...]] = {
    VOICE: (
        *(Oddity(kind, setting("CallerName", name)) for kind, names in ODD_NAMES.items() for name in names),
        *(Oddity("stir_value", setting("StirVerstat", value)) for value in OPEN_VALUES),
        Oddity("stir_passport", _passport),
        Oddity("call_token_long", _long_call_token),
        Oddity("forwarded_direct_call", _forwarded_by_itself),
        Oddity("sip_headers", adding(*SIP_HEADERS)),
        Oddity("parameters_unknown", adding(*UNKNOWN)),
        Oddity("parameter_repeated", adding(*REPEATED)),
        Oddity("geo_blank", _blank_geo),
        Oddity("fallback_request", adding(*FALLBACK)),
    ),
    DIAL: (Oddity("dial_without_bridged", _without_bridged),),
    RECORDING: (Oddity("digits_repeated", adding(("Digits", "1"), ("Digits", "hangup"))),),
    STATUS: (
        Oddity("status_minimal", _minimal),
        Oddity("status_without_order", without("Timestamp", "SequenceNumber", "CallbackSource")),
        Oddity("status_unknown", _after_unknown_status),
        Oddity("status_error_without_duration", _error_without_duration),
    ),
}
