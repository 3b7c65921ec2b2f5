"""HTTP in: the start page, put together of what each service says of today, and the settings as they stand.

A part is what a service answers at /parts/<name>, a piece of a page or JSON. Who cannot answer in time leaves a gap
with its name; the rest of the page stays.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import requests
import structlog
from flask import Blueprint, Response, current_app, json, jsonify, request

from ringback.settings import Settings
from ringback.web.access import Access, principal
from ringback.web.pages import wants_page

OWNER = frozenset({"owner"})
PEOPLE = frozenset({"owner", "staff"})
HOME_ACCESS: Access = {"home.show": PEOPLE, "home.show_settings": OWNER}
# The parts of the start page in its order, and what stands there when one is missing.
PARTS = {
    "missed-calls": "Missed calls",
    "calls": "Calls",
    "leads": "Leads",
    "customers": "Customers",
    "messages": "Messages",
}
# Whoever serves all services in one process puts its own way to fetch a part here.
FETCH = "ringback.fetch_part"
PART_SECONDS = 2.0
FORWARDED = ("Cookie", "Authorization", "Accept")

Fetch = Callable[[str, Mapping[str, str]], str]
"""Path and headers → the body of a 200. Raises anything when there is none."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Home:
    settings: Settings

    def parts(self) -> dict[str, str | None]:
        """What each service says, None of one that says nothing."""
        fetch: Fetch = current_app.extensions.get(FETCH) or partial(fetch_over_http, self.settings.internal_url)
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        found = _threads().map(lambda name: _part(fetch, name, headers), PARTS)
        return dict(zip(PARTS, found, strict=True))


def home_blueprint(settings: Settings) -> Blueprint:
    home, routes = Home(settings), Blueprint("home", __name__)

    @routes.get("/")
    def show() -> Response:
        """Today at a glance."""
        parts = home.parts()
        if wants_page():
            return jsonify(parts=[{"name": name, "title": PARTS[name], "html": text} for name, text in parts.items()])
        return jsonify(parts={name: json.loads(text) if text else None for name, text in parts.items()})

    @routes.get("/settings")
    def show_settings() -> Response:
        """How this business is set up, and what Twilio has to be told; changed in businesses.toml."""
        return jsonify(_settings_of(settings))

    return routes


def fetch_over_http(base: str, path: str, headers: Mapping[str, str]) -> str:
    answer = requests.get(base + path, headers=dict(headers), timeout=PART_SECONDS, allow_redirects=False)
    if answer.status_code != requests.codes.ok:
        raise requests.HTTPError(f"answered {answer.status_code}")
    return answer.text


def _part(fetch: Fetch, name: str, headers: Mapping[str, str]) -> str | None:
    try:
        return fetch(f"/parts/{name}", headers)
    except Exception as error:
        log.warning("home.part_missing", part=name, error=type(error).__name__)
        return None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2 * len(PARTS), "customer.home")


def _settings_of(settings: Settings) -> dict[str, Any]:
    business = settings.businesses[principal().business]
    return {
        "business": {
            "key": business.key,
            "name": business.name,
            "numbers": business.numbers,
            "country": business.country,
            "timezone": business.timezone.key,
            "currency": business.currency,
            "forward_to": business.forward_to,
            "ring_seconds": business.ring_seconds,
            "screen_calls": business.screen_calls,
            "voicemail": business.voicemail,
            "transcribe": sorted(business.transcribe),
            "blocked": sorted(business.blocked),
            "review_url": business.review_url,
            "hours": None if business.hours is None else {day: list(spans) for day, spans in business.hours.items()},
            "text_back": vars(business.text_back),
            "missed_calls": vars(business.missed_calls),
            "texting": {**vars(business.texting), "countries": sorted(business.texting.countries)},
            "templates": dict(business.templates),
            "segments": vars(business.segments),
        },
        "twilio": {
            "voice": f"{settings.public_url}/twilio/voice",
            "status": f"{settings.public_url}/twilio/voice/status",
            "sms": f"{settings.public_url}/twilio/sms",
            "account_known": settings.twilio_account_known,
        },
    }
