"""ringback.js in a browser: it helps, and it never takes anything out of somebody's hands.

The page is the test's own, served at an address of the box, with the box's script, style and policy.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from ringback.web.assets import url_of
from ringback.web.pages import POLICY
from tests.support.browser import Troubles

Visit = Callable[..., Page]
LIVE_MS = 5000
PATH = "**/scratch*"
Answer = tuple[int, dict[str, object]]


@dataclass
class Scratch:
    """A page with a live list, a search, forms and more to show; tests change what it says."""

    page: Page
    rows: dict[str, str] = field(default_factory=lambda: {"a": "Anna", "b": "Bob", "c": "Cara"})
    later: dict[str, str] = field(default_factory=dict)
    title: str = "First"
    answer: Answer = (200, {})
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    away: bool = False
    signed_out: bool = False

    def start(self) -> None:
        self.page.clock.install()
        self.page.route(PATH, self._serve)
        self.page.route("**/scratch/form*", self._take)
        self.page.goto("/scratch")

    def live(self) -> None:
        """The next time that the page asks what is new, and its answer."""
        with self.page.expect_response(PATH) as answered:
            self.page.clock.run_for(LIVE_MS)
        answered.value.finished()

    def _serve(self, route: Route) -> None:
        if self.away:
            return route.abort()
        if self.signed_out:
            return route.fulfill(status=303, headers={"Location": "/login"})
        query = parse_qs(urlsplit(route.request.url).query)
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
        return route.fulfill(body=self._html(query), headers=headers)

    def _take(self, route: Route) -> None:
        if self.away:
            return route.abort()
        self.asked.append(parse_qs(route.request.post_data or "", keep_blank_values=True))
        status, document = self.answer
        return route.fulfill(status=status, body=json.dumps(document), content_type="application/problem+json")

    def _html(self, query: dict[str, list[str]]) -> str:
        wanted = query.get("q", [""])[0].lower()
        second = "page" in query
        rows = self.later if second else self.rows
        items = "".join(
            f'<li data-key="{key}"><a href="#{key}">{escape(text)}</a><input aria-label="Note of {key}"></li>'
            for key, text in rows.items()
            if wanted in text.lower()
        )
        more = (
            '<p class="more"><a data-more href="/scratch?page=2">Show more</a></p>'
            if self.later and not second
            else ""
        )
        return f"""<!doctype html><html lang="en"><head><title>Scratch</title>
<link rel="icon" href="{url_of("icon.svg")}"><script src="{url_of("ringback.js")}" type="module"></script></head>
<body data-csrf="token"><main id="main" tabindex="-1"><h1>Scratch</h1>
<form data-search method="get" action="/scratch"><input name="q" aria-label="Search" value="{escape(wanted)}"></form>
<section id="people" data-live><h2>{escape(self.title)}</h2><ul id="rows" data-rows>{items}</ul>{more}
<details id="fold"><summary>Fold</summary>inside</details></section>
<section id="alone" data-live><p>{escape(self.title)}</p><textarea aria-label="Alone"></textarea></section>
<form data-form="add" method="post" action="/scratch/form"><p class="error" data-form-error hidden></p>
<input name="name" aria-label="Name"><span class="error" data-error="name" hidden></span>
<input name="price" aria-label="Price"><span class="error" data-error="price" hidden></span>
<button>Add</button></form>
<form data-form="edit" method="post" action="/scratch/form?_method=PUT">
<input name="word" aria-label="Word" value="old">
<button>Change</button></form></main><div id="toasts" role="status"></div></body></html>"""


@pytest.fixture
def scratch(visit: Visit) -> Iterator[Scratch]:
    scratch = Scratch(visit("owner"))
    scratch.start()
    yield scratch
    scratch.page.unroute_all(behavior="ignoreErrors")


def names(page: Page) -> list[str]:
    return page.locator("#rows a").all_text_contents()


# Live.


def test_what_is_new_comes_by_itself(scratch: Scratch) -> None:
    scratch.rows = {"d": "Dora", "c": "Cara", "a": "Anne"}
    scratch.title = "Second"
    scratch.live()
    expect(scratch.page.locator("#rows a")).to_have_text(["Dora", "Cara", "Anne"])
    expect(scratch.page.locator("#alone p")).to_have_text("Second")


def test_half_typed_text_and_the_focus_stay(scratch: Scratch) -> None:
    page = scratch.page
    note = page.get_by_label("Note of b")
    note.fill("half ty")
    page.get_by_label("Alone").fill("half")
    note.focus()
    scratch.rows = {"d": "Dora", "b": "Bob was renamed", "a": "Anne"}
    scratch.title = "Second"
    scratch.live()
    expect(page.locator("#rows a")).to_have_text(["Dora", "Bob", "Anne"])
    expect(note).to_have_value("half ty")
    expect(note).to_be_focused()
    expect(page.get_by_label("Alone")).to_have_value("half")
    expect(page.locator("#alone p")).to_have_text("First")


def test_what_was_left_alone_is_brought_up_to_date_afterwards(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Alone").fill("half")
    scratch.title = "Second"
    scratch.live()
    page.get_by_label("Alone").fill("")
    page.get_by_label("Alone").blur()
    scratch.live()
    expect(page.locator("#alone p")).to_have_text("Second")


def test_a_row_in_use_outlives_its_removal_until_it_is_left(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Note of b").fill("half")
    scratch.rows = {"a": "Anna"}
    scratch.live()
    expect(page.locator("#rows a")).to_have_text(["Anna", "Bob"])
    page.get_by_label("Note of b").fill("")
    page.get_by_label("Note of b").blur()
    scratch.live()
    expect(page.locator("#rows a")).to_have_text(["Anna"])


def test_what_was_opened_stays_open(scratch: Scratch) -> None:
    scratch.page.get_by_text("Fold").click()
    scratch.page.get_by_text("Fold").blur()
    scratch.title = "Second"
    scratch.live()
    expect(scratch.page.locator("#people h2")).to_have_text("Second")
    expect(scratch.page.get_by_text("inside")).to_be_visible()


def test_a_list_that_was_empty_fills(scratch: Scratch) -> None:
    scratch.rows = {}
    scratch.live()
    expect(scratch.page.locator("#rows a")).to_have_count(0)
    scratch.rows = {"z": "Zoe"}
    scratch.live()
    expect(scratch.page.locator("#rows a")).to_have_text(["Zoe"])


# More.


def test_what_was_shown_besides_stays(scratch: Scratch) -> None:
    page = scratch.page
    scratch.later = {"d": "Dora", "e": "Emil"}
    scratch.live()
    page.get_by_role("link", name="Show more").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rows a")).to_have_text(["Anna", "Bob", "Cara", "Dora", "Emil"])
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)
    expect(page.get_by_role("link", name="Dora")).to_be_focused()
    page.get_by_role("link", name="Dora").blur()
    # Somebody new comes first: the last of the first page is pushed on to the second.
    scratch.rows, scratch.title = {"n": "Nora", "a": "Anna", "b": "Bob"}, "Second"
    scratch.live()
    expect(page.locator("#rows a")).to_have_text(["Nora", "Anna", "Bob", "Cara", "Dora", "Emil"])
    expect(page.locator("#people h2")).to_have_text("Second")
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)


def test_when_more_cannot_be_had_it_is_said(scratch: Scratch, page_troubles: Troubles) -> None:
    page_troubles.expect("ERR_FAILED")
    scratch.later = {"d": "Dora"}
    scratch.live()
    scratch.away = True
    scratch.page.get_by_role("link", name="Show more").click()
    expect(scratch.page.locator(".toast")).to_contain_text("could not be reached")
    expect(scratch.page.get_by_role("link", name="Show more")).to_be_visible()


# Search.


def test_search_finds_as_somebody_types(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Search").press_sequentially("bo")
    page.clock.run_for(500)
    expect(page.locator("#rows a")).to_have_text(["Bob"])
    expect(page.get_by_label("Search")).to_be_focused()
    assert page.url.endswith("/scratch?q=bo")
    scratch.rows["o"] = "Bonnie"
    scratch.live()
    expect(page.locator("#rows a")).to_have_text(["Bob", "Bonnie"])


# Forms.


def test_errors_stand_beside_their_fields(scratch: Scratch, page_troubles: Troubles) -> None:
    page_troubles.expect("status of 422")
    page = scratch.page
    scratch.answer = (422, {"errors": {"price": ["Not an amount."], "odd": ["Unknown."]}})
    page.get_by_label("Name").fill("Zoe")
    page.get_by_label("Price").fill("a lot")
    page.get_by_role("button", name="Add").click()
    expect(page.locator('[data-error="price"]')).to_have_text("Not an amount.")
    expect(page.locator('[data-error="name"]')).to_be_hidden()
    expect(page.locator("[data-form-error]")).to_have_text("odd: Unknown.")
    expect(page.get_by_label("Price")).to_be_focused()
    expect(page.get_by_label("Price")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("Zoe")
    scratch.answer = (200, {})
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toast")).to_have_text("Saved.")
    expect(page.locator('[data-error="price"]')).to_be_hidden()
    expect(page.get_by_label("Name")).to_be_empty()


def test_a_refusal_without_fields_is_said_in_the_form(scratch: Scratch, page_troubles: Troubles) -> None:
    page_troubles.expect("status of 4")
    answers: list[tuple[Answer, str]] = [
        ((409, {"detail": "Taken."}), "Taken."),
        ((418, {}), "That did not work (418)."),
    ]
    for answer, said in answers:
        scratch.answer = answer
        scratch.page.get_by_role("button", name="Add").click()
        expect(scratch.page.locator("[data-form-error]")).to_have_text(said)


def test_a_form_is_sent_once_however_often_it_is_asked_for(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Name").fill("Zoe")
    page.evaluate("for (let i = 0; i < 5; i++) document.querySelector('form[data-form=add]').requestSubmit()")
    expect(page.locator(".toast")).to_have_text("Saved.")
    assert [one["name"] for one in scratch.asked] == [["Zoe"]]


def test_the_focus_stays_where_somebody_was(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Name").fill("Zoe")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()


def test_what_was_changed_stays_in_its_field(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Word").fill("new")
    page.get_by_role("button", name="Change").click()
    expect(page.locator(".toast")).to_be_visible()
    expect(page.get_by_label("Word")).to_have_value("new")


def test_when_the_server_is_away_nothing_typed_is_lost(scratch: Scratch, page_troubles: Troubles) -> None:
    page_troubles.expect("ERR_FAILED")
    page = scratch.page
    page.get_by_label("Name").fill("Zoe")
    scratch.away = True
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toast.bad")).to_contain_text("Nothing was lost")
    expect(page.get_by_label("Name")).to_have_value("Zoe")
    page.clock.run_for(LIVE_MS)
    scratch.away = False
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toast").last).to_have_text("Saved.")
    assert scratch.asked[-1]["name"] == ["Zoe"]


# Signed out.


def test_who_is_signed_out_is_led_to_the_sign_in(scratch: Scratch) -> None:
    scratch.page.context.clear_cookies()
    scratch.signed_out = True
    scratch.page.clock.run_for(LIVE_MS)
    scratch.page.wait_for_url("**/login?next=%2Fscratch")
    expect(scratch.page.get_by_role("heading", name="Sign in to Ringback")).to_be_visible()


def test_who_is_signed_out_keeps_what_was_half_typed(scratch: Scratch) -> None:
    page = scratch.page
    page.get_by_label("Name").fill("half")
    page.context.clear_cookies()
    scratch.signed_out = True
    page.clock.run_for(LIVE_MS)
    expect(page.locator(".toast.bad")).to_contain_text("You are signed out")
    expect(page.get_by_label("Name")).to_have_value("half")
    assert page.url.endswith("/scratch")


def test_a_form_whose_short_session_ended_is_sent_after_renewal(scratch: Scratch, page_troubles: Troubles) -> None:
    page_troubles.expect("status of 401")
    page = scratch.page
    given: list[Answer] = [(401, {}), (200, {})]
    answers = iter(given)
    page.route("**/scratch/form*", lambda route: _next_answer(route, next(answers)))
    page.get_by_label("Name").fill("Zoe")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toast")).to_have_text("Saved.")
    assert next(answers, None) is None


def _next_answer(route: Route, answer: Answer) -> None:
    status, document = answer
    route.fulfill(status=status, body=json.dumps(document), content_type="application/json")
