"""Open a gallery's page in the system's Chromium by Playwright, and check that it does nothing wrong."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from shutil import which
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

PATIENCE = 1000 * deadline(30.0)
"""Milliseconds after which something that has not appeared never will."""

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser without windows; fail with what to install if there is none."""
    program = which("chromium") or which("chromium-browser") or which("google-chrome")
    assert program, "chromium is missing: apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Shown:
    """A gallery that is open in the browser, and all errors and requests of its page."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> None:
        """Load the page, and wait until all jobs are there."""
        self.page.goto(self.address + fragment)
        self.complete()

    def complete(self) -> None:
        self.until("performance.getEntriesByName('gallery:complete').length")

    def until(self, condition: str, about: Any = None) -> None:
        """Wait for a condition. Playwright's own way uses eval, which the page's policy forbids."""
        end = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(condition, about):
            assert time.monotonic() < end, f"never happened: {condition}"
            self.page.wait_for_timeout(20)

    def whole(self, images: Locator) -> None:
        """Wait until these pictures are there and loaded."""
        images.first.wait_for()
        for image in images.element_handles():
            self.until("image => image.complete && image.naturalWidth > 0", image)

    def count(self) -> str:
        return self.page.locator("#count").inner_text()

    def search(self, words: str) -> None:
        self.page.locator("#words").fill(words)
        self.page.locator("#words").press("Enter")  # otherwise it waits for more letters

    def focused(self) -> str | None:
        """Return the job whose card has the focus."""
        found: str | None = self.page.evaluate(
            "document.activeElement.matches('.card') ? document.activeElement.hash.slice(1) : null"
        )
        return found

    def violations(self) -> list[str]:
        """Return all problems, whatever their impact, that axe-core finds in what is shown now."""
        # Preloading fetches the style sheet, which the page's policy forbids; and axe-core takes a link to
        # another job below the window's edge for a skip link that leads nowhere.
        options = {"preload": False, "rules": {"skip-link": {"enabled": False}}}
        found: dict[str, Any] = Axe().run(self.page, options=options).response
        return [
            f"{violation['impact']} {violation['id']}: {node['html']} {node['any'][:1]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def check(self) -> None:
        """Check that there was no error, and no request for anything that is not on this disk."""
        assert self.complaints == [], self.complaints
        assert [address for address in self.requests if not address.startswith("file:///")] == []
        assert self.page.evaluate("window.hacked") is None


@contextmanager
def shown(browser: Browser, outbox: Path, **options: Any) -> Iterator[Shown]:
    """Open this outbox's gallery in its own window; at the end check that it did nothing wrong."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    found = Shown(page, (outbox / "index.html").as_uri())
    page.on("console", lambda line: found.complaints.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
    context.on("request", lambda request: found.requests.append(request.url))
    try:
        yield found
        found.check()
    finally:
        context.close()
