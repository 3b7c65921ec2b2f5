"""What never reached us, asked of Twilio over real HTTP and kept in a real MongoDB."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from call_ingest import store
from call_ingest.app import twilio_api
from call_ingest.asking import Asking, Gap
from call_ingest.domain import LONGEST_CALL
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, INDEXES, MESSAGES, RAW_REQUESTS
from call_ingest.twilio_api import TwilioUnavailable
from call_ingest.worker import AskLoop, FoldLoop, ReconcileLoop
from ringback.businesses import Business
from ringback.contracts.envelope import Event, decode
from ringback.settings import Settings, load_settings
from ringback.store.database import OUTBOX, Database, open_database
from tests.support.events import CALLED, CALLER, NOON, call_sid
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio

TR = "TR" + "1" * 32


class Desk:
    """call-ingest's worker at a time that the test sets."""

    def __init__(self, database: Database, twilio: FakeTwilio) -> None:
        self.now = NOON
        self.database = database
        self.settings = settings_for(twilio)
        self._wire()

    def serve(self, business: Business) -> None:
        self.settings = replace(self.settings, businesses={business.key: business})
        self._wire()

    def _wire(self) -> None:
        database = self.database
        self.asking = Asking(lambda: twilio_api(self.settings, 2.0, 1), database, self.settings, self.clock)
        self._fold = FoldLoop(Folding(self.settings.businesses, str), database, self.clock, "test", 0.0)
        self.ask = AskLoop(self.asking, database, self.clock, "test")
        self.reconcile = ReconcileLoop(self.asking, database, self.clock, "test")

    def clock(self) -> datetime:
        return self.now

    def receive(self, kind: str, sid: str, answer: str = "", **params: str) -> None:
        pairs = [("CallSid", sid), ("From", CALLER), ("To", CALLED), ("Direction", "inbound"), *params.items()]
        accepted = Accepted(kind, f"/twilio/voice/{kind}", pairs)
        request = store.raw_request(accepted, self.now, self.settings.business_of(CALLED), answer)
        self.database[RAW_REQUESTS].insert_one(request)

    def fold(self, after: timedelta = timedelta()) -> None:
        """Until nothing is left to fold `after` some time."""
        self.now += after
        while self._fold.step() == 0.0 and store.pending_subjects(self.database, self.now, 1):
            pass
        self._fold.step()

    def call(self, sid: str) -> dict[str, object]:
        return self.database[CALLS].find_one({"_id": sid}) or {}

    def events(self) -> list[Event]:
        return [decode(row["body"]) for row in self.database[OUTBOX].find().sort("at")]

    def types(self) -> list[str]:
        return sorted(event.type for event in self.events())


def settings_for(twilio: FakeTwilio) -> Settings:
    environ = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_API_BASE_URL": twilio.url}
    return load_settings(environ)


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        yield fake


@pytest.fixture
def desk(mongo_url: str, twilio: FakeTwilio) -> Iterator[Desk]:
    database = open_database(mongo_url, "call-ingest")
    database.ensure_indexes(INDEXES)
    yield Desk(database, twilio)
    database.close()


# A call whose end never came.


def test_a_call_that_does_not_end_is_asked_about_and_ends(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, seconds=95, from_=CALLER, to=CALLED)
    twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=NOON, seconds=80, status="completed")
    desk.receive("voice", sid, "ring", CallStatus="ringing")
    desk.fold()
    desk.ask.step()
    assert not twilio.requests, "a call is not asked about while it may still be talking"
    desk.now += timedelta(minutes=3)
    desk.ask.step()
    desk.fold()
    call = desk.call(sid)
    assert (call["outcome"], call["duration_seconds"], call["ended_at"]) == (
        "completed",
        80,
        NOON + timedelta(seconds=95),
    )
    assert desk.types() == ["call.completed", "call.started"]
    asked = len(twilio.requests)
    desk.now += timedelta(hours=5)
    desk.ask.step()
    assert len(twilio.requests) == asked, "a call that has ended is not asked about"


def test_without_anybody_who_answered_it_is_missed(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, seconds=40, from_=CALLER, to=CALLED)
    twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=NOON, seconds=0, status="no-answer")
    desk.receive("voice", sid, "ring")
    desk.fold()
    desk.now += timedelta(minutes=3)
    desk.ask.step()
    desk.fold()
    assert (desk.call(sid)["outcome"], desk.call(sid)["reason"]) == ("missed", "no-answer")


def test_a_call_under_way_is_asked_about_again_and_given_up_at_last(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, status="in-progress", from_=CALLER, to=CALLED)
    desk.receive("voice", sid, "ring")
    desk.fold()
    for _ in range(100):
        desk.ask.step()
        desk.now += timedelta(minutes=3)
    assert len([one for one in twilio.requests if one.path.endswith(f"{sid}.json")]) == 6
    assert desk.call(sid)["outcome"] is None
    desk.now = NOON + LONGEST_CALL
    desk.fold()
    assert desk.call(sid)["reason"] == "timeout"


def test_while_twilio_is_away_nothing_is_concluded_from_that(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, seconds=40, from_=CALLER, to=CALLED)
    desk.receive("voice", sid, "ring")
    desk.fold()
    desk.now += timedelta(minutes=3)
    twilio.fail_next(1, 503)
    desk.ask.step()
    assert desk.call(sid)["outcome"] is None
    desk.now += timedelta(minutes=7)
    desk.ask.step()
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert (desk.call(sid)["outcome"], desk.call(sid)["reason"]) == ("missed", "abandoned")


def test_a_call_that_twilio_fails_at_holds_up_no_other(desk: Desk, twilio: FakeTwilio) -> None:
    for number in (1, 2):
        desk.receive("voice", call_sid(number), "ring")
        desk.fold()
        desk.now += timedelta(seconds=1)
    desk.now += timedelta(minutes=3)
    twilio.fail_next(1, 400)
    desk.ask.step()
    assert [desk.call(call_sid(number))["asked"] for number in (1, 2)] == [1, 0]
    desk.ask.step()
    assert [desk.call(call_sid(number))["asked"] for number in (1, 2)] == [1, 1]


def test_while_a_leg_of_it_has_not_ended_nothing_is_learnt_of_a_call(desk: Desk, twilio: FakeTwilio) -> None:
    """Twilio's API is only in time consistent: an answered call would be taken for abandoned for good."""
    sid = twilio.add_call(started_at=NOON, seconds=40, from_=CALLER, to=CALLED)
    child = twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=NOON, status="in-progress")
    desk.receive("voice", sid, "ring")
    desk.receive("status", sid, CallStatus="completed")
    desk.fold()
    desk.ask.step()
    desk.fold()
    twilio.update(child, status="completed", duration="30")
    desk.now += timedelta(minutes=10)
    desk.ask.step()
    desk.fold()
    assert desk.call(sid)["outcome"] == "completed"


def test_a_blocked_caller_that_only_twilio_knows_of_is_told_to_nobody(desk: Desk, twilio: FakeTwilio) -> None:
    business = replace(desk.settings.businesses["demo"], blocked=frozenset({CALLER}))
    desk.serve(business)
    twilio.add_call(started_at=NOON - timedelta(hours=1), seconds=1, from_=CALLER, to=CALLED, status="busy")
    desk.asking.reconcile(*window(desk), repair=True)
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert desk.events() == []


def test_a_record_that_cannot_be_brought_in_holds_up_no_other(desk: Desk, twilio: FakeTwilio) -> None:
    at = NOON - timedelta(hours=1)
    gone = twilio.add_message(sent_at=at, from_=CALLER, to=CALLED, body="look", media=["image/png"])
    twilio._media.pop(gone)
    half = twilio.add_message(sent_at=at, from_=CALLER, to=CALLED, body="half \ud83d character")
    odd = twilio.add_call(sid="CAodd", started_at=at, seconds=3, from_=CALLER, to=CALLED)
    whole = twilio.add_call(started_at=at, seconds=3, from_=CALLER, to=CALLED)
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert {gap.sid for gap in report.gaps} == {gone, half, odd, whole}
    assert report.repaired == 3
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert desk.types() == ["call.missed", "call.started", "sms.received", "sms.received"]


def test_a_status_of_ours_that_got_further_is_no_gap(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_message(sent_at=NOON, from_=CALLED, to=CALLER, direction="outbound-api", status="delivered")
    desk.asking.reconcile(*window(desk), repair=True)
    desk.fold()
    twilio.update(sid, status="undelivered")
    assert desk.asking.reconcile(*window(desk), repair=True).gaps == []


def test_an_end_without_a_dial_result_is_asked_about_before_it_is_told(desk: Desk, twilio: FakeTwilio) -> None:
    """Twilio posts the result of ringing even when the caller hung up: if it is missing, it was lost."""
    sid = twilio.add_call(started_at=NOON, seconds=60, from_=CALLER, to=CALLED)
    twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=NOON, seconds=45, status="completed")
    desk.receive("voice", sid, "ring")
    desk.receive("status", sid, CallStatus="completed", CallDuration="60")
    desk.fold()
    desk.ask.step()
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert (desk.call(sid)["outcome"], desk.call(sid)["duration_seconds"]) == ("completed", 45)
    assert desk.types() == ["call.completed", "call.started"]
    asked = len(twilio.requests)
    desk.ask.step()
    assert len(twilio.requests) == asked


def test_what_was_told_as_abandoned_while_twilio_was_away_is_set_right(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, seconds=60, from_=CALLER, to=CALLED)
    twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=NOON, seconds=45, status="completed")
    desk.receive("voice", sid, "ring")
    desk.receive("status", sid, CallStatus="completed", CallDuration="60")
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert desk.call(sid)["reason"] == "abandoned"
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert [gap.what for gap in report.gaps] == ["unfinished_call"]
    desk.fold()
    assert desk.call(sid)["outcome"] == "completed"
    assert desk.asking.reconcile(*window(desk), repair=True).gaps == []


def test_a_call_that_twilio_does_not_know_waits_for_its_time(desk: Desk) -> None:
    desk.receive("voice", call_sid(1), "ring")
    desk.fold()
    desk.now += timedelta(minutes=3)
    desk.ask.step()
    assert desk.call(call_sid(1))["asked"] == 1


def test_a_transcription_without_text_is_asked_for(desk: Desk, twilio: FakeTwilio) -> None:
    twilio.add_transcription("Please call me back", sid=TR)
    desk.receive("voice", call_sid(1), "take_message")
    desk.receive("transcription", call_sid(1), TranscriptionSid=TR, TranscriptionStatus="completed")
    desk.fold()
    desk.ask.step()
    desk.fold()
    [told] = [event for event in desk.events() if event.type == "call.transcribed"]
    assert (told.data["text"], told.data["source"]) == ("Please call me back", "voicemail")
    asked = len(twilio.requests)
    desk.ask.step()
    assert len(twilio.requests) == asked


# Reconciliation.


def window(desk: Desk) -> tuple[datetime, datetime]:
    return NOON - timedelta(hours=24), desk.now


def test_what_we_never_heard_of_is_found_and_brought_in(desk: Desk, twilio: FakeTwilio) -> None:
    started = NOON - timedelta(hours=2)
    call = twilio.add_call(started_at=started, seconds=30, from_=CALLER, to=CALLED, caller_name="JOHN DOE")
    twilio.add_call(parent_sid=call, direction="outbound-dial", started_at=started, seconds=0, status="busy")
    message = twilio.add_message(sent_at=started, from_=CALLER, to=CALLED, body="STOP", media=["image/png"])
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert report.gaps == [
        Gap("unknown_call", call, started, "completed"),
        Gap("unknown_message", message, started, "received"),
    ]
    assert (report.calls, report.messages, report.repaired) == (1, 1, 2)
    desk.fold()
    desk.fold(timedelta(seconds=10))
    told = {event.type: event for event in desk.events()}
    assert set(told) == {"call.started", "call.missed", "sms.received"}
    assert (told["call.started"].data["at"], told["call.started"].data["caller_name"]) == (started, "JOHN DOE")
    assert told["call.missed"].data["reason"] == "busy"
    assert told["sms.received"].data["consent"] == "opt_out"
    assert told["sms.received"].data["at"] == started
    [medium] = told["sms.received"].data["media"]
    assert medium["content_type"] == "image/png"
    assert medium["url"].startswith(
        f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/{message}/Media/ME"
    )


def test_a_second_time_nothing_is_missing(desk: Desk, twilio: FakeTwilio) -> None:
    twilio.add_call(started_at=NOON - timedelta(hours=1), seconds=30, from_=CALLER, to=CALLED)
    twilio.add_message(sent_at=NOON - timedelta(hours=1), from_=CALLER, to=CALLED, body="hello")
    desk.asking.reconcile(*window(desk), repair=True)
    desk.fold()
    desk.fold(timedelta(seconds=10))
    before = desk.types()
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert (report.gaps, report.repaired) == ([], 0)
    desk.fold()
    assert desk.types() == before


def test_a_dry_run_only_reports(desk: Desk, twilio: FakeTwilio) -> None:
    twilio.add_call(started_at=NOON - timedelta(hours=1), seconds=30, to=CALLED)
    report = desk.asking.reconcile(*window(desk), repair=False)
    assert (len(report.gaps), report.repaired) == (1, 0)
    assert desk.database[RAW_REQUESTS].count_documents({}) == 0


def test_a_call_that_began_here_and_ended_there_is_finished(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_call(started_at=NOON, seconds=30, from_=CALLER, to=CALLED)
    desk.receive("voice", sid, "ring")
    desk.fold()
    desk.now += timedelta(minutes=1)
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert [gap.what for gap in report.gaps] == ["unfinished_call"]
    desk.fold()
    desk.fold(timedelta(seconds=10))
    assert desk.call(sid)["reason"] == "abandoned"


def test_calls_of_others_and_our_own_are_left_alone(desk: Desk, twilio: FakeTwilio) -> None:
    twilio.add_call(started_at=NOON, seconds=3, to="+15550009999")
    twilio.add_call(started_at=NOON, seconds=3, from_=CALLED, to=CALLER, direction="outbound-api")
    twilio.add_call(started_at=NOON, status="ringing", to=CALLED)
    twilio.add_message(sent_at=NOON, to="+15550009999")
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert (report.calls, report.messages, report.gaps) == (1, 0, [])


def test_the_status_of_a_text_of_ours_that_did_not_come_is_told(desk: Desk, twilio: FakeTwilio) -> None:
    sid = twilio.add_message(
        sent_at=NOON, from_=CALLED, to=CALLER, direction="outbound-api", status="undelivered", error_code=30003
    )
    report = desk.asking.reconcile(*window(desk), repair=True)
    assert report.gaps == [Gap("unknown_status", sid, NOON, "undelivered")]
    desk.fold()
    [told] = desk.events()
    assert (told.type, told.data["status"], told.data["error_code"]) == ("sms.status_changed", "undelivered", 30003)
    message = desk.database[MESSAGES].find_one({"_id": sid}) or {}
    assert (message["status"], message["direction"]) == ("undelivered", "outbound")
    assert desk.asking.reconcile(*window(desk), repair=True).gaps == []


def test_what_was_brought_in_before_twilio_went_away_stays(desk: Desk, twilio: FakeTwilio) -> None:
    twilio.add_call(started_at=NOON - timedelta(hours=1), seconds=3, to=CALLED)
    twilio.add_call(started_at=NOON - timedelta(hours=2), seconds=3, to=CALLED)
    twilio.answer_next(b"{}", n=0)
    asked = len(twilio.requests)
    desk.asking.reconcile(NOON - timedelta(minutes=90), desk.now, repair=True)
    assert len(twilio.requests) > asked
    twilio.fail_next(1, 500)
    with pytest.raises(TwilioUnavailable):
        desk.asking.reconcile(*window(desk), repair=True)
    assert desk.database[RAW_REQUESTS].count_documents({}) == 1
    assert desk.asking.reconcile(*window(desk), repair=True).repaired == 1


# On a timer.


def compare(desk: Desk) -> None:
    """All parts of a window, if one is due."""
    while desk.reconcile.step() == 0.0:
        pass


def test_the_timer_begins_with_now_and_comes_back_every_quarter_of_an_hour(desk: Desk, twilio: FakeTwilio) -> None:
    """What was before the installation is not answered as if it were new."""
    twilio.add_call(started_at=NOON - timedelta(hours=1, minutes=30), seconds=3, to=CALLED)
    compare(desk)
    desk.now += timedelta(minutes=14)
    compare(desk)
    assert not twilio.requests
    missed = twilio.add_call(started_at=NOON + timedelta(minutes=5), seconds=3, from_=CALLER, to=CALLED)
    desk.now += timedelta(minutes=1)
    compare(desk)
    [brought_in] = desk.database[RAW_REQUESTS].find()
    assert brought_in["subject"] == missed
    asked = len(twilio.requests)
    compare(desk)
    assert len(twilio.requests) == asked


def test_a_window_that_could_not_be_compared_is_compared_later(desk: Desk, twilio: FakeTwilio) -> None:
    compare(desk)
    twilio.add_call(started_at=NOON + timedelta(minutes=5), seconds=3, from_=CALLER, to=CALLED)
    desk.now += timedelta(minutes=15)
    twilio.fail_next(1, 503)
    compare(desk)
    assert store.reconciled(desk.database) == (NOON, NOON)
    compare(desk)
    assert desk.database[RAW_REQUESTS].count_documents({}) == 1
