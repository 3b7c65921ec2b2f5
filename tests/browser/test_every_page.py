"""What holds for every page in the table: it is there, everybody can use it, and strangers' words stay text."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.box import Box
from tests.support.browser import Troubles, overflows, violations
from tests.support.pages_to_check import PAGES_TO_CHECK, PageToCheck

Visit = Callable[..., Page]
EVERY_PAGE = pytest.mark.parametrize("checked", PAGES_TO_CHECK, ids=[page.name for page in PAGES_TO_CHECK])


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@EVERY_PAGE
def test_everybody_can_use_it(
    visit: Visit, simulated: Box, token: str, checked: PageToCheck, width: int, dark: bool
) -> None:
    page = visit("owner", width=width, dark=dark)
    answer = page.goto(checked.path_in(simulated, token))
    assert answer
    assert answer.status == 200
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert violations(page) == []
    assert overflows(page) <= 0


@EVERY_PAGE
def test_staff_sees_what_is_theirs(
    visit: Visit, simulated: Box, token: str, checked: PageToCheck, page_troubles: Troubles
) -> None:
    if not checked.staff:
        page_troubles.expect("status of 403")
    page = visit("staff", scripts=False)
    answer = page.goto(checked.path_in(simulated, token))
    assert answer
    assert answer.status == (200 if checked.staff else 403)


@pytest.mark.parametrize("width", [1440, 390])
@EVERY_PAGE
def test_what_strangers_say_stays_text(
    visit: Visit, stored_markup: list[str], simulated: Box, token: str, checked: PageToCheck, width: int
) -> None:
    page = visit("owner", width=width)
    page.goto(checked.path_in(simulated, token))
    assert_nothing_ran(page)
    assert overflows(page) <= 0


def test_what_one_stranger_said_stays_text_on_the_profile(visit: Visit, stored_markup: list[str]) -> None:
    page = visit("owner")
    for customer_id in stored_markup:
        page.goto(f"/customers/{customer_id}")
        expect(page.get_by_role("main")).to_contain_text("xss-probe")
        assert_nothing_ran(page)


def assert_nothing_ran(page: Page) -> None:
    expect(page.get_by_role("main")).to_be_visible()
    assert page.locator("xss-probe").count() == 0
    assert page.locator('[href^="javascript:"], [src^="javascript:"]').count() == 0
    assert page.evaluate("window.ran") is None
