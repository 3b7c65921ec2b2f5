"""`python -m tests.browser.screenshots FOLDER`: each page after a simulated day, at both widths."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.box import Box
from tests.support.browser import HEIGHTS, Person, chromium, claim, context_of, running_box, sign_in, simulate
from tests.support.pages_to_check import PAGES_TO_CHECK


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_box(Path(data)) as box:
        person = claim(box, Person("olga", "correct horse battery"))
        simulate(box)
        take_all(box, person, folder)


def take_all(box: Box, person: Person, folder: Path) -> None:
    with chromium() as browser:
        for width in HEIGHTS:
            take(browser, box, person, folder, width=width, dark=False)
            take(browser, box, person, folder, width=width, dark=True)


def take(browser: Browser, box: Box, person: Person, folder: Path, *, width: int, dark: bool) -> None:
    context = context_of(browser, box, width=width, dark=dark)
    page, token = context.new_page(), box.token()
    sign_in(page, person)
    for shown in PAGES_TO_CHECK:
        if dark and not shown.dark:
            continue
        page.goto(shown.path_in(box, token))
        page.screenshot(path=folder / f"{shown.name}-{width}{'-dark' if dark else ''}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
