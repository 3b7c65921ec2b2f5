"""HTTP in: the board, leads, their moves and the funnel, of the caller's own business only; a customer that became
part of another stands for that one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request

from pipeline import store
from pipeline.board import Board
from pipeline.funnel import funnel_of
from pipeline.moves import Beside, Moves
from pipeline.schemas import BoardQuery, ColumnSchema, FunnelQuery, LeadSchema, MoveBody, with_seconds
from pipeline.search import search_words
from pipeline.store import Document, Filters
from ringback.businesses import Business
from ringback.clock import Clock, rfc3339
from ringback.errors import Invalid, NotFound
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.bodies import load_body
from ringback.web.queries import load
from ringback.web.versions import unless_stale

ACCESS: Access = {
    "leads.board": EVERY_ROLE,
    "leads.show": EVERY_ROLE,
    "leads.funnel": EVERY_ROLE,
    "leads.move_stage": EVERY_ROLE,
}
FUNNEL_DAYS = timedelta(days=30)
MOST_DAYS = timedelta(days=366)
MOST_VISITS = 50_000

COLUMN = ColumnSchema()
LEAD = LeadSchema()


@dataclass(frozen=True)
class Api:
    """What the routes stand on."""

    settings: Settings
    database: Database
    moves: Moves
    clock: Clock

    def business(self) -> Business:
        return self.settings.businesses[principal().business]

    def board(self) -> Board:
        business = self.business()
        return Board(self.database, business.key, business.currency, self.clock())

    def filters(self, query: Mapping[str, Any]) -> Filters:
        now = self.clock()
        return Filters(
            words=tuple(search_words(query["q"], self.business().country)),
            source=query["source"],
            segment=query["segment"],
            entered_from=_days_before(now, query["max_age"]),
            entered_until=_days_before(now, query["min_age"]),
        )

    def lead(self, lead: Document) -> Response:
        response = jsonify(LEAD.dump(with_seconds(lead, self.clock())))
        response.set_etag(str(lead["turns"]))
        return response

    def period(self, query: Mapping[str, Any]) -> tuple[datetime, datetime]:
        """From and until; a day begins and ends by the business's clock. Raises Invalid."""
        try:
            until = self._moment(query["until"]) or self.clock()
            since = self._moment(query["since"]) or until - FUNNEL_DAYS
        except OverflowError as error:
            raise Invalid("Not a period.", errors={"to": ["There are no such days."]}) from error
        if not timedelta(0) < until - since <= MOST_DAYS:
            raise Invalid("Not a period.", errors={"to": [f"After `from`, by at most {MOST_DAYS.days} days."]})
        return since, until

    def _moment(self, given: date | datetime | None) -> datetime | None:
        if given is None or isinstance(given, datetime):
            return given
        return datetime.combine(given, time(), self.business().timezone).astimezone(UTC)


def leads_blueprint(api: Api) -> Blueprint:
    leads = Blueprint("leads", __name__)

    @leads.get("/leads")
    def board() -> Response:
        """The board; with `stage` that column alone, and the cards after `cursor`."""
        query = load(BoardQuery(), request.args)
        filters, stage, limit = api.filters(query), query["stage"], query["limit"]
        if stage is None:
            columns = api.board().columns(filters, limit)
        else:
            columns = [api.board().column(stage, filters, query["cursor"], limit)]
        return jsonify({"columns": COLUMN.dump(columns, many=True)})

    @leads.get("/leads/<customer_id>")
    def show(customer_id: str) -> Response:
        """A lead with its history."""
        lead = store.find_root(api.database, principal().business, customer_id)
        if lead is None:
            raise NotFound("There is no such lead.")
        return api.lead(lead)

    @leads.get("/leads/funnel")
    def funnel() -> Response:
        """How leads got on whose stay in a stage began in a period, `to` excluded."""
        query = load(FunnelQuery(), request.args)
        since, until = api.period(query)
        visits = store.find_visits(api.database, principal().business, since, until, query["source"], MOST_VISITS + 1)
        asked = {"from": rfc3339(since), "to": rfc3339(until), "source": query["source"]}
        partial = {"is_partial": len(visits) > MOST_VISITS}
        return jsonify(asked | funnel_of(visits[:MOST_VISITS]) | partial)

    @leads.post("/customers/<customer_id>/move-stage")
    def move_stage(customer_id: str) -> Response:
        """Move a lead, or put it elsewhere in its column. 412 by If-Match, 409 by `version` or by its neighbours."""
        body, who = load_body(MoveBody()), principal()
        lead = api.moves.move(
            who.business,
            customer_id,
            body["stage"],
            actor=who.subject,
            lost_reason=body["lost_reason"],
            beside=Beside(body["after"], body["before"]),
            check=unless_stale(body["version"]),
        )
        return api.lead(lead)

    return leads


def _days_before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)
