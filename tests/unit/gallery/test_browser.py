"""The gallery in a real browser, with manifests that no daemon writes, a service at work, and half a sync.

What a daemon writes is shown in tests/scenarios/test_gallery_of_many.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.gallery.gallery import Gallery
from mjwatch.model import Prompt, ResultKind, State
from tests.helpers.browser import DESKTOP, PHONE, open_gallery
from tests.helpers.job_factory import RESULT
from tests.helpers.outbox_factory import a_folder, a_job, an_outbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.helpers.browser import OpenGallery

pytestmark = pytest.mark.real

HOSTILE = (
    "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> \"'`${window.hacked=3}`</textarea>"
)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outbox with three jobs and their gallery."""
    outbox = tmp_path_factory.mktemp("gallery") / "outbox"
    an_outbox(outbox, 3)
    bring_up(outbox)
    return outbox


def bring_up(outbox: Path) -> Gallery:
    gallery = Gallery(outbox, outbox.parent / "state")
    gallery.install()
    gallery.add(gallery.repair())
    return gallery


def open_job(gallery: OpenGallery, job: str) -> None:
    gallery.page.locator(f'.card[href="#{job}"]').click()
    gallery.page.locator("#panel[open]").wait_for()


# ---- what only some jobs have


def test_days_are_counted_from_the_first_to_the_last(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    an_outbox(outbox, 60)  # 71 minutes apart, from the first of March
    bring_up(outbox)
    with open_gallery(browser, outbox, **DESKTOP, timezone_id="UTC") as gallery:
        gallery.open()
        gallery.page.locator("#more").click()
        for first, last, jobs in (("01", "01", 14), ("02", "02", 20), ("01", "02", 34), ("02", "01", 0)):
            gallery.page.locator("#from").fill(f"2026-03-{first}")
            gallery.page.locator("#to").fill(f"2026-03-{last}")
            assert gallery.page.locator("#count").text_content() == f"{jobs} of 60 jobs"


def test_single_pictures_videos_and_answers_in_words_are_shown(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    single = a_job(1, prompt=Prompt("", action="U1"), parent="000000zz")
    folder = outbox / a_folder(outbox, single)
    shutil.copy(folder / "note_1.webp", folder / "note_U1.webp")
    alter(folder, '"images": [', '"images": [{"file": "note_U1.webp", "width": 24, "height": 16}], "x": [')
    video = outbox / a_folder(outbox, a_job(2))
    (video / "note.mp4").write_bytes(bytes(64))
    alter(video, '"images": [', '"images": [{"file": "note.mp4", "width": 24, "height": 16}], "x": [')
    words = ResultKind.TEXT
    answer = a_job(3, prompt=Prompt("", command="describe"), result=None, state=State.DONE, refusal=None)
    a_folder(outbox, answer)
    alter(
        outbox / "sketches" / "note-000003zz",
        '"text": null',
        f'"text": "1. a quiet harbour", "kind": "{words}"',
    )
    bring_up(outbox)
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open()
        assert gallery.page.locator(".card").count() == 3
        open_job(gallery, "000001zz")
        assert gallery.page.locator(".shot img").count() == 1
        assert "000000zz, which is not here" in gallery.page.locator(".facts").inner_text()
        gallery.page.keyboard.press("Escape")
        open_job(gallery, "000002zz")
        assert gallery.page.locator("video[controls]").count() == 1
        gallery.page.keyboard.press("Escape")
        open_job(gallery, "000003zz")
        assert gallery.page.locator(".words").inner_text() == "1. a quiet harbour"


def alter(folder: Path, before: str, after: str) -> None:
    """Change a manifest by hand."""
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_hostile_words_and_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    name = "\"><svg onload=window.hacked=4>'%3Cb%3E #?&;"
    job = a_job(
        1,
        prompt=Prompt(f"{HOSTILE} --ar {HOSTILE}", label=HOSTILE, action=HOSTILE),
        parent="000002zz",
        source=None,
        result=RESULT,
    )
    path = a_folder(outbox, job, name=name.replace("/", "_"))
    (outbox / "javascript:window.hacked=5").mkdir()
    (outbox / path).rename(outbox / "javascript:window.hacked=5" / f"{name} folder")
    failed = a_job(2, state=State.FAILED, result=None, prompt=Prompt(HOSTILE))
    a_folder(outbox, failed)
    gallery_on_disk = bring_up(outbox)
    gallery_on_disk.show_status(
        {
            "at": "2026-11-22T12:00:00.000Z",
            "service": "running",
            "paused": HOSTILE,
            "troubles": [{"kind": HOSTILE, "sentence": HOSTILE, "remedy": f"`{HOSTILE}`", "since": HOSTILE}],
            "jobs": {"running": 1},
            "live": [{"job": HOSTILE, "state": HOSTILE, "prompt": HOSTILE, "percent": None}],
            "held": [
                {
                    "link": "javascript:window.hacked=6",
                    "prompt": "?",
                    "jobs": [HOSTILE],
                    "commands": [HOSTILE],
                }
            ],
        }
    )
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open()
        assert gallery.page.locator("#alert").inner_text().count(HOSTILE.replace("`", "")) >= 2
        assert gallery.page.locator("#alert a").count() == 0
        gallery.page.locator("#service summary").click()
        gallery.page.locator("#service summary").click()
        gallery.search("<script>window")
        assert gallery.page.locator(".card").count() == 2
        open_job(gallery, "000001zz")
        gallery.wait_for_images(gallery.page.locator(".shot img"))  # its pictures are found under that name
        assert gallery.page.locator(".prompt p").first.inner_text().startswith(HOSTILE)
        for link in gallery.page.locator(".files a").element_handles():
            assert Path(
                gallery.page.evaluate("a => decodeURIComponent(new URL(a.href).pathname)", link)
            ).is_file()
        gallery.page.locator(".relative").click()
        gallery.page.wait_for_url("**#000002zz")
        assert gallery.page.locator("script:not([src])").count() == 0
        assert gallery.page.evaluate("document.querySelectorAll('svg[onload], img[onerror]').length") == 0


def test_a_script_that_got_into_the_page_would_not_run(browser: Browser, three: Path) -> None:
    """The policy holds on a disk too."""
    with open_gallery(browser, three, **DESKTOP) as gallery:
        gallery.open()
        tried: Any = gallery.page.evaluate(
            """async () => {
              const tried = [];
              const attempt = (name, what) => { try { what(); } catch (error) { tried.push(error.name); } };
              attempt("html", () => (document.body.innerHTML = "<img src=x onerror=window.hacked=1>"));
              attempt("source", () => (document.createElement("script").src = "x.js"));
              attempt("code", () => (document.createElement("script").textContent = "window.hacked = 2"));
              attempt("policy", () => trustedTypes.createPolicy("mine", {}));
              await fetch("index.html").catch((error) => tried.push(error.name));
              const image = new Image();
              const failed = new Promise((resolve) => (image.onerror = () => resolve("refused")));
              image.src = "https://example.invalid/x.png";
              tried.push(await failed);
              return tried;
            }"""
        )
        assert tried == ["TypeError"] * 5 + ["refused"]
        gallery.wait_for(lambda: len(gallery.errors) >= len(tried), "not all of it was reported")
        gallery.errors.clear()  # of what was tried
        gallery.requests.clear()


# ---- the service, news, and what has not arrived


STATUS = {
    "at": "2026-11-22T12:00:00.000Z",
    "service": "running",
    "paused": None,
    "mend": None,
    "trouble": None,
    "jobs": {"queued": 4, "running": 1, "submitted": 1},
    "live": [{"job": "7k3f9a2m", "state": "running", "prompt": "a quiet harbour", "percent": 46}],
    "sent_in_24h": 17,
    "max_per_day": 200,
    "capped_until": None,
    "left": {
        "counts": {"it is no plain text": 7},
        "some": [{"path": f"cat{number}.md", "why": "it is no plain text"} for number in range(7)],
    },
}


def test_the_banner_shows_what_runs_and_why_it_is_paused(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    gallery_on_disk = bring_up(outbox)
    with open_gallery(browser, outbox, **PHONE) as gallery:
        gallery.open()
        assert gallery.page.locator("#service").is_hidden()
        assert gallery.page.locator("#empty").inner_text().startswith("No pictures yet")
        gallery_on_disk.show_status(STATUS)
        gallery.open()
        gallery.page.locator("#service summary").click()
        assert gallery.page.locator("#service-word").inner_text() == "2 running · 4 queued"
        more = gallery.page.locator("#service-more").inner_text()
        assert "running 46 %" in more
        assert "17 of 200" in more
        assert "cat0.md, cat1.md, cat2.md, cat3.md, cat4.md and 2 more: it is no plain text" in more
        assert gallery.page.locator("#alert").is_hidden()
        limit = {"why": "a rate limit", "until": "2026-11-22T12:30:00.000Z", "scope": "global"}
        gallery_on_disk.show_status({**STATUS, "sending_limit": limit})
        gallery.open()
        gallery.page.locator("#service summary").click()
        assert gallery.page.locator("#service-word").inner_text().startswith("Waiting for a limit")
        assert ": a rate limit" in gallery.page.locator("#service-more").inner_text()
        since = "2026-11-22T11:58:00.000Z"
        pause = {"kind": "paused", "sentence": "sending is paused: a captcha", "since": since}
        full = {"kind": "outbox", "sentence": "its disk is full", "remedy": "", "since": since}
        troubles = [{**pause, "remedy": "see to it, then `mjwatch resume`"}, full]
        gallery_on_disk.show_status({**STATUS, "paused": "a captcha", "troubles": troubles})
        gallery.open()
        assert gallery.page.locator("#service-word").inner_text() == "Paused · 2 running · 4 queued"
        alert = gallery.page.locator("#alert").inner_text()
        assert "Sending is paused: a captcha (since " in alert
        assert "Outbox problem" in alert
        assert "Its disk is full (since " in alert
        assert "See to it, then mjwatch resume" in alert
        link = "https://discord.com/channels/@me/1/700"
        commands = ["mjwatch assign joba 700", "mjwatch assign jobb 700", "mjwatch dismiss 700"]
        held = {"message": "700", "link": link, "prompt": "a red cat", "jobs": ["joba", "jobb"]}
        gallery_on_disk.show_status({**STATUS, "held": [{**held, "commands": commands}]})
        gallery.open()
        assert gallery.page.locator("#alert a").get_attribute("href") == link
        assert gallery.page.locator("#alert code").all_inner_texts() == commands
        assert "may be of job joba or jobb, or of none" in gallery.page.locator("#alert").inner_text()
        gallery_on_disk.show_status({**STATUS, "service": "stopped", "jobs": {"queued": 1}, "live": []})
        gallery.open()
        assert gallery.page.locator("#service-word").inner_text() == "Stopped"


HEARTBEAT = {"at": "2026-11-22T12:00:00.000Z", "expected_by": "2026-11-22T12:05:00.000Z"}


@pytest.mark.parametrize(
    ("now", "facts", "word"),
    [
        ("2026-11-22T11:20:00Z", HEARTBEAT, "2 running · 4 queued"),  # this device's clock is slow
        ("2026-11-22T12:09:00Z", HEARTBEAT, "2 running · 4 queued"),
        ("2026-11-22T12:10:00Z", HEARTBEAT, "No sign of life"),
        ("2026-11-22T22:00:00Z", {**HEARTBEAT, "service": "stopped", "expected_by": None}, "Stopped"),
        ("2026-11-22T22:00:00Z", {**HEARTBEAT, "expected_by": None}, "2 running · 4 queued"),
        ("2026-11-22T12:01:00Z", {"quiet_until": HEARTBEAT["expected_by"]}, "Waiting for its hours"),
        ("2026-11-22T12:06:00Z", {"quiet_until": HEARTBEAT["expected_by"]}, "2 running · 4 queued"),
    ],
)
def test_the_banner_says_that_a_service_is_dead_or_waits_for_its_hours(
    browser: Browser, tmp_path: Path, now: str, facts: dict[str, Any], word: str
) -> None:
    bring_up(tmp_path).show_status({**STATUS, **facts})
    with open_gallery(browser, tmp_path, **PHONE) as gallery:
        gallery.page.add_init_script(f"Date.now = () => Date.parse('{now}')")
        gallery.open()
        assert gallery.page.locator("#service-word").inner_text().startswith(word)
        alert = gallery.page.locator("#alert")
        assert alert.is_visible() == (word == "No sign of life")
        assert "mjwatch has died, the sync is late" in alert.inner_text() or alert.is_hidden()


def test_a_version_that_comes_while_the_page_is_open_shows_life_whatever_the_clock_says(
    browser: Browser, tmp_path: Path
) -> None:
    gallery_on_disk = bring_up(tmp_path)
    gallery_on_disk.show_status({**STATUS, **HEARTBEAT})

    def word_at(now: str) -> str:
        gallery.page.evaluate(f"Date.now = () => Date.parse('{now}')")
        mark = "document.querySelector('#service-more').textContent = 'old'"  # it goes with the next load
        gallery.page.evaluate(f"{mark}; document.dispatchEvent(new Event('visibilitychange'))")
        gallery.wait_until("document.querySelector('#service-more').textContent !== 'old'")
        return gallery.page.locator("#service-word").inner_text()

    with open_gallery(browser, tmp_path, **PHONE) as gallery:
        gallery.page.add_init_script("Date.now = () => Date.parse('2026-11-22T14:00:00Z')")  # two hours fast
        gallery.page.add_init_script(
            "window.setInterval = () => 0"
        )  # the page looks only when the test says so
        gallery.open()
        assert gallery.page.locator("#service-word").inner_text() == "No sign of life"
        later = {"at": "2026-11-22T12:04:30.000Z", "expected_by": "2026-11-22T12:09:30.000Z"}
        gallery_on_disk.show_status({**STATUS, **later})
        assert word_at("2026-11-22T14:04:40Z") == "2 running · 4 queued"
        assert word_at("2026-11-22T14:14:00Z") == "2 running · 4 queued"
        assert word_at("2026-11-22T14:14:40Z") == "No sign of life"


def test_news_come_without_loading_the_page_again(browser: Browser, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    an_outbox(outbox, 2)
    gallery_on_disk = bring_up(outbox)
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open()
        gallery.page.locator('.card[href="#000001zz"]').focus()
        gallery_on_disk.add([a_folder(outbox, a_job(2))])
        gallery_on_disk.show_status(STATUS)
        gallery.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        gallery.page.locator('.card[href="#000002zz"]').wait_for()
        gallery.page.locator("#service-word", has_text="2 running").wait_for()
        assert gallery.count() == "3 jobs"
        assert gallery.focused() == "000001zz"


def test_the_gallery_says_which_parts_have_not_arrived_yet(browser: Browser, tmp_path: Path) -> None:
    """A sync may bring the data before the pictures, or a chunk after the index that names it."""
    outbox = tmp_path / "outbox"
    an_outbox(outbox, 3)
    bring_up(outbox)
    (outbox / "_gallery/thumbs/0/000000zz.webp").unlink()
    (outbox / "clients/acme/note-000001zz/note_2.webp").unlink()
    (outbox / "_gallery/index.js").write_text('gallery.index({"chunks":3})\n')
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open("#000001zz")
        gallery.page.locator(".shot", has_text="note_2.webp is not here yet").wait_for()
        gallery.page.keyboard.press("Escape")
        gallery.page.locator('.card[href="#000000zz"]', has_text="Not here yet").wait_for()
        missing = [line for line in gallery.errors if "ERR_FILE_NOT_FOUND" in line]
        assert missing == gallery.errors
        gallery.errors.clear()


def test_without_scripts_it_says_so(browser: Browser, three: Path) -> None:
    with open_gallery(browser, three, java_script_enabled=False) as gallery:
        gallery.page.goto(gallery.address)
        assert "needs JavaScript" in gallery.page.inner_text("noscript")
        context = gallery.page.context
        assert len(context.pages) == 1
