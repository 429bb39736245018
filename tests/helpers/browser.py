"""Open the page of a gallery in the installed Chromium with Playwright, and check it for errors."""

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
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserType, Locator, Page

AXE: str = Axe().axe_script
HEADLESS_SHELL = "chromium-headless-shell"

TIMEOUT_MS = 1000 * deadline(30.0)
"""Milliseconds after which a test stops waiting for something to appear."""

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless browser."""
    with sync_playwright() as playwright, launched(playwright.chromium) as browser:
        yield browser


@contextmanager
def headless_shell() -> Iterator[Browser]:
    """Start Chromium's headless shell, or else Chromium.

    It takes a third of the CPU for each page. The engine is the same, but it shows no lists of folders.
    """
    with sync_playwright() as playwright, launched(playwright.chromium, HEADLESS_SHELL) as browser:
        yield browser


@contextmanager
def launched(kind: BrowserType, *preferred: str) -> Iterator[Browser]:
    """Start the first browser that is here; if there is none, fail with what to install."""
    programs = (*preferred, "chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(which, programs)), None)
    assert program, "chromium is missing: apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = kind.launch(executable_path=program, args=sandbox, timeout=TIMEOUT_MS)
    try:
        yield browser
    finally:
        browser.close()


OBSERVE = """
window.followed = location.href;
addEventListener("hashchange", ({ newURL }) => { window.followed = newURL; });
window.loadedImages = new WeakSet();
document.addEventListener("load", ({ target }) => loadedImages.add(target), true);
window.saidTexts = [];
document.addEventListener("DOMContentLoaded", () => {
    const line = document.getElementById("said");
    if (line) new MutationObserver(() => saidTexts.push(line.textContent)).observe(line, { childList: true });
});
"""
"""Notes what the page shows for a time only, or does later, so that a test can ask for it at any time."""

OBSERVE_COPYING = """
button => new MutationObserver(() => { window.saysCopied ||= button.textContent.includes("Copied") })
    .observe(button, { childList: true, subtree: true })
"""


@dataclass
class OpenGallery:
    """A gallery that is open in the browser, and all errors and requests of its page."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> None:
        """Load the page, or go to another fragment of it, and wait until it shows that and all jobs."""
        self.page.evaluate("window.followed = location.href")  # the page itself changes its address, too
        self.page.goto(self.address + fragment)
        self.wait_until_complete()
        self.wait_until("window.followed === location.href")

    def wait_until_complete(self) -> None:
        self.wait_until("performance.getEntriesByName('gallery:complete').length")

    def wait_until(self, condition: str, about: Any = None) -> None:
        """Wait for a condition. Playwright's own function uses eval, which the policy of the page forbids."""
        self.wait_for(lambda: self.page.evaluate(condition, about), f"never happened: {condition}")

    def wait_for(self, condition: Callable[[], Any], failure: str) -> None:
        """Wait for a condition of the test's own; meanwhile Playwright reports events."""
        end = time.monotonic() + TIMEOUT_MS / 1000
        while not condition():
            assert time.monotonic() < end, failure
            self.page.wait_for_timeout(20)

    def wait_for_images(self, images: Locator) -> None:
        """Wait until these pictures exist and are loaded, and the page has handled that."""
        images.first.wait_for()
        loaded = "images => images.length && images.every((image) => loadedImages.has(image))"
        self.wait_for(lambda: images.evaluate_all(loaded), f"never loaded: {images}")

    def wait_for_address(self, end: str) -> None:
        """Wait until the address ends so; Playwright's own copy of it may be an older one."""
        self.wait_until("end => location.href.endsWith(end)", end)

    def wait_until_said(self, text: str) -> None:
        """Wait until the line at the bottom has said this; it is there for some seconds only."""
        self.wait_until("text => saidTexts.some((said) => said.includes(text))", text)

    def count(self) -> str:
        return self.page.locator("#count").inner_text()

    def search(self, text: str) -> None:
        self.page.locator("#words").fill(text)
        self.page.locator("#words").press("Enter")  # otherwise the page waits for more letters

    def copy(self, button: Locator) -> str:
        """Click a button that copies, and return what it copied once it has said so, for a moment only."""
        self.page.evaluate("window.saysCopied = false")
        button.evaluate(OBSERVE_COPYING)
        button.click()
        self.wait_until("window.saysCopied")
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        return text

    def focused(self) -> str | None:
        """Return the job whose card has the focus."""
        found: str | None = self.page.evaluate(
            "document.activeElement.matches('.card') ? document.activeElement.hash.slice(1) : null"
        )
        return found

    def violations(self) -> list[str]:
        """Return all problems, whatever their impact, that axe-core finds in the visible page."""
        # Preloading fetches the style sheet, which the policy of the page forbids. axe-core mistakes a link
        # to another job outside the window for a skip link without a target.
        # What the rules find to be right would be most of the answer.
        options = {
            "preload": False,
            "resultTypes": ["violations"],
            "rules": {"skip-link": {"enabled": False}},
        }
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        found: list[dict[str, Any]] = self.page.evaluate(
            "async (options) => (await axe.run(options)).violations", options
        )
        return [
            f"{violation['impact']} {violation['id']}: {node['html']} {node['any'][:1]}"
            for violation in found
            for node in violation["nodes"]
        ]

    def check(self) -> None:
        """Check that there were no errors, and only requests for files on this disk."""
        assert self.errors == [], self.errors
        assert [address for address in self.requests if not address.startswith("file:///")] == []
        assert self.page.evaluate("window.hacked") is None


@contextmanager
def open_gallery(browser: Browser, outbox: Path, **options: Any) -> Iterator[OpenGallery]:
    """Open the gallery of this outbox in its own window, and check it for errors at the end."""
    context = browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.add_init_script(OBSERVE)
    gallery = OpenGallery(page, (outbox / "index.html").as_uri())
    page.on("console", lambda line: gallery.errors.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: gallery.errors.append(str(error)))
    page.on("dialog", lambda dialog: gallery.errors.append(dialog.message))
    context.on("request", lambda request: gallery.requests.append(request.url))
    try:
        yield gallery
        gallery.check()
    finally:
        context.close()
