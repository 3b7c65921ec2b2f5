"""Which texts are exchanged: who writes what, and what becomes of ours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from onebox.simulate import addresses, texts
from onebox.simulate.callers import US, Caller, us_caller
from onebox.simulate.decks import Deck
from onebox.simulate.faults import MESSAGE_FAULTS, disturb
from onebox.simulate.identifiers import digest, sid
from onebox.simulate.messages import Chat, inbound, receipt_at, status
from onebox.simulate.model import Call, Conversation, Params, Webhook
from onebox.simulate.odd_callers import SHORT

Make = Callable[[Chat, Random], Iterator[Webhook]]

ADD_ONS = ("AddOns", '{"status":"successful","message":null,"code":null,"results":{"x":{"status":"successful"}}}')
MEMBERS: Params = (("MessagingBinding.Address", "+13055550100"), ("MessagingBinding.Address", "+14155550101"))
MESSAGE_SIDS = ("MessageSid", "SmsMessageSid")
# Unreachable, unknown, landline, filtered, no reason given, sender not registered (docs/api/errors).
UNDELIVERED = ("30003", "30005", "30006", "30007", "30008", "30034")


def writes(bodies: tuple[str, ...], *more: tuple[str, str], media: tuple[str, ...] = ()) -> Make:
    def make(chat: Chat, rng: Random) -> Iterator[Webhook]:
        yield inbound(chat, rng.choice(bodies), *more, media=media)

    return make


def _reply(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield from _delivered(chat, rng)
    yield inbound(chat, rng.choice(texts.REPLIES))


def _opt_out_and_in(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield inbound(chat, rng.choice(texts.OPT_OUTS))
    yield inbound(chat, rng.choice(texts.OPT_INS), nth=1)


def _short_code(chat: Chat, rng: Random) -> Iterator[Webhook]:
    sender = Caller(SHORT, rng.choice(addresses.SHORT_CODES))
    yield inbound(replace(chat, person=sender), "Your code is 123456")


def _whatsapp(chat: Chat, rng: Random) -> Iterator[Webhook]:
    person = replace(chat.person, address=f"whatsapp:{chat.address}")
    who = (("ProfileName", "Žofie 🎉"), ("WaId", chat.address.removeprefix("+")), ("MessageType", "text"))
    yield inbound(replace(chat, person=person, number=f"whatsapp:{chat.number}"), rng.choice(texts.TEXTS), *who)


def _without_message_sid(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield inbound(chat, rng.choice(texts.TEXTS)).without(*MESSAGE_SIDS)


def _delivered(chat: Chat, _rng: Random) -> Iterator[Webhook]:
    for message_status in ("queued", "sending", "sent"):
        yield status(chat, message_status)
    yield status(chat, "delivered", receipt_at(chat))


def _undelivered(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield status(chat, "sent")
    yield status(chat, "undelivered", ("ErrorCode", rng.choice(UNDELIVERED)), receipt_at(chat))


def _failed(chat: Chat, _rng: Random) -> Iterator[Webhook]:
    yield status(
        chat, "failed", ("ErrorCode", "21610"), ("ErrorMessage", "Attempt to send to unsubscribed recipient")
    )


def _unordered(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield from reversed(list(_delivered(chat, rng)))


def _delivered_late(chat: Chat, rng: Random) -> Iterator[Webhook]:
    yield from _undelivered(chat, rng)
    yield status(chat, "delivered", receipt_at(chat))
    yield status(chat, "undelivered")


def _sms_status_only(chat: Chat, rng: Random) -> Iterator[Webhook]:
    for webhook in _delivered(chat, rng):
        yield webhook.without("MessageStatus", *MESSAGE_SIDS)


def _without_to(chat: Chat, rng: Random) -> Iterator[Webhook]:
    for webhook in _delivered(chat, rng):
        yield webhook.without("To")


def _unknown_status(chat: Chat, _rng: Random) -> Iterator[Webhook]:
    yield status(chat, "sent")
    yield status(chat, "teleported", ("ErrorCode", "not a number"))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of conversation, and how many of all cards are of it."""

    name: str
    cards: int
    make: Make


USUAL = (
    Kind("text", 4, writes(texts.TEXTS)),
    Kind("reply", 5, _reply),
    Kind("delivered", 3, _delivered),
    Kind("undelivered", 1, _undelivered),
)
ODD = (
    Kind("sms_opt_out", 4, writes(texts.OPT_OUTS)),
    Kind("sms_opt_out_and_in", 2, _opt_out_and_in),
    Kind("sms_help", 1, writes(texts.HELPS)),
    Kind("sms_opt_out_type", 1, writes(texts.OPT_OUTS, ("OptOutType", "STOP"))),
    Kind("sms_opt_out_type", 1, writes(texts.OPT_INS, ("OptOutType", "START"))),
    Kind("sms_opt_out_type", 1, writes(texts.HELPS, ("OptOutType", "HELP"))),
    Kind("sms_media", 1, writes(texts.TEXTS, media=("image/jpeg", "text/vcard"))),
    Kind("sms_media_only", 1, writes(("",), media=("image/png",))),
    Kind("sms_emoji", 1, writes(texts.EMOJI)),
    Kind("sms_unkind", 2, writes(texts.UNKIND)),
    Kind("sms_longest", 1, writes(texts.LONG)),
    Kind("sms_short_code", 1, _short_code),
    Kind("sms_whatsapp", 1, _whatsapp),
    Kind("sms_add_ons", 1, writes(texts.TEXTS, ADD_ONS, ("MessagingServiceSid", ""))),
    Kind("sms_parameter_repeated", 1, writes(texts.TEXTS, *MEMBERS)),
    Kind("sms_without_message_sid", 1, _without_message_sid),
    Kind("sms_failed", 1, _failed),
    Kind("sms_status_unordered", 1, _unordered),
    Kind("sms_delivered_late", 1, _delivered_late),
    Kind("sms_status_under_old_names", 1, _sms_status_only),
    Kind("sms_status_without_to", 1, _without_to),
    Kind("sms_status_unknown", 1, _unknown_status),
)
ODD_NAMES = frozenset(kind.name for kind in ODD)


class Texting:
    """Deals the conversations of a plan."""

    def __init__(self, seed: int, account_sid: str, *, oddities: bool) -> None:
        kinds = (*USUAL, *ODD) if oddities else USUAL
        self._seed, self._account_sid = seed, account_sid
        self._kinds = Deck("conversations", seed, [kind for kind in kinds for _ in range(kind.cards)])

    def after(self, call: Call) -> Conversation:
        """The conversation that follows a call: who is replying is that call's caller, if it has a number."""
        kind = self._kinds.deal()
        rng = Random(digest(self._seed, "conversation", call.call_sid))  # noqa: S311 - has to repeat itself
        person = Caller(US, call.identity) if call.identity and kind.make is _reply else us_caller(rng)
        chat = Chat(sid("CH", call.call_sid), self._account_sid, person, call.number, call.at)
        steps, faults = disturb(tuple(kind.make(chat, rng)), rng, MESSAGE_FAULTS)
        return Conversation(kind.name, steps, faults, (kind.name,) if kind.name in ODD_NAMES else ())
