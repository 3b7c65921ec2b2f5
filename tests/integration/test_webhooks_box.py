"""Automations and webhooks in the product as its users have it, killed in the middle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from tests.support.box import Box
from tests.support.events import call_sid
from tests.support.receiver import Receiver, serving, verified
from tests.support.waiting import eventually

CALLER = "+14155550123"
Json = dict[str, Any]


def sent(box: Box, token: str, method: str, path: str, body: Json) -> Json:
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(method, box.url + path, json=body, headers=headers, timeout=15)
    assert answer.ok, answer.text
    told: Json = answer.json()
    return told


def leads(box: Box, token: str) -> list[Json]:
    return [card for column in box.get("/leads", token)["columns"] for card in column["cards"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as one:
        yield one


@pytest.fixture
def box(tmp_path: Path, receiver: Receiver) -> Iterator[Box]:
    box = Box(tmp_path, RINGBACK_WEBHOOK_ALLOW_PRIVATE=receiver.address)
    yield box
    box.close()


def test_a_move_and_what_waits_after_it_survive_kill_9_and_reach_the_receiver(box: Box, receiver: Receiver) -> None:
    box.start()
    token = box.token()
    endpoint = sent(
        box,
        token,
        "POST",
        "/webhook-endpoints",
        {"url": receiver.url(), "events": ["lead_stage_changed"]},
    )
    rule = {
        "name": "Follow up",
        "trigger": {"type": "lead_stage_changed", "to": ["contacted"]},
        "actions": [{"type": "wait", "seconds": 2}, {"type": "move_stage", "stage": "lost"}],
    }
    rule_id = sent(box, token, "POST", "/automations", rule)["id"]
    box.post("/twilio/voice", box.call(call_sid(1), CALLER, CallerName="ANNA SMITH"))
    [lead] = eventually(lambda: leads(box, token))
    sent(box, token, "POST", f"/customers/{lead['customer_id']}/move-stage", {"stage": "contacted"})
    box.kill()
    box.start()
    moves = eventually(lambda: both_moves(receiver, endpoint["secret"]), seconds=60)
    told = {(data["previous_stage"], data["current_stage"], data["cause"]) for data in moves}
    assert told == {("new_lead", "contacted", "manual"), ("contacted", "lost", "auto")}
    assert {data["customer"]["phone"] for data in moves} == {CALLER}
    [run] = box.get(f"/automations/{rule_id}/runs", token)["items"]
    assert [entry["outcome"] for entry in run["log"]] == ["waiting", "done"]


def both_moves(receiver: Receiver, secret: str) -> list[Json]:
    """What the two messages say, once both have come; each may come more than once."""
    for one in receiver.received:
        assert verified(one, secret)
        Webhook(secret).verify(one.body, one.headers)
    moves = {one.headers["webhook-id"]: one.payload["data"] for one in receiver.received}
    return list(moves.values()) if len(moves) == 2 else []
