"""What Twilio's answers mean."""

import ssl

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, SSLError

from notifier import outcomes
from notifier.outcomes import Accepted, Ambiguous, OptedOut, Permanent, Refused, Verdict
from notifier.twilio_api import _was_before_sending, answer_of

SID = "SM" + "0" * 32


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 21610, OptedOut()),
        (400, 21211, Permanent()),
        (400, 21408, Permanent()),
        (400, 21614, Permanent()),
        (400, 99999, Permanent()),
        (422, None, Permanent()),
        (401, 20003, outcomes.UNAUTHENTICATED),
        (403, None, outcomes.MISCONFIGURED),
        (404, 20404, outcomes.MISCONFIGURED),
        (429, 20429, outcomes.TOO_MANY_REQUESTS),
        (429, None, outcomes.TOO_MANY_REQUESTS),
        (429, 63038, outcomes.ACCOUNT_CAP),
        (400, 60728, outcomes.ACCOUNT_CAP),
        (400, 30002, outcomes.SUSPENDED),
        (400, 21611, outcomes.QUEUE_FULL),
    ],
)
def test_a_refusal_is_the_recipients_the_messages_or_the_accounts(
    status: int, code: int | None, verdict: Verdict
) -> None:
    assert outcomes.verdict_of(Refused(status, code)) == verdict


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (201, f'{{"sid": "{SID}", "status": "queued"}}', Accepted(SID, "queued")),
        (200, f'{{"sid": "{SID}"}}', Accepted(SID, "queued")),
        (201, f'{{"sid": "{SID[:-1]}', Ambiguous("unreadable_answer")),
        (201, '{"sid": "../Calls"}', Ambiguous("unreadable_answer")),
        (201, "[]", Ambiguous("unreadable_answer")),
        (202, "", Ambiguous("http_202")),
        (302, "", Ambiguous("http_302")),
        (400, '{"code": 21610}', Refused(400, 21610)),
        (400, "<html>", Refused(400, None)),
        (408, "{}", Ambiguous("http_408")),
        (500, '{"code": 20500}', Ambiguous("http_500")),
        (503, "", Ambiguous("http_503")),
    ],
)
def test_what_is_not_surely_refused_may_have_been_sent(status: int, body: str, answer: object) -> None:
    assert answer_of(status, body, None) == answer


def test_retry_after_counts_in_seconds() -> None:
    assert answer_of(429, "{}", "30") == Refused(429, None, 30)
    assert answer_of(429, "{}", "Sun, 22 Nov 2026 13:00:00 GMT") == Refused(429, None)


@pytest.mark.parametrize(
    ("error", "before"),
    [
        (requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused"))), True),  # type: ignore[arg-type]
        (requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(ssl.SSLCertVerificationError("no")))), True),  # type: ignore[arg-type]
        (requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(ssl.SSLError("bad mac")))), False),  # type: ignore[arg-type]
        (requests.ConnectionError(ProtocolError("aborted", ConnectionResetError(104, "reset"))), False),
        (requests.ReadTimeout("timed out"), False),
        (requests.exceptions.ChunkedEncodingError("broken"), False),
    ],
)
def test_only_what_fails_before_the_request_was_surely_not_sent(
    error: requests.RequestException, before: bool
) -> None:
    assert _was_before_sending(error) is before
