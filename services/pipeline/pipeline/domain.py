"""What is known of a lead, and the stage that follows. Pure, and free of order: a function of the set of facts.

A *lead* is a customer's document: the row of `ringback.known_customers` (name, numbers, whom it is part of) and what
people did to it (`moves`, `place`). Facts about calls and appointments stand beside it, in documents of their own.
Of customers who turn out to be one the root shows a *view*: `viewed` adds the group up; the members keep what is
theirs, so that they can be taken apart again exactly as they were. Nothing is changed in place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.ranks import entry_rank
from pipeline.stages import CONTACTED, NEW_LEAD, STAGES, is_further

Document = dict[str, Any]

AUTO, MANUAL = "auto", "manual"
# Of a lead that is moved more often the latest count: a document has its bounds.
MOST_MOVES = 200
# A person's move comes after all that is known, whatever the clock that dated that.
NEXT = timedelta(milliseconds=1)
# What only a lead has that is on the board.
VIEW = (
    "stage",
    "entered_at",
    "opened_at",
    "rank",
    "value",
    "currency",
    "history",
    "search",
    "last_contact_at",
    "last_fact_at",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact that moves a lead forward by itself. `fact`: call, text or appointment."""

    stage: str
    at: datetime
    fact: str


@dataclass(frozen=True, slots=True)
class Move:
    """To be moved by a person or a rule: wherever they want it. The same `id` moves once."""

    id: str
    stage: str
    actor: str | None
    cause: str = MANUAL
    lost_reason: str | None = None


# What a customer has as a lead, beside what is told of them.
UNTOUCHED: Mapping[str, Any] = {
    "had": [],
    "lent": [],
    "moves": [],
    "place": None,
    "announced": None,
    "shown": False,
    "turns": 0,
}


# Numbers.


def with_numbers(lead: Document, phones: Iterable[str]) -> Document:
    """The lead with numbers that it is told to have: who gives one up was called at it nevertheless."""
    return {**lead, "had": sorted({*lead["had"], *phones})}


def with_lent(lead: Document, phones: Iterable[str]) -> Document:
    """The lead with numbers that are told as its own while others are part of it."""
    return {**lead, "lent": sorted({*lead["lent"], *phones})}


def without_number(lead: Document, phone: str) -> Document:
    """The lead without a number that was only lent to it, by somebody who is erased."""
    return {**lead, **{name: [one for one in lead[name] if one != phone] for name in ("had", "lent")}}


def numbers_of(lead: Document) -> list[str]:
    """The numbers at which this customer was spoken to: those it has, and those that it had without a merge."""
    return sorted({*lead["phones"]} | {*lead["had"]} - {*lead["lent"]})


# Moves.


def moved(lead: Document, move: Move, at: datetime) -> Document:
    """The lead after it was moved."""
    done = {
        "id": move.id,
        "at": at,
        "stage": move.stage,
        "actor": move.actor,
        "cause": move.cause,
        "lost_reason": move.lost_reason,
    }
    return {**lead, "moves": [*lead["moves"], done][-MOST_MOVES:]}


def placed(lead: Document, stage: str, rank: str, at: datetime) -> Document:
    """The lead put somewhere in its column: the place is its own as long as it stays there."""
    return {**lead, "place": {"stage": stage, "rank": rank, "at": at}}


def move_time(root: Document, now: datetime) -> datetime:
    known = [root["entered_at"], *([root["last_fact_at"] + NEXT] if root["last_fact_at"] else [])]
    latest: datetime = max(now, *known)
    return latest


# The stage.


def history_of(created_at: datetime, marks: Sequence[Mark], moves: Sequence[Document]) -> list[Document]:
    """The stages that a lead was in, one after the other: facts move it forward, people wherever they want.

    What happened before a person moved it never moves it again. {stage, previous, entered_at, left_at, cause, actor,
    fact, lost_reason}.
    """
    steps = sorted([*map(_step_of_mark, marks), *map(_step_of_move, moves)], key=_in_time)
    opened_at = min([created_at, *(step["entered_at"] for step in steps)])
    visits = [_step(NEW_LEAD.key, opened_at, AUTO)]
    for step in steps:
        _follow(visits, step)
    return [
        {**visit, "left_at": following["entered_at"] if following else None}
        for visit, following in zip(visits, [*visits[1:], None], strict=True)
    ]


def _follow(visits: list[Document], step: Document) -> None:
    current = visits[-1]
    if step["stage"] == current["stage"]:
        visits[-1] = {**current, "lost_reason": step["lost_reason"] or current["lost_reason"]}
    elif step["fact"] is None or is_further(step["stage"], current["stage"]):
        visits.append({**step, "previous": current["stage"]})


def _in_time(step: Document) -> tuple[datetime, bool, int, str]:
    """Facts before a person's move of the same moment, of facts the furthest first."""
    return step["entered_at"], step["fact"] is None, -STAGES[step["stage"]].step, step["id"]


def _step_of_mark(mark: Mark) -> Document:
    return _step(mark.stage, mark.at, AUTO, fact=mark.fact)


def _step_of_move(move: Document) -> Document:
    more = {name: move[name] for name in ("id", "actor", "lost_reason")}
    return _step(move["stage"], move["at"], move["cause"], **more)


def _step(stage: str, at: datetime, cause: str, **more: Any) -> Document:
    blank = {"previous": None, "actor": None, "fact": None, "lost_reason": None, "id": ""}
    return {"stage": stage, "entered_at": at, "cause": cause, **blank, **more}


def viewed(root: Document, members: Sequence[Document], marks: Sequence[Mark], value: int, currency: str) -> Document:
    """The root with its view: where it stands on the board, since when, what it is worth (minor units).

    `marks` and `value` are of the whole group; the root has to be created.
    """
    group = [root, *members]
    moves = [move for lead in group for move in lead["moves"]]
    created_at = min(lead["created_at"] for lead in group if lead["created_at"])
    history = history_of(created_at, marks, moves)
    view = {
        "shown": True,
        "stage": history[-1]["stage"],
        "entered_at": history[-1]["entered_at"],
        "opened_at": history[0]["entered_at"],
        "value": value,
        "currency": currency,
        "history": history,
        "last_contact_at": max((mark.at for mark in marks if mark.stage == CONTACTED.key), default=None),
        "last_fact_at": max([*(mark.at for mark in marks), *(move["at"] for move in moves)], default=None),
    }
    return _turned(root, {**root, **view, "rank": _rank(root["_id"], view, group)})


def hidden(lead: Document) -> Document:
    """A lead that is not on the board: part of another, or nobody said yet who it is."""
    return {**{name: value for name, value in lead.items() if name not in VIEW}, "shown": False}


def _rank(customer_id: str, view: Document, group: Sequence[Document]) -> str:
    places = [lead["place"] for lead in group if lead["place"] and _still_there(lead["place"], view)]
    if not places:
        return entry_rank(view["entered_at"], customer_id)
    latest: str = max(places, key=lambda place: (place["at"], place["rank"]))["rank"]
    return latest


def _still_there(place: Document, view: Document) -> bool:
    there: bool = place["stage"] == view["stage"] and place["at"] >= view["entered_at"]
    return there


def _turned(before: Document, after: Document) -> Document:
    """With how often it got another place on the board: what a person's move is checked against."""
    same = all(before.get(name) == after[name] for name in ("stage", "rank", "shown"))
    return {**after, "turns": before["turns"] + (not same)}


# What others are told.


def to_announce(root: Document) -> Document | None:
    """The change that others were not told of, as the data of `lead.stage_changed`; None when there is none.

    `at` orders what is told of a lead, so a late fact does not go before what was told already.
    """
    told, visit = root["announced"], root["history"][-1]
    if told["stage"] == visit["stage"]:
        return None
    at = max(visit["entered_at"], told["at"] + NEXT)
    # Facts only move a lead forward: what takes one back is that a person merged customers, or took them apart.
    taken_back = visit["actor"] is None and is_further(told["stage"], visit["stage"])
    return {
        "customer_id": root["_id"],
        "previous": told["stage"],
        "current": visit["stage"],
        "cause": MANUAL if taken_back else visit["cause"],
        "actor": visit["actor"],
        "seconds_in_previous_stage": max(0, round((at - told["at"]).total_seconds())),
        "at": at,
    }


def visit_rows(root: Document | None) -> dict[str, Document]:
    """The visits of a lead on the board as rows of their own, by id; nothing of one that is not shown."""
    if root is None or not root["shown"]:
        return {}
    whose = {name: root[name] for name in ("business", "source")} | {"customer_id": root["_id"]}
    follows = [*(visit["stage"] for visit in root["history"][1:]), None]
    return {
        f"{root['_id']}:{number}": {**whose, **visit, "following": follows[number]}
        for number, visit in enumerate(root["history"])
    }
