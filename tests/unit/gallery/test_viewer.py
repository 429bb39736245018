"""The viewer in a real browser: one picture in the whole window, by keys, buttons, mouse and fingers.

One gallery, and one page for each size of the window, serve all steps: starting costs more than they do.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mjwatch.gallery.gallery import Gallery
from tests.helpers.browser import PHONE, open_gallery
from tests.helpers.fingers import Fingers
from tests.helpers.outbox_factory import a_folder, a_job, an_outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.helpers.browser import OpenGallery

    Box = dict[str, float]

pytestmark = pytest.mark.real

TOUCH: dict[str, Any] = {"has_touch": True}
SIZES: dict[str, dict[str, Any]] = {
    "phone": {**PHONE, "color_scheme": "dark"},
    "landscape": {**PHONE, "viewport": {"width": 844, "height": 390}, "color_scheme": "light"},
    "desktop": {**TOUCH, "viewport": {"width": 1400, "height": 900}, "color_scheme": "light"},
    "dark desktop": {**TOUCH, "viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"},
}
JOB = "00001dzz"
"""The newest job with four pictures; they have 1536x1024 pixels."""
VIDEO = "00001ezz"
SHOWN_FOR = 5000
"""Milliseconds of a picture in a slideshow."""

RECORD = """async () => {
    const canvas = document.createElement("canvas");
    const recorder = new MediaRecorder(canvas.captureStream(20));
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const done = new Promise((resolve) => { recorder.onstop = resolve; });
    const context = canvas.getContext("2d");
    recorder.start();
    for (let n = 0; n < 12; n += 1) {
        context.fillStyle = n % 2 ? "teal" : "orange";
        context.fillRect(0, 0, 300, 150);
        await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    recorder.stop();
    await done;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
}"""


@pytest.fixture(scope="module")
def outbox(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outbox with 30 jobs, of which the newest has large pictures, and one video."""
    outbox = tmp_path_factory.mktemp("gallery") / "outbox"
    an_outbox(outbox, 30)
    for picture in outbox.glob(f"**/note-{JOB}/note_?.webp"):
        Image.linear_gradient("L").resize((1536, 1024)).save(picture, "WEBP", quality=50)
    folder = outbox / a_folder(outbox, a_job(30))
    page = browser.new_page()
    (folder / "clip.webm").write_bytes(base64.b64decode(page.evaluate(RECORD)))
    page.close()
    manifest = folder / "manifest.json"
    images = '"images": [{"file": "clip.webm", "width": 300, "height": 150}], "x": ['
    manifest.write_text(manifest.read_text().replace('"images": [', images))
    bring_up(outbox)
    return outbox


def bring_up(outbox: Path) -> Gallery:
    gallery = Gallery(outbox, outbox.parent / "state")
    gallery.install()
    gallery.add(gallery.repair())
    return gallery


# ---- what the page shows


def shown(gallery: OpenGallery) -> tuple[str, str]:
    """Return the job whose picture fills the window, and the picture's number."""
    src = gallery.page.locator('.pane[data-offset="0"] img').get_attribute("src") or ""
    match = re.search(r"note-(\w+)/note_(\d)\.webp", src)
    assert match, src
    return match[1], match[2]


def picture_box(gallery: OpenGallery) -> Box:
    """Return where the picture itself is in the window, without the empty edges of its element."""
    box: Box = gallery.page.evaluate(
        """() => {
            const image = document.querySelector('.pane[data-offset="0"] img');
            const { left, top, width, height } = image.getBoundingClientRect();
            const ratio = Math.min(width / image.naturalWidth, height / image.naturalHeight);
            const [w, h] = [image.naturalWidth * ratio, image.naturalHeight * ratio];
            return { left: left + (width - w) / 2, top: top + (height - h) / 2, width: w, height: h };
        }"""
    )
    return box


def window(gallery: OpenGallery) -> Box:
    size: Box = gallery.page.evaluate("({ width: innerWidth, height: innerHeight, ratio: devicePixelRatio })")
    return size


def open_picture(gallery: OpenGallery, job: str = JOB, number: int = 1) -> None:
    page = gallery.page
    page.locator(f'.card[href="#{job}"]').click()
    page.locator(f'#panel [data-number="{number}"]').click()
    page.locator("#viewer[open]").wait_for()
    if job != VIDEO:
        gallery.wait_for_images(page.locator('.pane[data-offset="0"] img'))


def leave(gallery: OpenGallery) -> None:
    """Close the viewer and the job, and wait until the browser has gone back."""
    gallery.page.keyboard.press("Escape")
    gallery.wait_until("!location.hash.includes('/') && !document.getElementById('viewer').open")
    gallery.page.keyboard.press("Escape")
    gallery.wait_until("!location.hash")


# ---- in every size


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_fills_the_window_and_obeys_keys_buttons_and_fingers(
    browser: Browser, outbox: Path, size: str
) -> None:
    with open_gallery(browser, outbox, **SIZES[size]) as gallery:
        fingers = Fingers(gallery)
        gallery.open()
        check_whole_window(gallery)
        if size == "dark desktop":
            return  # its colours are all that is different
        check_focus(gallery)
        check_ways_to_the_next_picture(gallery, fingers)
        check_zoom_by_keys_and_wheel(gallery, fingers)
        check_zoom_by_fingers(gallery, fingers)
        check_pull_and_tap(gallery, fingers)
        check_job_swipes(gallery, fingers)


def check_whole_window(gallery: OpenGallery) -> None:
    page = gallery.page
    open_picture(gallery, number=2)
    assert shown(gallery) == (JOB, "2")
    gallery.wait_for_address(f"#{JOB}/2")
    box, size = picture_box(gallery), window(gallery)
    assert max(box["width"] / size["width"], box["height"] / size["height"]) == pytest.approx(1)
    assert box["width"] <= size["width"] + 1
    assert box["height"] <= size["height"] + 1
    gallery.wait_for_images(page.locator(".pane img"))  # those beside it, too
    assert page.locator(".pane").count() == 3
    assert page.locator(".pane[inert]").count() == 2
    assert gallery.violations() == []
    leave(gallery)


def check_focus(gallery: OpenGallery) -> None:
    """The dialog has a name that is read out, Tab stays in it, and the picture gets the focus back."""
    page, press = gallery.page, gallery.page.keyboard.press
    open_picture(gallery, number=3)
    title = page.locator("#viewer-title")
    assert re.fullmatch(r"Picture 3 of 4: .+", title.inner_text())
    assert title.get_attribute("aria-live") == "polite"
    assert page.get_by_role("dialog", name=re.compile("Picture 3 of 4")).count() == 1
    assert page.evaluate("document.activeElement.id") == "viewer-title"
    names = set()
    for _ in range(8):
        press("Tab")
        names.add(page.evaluate("document.activeElement.closest('#viewer') && document.activeElement.id"))
    assert names - {None} == {
        *("viewer-before", "viewer-after", "viewer-zoom", "viewer-play", "viewer-close")
    }
    assert page.evaluate("!document.activeElement.closest('#panel, #wall')")
    press("ArrowRight")
    assert "Picture 4 of 4" in title.inner_text()
    press("Escape")
    assert page.evaluate("document.activeElement.dataset.number") == "4"
    gallery.wait_until(f"location.hash === '#{JOB}'")
    press("Escape")
    assert gallery.focused() == JOB
    press("Enter")
    press("Enter")
    assert shown(gallery) == (JOB, "1")
    leave(gallery)


def check_ways_to_the_next_picture(gallery: OpenGallery, fingers: Fingers) -> None:
    """Arrows, buttons and swipes go through the pictures of the wall as it is filtered, across jobs."""
    page, press = gallery.page, gallery.page.keyboard.press
    gallery.search("clients/acme")
    cards = page.locator(".card:has(img)").all()
    order = [((card.get_attribute("href") or "")[1:], str(n)) for card in cards for n in range(1, 5)]
    assert page.locator(".card").count() > len(cards)  # jobs without pictures are left out
    ways: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (lambda: press("ArrowRight"), lambda: press("ArrowLeft")),
        (
            lambda: page.locator("#viewer-after").click(),
            lambda: page.locator("#viewer-before").click(force=True),  # where it leads to nothing, too
        ),
        (lambda: fingers.swipe(-0.4), lambda: fingers.swipe(0.4)),
    ]
    open_picture(gallery, order[0][0])
    assert page.locator("#viewer-before").get_attribute("aria-disabled") == "true"
    for forth, back in ways:
        seen = [shown(gallery)]
        for _ in range(5):
            forth()
            seen.append(shown(gallery))
        assert seen == order[:6]
        for _ in range(5):
            back()
        assert shown(gallery) == order[0]
        back()
        assert shown(gallery) == order[0]
    press("3")
    assert shown(gallery) == order[2]
    gallery.wait_until(f"location.hash === '#{order[2][0]}/3'")
    leave(gallery)
    gallery.search("")


def check_zoom_by_keys_and_wheel(gallery: OpenGallery, fingers: Fingers) -> None:
    page, press = gallery.page, gallery.page.keyboard.press
    open_picture(gallery)
    fitted, size = picture_box(gallery), window(gallery)
    press("z")
    full = picture_box(gallery)
    assert full["width"] == pytest.approx(1536 / size["ratio"], abs=1)  # a pixel is a pixel
    assert page.locator("#viewer-zoom").inner_text() == "100 %"
    press("Shift+ArrowRight")
    moved = picture_box(gallery)
    assert moved["left"] < full["left"] or full["width"] <= size["width"]
    for _ in range(20):
        press("Shift+ArrowRight")
    moved = picture_box(gallery)
    assert moved["left"] + moved["width"] >= min(size["width"], moved["width"]) - 1  # no gap at the edge
    press("0")
    assert picture_box(gallery) == pytest.approx(fitted, abs=1)
    x, y = fitted["left"] + fitted["width"] * 0.3, fitted["top"] + fitted["height"] * 0.4
    page.mouse.move(x, y)
    page.mouse.wheel(0, -800)
    gallery.wait_until("document.querySelector('#viewer.zoomed')")
    zoomed = picture_box(gallery)
    assert (x - zoomed["left"]) / zoomed["width"] == pytest.approx(0.3, abs=0.01)
    if zoomed["height"] > size["height"]:
        assert (y - zoomed["top"]) / zoomed["height"] == pytest.approx(0.4, abs=0.01)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=3)
    page.mouse.up()
    assert picture_box(gallery)["left"] == pytest.approx(zoomed["left"] - 40, abs=1)
    assert shown(gallery) == (JOB, "1")
    press("ArrowRight")
    assert shown(gallery) == (JOB, "2")
    assert page.locator("#viewer.zoomed").count() == 0
    fingers.double_click(size["width"] / 2, size["height"] / 2)
    page.locator("#viewer.zoomed").wait_for()
    page.locator("#viewer-zoom").click()
    assert page.locator("#viewer.zoomed").count() == 0
    leave(gallery)


def check_zoom_by_fingers(gallery: OpenGallery, fingers: Fingers) -> None:
    open_picture(gallery)
    fitted, size = picture_box(gallery), window(gallery)
    x, y = size["width"] / 2, size["height"] / 2
    fingers.move(((x - 40, y), (x - 120, y)), ((x + 40, y), (x + 120, y)))
    pinched = picture_box(gallery)
    assert pinched["width"] == pytest.approx(3 * fitted["width"], rel=0.1)
    assert pinched["left"] + pinched["width"] / 2 == pytest.approx(x, abs=5)
    fingers.swipe(-0.1)
    panned = picture_box(gallery)
    assert panned["left"] == pytest.approx(pinched["left"] - 0.1 * size["width"], abs=2)
    assert shown(gallery) == (JOB, "1")  # a finger moves a zoomed picture, and leads to no other
    fingers.double_tap(x, y)
    gallery.wait_until("!document.querySelector('#viewer.zoomed')")
    fingers.double_tap(x, y)
    gallery.wait_until("document.querySelector('#viewer.zoomed')")
    assert picture_box(gallery)["width"] > fitted["width"]
    leave(gallery)


def check_pull_and_tap(gallery: OpenGallery, fingers: Fingers) -> None:
    """A tap hides the buttons, a short swipe does nothing, and a pull down closes the picture."""
    page = gallery.page
    open_picture(gallery, number=2)
    size = window(gallery)
    fingers.tap(size["width"] / 2, size["height"] / 2)
    page.locator("#viewer.quiet").wait_for()
    gallery.wait_until("getComputedStyle(document.querySelector('.buttons:has(.shut)')).opacity === '0'")
    fingers.tap(size["width"] / 2, size["height"] / 2)
    gallery.wait_until("!document.querySelector('#viewer.quiet')")
    fingers.swipe(0, 0.45)
    assert page.locator("#viewer").is_hidden()
    assert page.locator("#panel").is_visible()
    gallery.wait_until(f"location.hash === '#{JOB}'")
    page.keyboard.press("Escape")


def check_job_swipes(gallery: OpenGallery, fingers: Fingers) -> None:
    """On the job, a swipe over its pictures means the same as its arrows: the next job."""
    page = gallery.page
    page.locator(f'.card[href="#{JOB}"]').click()
    gallery.wait_for_images(page.locator(".shot img"))
    box = page.locator(".shots").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    fingers.move(((box["x"] + box["width"] - 20, y), (box["x"] + 20, y)))
    second = (
        page.locator(f'.card[href="#{JOB}"]')
        .locator("xpath=../following-sibling::*[1]/a")
        .get_attribute("href")
    )
    assert second
    gallery.wait_for_address(second)
    page.keyboard.press("ArrowLeft")
    gallery.wait_for_address(f"#{JOB}")
    page.keyboard.press("ArrowRight")
    gallery.wait_for_address(second)
    page.keyboard.press("Escape")


# ---- the address and Back


def test_back_closes_the_picture_then_the_job(browser: Browser, outbox: Path) -> None:
    with open_gallery(browser, outbox, **SIZES["phone"]) as gallery:
        page = gallery.page
        gallery.open()
        open_picture(gallery, number=4)
        page.keyboard.press("ArrowRight")
        other, number = shown(gallery)
        assert (other, number) != (JOB, "1")
        page.go_back()
        page.locator("#viewer").wait_for(state="hidden")
        gallery.wait_for_address(f"#{other}")  # the job of the last picture, not the one it began with
        assert page.locator("#panel[open]").count() == 1
        page.go_back()
        page.locator("#panel").wait_for(state="hidden")
        page.go_forward()
        page.locator("#panel[open]").wait_for()
        page.go_forward()
        page.locator("#viewer[open]").wait_for()
        page.locator("#viewer-close").click()
        gallery.wait_until("!location.hash.includes('/')")
        page.go_back()
        page.locator("#panel").wait_for(state="hidden")
        gallery.open(f"#{JOB}/3")
        assert shown(gallery) == (JOB, "3")
        page.keyboard.press("Escape")
        gallery.wait_for_address(f"#{JOB}")
        gallery.open(f"#{JOB}/9")
        assert page.locator("#viewer").is_hidden()
        assert page.locator("#panel").is_visible()


# ---- slideshow, videos, and what is not there


def test_a_slideshow_goes_through_the_wall_and_begins_again(browser: Browser, outbox: Path) -> None:
    with open_gallery(browser, outbox, **SIZES["desktop"], reduced_motion="reduce") as gallery:
        page, press = gallery.page, gallery.page.keyboard.press
        gallery.open()
        gallery.search("number29 --ar 3:2")
        page.clock.install(time=0)
        page.clock.pause_at(1)  # otherwise it runs on
        press("ArrowDown")
        press("s")
        gallery.wait_for_images(page.locator(".pane img"))
        assert page.locator("#viewer.plays").count() == 1
        assert page.locator("#viewer-title").get_attribute("aria-live") == "off"
        assert (
            page.locator(".plays .pane").first.evaluate("pane => getComputedStyle(pane).animationName")
            == "none"
        )
        seen = []
        for _ in range(5):
            seen.append(shown(gallery)[1])
            page.clock.run_for(SHOWN_FOR)
            gallery.wait_for_images(page.locator(".pane img"))
        assert seen == ["1", "2", "3", "4", "1"]
        page.mouse.wheel(0, -300)
        gallery.wait_until("document.querySelector('#viewer:not(.plays)')")
        assert page.locator("#viewer-title").get_attribute("aria-live") == "polite"
        before = shown(gallery)
        page.clock.run_for(2 * SHOWN_FOR)
        assert shown(gallery) == before


def test_a_video_plays_and_a_slideshow_shows_it_to_its_end(browser: Browser, outbox: Path) -> None:
    with open_gallery(browser, outbox, **SIZES["desktop"]) as gallery:
        page = gallery.page
        gallery.open()
        open_picture(gallery, VIDEO)
        assert page.locator("#viewer-title").inner_text().startswith("Video 1 of 1: ")
        gallery.wait_until("document.querySelector('.pane video').currentTime > 0")
        assert page.locator("#viewer-zoom").is_hidden()
        assert gallery.violations() == []
        page.clock.install(time=0)
        page.clock.pause_at(1)  # otherwise the picture after it is shown for a time only
        page.keyboard.press("s")
        page.locator('.pane[data-offset="0"] img').wait_for()  # the video was shown to its end
        page.keyboard.press("s")
        page.keyboard.press("ArrowLeft")
        page.locator('.pane[data-offset="0"] video').wait_for()


def test_pictures_that_come_and_pictures_that_are_missing(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    an_outbox(outbox, 2)
    gallery_on_disk = bring_up(outbox)
    (next(outbox.glob("**/note-000001zz")) / "note_1.webp").unlink()
    with open_gallery(browser, outbox, **SIZES["desktop"]) as gallery:
        page = gallery.page
        gallery.open()
        open_picture(gallery, "000001zz", 2)
        page.keyboard.press("ArrowLeft")
        assert page.locator('.pane[data-offset="0"] .note').inner_text() == "note_1.webp is not here yet"
        assert page.locator("#viewer-before").get_attribute("aria-disabled") == "true"
        page.keyboard.press("ArrowLeft")
        gallery_on_disk.add([a_folder(outbox, a_job(2))])
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.locator('#viewer-before[aria-disabled="false"]').wait_for()
        page.keyboard.press("ArrowLeft")
        assert shown(gallery) == ("000002zz", "4")
        gallery.errors[:] = [line for line in gallery.errors if "ERR_FILE_NOT_FOUND" not in line]
