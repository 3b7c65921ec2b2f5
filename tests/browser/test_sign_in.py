"""Signing in and out, as people do it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from customer.users import MOST_OF_NAME
from tests.support.box import Box
from tests.support.browser import Person, Troubles, add, context_of, first_link, running_box, sign_in, violations

Visit = Callable[..., Page]
SHORT_COOKIE = "ringback_session"
LONG_COOKIE = "ringback_login"


@pytest.fixture
def new_box(tmp_path: Path) -> Iterator[Box]:
    """Nobody was here before."""
    with running_box(tmp_path) as box:
        yield box


@pytest.fixture(scope="session")
def anna(box: Box, owner: Person) -> Person:
    """Somebody whose tries and sessions are nobody else's."""
    return add(box, "Anna", "staff")


def names_of(page: Page) -> set[str]:
    return {cookie["name"] for cookie in page.context.cookies()}


def test_the_first_owner_comes_by_the_printed_link(browser: Browser, new_box: Box, page_troubles: Troubles) -> None:
    page_troubles.expect(r"status of (422|409)")
    context = context_of(browser, new_box)
    page_troubles.watch(context)
    page = context.new_page()
    link = first_link(new_box)
    page.goto(link)
    expect(page.get_by_label("Password")).to_be_focused()
    assert violations(page) == []
    page.get_by_label("Password").evaluate("field => field.removeAttribute('minlength')")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("10 to 200 characters")
    page.get_by_label("Name").fill("Olga")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Olga", exact=True)).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link was used")
    context.close()


def test_signing_in_leads_on_and_signing_out_ends_it(visit: Visit, anna: Person) -> None:
    page = visit(None)
    page.goto("/customers?q=anna")
    assert violations(page) == []
    sign_in(page, anna, page.url)
    assert page.url.endswith("/customers?q=anna")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Ringback")).to_be_visible()
    assert names_of(page) == set()
    page.goto("/customers")
    expect(page.get_by_role("heading", name="Sign in to Ringback")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_a_wrong_password_keeps_the_name_and_waits_after_too_many(
    visit: Visit, page_troubles: Troubles, owner: Person
) -> None:
    page_troubles.expect(r"status of (401|429)")
    page = visit(None)
    page.goto("/login")
    page.get_by_label("Name").fill("somebody")
    for _ in range(MOST_OF_NAME):
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        expect(page.get_by_label("Name")).to_have_value("somebody")
        expect(page.get_by_label("Password")).to_be_empty()
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many tries. Wait")


def test_staff_sees_nothing_of_owners(visit: Visit, staff_page: Page, page_troubles: Troubles) -> None:
    page_troubles.expect(r"status of 403")
    staff_page.goto("/")
    expect(staff_page.get_by_role("navigation").get_by_role("link", name="Settings")).to_have_count(0)
    staff_page.goto("/settings")
    expect(staff_page.get_by_role("heading", level=1)).to_have_text("That is not for your role")
    assert violations(staff_page) == []
    staff_page.get_by_role("link", name="To the start page").click()
    expect(staff_page.get_by_role("navigation")).to_be_visible()


def test_a_session_goes_on_by_itself_and_without_scripts(visit: Visit) -> None:
    for scripts in (True, False):
        page = visit("owner", scripts=scripts)
        page.goto("/settings")
        page.context.clear_cookies(name=SHORT_COOKIE)
        page.goto("/settings")
        assert page.url.endswith("/settings")
        expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
        assert names_of(page) == {SHORT_COOKIE, LONG_COOKIE}


def test_signing_out_after_a_long_time_ends_it_as_well(visit: Visit, anna: Person) -> None:
    page = visit(None, scripts=False)
    sign_in(page, anna)
    kept = [cookie for cookie in page.context.cookies() if cookie["name"] == LONG_COOKIE]
    page.context.clear_cookies(name=SHORT_COOKIE)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Ringback")).to_be_visible()
    page.context.add_cookies(kept)  # type: ignore[arg-type]  # a cookie that was read can be set
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in to Ringback")).to_be_visible()


def test_settings_show_what_twilio_must_be_told(owner_page: Page, box: Box) -> None:
    owner_page.goto("/settings")
    for path in ("/twilio/voice", "/twilio/voice/status", "/twilio/sms"):
        expect(owner_page.get_by_text(box.url + path, exact=True)).to_be_visible()
    expect(owner_page.get_by_text("(555) 867-5310").first).to_be_visible()


def test_what_is_not_there_is_a_page(visit: Visit, page_troubles: Troubles) -> None:
    page_troubles.expect(r"status of 404")
    for who in ("owner", None):
        page = visit(who)
        page.goto("/nowhere")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
        assert violations(page) == []


def test_by_keyboard_the_content_is_one_step_away(owner_page: Page) -> None:
    owner_page.goto("/settings")
    owner_page.keyboard.press("Tab")
    skip = owner_page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    owner_page.keyboard.press("Enter")
    expect(owner_page.get_by_role("main")).to_be_focused()


def test_the_focus_goes_from_left_to_right_and_can_be_seen(owner_page: Page) -> None:
    owner_page.goto("/settings")
    order = []
    for _ in range(4):
        owner_page.keyboard.press("Tab")
        order.append(owner_page.evaluate("document.activeElement.textContent.trim()"))
        assert owner_page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert order[0] == "Skip to content"
    assert order[2:] == ["Today", "Missed calls"]
