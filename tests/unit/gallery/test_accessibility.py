"""The gallery for those who see little or nothing, or use no mouse: what axe-core finds wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.gallery.gallery import Gallery
from tests.helpers.browser import DESKTOP, PHONE, open_gallery
from tests.helpers.outbox_factory import an_outbox

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery with a bit of everything, and a service that is paused."""
    outbox = tmp_path_factory.mktemp("gallery") / "outbox"
    an_outbox(outbox, 40)
    gallery = Gallery(outbox, outbox.parent / "state")
    gallery.install()
    gallery.add(gallery.repair())
    gallery.show_status(
        {
            "at": "2026-11-22T12:00:00.000Z",
            "service": "running",
            "paused": "a captcha",
            "mend": "run `mjwatch resume`",
            "jobs": {"running": 1},
            "live": [{"job": "7k3f9a2m", "state": "running", "prompt": "a quiet harbour", "percent": 46}],
            "sent_in_24h": 3,
            "max_per_day": 200,
        }
    )
    return outbox


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong(browser: Browser, outbox: Path, size: dict[str, Any], scheme: str) -> None:
    with open_gallery(browser, outbox, **size, color_scheme=scheme) as gallery:
        page = gallery.page
        gallery.open()
        assert gallery.violations() == []
        page.locator("#more").click()
        page.locator("#service summary").click()
        assert gallery.violations() == []
        page.locator("#service summary").click()
        gallery.search("nothing has all of this")
        page.locator("#empty").wait_for()
        assert gallery.violations() == []
        page.locator("#empty-clear").click()
        for job in ("000004zz", "000007zz"):  # with a family; with a reason
            gallery.open(f"#{job}")
            page.locator("#panel[open]").wait_for()
            assert gallery.violations() == []


def test_everything_that_has_the_focus_shows_it(browser: Browser, outbox: Path) -> None:
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open()
        seen = set()
        for _ in range(6):
            gallery.page.keyboard.press("Tab")
            name, outline = gallery.page.evaluate(
                "(() => { const e = document.activeElement; return [e.id || e.className || e.localName,"
                " e.matches(':focus-visible') && parseFloat(getComputedStyle(e).outlineWidth)]; })()"
            )
            assert outline >= 2, name
            seen.add(name)
        assert seen == {"skip", "summary", "words", "more", "choose", "card"}
        assert gallery.page.locator(gallery.page.locator(".skip").get_attribute("href") or "").is_visible()
