"""Use case: a lead is moved, by a person or by a rule. One unit of work: all of it or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline import store
from pipeline.domain import Document, Move, move_time, moved, placed
from pipeline.people import Needs, People
from pipeline.ranks import LOWEST, own_rank_between, top_rank
from pipeline.telling import Cause
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import Conflict, NotFound
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

Check = Callable[[int], None]
"""Raises when a lead that was moved so many times (`turns`) is not to be moved."""


class StaleNeighbour(Conflict):
    """The cards beside which this one is to go are no longer where they were."""

    code = "stale_neighbour"


@dataclass(frozen=True, slots=True)
class Beside:
    """Below the card of `after`, above the card of `before`; None: wherever that is."""

    after: str | None = None
    before: str | None = None


ANYWHERE = Beside()


def any_version(_turns: int) -> None:
    """The check of who moves whatever is there."""


@dataclass(frozen=True)
class Moves:
    """`new_id` makes ids of what is asked for; `businesses` are those served here.

    A customer that became part of another stands for that one. Raises NotFound for one that is not there or another
    business's, StaleNeighbour, what `check` raises, and ConcurrentUpdate when others were first again and again.
    """

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]

    def move(
        self,
        business: str,
        customer_id: str,
        stage: str,
        *,
        actor: str | None,
        lost_reason: str | None = None,
        beside: Beside = ANYWHERE,
        check: Check = any_version,
    ) -> Document:
        """The lead as it is stored then. To the stage where it is: only its place and lost reason may change."""

        def in_work(work: UnitOfWork) -> str:
            move = Move(self.new_id(), stage, actor, lost_reason=lost_reason)
            people = People(work, self.businesses, self.clock(), move.id)
            root = lead_of(people, business, customer_id)
            check(root["turns"])
            rank = self._rank(people, root, stage, beside)
            return str(move_in(people, root, move, Cause(move.id), rank)["_id"])

        lead = store.find_lead(self.database, business, repeated(self.database, self.clock, in_work))
        if lead is None:
            raise NotFound("It was deleted meanwhile.")
        return lead

    def _rank(self, people: People, root: Document, stage: str, beside: Beside) -> str | None:
        """A rank between the neighbours; who is not named is looked up."""
        if beside == ANYWHERE:
            return None
        column = Column(self.database, root, stage)
        lower = column.rank_of(beside.after) if beside.after else LOWEST
        upper = column.rank_of(beside.before) if beside.before else column.first_after(lower)
        if not beside.after and upper is not None:
            lower = column.last_before(upper)
        if upper is not None and lower >= upper:
            raise StaleNeighbour("These cards are no longer in this order.")
        return own_rank_between(lower, upper, root["_id"]) if lower else top_rank(root["_id"], people.now, upper)


@dataclass(frozen=True, slots=True)
class Column:
    """The cards of a stage but the one that is moved."""

    database: Database
    root: Document
    stage: str

    def rank_of(self, customer_id: str) -> str:
        """Raises StaleNeighbour unless that card is in the column."""
        found = store.find_root(self.database, self.root["business"], customer_id)
        if found is None or found["stage"] != self.stage or found["_id"] == self.root["_id"]:
            raise StaleNeighbour("The card beside which this one is to go is not in this column.")
        return str(found["rank"])

    def first_after(self, rank: str) -> str | None:
        return store.find_rank(self.database, self.root, self.stage, {"$gt": rank}, forward=True)

    def last_before(self, rank: str) -> str:
        return store.find_rank(self.database, self.root, self.stage, {"$lt": rank}, forward=False) or LOWEST


def lead_of(people: People, business: str, customer_id: str) -> Document:
    """The lead on the board that stands for a customer, loaded. Raises NotFound."""
    people.load(Needs(leads={customer_id}))
    root = people.root_of(customer_id)
    if root is None or root["business"] != business:
        raise NotFound("There is no such lead.")
    return root


def move_in(people: People, root: Document, move: Move, cause: Cause, rank: str | None = None) -> Document:
    """Move a lead in somebody else's unit of work; the lead as it stands then, and its event with it.

    `people` loaded `root` (see `lead_of`), and nobody else changes leads in the same unit of work.
    """
    if any(one["id"] == move.id for one in root["moves"]):
        return root
    at, lead = move_time(root, people.now), root
    if move.stage != root["stage"] or move.lost_reason:
        lead = moved(lead, move, at)
    if rank is not None:
        lead = placed(lead, move.stage, rank, at)
    if lead is not root:
        people.put(lead, cause)
    return people.root_of(root["_id"]) or root
