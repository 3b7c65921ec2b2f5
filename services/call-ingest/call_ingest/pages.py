"""Which template shows an endpoint's JSON."""

from collections.abc import Mapping
from typing import Any

from call_ingest.schemas import OUTCOMES
from ringback.web.pages import Done, Page

# Hours that are shown of a day without calls; a call before or after makes them more.
FIRST_HOUR, LAST_HOUR = 8, 18


def listed(_document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"outcomes": OUTCOMES}


def charted(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hours of today between the first and the last that say something."""
    busy = [row["hour"] for row in document["hours"] if row["calls"]]
    first, last = min([FIRST_HOUR, *busy]), max([LAST_HOUR, *busy])
    return {"hours": document["hours"][first : last + 1]}


PAGES: Mapping[str, Page] = {
    "parts.calls": Page("part_calls.html", charted),
    "calls.list_calls": Page("calls.html", listed),
    "calls.show": Page("call.html"),
}
FORMS: Mapping[str, Done] = {}
