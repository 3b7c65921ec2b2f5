"""What the figures of a period add up to."""

from datetime import UTC, datetime

from recovery.domain import RESOLUTIONS
from recovery.summary import by_bucket, total
from tests.unit.fakes import T0, Document


def row(bucket: datetime = T0, **values: object) -> Document:
    zeros = dict.fromkeys(("items", "missed_calls", "open", "met", "not_met", "texts", "replies", *RESOLUTIONS), 0)
    return {"_id": bucket, **zeros, "response_seconds": [], **values}


def gain(status: str, price: int, currency: str = "USD", bucket: datetime = T0) -> Document:
    return {"bucket": bucket, "status": status, "price": price, "currency": currency}


def test_nothing_adds_up_to_nothing() -> None:
    nothing = total([], [])
    assert (nothing["items"], nothing["recovered"], nothing["share_met"]) == (0, 0, None)
    assert (nothing["median_response_minutes"], nothing["revenue"]) == (None, [])


def test_recovered_is_whoever_was_reached() -> None:
    summed = total([row(items=9, called_back=1, replied=2), row(items=1, booked=3, handled=4, expired=5)], [])
    assert (summed["items"], summed["recovered"]) == (10, 6)
    assert summed["resolutions"] == {"replied": 2, "called_back": 1, "booked": 3, "handled": 4, "expired": 5}


def test_the_median_is_of_all_not_of_the_medians() -> None:
    rows = [row(response_seconds=[60, None, 60, 60]), row(response_seconds=[600])]
    assert total(rows, [])["median_response_minutes"] == 1.0


def test_the_share_is_of_those_that_were_due() -> None:
    assert total([row(met=2, not_met=1), row(items=5)], [])["share_met"] == 0.6667


def test_money_is_of_completed_appointments_by_currency() -> None:
    gains = [gain("completed", 5000), gain("completed", 700, "EUR"), gain("canceled", 9000), gain("booked", 100)]
    summed = total([row()], [*gains, gain("completed", 1)])
    assert summed["appointments"] == 4
    assert summed["revenue"] == [
        {"currency": "EUR", "total": 700, "visits": 1},
        {"currency": "USD", "total": 5001, "visits": 2},
    ]


def test_periods_come_in_their_order_each_with_its_own() -> None:
    later = datetime(2026, 4, 1, tzinfo=UTC)
    periods = by_bucket([row(later, items=1), row(T0, items=2)], [gain("completed", 5, bucket=later)])
    assert [(one["from"], one["items"], one["appointments"]) for one in periods] == [(T0, 2, 0), (later, 1, 1)]
