"""What the actions of a rule do, each within the unit of work of its run: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.automation.leads import shown_customer
from pipeline.domain import AUTO, Move
from pipeline.moves import move_in
from pipeline.outbound.sending import Message, send
from pipeline.people import People
from pipeline.telling import Cause
from ringback import templates
from ringback.businesses import Business
from ringback.contracts.envelope import Event, event_id, new_event
from ringback.contracts.notes import LONGEST_NOTE
from ringback.phone import NOT_TEXTABLE, identify
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

# A text that could not be sent by then is not worth sending.
TEXT_EXPIRES = timedelta(hours=12)

DONE, SKIPPED, WAITING = "done", "skipped", "waiting"
# Of a text of nothing but placeholders nothing may be left once they are filled in.
NO_TEXT = "no_text"


@dataclass(frozen=True)
class Scene:
    """Where an action takes place. `endpoints`: the business's, by id."""

    work: UnitOfWork
    people: People
    business: Business
    now: datetime
    endpoints: Mapping[str, Document]


@dataclass(frozen=True)
class Result:
    """`told`: ids of the events that may set off further rules. `until`: when the next action is due."""

    outcome: str
    details: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    until: datetime | None = None


Act = Callable[[Scene, Document, Mapping[str, Any]], Result]


def _skipped(reason: str) -> Result:
    return Result(SKIPPED, {"reason": reason})


def action_id(run: Document) -> str:
    """The same action of the same run always has the same id."""
    return f"{run['_id']}-{run['step']}"


def _send_text(scene: Scene, run: Document, action: Mapping[str, Any]) -> Result:
    lead = scene.people.root_of(run["customer_id"]) if run["customer_id"] else None
    reason = text_problem(scene.business, lead, action)
    if reason is not None or lead is None:
        return _skipped(reason or "unknown_customer")
    request_id = action_id(run)
    data = {
        "request_id": request_id,
        "recipient": lead["phone"],
        "body": filled(scene.business, lead, text_of(scene.business, action) or ""),
        "purpose": action["purpose"],
        "reason": f"automation:{run['rule_id']}",
        "customer_id": lead["_id"],
        "expires_at": scene.now + TEXT_EXPIRES,
    }
    event = _event(scene, "sms.requested", lead, data, request_id)
    scene.work.emit(event)
    return Result(DONE, {"request_id": request_id, "event_id": event.id})


def text_problem(business: Business, lead: Document | None, action: Mapping[str, Any]) -> str | None:
    """Why there is nothing to send to, or nothing to send; None when there is."""
    phone = lead["phone"] if lead else None
    if lead is None:
        return "unknown_customer"
    if phone is None:
        return "no_number"
    if phone in business.numbers:
        return "own_number"
    if identify(phone, business.country).kind in NOT_TEXTABLE:
        return "not_textable"
    text = text_of(business, action)
    if not text:
        return "no_such_template"
    return None if filled(business, lead, text).strip() else NO_TEXT


def text_of(business: Business, action: Mapping[str, Any]) -> str | None:
    """The text of the action before it is filled in; a template may have left the configuration since."""
    body: str | None = action.get("body") or business.templates.get(action.get("template", ""))
    return body


def filled(business: Business, lead: Document, text: str) -> str:
    return templates.fill(text, {templates.BUSINESS: business.name, templates.NAME: lead["name"] or ""})


def _add_note(scene: Scene, run: Document, action: Mapping[str, Any]) -> Result:
    lead = scene.people.root_of(run["customer_id"]) if run["customer_id"] else None
    if lead is None:
        return _skipped("unknown_customer")
    note_id, text = action_id(run), filled(scene.business, lead, action["text"])[:LONGEST_NOTE]
    if not text.strip():
        return _skipped(NO_TEXT)
    data = {
        "note_id": note_id,
        "customer_id": lead["_id"],
        "text": text,
        "author": run["rule_name"],
        "at": scene.now,
    }
    event = _event(scene, "note.requested", lead, data, note_id)
    scene.work.emit(event)
    return Result(DONE, {"note_id": note_id, "event_id": event.id})


def stage_event_id(lead: Document, cause: Cause, stage: str) -> str:
    """The id of the event by which the move of a lead is told."""
    return event_id(lead["business"], "lead.stage_changed", lead["_id"], cause.id, stage)


def _event(scene: Scene, event_type: str, lead: Document, data: Mapping[str, Any], cause: str) -> Event:
    return new_event(
        event_type,
        business=lead["business"],
        subject=lead["_id"],
        time=scene.now,
        data=data,
        cause=(cause,),
        producer="pipeline",
    )


def _webhook(scene: Scene, run: Document, action: Mapping[str, Any]) -> Result:
    endpoint = scene.endpoints.get(action["endpoint_id"])
    if endpoint is None or not endpoint["active"]:
        return _skipped("endpoint_disabled" if endpoint else "no_such_endpoint")
    lead = scene.people.root_of(run["customer_id"]) if run["customer_id"] else None
    rule = {"id": run["rule_id"], "name": run["rule_name"], "run_id": run["_id"]}
    data = {**run["data"], "customer": shown_customer(lead, run["phone"]), "event_id": run["event_id"]}
    message = Message(
        run["trigger"],
        run["at"],
        data | {"automation": rule},
        ("run", action_id(run)),
        lead["_id"] if lead else None,
        None if lead else run["phone"],
    )
    return Result(DONE, {"delivery_id": send(scene.work, endpoint, message, scene.now)})


def _move_stage(scene: Scene, run: Document, action: Mapping[str, Any]) -> Result:
    lead = scene.people.root_of(run["customer_id"]) if run["customer_id"] else None
    if lead is None or lead["stage"] == action["stage"]:
        return _skipped("already_there" if lead else "unknown_customer")
    actor, move_id = f"rule:{run['rule_id']}", action_id(run)
    move = Move(move_id, action["stage"], actor, AUTO, action.get("lost_reason"))
    move_in(scene.people, lead, move, Cause(move_id))
    event = stage_event_id(lead, Cause(move_id), action["stage"])
    return Result(DONE, {"from": lead["stage"], "to": action["stage"], "event_id": event}, told=(event,))


def _wait(scene: Scene, _run: Document, action: Mapping[str, Any]) -> Result:
    until = scene.now + timedelta(seconds=action["seconds"])
    return Result(WAITING, {"until": until}, until=until)


ACTIONS: Mapping[str, Act] = {
    "send_text": _send_text,
    "move_stage": _move_stage,
    "add_note": _add_note,
    "webhook": _webhook,
    "wait": _wait,
}
