"""The parameters of a text's webhooks (docs/messaging/guides/webhook-request, track-outbound-message-status)."""

from dataclasses import dataclass
from datetime import datetime

from onebox.simulate.callers import Caller
from onebox.simulate.identifiers import sid
from onebox.simulate.model import SMS, SMS_STATUS, Params, Webhook
from onebox.simulate.places import NOWHERE, place_of
from onebox.simulate.webhooks import ACCOUNTS, API_VERSION, geo

ONE_ASCII, EACH_ASCII, ONE_UNICODE, EACH_UNICODE = 160, 153, 70, 67


@dataclass(frozen=True, slots=True)
class Chat:
    """One person and one of our numbers; `key` tells it from every other chat."""

    key: str
    account_sid: str
    person: Caller
    number: str
    at: datetime

    @property
    def address(self) -> str:
        return self.person.address or ""


def inbound(chat: Chat, body: str, *more: tuple[str, str], nth: int = 0, media: tuple[str, ...] = ()) -> Webhook:
    """A text comes in, with media of these content types."""
    message_sid = sid("MM" if media else "SM", chat.key, "in", nth)
    params = (
        ("SmsMessageSid", message_sid),
        ("SmsSid", message_sid),
        ("MessageSid", message_sid),
        ("AccountSid", chat.account_sid),
        ("ApiVersion", API_VERSION),
        ("SmsStatus", "received"),
        ("From", chat.address),
        ("To", chat.number),
        *geo(chat.person.place or NOWHERE, "From"),
        *geo(place_of(chat.number), "To"),
        ("Body", body),
        ("NumSegments", str(segments(body))),
        ("NumMedia", str(len(media))),
        ("ReferralNumMedia", "0"),
        *_media(chat, message_sid, media),
    )
    return Webhook(SMS, params + more)


def outbound_sid(chat: Chat) -> str:
    return sid("SM", chat.key, "out")


def status(chat: Chat, message_status: str, *more: tuple[str, str]) -> Webhook:
    """What became of a text of ours. The server did not send it, so that its SID is unknown there."""
    message_sid = outbound_sid(chat)
    params = (
        ("SmsSid", message_sid),
        ("SmsStatus", message_status),
        ("MessageStatus", message_status),
        ("To", chat.address),
        ("MessageSid", message_sid),
        ("AccountSid", chat.account_sid),
        ("From", chat.number),
        ("ApiVersion", API_VERSION),
    )
    return Webhook(SMS_STATUS, params + more)


def receipt_at(chat: Chat) -> tuple[str, str]:
    """The carrier's receipt; it names no time zone."""
    return ("RawDlrDoneDate", f"{chat.at:%y%m%d%H%M}")


def segments(body: str) -> int:
    """How many messages a text is sent as; UTF-16 when it is not plain ASCII."""
    size, one, each = len(body), ONE_ASCII, EACH_ASCII
    if not body.isascii():
        size, one, each = len(body.encode("utf-16-le")) // 2, ONE_UNICODE, EACH_UNICODE
    return 1 if size <= one else -(-size // each)


def _media(chat: Chat, message_sid: str, types: tuple[str, ...]) -> Params:
    folder = f"{ACCOUNTS}/{chat.account_sid}/Messages/{message_sid}/Media"
    return tuple(
        pair
        for index, type_ in enumerate(types)
        for pair in (
            (f"MediaContentType{index}", type_),
            (f"MediaUrl{index}", f"{folder}/{sid('ME', message_sid, index)}"),
        )
    )
