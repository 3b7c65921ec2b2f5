"""Which template shows an endpoint's JSON, what it needs besides, and what is said once a form was taken."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from babel.dates import format_date
from flask import g

from recovery.clock import Clock, clock_of
from recovery.periods import every_period, latest_spans, midnight, span_of
from recovery.rules import rules_of
from ringback import templates
from ringback.sms_length import measure
from ringback.web.formats import Formats
from ringback.web.pages import Done, Page

Shown = Mapping[str, Any]

# The latest days that a summary offers, and by which unit they are drawn.
SPANS = {7: "day", 30: "day", 90: "week", 365: "month"}


def queue(document: Shown) -> Shown:
    return {"clocks": _clocks(document["items"]), "options": _options(g.business.templates)}


def item(document: Shown) -> Shown:
    business = g.business
    values = {templates.BUSINESS: business.name, templates.NAME: document["customer_name"] or ""}
    texts = {name: templates.fill(text, values) for name, text in business.templates.items()}
    filled = [{"name": name, "body": text, "segments": measure(text).segments} for name, text in texts.items()]
    return {"clock": _clocks([document])[document["id"]], "filled": filled}


def glance(document: Shown) -> Shown:
    return {"clocks": _clocks(document["urgent"])}


def summary(document: Shown) -> Shown:
    formats: Formats = g.formats
    zone = formats.business.timezone
    today = formats.now.astimezone(zone).date()
    spans = zip(SPANS.items(), latest_spans(today, tuple(SPANS)), strict=True)
    periods = every_period(document, zone)
    return {
        "span": span_of(document, zone),
        "spans": [{"days": days, "by": by, "span": span} for (days, by), span in spans],
        "periods": [{**one, "label": _label(one["day"], document["by"], formats)} for one in periods],
        "today": today,
    }


def _options(names: Iterable[str]) -> list[tuple[str, str]]:
    """What a text may be instead of own words, for a list of choices."""
    named = [(name, name.replace("_", " ").capitalize()) for name in names]
    return [("", "Nothing: own words"), *named] if named else []


def _clocks(items: Iterable[Shown]) -> dict[str, Clock]:
    opening, now = rules_of(g.business).opening, g.formats.now
    return {one["id"]: clock_of(one, opening, now) for one in items}


def _label(day: date, unit: str, formats: Formats) -> str:
    if unit == "month":
        return format_date(day, "MMMM y", locale=formats.locale)
    named = formats.date(midnight(day, formats.business.timezone))
    return f"Week of {named}" if unit == "week" else named


PAGES: Mapping[str, Page] = {
    "missed_calls.list_items": Page("missed_calls.html", queue),
    "missed_calls.show": Page("missed_call.html", item),
    "missed_calls.summarize": Page("missed_calls_summary.html", summary),
    "parts.missed_calls": Page("part_missed_calls.html", glance),
}
FORMS: Mapping[str, Done] = {
    "missed_calls.send_sms": Done("The text is on its way."),
    "missed_calls.mark_handled": Done("It is done with."),
    "missed_calls.claim": Done("It is seen to."),
    "missed_calls.release": Done("It is nobody's again."),
}
