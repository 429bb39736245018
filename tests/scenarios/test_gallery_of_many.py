"""The gallery of three, hundreds and thousands of jobs from a daemon, on a desktop and on a phone.

Seen to catch: a prompt that is inserted into the page as markup, a parent without its follow-ups, a chunk
that is not loaded, a Back that leaves the gallery.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.browser import DESKTOP, PHONE, open_gallery
from tests.scenarios.many_jobs import FAMILY_PROMPT, HOSTILE, QUOTED, many_jobs_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.helpers.browser import OpenGallery
    from tests.scenarios.many_jobs import ManyJobs

    Jobs = list[dict[str, Any]]
    """Manifests, the newest first."""

pytestmark = [pytest.mark.real, pytest.mark.long]

ALLOWED = {"permissions": ["clipboard-read", "clipboard-write"]}
SIZES = {
    "desktop": {**DESKTOP, **ALLOWED, "color_scheme": "light"},
    "phone": {**PHONE, **ALLOWED, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyJobs]:
    with many_jobs_workspace(tmp_path_factory.mktemp("many_jobs")) as found:
        yield found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("jobs", [3, 500, 5000])
def test_the_gallery_shows_searches_filters_and_opens_jobs_and_obeys_keys(
    browser: Browser, workspace: ManyJobs, jobs: int, size: str
) -> None:
    workspace.add_jobs(jobs)
    made = workspace.jobs()
    with open_gallery(browser, workspace.outbox, **SIZES[size]) as gallery:
        gallery.open()
        check_cards(gallery, made)
        check_search(gallery, made)
        check_filters(gallery, made)
        check_panel(gallery, made)
        check_family(gallery, made)
        check_reason(gallery, made)
        if jobs > 3:
            check_text_answer(gallery, made)
        check_keys(gallery, made)
        assert gallery.violations() == []


def check_cards(gallery: OpenGallery, jobs: Jobs) -> None:
    page = gallery.page
    assert gallery.count() == f"{len(jobs):,} jobs"
    assert page.locator("#service-word").inner_text() == "Stopped"
    assert [card.get_attribute("href") for card in page.locator(".card").all()[:3]] == ids(jobs[:3])
    gallery.wait_for_images(page.locator(f'.card[href="{ids(with_pictures(jobs))[0]}"] img'))
    assert page.locator(".card").count() <= 150  # however many jobs there are
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(f'.card[href="{ids(jobs)[-1]}"]').wait_for()
    gallery.wait_for_images(page.locator(f'.card[href="{ids(with_pictures(jobs))[-1]}"] img'))
    page.evaluate("scrollTo(0, 0)")


def ids(jobs: Jobs) -> list[str]:
    return [f"#{job['job']}" for job in jobs]


def with_pictures(jobs: Jobs) -> Jobs:
    return [job for job in jobs if job["images"]]


def check_search(gallery: OpenGallery, jobs: Jobs) -> None:
    page = gallery.page
    for text, matching in (
        (f"{FAMILY_PROMPT.upper()} keeper", [job for job in jobs if FAMILY_PROMPT in prompt_text(job)]),
        ("<script>window.hacked", [job for job in jobs if "<script>" in prompt_text(job)]),
        (jobs[-1]["job"], jobs[-1:]),
    ):
        gallery.search(text)
        assert gallery.count() == count_text(len(matching), jobs)
        assert [card.get_attribute("href") for card in page.locator(".card").all()] == ids(matching)
    gallery.search("no job has these words")
    assert page.locator("#empty").is_visible()
    assert page.locator(".card").count() == 0
    page.locator("#empty-clear").click()
    assert gallery.count() == f"{len(jobs):,} jobs"


def prompt_text(job: dict[str, Any]) -> str:
    return f"{job['prompt']['submitted']} {job['prompt']['echoed']}"


def count_text(some: int, jobs: Jobs) -> str:
    return f"{some:,} of {len(jobs):,} jobs"


def check_filters(gallery: OpenGallery, jobs: Jobs) -> None:
    page = gallery.page
    page.locator("#more").click()
    lefts = "[...document.querySelectorAll('#choices *')].map((one) => one.getBoundingClientRect().left)"
    assert page.evaluate(f"Math.min(...{lefts})") >= 0
    choices: list[tuple[str, str, Callable[[dict[str, Any]], bool]]] = [
        ("#state", "done", lambda job: job["state"] == "done"),
        ("#state", "failed", lambda job: job["state"] == "failed"),
        ("#folder", "clients", lambda job: (job["source"]["path"]).startswith("clients/")),
        ("#label", "spring", lambda job: job["label"] == "spring"),
    ]
    if len(jobs) > 3:
        choices.append(("#label", HOSTILE, lambda job: job["label"] == HOSTILE))
    for field, value, matches in choices:
        page.locator(field).select_option(value)
        matching = [job for job in jobs if matches(job)]
        assert gallery.count() == count_text(len(matching), jobs)
        assert 0 < len(matching) < len(jobs)
        page.locator(field).select_option("")
    page.locator("#from").fill("2020-01-01")
    page.locator("#to").fill("2020-02-01")
    assert page.locator("#empty").is_visible()
    page.locator("#clear").click()
    assert gallery.count() == f"{len(jobs):,} jobs"
    page.locator("#more").click()


def check_panel(gallery: OpenGallery, jobs: Jobs) -> None:
    page = gallery.page
    job = next(job for job in jobs if len(job["images"]) == 4)
    gallery.search(job["job"])
    page.locator(".card").click()
    page.locator("#panel[open]").wait_for()
    gallery.wait_for_images(page.locator(".shot img"))
    assert page.locator(".shot img").count() == 4
    for link in page.locator(".files a").all():
        assert link.inner_text() in {"manifest.json", *(entry["file"] for entry in every_file(job))}
    prompt = page.locator(".prompt p").first.inner_text()
    assert gallery.copy(page.locator(".prompt .copy")) == prompt
    assert gallery.violations() == []
    page.locator(".stage .back").click()
    assert page.locator("#panel").is_hidden()
    assert gallery.focused() == job["job"]


def every_file(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [*job["images"], job["grid"], *job["files"]]


def check_family(gallery: OpenGallery, jobs: Jobs) -> None:
    """Go from a picture to its grid and back, and leave the panel with Back and Escape."""
    page = gallery.page
    child, parent = (job for job in jobs if FAMILY_PROMPT in prompt_text(job))
    assert (child["action"], child["parent"]) == ("U2", parent["job"])
    gallery.search(FAMILY_PROMPT)
    page.locator(".card", has_text="U2").click()
    gallery.wait_for_images(page.locator(".shot img"))
    assert page.locator("#panel-title").inner_text() == "U2"
    page.evaluate("document.getElementById('panel').scrollTo(0, 9999)")
    page.locator(".relative", has_text="U2 of").click()
    page.wait_for_url(f"**#{parent['job']}")
    assert page.evaluate("document.getElementById('panel').scrollTop") == 0
    gallery.wait_for_images(page.locator(".shot img"))
    page.locator(".relative", has_text="U2").click()
    page.wait_for_url(f"**#{child['job']}")
    page.go_back()
    page.locator("#panel").wait_for(state="hidden")
    assert page.locator(".card").count() == 2  # neither the gallery nor the search is left
    page.go_forward()
    page.locator("#panel[open]").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()


def check_reason(gallery: OpenGallery, jobs: Jobs) -> None:
    """Check the reason for refusing a prompt that is a script, from a file with markup in its name."""
    page = gallery.page
    job = next(job for job in jobs if job["state"] == "failed" and HOSTILE in prompt_text(job))
    gallery.search(job["job"])
    assert job["error"]["title"] in page.locator(".card").inner_text()
    page.locator(".card").click()
    assert job["error"]["title"] in page.locator(".reason").inner_text()
    assert page.locator(".prompt p").first.inner_text().startswith(HOSTILE)
    assert f"{QUOTED}.ready.toml" in page.locator(".facts").inner_text()
    assert page.locator("script:not([src]), [onload], [onerror]").count() == 0
    page.locator(".stage .back").click()
    gallery.search("")


def check_text_answer(gallery: OpenGallery, jobs: Jobs) -> None:
    """Check a text answer that the bot has formatted for Discord."""
    page = gallery.page
    gallery.search(next(job["job"] for job in jobs if job["command"] == "info"))
    assert page.locator(".card .note").inner_text().startswith("Subscription: ")
    page.locator(".card").click()
    assert page.locator(".words").inner_text().startswith("Subscription: ")
    assert "**" not in page.locator(".words").inner_text()
    page.locator(".stage .back").click()
    gallery.search("")


def check_keys(gallery: OpenGallery, jobs: Jobs) -> None:
    page, press = gallery.page, gallery.page.keyboard.press
    first, second, *_ = known = [job["job"] for job in jobs]
    press("/")
    page.keyboard.type("nothing")
    press("Escape")
    press("ArrowDown")
    press("Home")
    assert gallery.focused() == first
    press("ArrowRight")
    assert gallery.focused() == second
    press("ArrowLeft")
    press("End")
    assert gallery.focused() == known[-1]
    press("Home")
    for _ in range(30):
        press("ArrowDown")
    if len(jobs) > 100:
        assert gallery.focused() in known[30:-1]
        check_in_window(gallery)
    press("Home")
    press("ArrowRight")
    press("Enter")
    page.locator("#panel[open]").wait_for()
    gallery.wait_for_address(f"#{second}")
    press("ArrowLeft")
    page.wait_for_url(f"**#{first}")
    press("Escape")
    assert page.locator("#panel").is_hidden()
    assert gallery.focused() == first
    assert gallery.count() == f"{len(jobs):,} jobs"
    check_single_picture(gallery, jobs)


def check_in_window(gallery: OpenGallery) -> None:
    box = gallery.page.locator(f'.card[href="#{gallery.focused()}"]').bounding_box()
    assert box is not None
    assert 0 <= box["y"] < gallery.page.evaluate("innerHeight")


def check_single_picture(gallery: OpenGallery, jobs: Jobs) -> None:
    """Go through single pictures, from one job's to the next job's, and back to the wall."""
    page, press = gallery.page, gallery.page.keyboard.press
    gallery.search("")
    position, job = next((n, job) for n, job in enumerate(jobs) if len(job["images"]) == 4)
    after = next((other for other in jobs[position + 1 :] if other["images"]), None)
    gallery.open(f"#{job['job']}")
    press("3")
    title = page.locator("#viewer-title")
    assert re.fullmatch(r"Picture 3 of 4: .+", title.inner_text())
    press("ArrowRight")
    assert title.inner_text().startswith("Picture 4 of 4: ")
    gallery.wait_for_images(page.locator('.pane[data-offset="0"] img'))
    press("ArrowRight")
    last = after or job
    gallery.wait_until(f"location.hash.startsWith('#{last['job']}/')")
    press("Escape")
    assert page.locator("#viewer").is_hidden()
    gallery.wait_until(f"location.hash === '#{last['job']}'")
    press("Escape")
    assert page.locator("#panel").is_hidden()
    assert gallery.focused() == last["job"]
