"""A browser for tests: Debian's Chromium, who signs in, and what must never happen on a page."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright

from tests.support.box import RINGBACK, Box
from tests.support.waiting import eventually

CHROMIUM = Path(os.environ.get("RINGBACK_TEST_CHROMIUM", "/usr/bin/chromium"))
# Of a desk and of a telephone.
HEIGHTS = {1440: 900, 390: 844}
PATIENCE_MS = 10_000.0
SIMULATED = ("--calls", "60", "--seed", "7")
LINK = re.compile(r"http://\S+/login/first\?token=\S+")
SERIOUS = frozenset({"serious", "critical"})
# The browser tells a page what its policy forbade, and the page tells its console.
TELLS = "addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective}`))"


@dataclass(frozen=True)
class Person:
    name: str
    password: str


@dataclass
class Troubles:
    """What went wrong on the pages of a test."""

    seen: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """This one is meant to happen."""
        self._expected.append(pattern)

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(TELLS)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self.seen.append(f"error: {error.error}"))
        context.on("dialog", self._note_dialog)
        context.on("response", self._note_failure)

    def unexpected(self) -> list[str]:
        return [one for one in self.seen if not any(re.search(pattern, one) for pattern in self._expected)]

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _note_dialog(self, dialog: Any) -> None:
        if dialog.type != "confirm":
            self.seen.append(f"dialog: {dialog.message}")
        dialog.accept()

    def _note_failure(self, response: Response) -> None:
        if response.status >= 500:
            self.seen.append(f"status {response.status}: {response.url}")


@contextmanager
def running_box(folder: Path) -> Iterator[Box]:
    box = Box(folder)
    try:
        box.start()
        yield box
    finally:
        box.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        raise FileNotFoundError(f"{CHROMIUM} is missing: make browser")
    with sync_playwright() as playwright:
        # As root, in a container, there is no other way; what is visited here is ours.
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def context_of(
    browser: Browser, box: Box, *, width: int = 1440, dark: bool = False, **options: Any
) -> BrowserContext:
    context = browser.new_context(
        base_url=box.url,
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme="dark" if dark else "light",
        has_touch=width == min(HEIGHTS),
        locale="en-US",
        **options,
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def first_link(box: Box) -> str:
    """What `ringback up` printed."""
    found = LINK.search(box.log.read_text())
    assert found, box.log.read_text()
    return found[0]


def claim(box: Box, person: Person) -> Person:
    """Make somebody the first owner, by the link."""
    form = {"token": first_link(box).partition("token=")[2], "name": person.name, "password": person.password}
    answer = requests.post(f"{box.url}/login/first", data=form, timeout=15, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return person


def add(box: Box, name: str, role: str) -> Person:
    """Somebody else who may sign in, added as an operator does it."""
    person = Person(name, f"the password of {name}")
    command = [str(RINGBACK), "user", "add", name, "--business", "demo", "--role", role, "--password-stdin"]
    subprocess.run(command, env=box.environ, input=person.password + "\n", text=True, timeout=60, check=True)
    return person


def sign_in(page: Page, person: Person, path: str = "/login") -> None:
    page.goto(path)
    page.get_by_label("Name").fill(person.name)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def simulate(box: Box) -> None:
    """A day of calls; all that was told has arrived."""
    done = box.run("simulate", *SIMULATED)
    assert done.returncode == 0, done.stdout + done.stderr
    token = box.token()
    eventually(lambda: box.customers(token), 30)


def violations(page: Page) -> list[str]:
    """What is wrong for who does not see, or does not use a mouse; what is serious only."""
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}: {node.get('failureSummary', '')}"
        for one in Axe().run(page)["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def overflows(page: Page) -> int:
    """By how many pixels the page is wider than its window: nobody scrolls sideways."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
