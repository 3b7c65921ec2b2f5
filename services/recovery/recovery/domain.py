"""The queue of missed calls as a function of what is known of a caller, whatever order it came in. Pure.

A caller's missed calls fall into episodes. One begins with a missed call while none is open. It ends when they get
through, reply or book, when a person says so, or by time: when nobody did anything for `expire_after` since the last
missed call. Each episode is an item of the queue, and its id is made from its first call. An item goes by the ids of
its other calls, too (`names`): whoever learnt an id before an earlier call became known still finds it.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from recovery import text_back
from recovery.hours import Opening
from recovery.ledger import CLAIM, HANDLED, MISSED, NOT_TEXTED, RELEASE, Document
from recovery.text_back import TextBackRules
from ringback.phone import NAMELESS_KINDS

ITEM_NAMESPACE = uuid.UUID("3f0c4d0e-5b0b-5c59-9f0a-6c1d8a2f7b11")
# States of an item that nobody is done with, then how it can end.
OPEN_STATES = NEW, TEXTED, SUPPRESSED = ("new", "texted", "suppressed")
REPLIED, CALLED_BACK, BOOKED, EXPIRED = ("replied", "called_back", "booked", "expired")
RESOLUTIONS = (REPLIED, CALLED_BACK, BOOKED, HANDLED, EXPIRED)
STATES = (*OPEN_STATES, *RESOLUTIONS)
# A booking counts for the missed call that it came so soon after.
BOOKING_COUNTS = timedelta(days=30)
UNSENT = frozenset({"suppressed", "failed"})
MOST_SHOWN = 50

CLOSED_BY: Mapping[str, str] = {"answered": CALLED_BACK, "reply": REPLIED, "booking": BOOKED}
# What happens at the same moment is taken in this order.
ORDER = (("miss",), ("text", CLAIM, RELEASE, NOT_TEXTED), ("answered", "reply", "booking", HANDLED))
RANKS = {kind: rank for rank, kinds in enumerate(ORDER) for kind in kinds}


@dataclass(frozen=True)
class Rules:
    """What a business wants of its queue."""

    opening: Opening
    respond_within: timedelta
    expire_after: timedelta
    text_back: TextBackRules


class Moment(NamedTuple):
    at: datetime
    rank: int
    key: str
    kind: str
    fact: Document


@dataclass
class Episode:
    """Built up in the order of time by `episodes`; `happened`: facts by kind, up to the next episode."""

    expire_after: timedelta
    misses: list[Document]
    resolution: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    note: str | None = None
    answered_at: datetime | None = None
    happened: defaultdict[str, list[Document]] = field(default_factory=lambda: defaultdict(list))

    @property
    def opened_at(self) -> datetime:
        at: datetime = self.misses[0]["at"]
        return at

    @property
    def last_missed_at(self) -> datetime:
        at: datetime = self.misses[-1]["at"]
        return at

    @property
    def expires_at(self) -> datetime:
        return self.last_missed_at + self.expire_after

    def take(self, moment: Moment) -> None:
        self.happened[moment.kind].append(moment.fact)
        resolution = moment.fact["resolution"] if moment.kind == HANDLED else CLOSED_BY.get(moment.kind)
        if self.resolution is None and resolution:
            self.resolution, self.closed_at = resolution, moment.at
            self.closed_by, self.note = moment.fact.get("by"), moment.fact.get("note")
            self.answered_at = moment.fact.get("answered_at")

    def text_back_expires_at(self, delay: timedelta) -> datetime:
        """When a text back to the latest of the calls is too late."""
        return self.last_missed_at + delay + text_back.EXPIRES

    def expire(self, now: datetime) -> None:
        if self.resolution is None and now >= self.expires_at:
            self.resolution, self.closed_at = EXPIRED, self.expires_at


def item_id_of(business: str, call_sid: str) -> str:
    """The id of the item that a call opened, or belongs to."""
    return str(uuid.uuid5(ITEM_NAMESPACE, f"{business}\n{call_sid}"))


def episodes(ledger: Mapping[str, Any], expire_after: timedelta, now: datetime) -> list[Episode]:
    """The episodes of a caller, the earliest first."""
    found: list[Episode] = []
    for moment in sorted(_moments(ledger), key=lambda one: one[:3]):
        current = found[-1] if found else None
        if current is not None:
            current.expire(moment.at)
        if moment.kind != "miss":
            if current is not None:
                current.take(moment)
        elif current is None or current.resolution:
            found.append(Episode(expire_after, [moment.fact]))
        else:
            current.misses.append(moment.fact)
    if found:
        found[-1].expire(now)
    return found


def _moments(ledger: Mapping[str, Any]) -> Iterator[Moment]:
    for call in ledger["calls"]:
        yield _moment("miss" if call["outcome"] == MISSED else "answered", call["sid"], call)
    for reply in ledger["replies"]:
        yield _moment("reply", reply["sid"], reply)
    for booking in ledger["bookings"]:
        yield _moment("booking", booking["appointment_id"], booking)
    for text in ledger["texts"]:
        yield _moment("text", text["request_id"], text)
    for act in ledger["acts"]:
        yield _moment(act["kind"], act["id"], act)


def _moment(kind: str, key: str, fact: Document) -> Moment:
    return Moment(fact["at"], RANKS[kind], key, kind, fact)


# Items.


def item_of(ledger: Mapping[str, Any], episode: Episode, rules: Rules) -> Document:
    """The item of the queue that an episode is."""
    first = episode.misses[0]
    due_at = rules.opening.after(episode.opened_at, rules.respond_within)
    return {
        "_id": item_id_of(ledger["business"], first["sid"]),
        "business": ledger["business"],
        "ledger": ledger["_id"],
        "names": sorted({item_id_of(ledger["business"], miss["sid"]) for miss in episode.misses}),
        "phone": ledger["phone"],
        "nameless_id": ledger["nameless_id"],
        "caller": ledger["caller"],
        "caller_kind": first["kind"],
        "reason": first["reason"],
        "attempts": sum(miss["count"] for miss in episode.misses),
        "first_missed_at": episode.opened_at,
        "last_missed_at": episode.last_missed_at,
        "due_at": due_at,
        "calls": [_shown_call(miss) for miss in episode.misses[-MOST_SHOWN:]],
        "texts": episode.happened["text"][-MOST_SHOWN:],
        "text_count": sum(text["status"] not in UNSENT for text in episode.happened["text"]),
        "assignee": _assignee(episode),
        "suppressed_reason": _suppressed_reason(ledger, episode, rules.text_back),
        **_standing(episode),
        **_response(episode, due_at, rules.opening),
        **_gain(episode),
    }


def is_nameless(episode: Episode) -> bool:
    """Whether neither a text nor a call back can reach them."""
    return episode.misses[0]["kind"] in NAMELESS_KINDS


def _standing(episode: Episode) -> Document:
    """`open`: somebody has to look at it. Of who can be reached by nothing only a message is worth a look."""
    history = _history(episode)
    left_message = any(miss["parts"] for miss in episode.misses)
    return {
        "state": history[-1]["state"],
        "open": episode.resolution is None and (left_message or not is_nameless(episode)),
        "resolution": episode.resolution,
        "closed_at": episode.closed_at,
        "closed_by": episode.closed_by,
        "note": episode.note,
        "history": history,
    }


def _history(episode: Episode) -> list[Document]:
    states = [{"at": episode.opened_at, "state": SUPPRESSED if is_nameless(episode) else NEW, "by": None}]
    texts = [one for one in _sent(episode) if episode.closed_at is None or one["at"] < episode.closed_at]
    states += [{"at": text["at"], "state": TEXTED, "by": text["by"]} for text in texts[-MOST_SHOWN:]]
    if episode.resolution:
        states.append({"at": episode.closed_at, "state": episode.resolution, "by": episode.closed_by})
    return states


def _sent(episode: Episode) -> list[Document]:
    return [text for text in episode.happened["text"] if text["status"] not in UNSENT]


def _shown_call(miss: Document) -> Document:
    """A call as people see it: with its latest recording, and the voicemail's words before the conversation's."""
    recordings = [part["recording_sid"] for part in _in_time(miss, "recording")]
    words = [part["text"] for part in [*_in_time(miss, "realtime"), *_in_time(miss, "voicemail")]]
    return {
        "call_sid": miss["sid"],
        "at": miss["at"],
        "reason": miss["reason"],
        "voicemail": miss["voicemail"],
        "recording_sid": recordings[-1] if recordings else None,
        "transcript": words[-1] if words else None,
    }


def _in_time(miss: Document, source: str) -> list[Document]:
    return sorted(
        (part for part in miss["parts"] if part["source"] == source), key=lambda part: (part["at"], part["id"])
    )


def _assignee(episode: Episode) -> str | None:
    """Who claimed it last, unless it was given back since."""
    acts = sorted([*episode.happened[CLAIM], *episode.happened[RELEASE]], key=lambda act: (act["at"], act["id"]))
    assignee: str | None = acts[-1]["assignee"] if acts else None
    return assignee


def _suppressed_reason(ledger: Mapping[str, Any], episode: Episode, rules: TextBackRules) -> str | None:
    """Why nobody was texted: by who they are, by what came of the last attempt, or because they were before."""
    reason = text_back.unreachable_by_text(episode.misses[0]["kind"])
    if reason:
        return reason
    attempts = sorted(
        [*episode.happened["text"], *episode.happened[NOT_TEXTED]], key=lambda one: (one["at"], one["why"] or "")
    )
    if attempts:
        status = attempts[-1].get("status")
        return attempts[-1]["why"] or status if status in {None, *UNSENT} else None
    recently = text_back.is_recently_texted(rules, episode.misses[0], requested_at(ledger))
    if rules.enabled and recently:
        return text_back.RECENTLY_TEXTED
    given_up = all(miss["reason"] == text_back.GIVEN_UP for miss in episode.misses)
    return text_back.TOO_LATE if rules.enabled and given_up else None


def _response(episode: Episode, due_at: datetime, opening: Opening) -> Document:
    """The first thing that counts as an answer: a person's text, or whatever ended it but time.

    `met`: whether it came in time; None while it is awaited, and where none can be given.
    """
    at = min(_answers(episode), default=None)
    if at is None:
        failed = episode.resolution == EXPIRED and not is_nameless(episode)
        return {"responded_at": None, "response_seconds": None, "met": False if failed else None}
    seconds = int(opening.between(episode.opened_at, at).total_seconds())
    return {"responded_at": at, "response_seconds": seconds, "met": at <= due_at}


def _answers(episode: Episode) -> Iterator[datetime]:
    yield from (text["at"] for text in _sent(episode) if text["by"] is not None)
    if episode.closed_at and episode.resolution != EXPIRED:
        yield max(episode.opened_at, episode.answered_at or episode.closed_at)


def _gain(episode: Episode) -> Document:
    until = episode.opened_at + BOOKING_COUNTS
    return {
        "replied_at": min((reply["at"] for reply in episode.happened["reply"]), default=None),
        "appointments": [booking for booking in episode.happened["booking"] if booking["at"] <= until],
    }


# Texts back, and what time changes.


def requested_at(ledger: Mapping[str, Any]) -> list[datetime]:
    """When the caller was texted back, as far as it was asked for; what came of it does not matter."""
    return [text["at"] for text in ledger["texts"] if text["by"] is None]


def text_back_due_at(ledger: Mapping[str, Any], episode: Episode, rules: TextBackRules) -> datetime | None:
    """Not while they call again: they may be talking with somebody. What tells that the first call ended can come
    later than the next call does."""
    if episode.resolution:
        return None
    against = [act["at"] for act in episode.happened[NOT_TEXTED]]
    due = text_back.due_at(rules, episode.misses, requested_at(ledger), against)
    since = min(episode.opened_at, episode.misses[0].get("began_at") or episode.opened_at)
    going_on = [call["at"] + text_back.EXPIRES for call in ledger["started"] if call["at"] >= since]
    return due and max([due, *going_on])


def wake_at(ledger: Mapping[str, Any], found: Sequence[Episode], rules: TextBackRules) -> datetime | None:
    """When time alone changes something about the caller."""
    if not found or found[-1].resolution:
        return None
    due = text_back_due_at(ledger, found[-1], rules)
    return min(found[-1].expires_at, due) if due else found[-1].expires_at
