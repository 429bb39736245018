"""Finding jobs in the gallery in a real browser: filters, order, months, marks, favourites, side by side.

Follow-ups that are chosen in the gallery go through a daemon in tests/scenarios/test_gallery_follow_ups.py.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.gallery.gallery import Gallery
from mjwatch.model import Button, Prompt, Source, State
from tests.helpers.browser import PHONE, launched, open_gallery
from tests.helpers.job_factory import RESULT
from tests.helpers.outbox_factory import a_folder, a_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from mjwatch.model import Job
    from tests.helpers.browser import OpenGallery

pytestmark = pytest.mark.real

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"], "timezone_id": "UTC"}
DESK = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"}
LANDSCAPE = {**PHONE, "viewport": {"width": 844, "height": 390}, "color_scheme": "light"}
SIZES = {"phone": {**PHONE, "color_scheme": "dark"}, "landscape": LANDSCAPE, "desk": DESK}

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
UUID = "0c5f1d3e-1111-4222-8333-444455556666"
GRID = tuple(
    Button(f"MJ::JOB::{verb}::{n}::{UUID}", f"{letter}{n}")
    for verb, letter in (("upsample", "U"), ("variation", "V"))
    for n in range(1, 5)
)
HOSTILE = "<img src=x onerror=window.hacked=1>"
PROMPTS = ("a zebra --ar 16:9 --stylize 250", "Émile's bridge --tile --seed 77", "an apple --v 7 --ar 16:9")
MARKED_BY_FILE, MARKED_BY_LABEL = "00000azz", "00000bzz"
PARENT, SECOND, THIRD, VIDEO, TEXT = (f"0000{n}azz" for n in "bcdef")
STATUS = {
    "at": "2026-06-30T12:00:00.000Z",
    "service": "running",
    "jobs": {"queued": 14},
    "live": [],
    "waiting": [
        {"prompt": f"a queued fox {HOSTILE}", "action": None, "not_before": "2100-01-02T03:04:05.000Z"},
        {"prompt": "", "command": "describe", "action": None, "not_before": None},
        {"prompt": "a night market", "action": "U2", "not_before": None},
    ],
}


def jobs() -> Iterator[Job]:
    """Yield 80 jobs over five months, then a family of five."""
    for number in range(80):
        prompt = Prompt(f"{PROMPTS[number % 3]} --no n{number}", label="favourite" if number == 11 else None)
        yield made(number, 2 * number, prompt, result=None if number % 10 == 7 else RESULT)
    family = [(PARENT, None), (SECOND, "U1"), (THIRD, "V2"), (VIDEO, "animate high")]
    for n, (job_id, action) in enumerate(family):
        parent = {VIDEO: SECOND, PARENT: None}.get(job_id, PARENT)
        yield made(90 + n, 165, Prompt("a family", action=action), id=job_id, parent=parent)
    yield made(95, 165, Prompt("long words", command="shorten"), id=TEXT, result=None, state=State.DONE)


def made(number: int, day: int, prompt: Prompt, **changes: Any) -> Job:
    at = (FIRST + timedelta(days=day, minutes=number)).timestamp()
    failed = changes.get("result", RESULT) is None and "state" not in changes
    result = changes.get("result", RESULT)
    values = {
        "prompt": prompt,
        "label": None,
        **dict.fromkeys(("accepted", "submitted", "finished"), at),
        "source": Source(f"note{number}.txt", "0" * 64, at),
        "parent": None,
        "state": State.FAILED if failed else State.DONE,
        **changes,
        "result": result and replace(result, echoed=prompt.text, buttons=GRID),
    }
    del values["label"]
    return a_job(number if failed else number + 1000, **{"id": f"{number:06x}zz", **values})


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery with a bit of everything."""
    outbox = tmp_path_factory.mktemp("finding") / "outbox"
    for number, job in enumerate(jobs()):
        folder = outbox / a_folder(outbox, job, picture=number % 28)
        if job.id == MARKED_BY_FILE:
            (folder / "favourite").touch()
        if job.id in {SECOND, VIDEO}:
            alter(folder, job.id)
        if job.id == TEXT:
            manifest = folder / "manifest.json"
            manifest.write_text(manifest.read_text().replace('"text": null', '"text": "short words"'))
    gallery = Gallery(outbox, outbox.parent / "state")
    gallery.install()
    gallery.add(gallery.repair())
    gallery.show_status(STATUS)
    return outbox


def alter(folder: Path, job_id: str) -> None:
    """Leave one picture, or one video, of four pictures."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["images"] = manifest["images"][:1]
    if job_id == VIDEO:
        (folder / "note.mp4").write_bytes(bytes(64))
        manifest["images"][0]["file"] = "note.mp4"
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("size", SIZES)
def test_jobs_are_found_marked_and_compared(browser: Browser, outbox: Path, size: str) -> None:
    with open_gallery(browser, outbox, **SIZES[size], **CLIPBOARD) as gallery:
        gallery.open()
        check_filters(gallery, size)
        check_months(gallery)
        check_side_by_side(gallery)
        if size != "landscape":  # where only the room for all this is different
            check_order(gallery)
            check_queue(gallery)
            check_family(gallery)
            check_advice(gallery)
            check_favourites(gallery)
            check_folder_path(gallery, outbox)
        assert gallery.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def check_with_axe(gallery: OpenGallery) -> None:
    """Check what can be seen, dark and light, but not thrice: axe takes long."""
    if gallery.page.evaluate("innerWidth < 1000"):
        assert gallery.violations() == []


def positions(gallery: OpenGallery) -> list[tuple[int, str]]:
    number_and_id = "(spot) => [Number(spot.ariaPosInSet), spot.querySelector('.card').hash.slice(1)]"
    found = gallery.page.locator(".spot").evaluate_all(f"(spots) => spots.map({number_and_id})")
    return [(number, id_) for number, id_ in found]


def ids(gallery: OpenGallery) -> list[str]:
    return [id_ for _, id_ in positions(gallery)]


def check_filters(gallery: OpenGallery, size: str) -> None:
    page = gallery.page
    page.locator("#more").click()
    check_room_for_pictures(gallery, size)
    assert page.locator("#value").is_hidden()
    for field, value, count in (
        ("kind", "grid", 74),
        ("kind", "picture", 1),
        ("kind", "video", 1),
        ("kind", "text", 1),
        ("kind", "none", 8),
        ("favourite", "yes", 2),
        ("parameter", "version", 26),  # written as --v
        ("parameter", "tile", 27),
    ):
        page.locator(f"#{field}").select_option(value)
        assert gallery.count() == f"{count} of 85 job{'s' if count else ''}", (field, value)
        page.locator(f"#{field}").select_option("")
    page.locator("#parameter").select_option("ar")
    assert page.locator("#value option").all_inner_texts() == ["Any", "16:9"]
    page.locator("#value").select_option("16:9")
    page.locator("#kind").select_option("none")
    assert page.locator("#more-word").text_content() == "Filters · 2"
    assert gallery.count() == "5 of 85 jobs"
    check_with_axe(gallery)
    page.locator("#clear").click()
    assert gallery.count() == "85 jobs"
    page.locator("#more").click()


def check_room_for_pictures(gallery: OpenGallery, size: str) -> None:
    """Check that the open filters leave half of the window, or more, to pictures that can be tapped."""
    card = "document.elementFromPoint(x, y)?.closest('.card, .wall, main') ? 1 : 0"
    seen = gallery.page.evaluate(
        f"[...Array(400).keys()].map((n) => {{ const x = innerWidth * (n % 20 + .5) / 20,"
        f" y = innerHeight * (Math.floor(n / 20) + .5) / 20; return {card}; }}).reduce((a, b) => a + b) / 400"
    )
    assert seen > {"phone": 0.4, "landscape": 0.5, "desk": 0.7}[size]


def check_order(gallery: OpenGallery) -> None:
    page = gallery.page
    page.locator("#more").click()
    page.locator("#order").select_option("old")
    assert ids(gallery)[:2] == ["000000zz", "000001zz"]
    page.locator("#order").select_option("prompt")
    headings = page.locator("#jump-to option").all_text_contents()
    assert headings == ["A · 57", "E · 27", "L · 1"]  # Émile is among those with E
    assert ids(gallery)[:5] == [VIDEO, THIRD, SECOND, PARENT, "000000zz"]
    assert ids(gallery) == [id_ for _, id_ in sorted(positions(gallery))]  # as screen readers read it
    page.locator("#order").select_option("new")
    page.locator("#more").click()
    gallery.search("zebra --no n6")  # the order stays as words are typed
    assert ids(gallery) == [f"{number:06x}zz" for number in (69, 66, 63, 60, 6)]
    gallery.search("")


def check_months(gallery: OpenGallery) -> None:
    page = gallery.page
    scroll_to_top(gallery)
    names = page.locator("#jump-to option").all_text_contents()
    assert [name.split(" ")[0] for name in names] == ["June", "May", "April", "March", "February", "January"]
    page.locator("#jump-to").select_option(names[3], force=True)
    page.locator("#jump").wait_for()
    assert page.locator("#jump-to").input_value() == "3"
    top = page.locator(".card").filter(has_text="Mar 30").first.bounding_box()
    assert top
    assert 0 < top["y"] < page.evaluate("innerHeight")
    assert page.evaluate("scrollY") > 300
    check_with_axe(gallery)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    gallery.wait_until("document.getElementById('jump-to').value === '5'")
    scroll_to_top(gallery)


def scroll_to_top(gallery: OpenGallery) -> None:
    """Scroll, and wait until the page has put the cards there into the document: it hides the month then."""
    gallery.page.evaluate("scrollTo(0, 0)")
    gallery.page.locator("#jump").wait_for(state="hidden")


def check_queue(gallery: OpenGallery) -> None:
    page = gallery.page
    page.locator("#service summary").click()
    waiting = page.locator("#service-more .live li").all_inner_texts()
    assert waiting[0].startswith("not before Jan 2, 2100")
    assert waiting[0].endswith(HOSTILE)
    assert [line.split("\n")[-1].strip() for line in waiting[1:]] == [
        "describe",
        "a night market",
        "and 11 more",
    ]
    page.locator("#service summary").click()


def check_family(gallery: OpenGallery) -> None:
    """Check who belongs to whom, and that a video shows the picture that it was made of."""
    page = gallery.page
    card = page.locator(f'.card[href="#{VIDEO}"]')
    assert card.locator(".video-mark").inner_text() == "Video"
    assert f"{SECOND}.webp" in (card.locator("img").get_attribute("src") or "")
    gallery.open(f"#{SECOND}")
    family = [text.split("\n")[0] for text in page.locator(".relative").all_inner_texts()]
    assert [text.split(" a family")[0] for text in family] == ["U1 of", "Animate high", "V2"]
    page.locator(".relative", has_text="U1 of").click()
    made_before = page.locator(".chip:has(.icon)")
    assert [text.split()[0] for text in made_before.all_inner_texts()] == ["U1", "V2"]
    page.locator(".stage .back").click()


def check_advice(gallery: OpenGallery) -> None:
    gallery.open("#000007zz")
    assert "What to do" in gallery.page.locator(".reason").inner_text()
    assert "Change the text or the pictures" in gallery.page.locator(".reason").inner_text()
    assert gallery.page.locator(".chip").count() == 0  # what was refused is not sent again
    gallery.page.locator(".stage .back").click()


def check_favourites(gallery: OpenGallery) -> None:
    page = gallery.page
    gallery.open("#000003zz")
    page.locator(".star").click()
    assert page.locator(".star").get_attribute("aria-pressed") == "true"
    check_with_axe(gallery)
    page.keyboard.press("f")
    assert page.locator(".star").get_attribute("aria-pressed") == "false"
    page.keyboard.press("f")
    page.locator(".stage .back").click()
    gallery.open(f"#{MARKED_BY_LABEL}")
    assert page.locator(".star").is_disabled()
    page.locator(".stage .back").click()
    gallery.open()  # another visit
    page.locator("#more").click()
    page.locator("#favourite").select_option("yes")
    marked = ["00000bzz", "00000azz", "000003zz"]
    assert ids(gallery) == marked
    assert page.locator(".card .starred").count() == 3
    with page.expect_download() as download:
        page.locator("#favourites-export").click()
    listed = json.loads(download.value.path().read_text())
    assert [one["job"] for one in listed["favourites"]] == marked
    assert listed["favourites"][1]["folder"] == f"note-{MARKED_BY_FILE}"
    page.evaluate("localStorage.clear()")
    gallery.open()
    page.locator("#more").click()
    page.locator("#favourite").select_option("yes")
    assert ids(gallery) == marked[:2]
    page.locator("#favourites-import").set_input_files(download.value.path())
    gallery.wait_until_said("Added 3 favourites")
    assert ids(gallery) == marked
    page.evaluate("localStorage.clear()")
    gallery.open()


def check_side_by_side(gallery: OpenGallery) -> None:
    page = gallery.page
    page.locator("#choose").click()
    assert page.locator("[data-name=compare]").is_disabled()
    for number in range(3):
        page.locator(".card").nth(number + 1).click()
    assert page.locator(".card .tick").count() == 3
    assert "3 selected" in page.locator("#tray").inner_text()
    check_with_axe(gallery)
    page.locator("[data-name=compare]").click()
    page.locator("#compare[open]").wait_for()
    assert page.locator(".column").count() == 3
    gallery.wait_for_images(page.locator(".compared img"))
    check_with_axe(gallery)
    check_all_in_window(gallery, ".column")
    page.keyboard.press("3")
    for one in page.locator(".compared .shots").all():
        assert one.locator("img:visible, video:visible").count() == 1
    page.locator(".one:visible").first.click()
    assert page.locator(".compared .shots.alone").count() == 0
    page.keyboard.press("Escape")
    page.locator("#compare").wait_for(state="hidden")
    assert page.locator(".card .tick").count() == 3
    page.locator("[data-name=favourite]").click()
    assert page.locator(".card .starred").count() >= 3
    page.locator("[data-name=favourite]").click()
    assert len(gallery.copy(page.locator("#tray .copy")).split("\n")) == 3
    page.keyboard.press("Escape")
    assert page.locator("#tray").is_hidden()
    check_keys(gallery)


def check_keys(gallery: OpenGallery) -> None:
    page, press = gallery.page, gallery.page.keyboard.press
    page.locator(".card").first.focus()
    for key in ("x", "ArrowRight", "Enter"):
        press(key)
    assert page.locator(".card .tick").count() == 2
    assert page.locator("#panel").is_hidden()
    press("Escape")
    assert page.locator(".card .tick").count() == 0
    press("f")
    assert page.locator(".card:focus .starred").count() == 1
    press("f")


def check_all_in_window(gallery: OpenGallery, selector: str) -> None:
    width, height = gallery.page.evaluate("[innerWidth, innerHeight]")
    for one in gallery.page.locator(selector).all():
        box = one.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1
        assert box["y"] + box["height"] <= height + 1


def check_folder_path(gallery: OpenGallery, outbox: Path) -> None:
    page = gallery.page
    gallery.open(f"#{MARKED_BY_FILE}")
    folder = outbox / f"note-{MARKED_BY_FILE}"
    assert gallery.copy(page.locator('.facts .copy[title="Copy the folder\'s path"]')) == str(folder)
    assert page.locator(".download").count() == 0  # a browser saves nothing from a disk
    page.locator(".stage .back").click()


def test_a_folder_is_opened_in_a_new_window(browser: Browser, outbox: Path) -> None:
    with launched(browser.browser_type) as chromium:  # the headless shell does not list it
        for size in ("phone", "desk"):
            with open_gallery(chromium, outbox, **SIZES[size]) as gallery:
                gallery.open(f"#{MARKED_BY_FILE}")
                with gallery.page.context.expect_page() as opened:
                    gallery.page.locator(".facts a", has_text="Open folder").click()
                # At first the new window is empty.
                opened.value.get_by_text("note_1.webp").first.wait_for()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/favicon.ico":  # which Chromium asks for, and logs as an error
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_pictures_are_downloaded_from_a_server(browser: Browser, outbox: Path) -> None:
    with served(outbox) as address, open_gallery(browser, outbox, **DESK, **CLIPBOARD) as gallery:
        gallery.address = address
        gallery.open(f"#{MARKED_BY_FILE}")
        page, names = gallery.page, []
        page.on("download", lambda download: names.append(download.suggested_filename))
        page.locator(".download").first.click()
        page.locator(".tool", has_text="Download all").click()
        wanted = ["note_1.webp", *(f"note_{n}.webp" for n in range(1, 5))]
        gallery.wait_for(lambda: len(names) >= len(wanted), f"not all were downloaded: {names}")
        assert sorted(names) == sorted(wanted)  # the browser reports them in any order
        assert page.locator(".facts a", has_text="Open folder").count() == 0
        assert all(request.startswith((address, "blob:")) for request in gallery.requests)
        gallery.requests.clear()


def test_a_browser_that_keeps_nothing_still_marks_favourites(browser: Browser, outbox: Path) -> None:
    with open_gallery(browser, outbox, **DESK) as gallery:
        gallery.page.add_init_script(
            "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name,"
            " { get() { throw new DOMException('no', 'SecurityError'); } })"
        )
        gallery.open()
        gallery.page.locator(".card").nth(2).focus()
        gallery.page.keyboard.press("f")
        assert gallery.page.locator(".card:focus .starred").count() == 1


def test_a_video_without_its_picture_is_still_a_card(browser: Browser, outbox: Path, tmp_path: Path) -> None:
    copy = tmp_path / "outbox"
    shutil.copytree(outbox, copy)
    shutil.rmtree(copy / f"note-{SECOND}")
    gallery = Gallery(copy, tmp_path / "state")
    gallery.repair()
    with open_gallery(browser, copy, **DESK) as opened:
        opened.open()
        assert opened.page.locator(f'.card[href="#{VIDEO}"]', has_text="Video").count() == 1


EVIL = "U1 $(echo owned) `echo owned` '; echo owned #\x1b[201~\n"


def test_an_edited_manifest_puts_nothing_else_into_a_copied_command(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    a_folder(outbox, made(1, 0, Prompt("a fox", action="U1"), id="evilevil", parent="foxfoxzz"))
    a_folder(outbox, made(2, 0, Prompt("a fox"), id="foxfoxzz"), picture=2)
    begins = a_folder(outbox, made(3, 0, Prompt("the beginning"), id="beginsaa"), picture=3)
    edit(outbox / "note-evilevil", action=EVIL)
    edit(outbox / begins, source={"kind": "folder"}, prompt={"submitted": "the beginning", "echoed": None})
    gallery = Gallery(outbox, tmp_path / "state")
    gallery.install()
    gallery.add(gallery.repair())
    with open_gallery(browser, outbox, **DESK, **CLIPBOARD) as opened:
        opened.open("#%zz")  # no job, and no text that can be decoded
        assert opened.count() == "3 jobs"
        opened.open("#evilevil")
        opened.page.locator(".chip[data-pick='evilevil again']").click()
        command = opened.copy(opened.page.locator("#panel .picked .copy"))
        opened.open("#beginsaa")
        assert "Only the beginning" in opened.page.locator("#panel .prompt").inner_text()
        assert opened.page.locator(".chip[data-pick='beginsaa again']").count() == 0
    shell = ["sh", "-c", f"mjwatch() {{ printf '<%s>' \"$@\"; }}\n{command}"]
    printed = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert printed == f"<act><foxfoxzz><{EVIL[:-7]} [201~ >"


def edit(folder: Path, **values: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | values))
