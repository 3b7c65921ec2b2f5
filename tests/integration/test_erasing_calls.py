"""Forgetting somebody on a real replica set: from the customer's deletion to the call log, through crashes."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import call_ingest.store
import call_ingest.worker
import customer.store
import customer.worker
import ringback.worker.consumer
from call_ingest import store
from call_ingest.app import create_app, twilio_api
from call_ingest.asking import Asking
from call_ingest.domain import LONGEST_CALL
from call_ingest.erasures import LOOK_FOR, erase_all, seal_with
from call_ingest.events import subscriptions
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, CONTACTS, ERASED, ERASURES, INDEXES, RAW_REQUESTS, RawRequests
from call_ingest.worker import FoldLoop
from customer.lifecycle import Lifecycle
from ringback.bus.connection import Bus
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event, new_event
from ringback.rpc.server import RpcServer
from ringback.seals import seal_with as customer_seal_with
from ringback.settings import Settings, load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from ringback.worker.runtime import Loop
from tests.support.events import CALLED, CALLER, NOON, call_sid
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.support.waiting import eventually

SECRET = "s" * 40
SEAL = seal_with(SECRET)
OTHER = "+442079460123"
RECORDING = "RE" + "a" * 32
NAME = "ANNA NOVAK"
MESSAGE = "SM" + "1" * 32
WEBHOOKS: tuple[tuple[str, dict[str, str]], ...] = (
    ("voice", {"CallStatus": "ringing", "CallerName": NAME, "FromCity": "SPRINGFIELD"}),
    ("dial", {"DialCallStatus": "no-answer"}),
    ("recording", {"RecordingSid": RECORDING, "RecordingDuration": "12"}),
    ("status", {"CallStatus": "completed", "CallDuration": "41"}),
    ("transcription", {"RecordingSid": RECORDING, "TranscriptionSid": "TR1", "TranscriptionText": "It is my tooth"}),
)


class Ingest:
    """call-ingest at a time that the test sets."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.now = NOON
        self.database = database
        self.settings = settings
        self.folding = Folding(settings.businesses, SEAL)
        self.loop = self.restarted()

    def clock(self) -> datetime:
        return self.now

    def restarted(self) -> FoldLoop:
        self.loop = FoldLoop(self.folding, self.database, self.clock, "test", 1.0)
        return self.loop

    def received(self, kind: str, sid: str, more: dict[str, str], caller: str = CALLER) -> dict[str, Any]:
        named = {"MessageSid": sid} if kind.startswith("sms") else {"CallSid": sid, "Direction": "inbound"}
        pairs = {**named, "From": caller, "To": CALLED, **more}
        answer = "ring" if kind == "voice" else "take_message"
        accepted = Accepted(kind, f"/twilio/voice/{kind}", list(pairs.items()))
        return store.raw_request(accepted, self.now, self.settings.business_of(CALLED), answer)

    def receive(self, kind: str, sid: str, more: dict[str, str], caller: str = CALLER) -> None:
        self.database[RAW_REQUESTS].insert_one(self.received(kind, sid, more, caller))

    def call(self, number: int, caller: str = CALLER) -> str:
        for kind, more in WEBHOOKS:
            self.receive(kind, call_sid(number), more, caller)
        return call_sid(number)

    def work(self) -> int:
        """Until there is nothing to do now; how many steps that took."""
        return next(step for step in itertools.count() if self.loop.step())

    def told(self, *events: Event) -> None:
        work = UnitOfWork(self.database, self.clock)
        subscriptions(self.clock, SEAL)["customer.deleted"](work, events)
        work.commit()

    def traces(self) -> list[str]:
        """What is left of the caller, once all was relayed."""
        self.database[OUTBOX].delete_many({})
        names = self.database.client[self.database.name].list_collection_names()
        everything = str([row for name in names for row in self.database[name].find()])
        return [one for one in (CALLER[1:], NAME, "SPRINGFIELD", RECORDING, "my tooth") if one in everything]

    def counted(self) -> list[dict[str, Any]]:
        """The calls as they count, whoever called."""
        kept = ("business", "started_at", "called", "outcome", "reason", "ended_at", "duration_seconds", "voicemail")
        return list(self.database[CALLS].find({}, dict.fromkeys(kept, 1)).sort("_id"))

    def get(self, path: str) -> TestResponse:
        client: FlaskClient = create_app(self.settings, self.database, self.clock).test_client()
        token = make_token(SECRET, Principal("test", "demo", "owner"), datetime.now(NOON.tzinfo), timedelta(hours=1))
        return client.get(path, headers={"Authorization": f"Bearer {token}"})


def settings_with(**environ: str) -> Settings:
    account = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "RINGBACK_SECRET_KEY": SECRET}
    return load_settings({**account, **environ})


def deleted(at: datetime, phones: tuple[str, ...] = (CALLER,), cause: str = "1") -> Event:
    data = {"customer_id": "c1", "phones": list(phones)}
    return new_event("customer.deleted", business="demo", subject="c1", time=at, data=data, cause=(cause,))


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "call-ingest")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        yield fake


@pytest.fixture
def ingest(database: Database, twilio: FakeTwilio) -> Ingest:
    return Ingest(database, settings_with(TWILIO_API_BASE_URL=twilio.url))


# From end to end.


def test_who_is_deleted_at_the_desk_is_forgotten_by_call_ingest(
    mongo_url: str, bus_url: str, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringback.worker.consumer, "RECEIVE_SECONDS", 0.05)
    customers = open_database(mongo_url, "customer")
    customers.ensure_indexes(customer.store.INDEXES)
    settings, bus = settings_with(TWILIO_ACCOUNT_SID_GENERATED="yes"), Bus(bus_url)
    every: list[Loop] = [
        *call_ingest.worker.loops(settings, ingest.database, bus, ingest.clock, "test"),
        *customer.worker.loops(settings, customers, bus, ingest.clock, "test"),
    ]
    loops = [loop for loop in every if not isinstance(loop, RpcServer)]

    def step_until(condition: Callable[[], Any]) -> None:
        def stepped() -> Any:
            for loop in loops:
                loop.step()
            return condition()

        eventually(stepped, 30)

    sid, other = ingest.call(1), ingest.call(2, OTHER)
    ingest.now += timedelta(minutes=1)
    customer_id = customer_id_of("demo", CALLER, sid)
    step_until(lambda: customers[customer.store.CUSTOMERS].find_one({"_id": customer_id, "total_calls": 1}))
    lifecycle = Lifecycle(customers, settings.businesses, ingest.clock, lambda: "id", customer_seal_with(SECRET))
    lifecycle.delete("demo", customer_id)
    step_until(lambda: (ingest.database[CALLS].find_one({"_id": sid}) or {}).get("erased"))
    ingest.now += LOOK_FOR * 2
    step_until(lambda: not ingest.database[ERASURES].count_documents({}))
    for loop in loops:
        loop.close()
    customers.close()
    others = [row["subject"] for row in ingest.database[RAW_REQUESTS].find()]
    assert set(others) == {other}
    ingest.database[RAW_REQUESTS].delete_many({})
    ingest.database[CALLS].delete_one({"_id": other})
    assert ingest.traces() == []


def test_the_call_log_shows_a_call_without_a_person(ingest: Ingest, twilio: FakeTwilio) -> None:
    twilio.add_recording(b"audio", sid=RECORDING)
    sid, other = ingest.call(1), ingest.call(2, OTHER)
    ingest.work()
    assert ingest.get(f"/calls/{sid}/recording").status_code == 200
    before = ingest.get(f"/calls/{sid}").json or {}
    ingest.now += timedelta(minutes=1)
    ingest.told(deleted(ingest.now))
    ingest.work()
    answer = ingest.get(f"/calls/{sid}")
    shown = answer.json or {}
    assert (before["erased"], before["from"], before["caller_name"]) == (False, CALLER, NAME)
    assert (shown["erased"], shown["from"], shown["caller_name"], shown["webhooks"]) == (True, None, None, [])
    assert (shown["recordings"], shown["transcripts"]) == ([], [])
    for name in ("call_sid", "to", "outcome", "reason", "why", "started_at", "ended_at", "voicemail"):
        assert shown[name] == before[name]
    assert [trace for trace in (CALLER, NAME, RECORDING, "tooth") if trace in answer.text] == []
    assert ingest.get(f"/calls/{sid}/recording").status_code == 404
    assert ingest.get(f"/calls/{sid}/recording?recording_sid={RECORDING}").status_code == 404
    listed = (ingest.get("/calls").json or {})["items"]
    assert {item["call_sid"]: item["erased"] for item in listed} == {sid: True, other: False}
    assert (ingest.get(f"/calls?number=%2B{CALLER[1:]}").json or {})["items"] == []
    assert len((ingest.get("/calls?outcome=missed").json or {})["items"]) == 2


# Both orders, and what comes late.


def test_webhooks_out_of_a_spool_are_caught_when_they_are_drained(ingest: Ingest) -> None:
    """Received before the deletion, known after it."""
    records = RawRequests(ingest.database, ingest.clock)
    spooled = [records.encode(ingest.received(kind, call_sid(1), more)) for kind, more in WEBHOOKS]
    spooled.append(records.encode(ingest.received("sms", MESSAGE, {"Body": "It is my tooth"})))
    ingest.now += timedelta(hours=1)
    ingest.told(deleted(ingest.now))
    ingest.now += LOOK_FOR * 2
    ingest.work()
    records.take_over(spooled)
    ingest.now += timedelta(hours=1)
    ingest.work()
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)
    [call] = ingest.counted()
    assert (call["outcome"], call["reason"], call["started_at"]) == ("missed", "no-answer", NOON)


@pytest.mark.parametrize("kind", [kind for kind, _ in WEBHOOKS])
def test_a_webhook_that_comes_after_the_deletion_brings_nobody_back(ingest: Ingest, kind: str) -> None:
    late = dict(WEBHOOKS)[kind]
    for other, more in WEBHOOKS:
        if other != kind:
            ingest.receive(other, call_sid(1), more)
    ingest.work()
    ingest.now += timedelta(minutes=1)
    ingest.told(deleted(ingest.now))
    ingest.work()
    ingest.now += timedelta(minutes=1)
    ingest.receive(kind, call_sid(1), late)
    ingest.now += LONGEST_CALL
    ingest.work()
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)
    assert ingest.counted()[0]["outcome"] == "missed"


def test_who_calls_again_is_a_new_call_and_is_kept(ingest: Ingest) -> None:
    first = ingest.call(1)
    ingest.now += timedelta(minutes=1)
    ingest.told(deleted(ingest.now))
    ingest.now += timedelta(seconds=1)
    second = ingest.call(2)
    ingest.now += timedelta(hours=1)
    ingest.work()
    erased = {call["_id"]: call.get("erased", False) for call in ingest.database[CALLS].find()}
    assert erased == {first: True, second: False}
    assert {row["subject"] for row in ingest.database[RAW_REQUESTS].find()} == {second}


def test_reconciling_and_asking_bring_nobody_back(ingest: Ingest, twilio: FakeTwilio) -> None:
    ended = twilio.add_call(started_at=NOON, seconds=40, from_=CALLER, to=CALLED)
    unheard = twilio.add_call(started_at=NOON + timedelta(seconds=1), seconds=40, from_=CALLER, to=CALLED)
    text = twilio.add_message(sent_at=NOON, from_=CALLER, to=CALLED, body="It is my tooth")
    ingest.receive("voice", ended, dict(WEBHOOKS)["voice"])
    ingest.receive("sms", text, {"Body": "It is my tooth"})
    ingest.work()
    ingest.now += timedelta(minutes=2)
    ingest.told(deleted(ingest.now))
    ingest.work()
    asking = Asking(lambda: twilio_api(ingest.settings, 2.0, 1), ingest.database, ingest.settings, ingest.clock)
    ingest.now += timedelta(minutes=8)
    assert store.calls_to_ask(ingest.database, ingest.now, 10) == []
    report = asking.reconcile(NOON - timedelta(minutes=1), ingest.now, repair=True)
    assert [gap.sid for gap in report.gaps] == [unheard]
    ingest.work()
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)
    assert asking.reconcile(NOON - timedelta(minutes=1), ingest.now, repair=True).gaps == []


def test_the_number_of_the_business_itself_does_not_erase_what_it_was_called_by(ingest: Ingest) -> None:
    own, other = ingest.call(1, CALLED), ingest.call(2, OTHER)
    ingest.work()
    ingest.told(deleted(ingest.now, (CALLED,)))
    ingest.work()
    erased = {call["_id"]: call.get("erased", False) for call in ingest.database[CALLS].find()}
    assert erased == {own: True, other: False}


# Large histories, crashes and failures.


def history(ingest: Ingest, calls: int = 4) -> None:
    for number in range(calls):
        ingest.call(number)
        ingest.receive("sms", f"SM{number:032x}", {"Body": "It is my tooth"})
    ingest.work()
    ingest.now += timedelta(minutes=1)
    ingest.told(deleted(ingest.now))


class Killed(BaseException):
    """As a kill: nothing handles it."""


@pytest.mark.parametrize("after", [True, False])
def test_a_crash_before_or_after_any_commit_leads_to_the_same_end(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(call_ingest.worker, "ERASE_BATCH", 1)
    history(ingest)
    before = ingest.counted()
    commit, crashes = UnitOfWork.commit, itertools.count()

    def killed(work: UnitOfWork) -> None:
        if after:
            commit(work)
        if next(crashes) % 2 == 0:
            raise Killed
        if not after:
            commit(work)

    monkeypatch.setattr(UnitOfWork, "commit", killed)
    while ingest.database[CALLS].count_documents({"erased": True}) < 4 or ingest.database[CONTACTS].count_documents(
        {"erased": {"$ne": True}}
    ):
        with suppress(Killed):
            ingest.restarted().step()
    ingest.now += LOOK_FOR
    ingest.work()
    assert next(crashes) >= 8
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)
    assert ingest.counted() == before
    assert ingest.database[ERASURES].count_documents({}) == 0


def test_a_large_history_goes_in_bounded_steps_between_which_calls_are_folded(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_ingest.worker, "ERASE_BATCH", 5)
    history(ingest, 12)
    left = []
    for number in range(3):
        new = ingest.call(100 + number, OTHER)
        ingest.loop.step()
        left.append(ingest.database[CALLS].count_documents({"caller": CALLER}))
        assert ingest.database[CALLS].count_documents({"_id": new}) == 1
    assert left == [7, 2, 0]
    ingest.work()
    assert ingest.database[CONTACTS].count_documents({"numbers": CALLER}) == 0


def test_a_call_with_thousands_of_webhooks_goes_piece_by_piece(ingest: Ingest) -> None:
    sid = ingest.call(1)
    spoken = {"TranscriptionSid": "GT1", "TranscriptionEvent": "transcription-content"}
    rows = [ingest.received("transcription", sid, {**spoken, "SequenceId": str(n)}) for n in range(4500)]
    ingest.database[RAW_REQUESTS].insert_many(rows)
    ingest.now += LONGEST_CALL
    ingest.work()
    ingest.told(deleted(ingest.now))
    ingest.loop.step()
    assert ingest.database[RAW_REQUESTS].count_documents({"subject": sid}) == 4505 - 2000
    ingest.work()
    ingest.now += LOOK_FOR
    ingest.work()
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)


def test_what_cannot_be_erased_now_is_tried_again_and_holds_up_nothing(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(ingest, 2)

    def failing(work: UnitOfWork, sids: list[str], now: datetime) -> None:
        if call_sid(0) in sids:
            raise ValueError
        erase_all(work, sids, now)

    monkeypatch.setattr(call_ingest.worker, "erase_all", failing)
    new = ingest.call(9, OTHER)
    ingest.work()
    assert {call["_id"] for call in ingest.database[CALLS].find({"erased": True})} == {call_sid(1)}
    assert ingest.database[CALLS].count_documents({"_id": new, "outcome": "missed"}) == 1
    monkeypatch.setattr(call_ingest.worker, "erase_all", erase_all)
    ingest.now += timedelta(minutes=2)
    ingest.work()
    assert ingest.database[CALLS].count_documents({"erased": True}) == 2


def test_a_deletion_told_again_after_everything_does_nothing_more(ingest: Ingest) -> None:
    history(ingest)
    ingest.work()
    ingest.now += LOOK_FOR
    ingest.work()
    before = list(ingest.database[CALLS].find()), list(ingest.database[ERASED].find())
    ingest.told(deleted(NOON + timedelta(minutes=1)))
    ingest.work()
    ingest.now += LOOK_FOR
    ingest.work()
    assert (list(ingest.database[CALLS].find()), list(ingest.database[ERASED].find())) == before
    assert ingest.database[ERASURES].count_documents({}) == 0


def test_a_call_that_a_slow_worker_commits_after_the_erasure_is_found_too(ingest: Ingest) -> None:
    """One that folds without a lease that it lost."""
    sid = ingest.call(1)
    slow = UnitOfWork(ingest.database, ingest.clock)
    ingest.folding.fold(slow, [sid], ingest.now)
    ingest.now += timedelta(seconds=30)
    ingest.told(deleted(ingest.now))
    ingest.database[RAW_REQUESTS].update_many({}, {"$set": {"fold_at": ingest.now + timedelta(days=1)}})
    ingest.work()
    slow.commit()
    ingest.now += LOOK_FOR
    ingest.work()
    assert (ingest.traces(), ingest.database[RAW_REQUESTS].count_documents({})) == ([], 0)


@pytest.mark.parametrize("of_whom", [{"number": CALLER}, {"number": OTHER}])
def test_nobody_else_s_calls_are_looked_through(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, of_whom: dict[str, str]
) -> None:
    for number in range(6):
        ingest.call(number, of_whom["number"] if number < 2 else "+14155550777")
    ingest.work()
    ingest.database[CALLS].database.command("profile", 2)
    erasure = {"business": "demo", "phones": [of_whom["number"]], "before": ingest.now + timedelta(days=1)}
    assert set(store.to_erase(ingest.database, erasure, 50)) == {call_sid(0), call_sid(1)}
    ingest.database[CALLS].database.command("profile", 0)
    seen = list(ingest.database["system.profile"].find({"op": "query"}))
    assert {row["planSummary"].partition(" ")[0] for row in seen} == {"IXSCAN"}
    assert max(row["docsExamined"] for row in seen) == 2
