"""Pages in a real browser: a onebox as its users have it, and people who are signed in to it.

owner_page, staff_page   signed in, 1440 pixels wide; owner_phone at 390
visit                    any other: `visit("staff", width=390, dark=True, scripts=False)`, `visit(None)` is nobody
box, owner, staff        the box, and who may sign in to it; `simulated` is the box after a day of calls

What a page writes to its console as a warning or an error, what it throws and what its policy forbids fails the test,
save what a test announces: `page_troubles.expect("status of 401")`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.box import Box
from tests.support.browser import (
    Person,
    Troubles,
    add,
    chromium,
    claim,
    context_of,
    running_box,
    sign_in,
    simulate,
)
from tests.support.stored_markup import store_markup

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with running_box(tmp_path_factory.mktemp("box")) as box:
        yield box


@pytest.fixture(scope="session")
def owner(box: Box) -> Person:
    return claim(box, Person("olga", "correct horse battery"))


@pytest.fixture(scope="session")
def staff(box: Box, owner: Person) -> Person:
    return add(box, "stefan", "staff")


@pytest.fixture(scope="session")
def simulated(box: Box) -> Box:
    simulate(box)
    return box


@pytest.fixture(scope="session")
def token(box: Box) -> str:
    return box.token()


@pytest.fixture(scope="session")
def stored_markup(simulated: Box) -> list[str]:
    """Ids of customers whose names, texts, transcripts and notes are markup that would run."""
    return store_markup(simulated)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def cookies(browser: Browser, box: Box) -> Callable[[Person], Any]:
    """What a browser keeps of who signed in: once for all tests, or they would be too many tries."""
    kept: dict[str, Any] = {}

    def of(person: Person) -> Any:
        if person.name not in kept:
            context = context_of(browser, box)
            sign_in(context.new_page(), person)
            kept[person.name] = context.storage_state()
            context.close()
        return kept[person.name]

    return of


@pytest.fixture
def page_troubles() -> Iterator[Troubles]:
    troubles = Troubles()
    yield troubles
    assert troubles.unexpected() == []


@pytest.fixture
def visit(
    browser: Browser,
    box: Box,
    page_troubles: Troubles,
    cookies: Callable[[Person], Any],
    request: pytest.FixtureRequest,
) -> Iterator[Visit]:
    contexts: list[BrowserContext] = []

    def open_page(who: str | None = "owner", *, width: int = 1440, dark: bool = False, scripts: bool = True) -> Page:
        state = cookies(request.getfixturevalue(who)) if who else None
        context = context_of(browser, box, width=width, dark=dark, storage_state=state, java_script_enabled=scripts)
        page_troubles.watch(context)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def owner_page(visit: Visit) -> Page:
    return visit("owner")


@pytest.fixture
def owner_phone(visit: Visit) -> Page:
    return visit("owner", width=390)


@pytest.fixture
def staff_page(visit: Visit) -> Page:
    return visit("staff")
