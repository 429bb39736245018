"""Follow-ups that are chosen in the gallery, saved by the browser, and put into the inbox of a real daemon.

Seen to catch: a number of a picture that is not the button's, a word that a second reading takes for a
wildcard, a table that loses all but its first action.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.browser import DESKTOP, PHONE, open_gallery
from tests.scenarios.stage import open_stage

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.helpers.browser import OpenGallery
    from tests.scenarios.stage import Stage

pytestmark = pytest.mark.real

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
CAT = 'prompt = "a cat asleep on a sill --ar 3:2"\nlabel = "spring"\nthen = ["U2"]\n'
OWL = (
    'an owl below \\__neon__ signs, \\{plain\\} braces, 50% "quoted" \\__two words__, it\'s \\\\ --chaos 5\n'
)
PLAIN_NAME = re.compile(r"\w[\w-]+-\d{8}-\d{6}-[a-z]{4}\.toml")
SINGLE = ["vary strong", "upscale subtle", "zoom 2x", "square", "pan left", "animate low"]


def test_files_and_commands_of_the_page_become_the_right_jobs(browser: Browser, tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2", "--profile", "2026") as stage:
        stage.drop("_wildcards/neon.txt", "red\nblue\n")
        stage.drop("Ünïcode (1) cat.ready.toml", CAT)
        stage.drop("owl.ready.txt", OWL)
        stage.drain()
        before = stage.manifests()
        cat, picture, owl = (
            job_of(before, *key) for key in (("a cat", None), ("a cat", "U2"), ("an owl", None))
        )
        wanted: Counter[tuple[str | None, str | None]] = Counter()

        with open_gallery(browser, stage.outbox, **DESKTOP, **CLIPBOARD) as gallery:
            wanted += choose(gallery, cat, "U3")
            assert save(gallery, stage.inbox).read_text().count("[[jobs]]") == 0
            wanted += choose(gallery, cat, "U1", "V4") + choose(gallery, picture, *SINGLE)
            wanted += choose(gallery, owl, "reroll", "again")
            assert save(gallery, stage.inbox).read_text().count("[[jobs]]") == 4
            wanted += choose(gallery, cat, "V1", "V2") + choose(gallery, owl, "again")
            commands = copied(gallery)
        assert [line.split()[1] for line in commands] == ["act", "submit"]
        for line in commands:
            ran = stage.run(*shlex.split(line)[1:])
            assert ran.returncode == 0, ran.stderr

        synced = shutil.copytree(stage.outbox, tmp_path / "phone #1 100%" / "outbox")
        with open_gallery(browser, synced, **PHONE) as gallery:
            wanted += choose(gallery, owl, "V2", "U4")
            save(gallery, stage.inbox)
        stage.drain()

        made = [job for job in stage.manifests() if job["job"] not in {old["job"] for old in before}]
        assert {job["state"] for job in made} == {"done"}, [job["error"] for job in made]
        assert Counter((job["parent"], job["action"]) for job in made) == wanted
        check_their_buttons(stage, made)
        for job in made:
            if job["action"] is None:
                assert job["prompt"]["submitted"] == owl["prompt"]["submitted"]
        assert stage.leftovers() == ["_wildcards"]
        stage.check_simulator_record()


def job_of(jobs: list[dict[str, Any]], start: str, action: str | None) -> dict[str, Any]:
    (found,) = [
        job for job in jobs if job["prompt"]["submitted"].startswith(start) and job["action"] == action
    ]
    return found


def choose(
    gallery: OpenGallery, job: dict[str, Any], *actions: str
) -> Counter[tuple[str | None, str | None]]:
    """Choose these follow-ups in the panel; return the parent and the action of the jobs to come."""
    gallery.open(f"#{job['job']}")
    for action in actions:
        gallery.page.locator(f'.chip[data-pick="{job["job"]} {action}"]').click()
    assert gallery.page.locator('.chip[aria-pressed="true"]').count() == len(actions)
    return Counter((None, None) if action == "again" else (job["job"], action) for action in actions)


def save(gallery: OpenGallery, inbox: Path) -> Path:
    """Save the choice from the tray of the wall into the inbox, under the browser's name."""
    gallery.page.locator(".stage .back").click()
    with gallery.page.expect_download() as download:
        gallery.page.locator("#tray .save-picks").click()
    name = download.value.suggested_filename
    assert PLAIN_NAME.fullmatch(name), name
    assert gallery.page.locator("#tray").is_hidden()
    gallery.wait_until_said(name)
    download.value.save_as(inbox / name)
    return inbox / name


def copied(gallery: OpenGallery) -> list[str]:
    return gallery.copy(gallery.page.locator("#panel .picked .copy")).split("\n")


def check_their_buttons(stage: Stage, made: list[dict[str, Any]]) -> None:
    """Check that each follow-up pressed a button in the message of its own parent."""
    uuids = {job["job"]: job["discord"]["job_uuid"] for job in stage.manifests()}
    executed = {entry["nonce"]: entry for entry in stage.simulator_state()["interactions"]}
    for job in made:
        if job["parent"]:
            assert uuids[job["parent"]] in executed[job["discord"]["nonce"]]["custom_id"]
