from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from mjwatch.model import Job, Prompt, Refusal, RefusalClass, State
from mjwatch.outbox.manifest import failure_page
from tests.helpers.job_factory import REFUSAL, made_job, wild_jobs


def page(**changes: Any) -> str:
    return failure_page(made_job(**{"state": State.FAILED, "finished": 1_770_000_060.0, **changes}))


def test_the_page_of_a_failure_says_which_job_why_and_what_to_do() -> None:
    assert page(refusal=REFUSAL).splitlines() == [
        "# This prompt got no pictures",
        "",
        "- File: `clients/acme/cat.txt`",
        "- Job: `7k3f9a2m`",
        "- When: 2026-02-02T02:41:00.000Z",
        "",
        "## Why",
        "",
        "**Banned prompt**",
        "",
        "The word is not allowed",
        "",
        "## The prompt",
        "",
        "    a cat --ar 3:2",
        "",
        "## What to do",
        "",
        "Change the text or the pictures, then drop the file into the inbox again.",
    ]


@pytest.mark.parametrize("kind", [*RefusalClass, None])
def test_every_kind_of_refusal_has_advice(kind: RefusalClass | None) -> None:
    text = page(refusal=Refusal(kind, None, "no"))
    assert len(text.split("## What to do\n\n")[1].strip()) > 20


def test_advice_that_came_with_the_no_goes_before_our_own() -> None:
    refusal = Refusal(RefusalClass.PLAN, "Out of hours", "", advice="Buy more hours or use --relax.")
    assert page(refusal=refusal).splitlines()[-1] == "Buy more hours or use --relax."


def test_a_rejected_file_and_a_cancelled_job_have_pages_of_their_own() -> None:
    rejected = page(state=State.REJECTED, prompt=Prompt(""), refusal=Refusal(RefusalClass.USER, "bad", "fix"))
    assert rejected.startswith("# This prompt file could not be used\n")
    assert "## The prompt" not in rejected
    cancelled = page(state=State.CANCELLED)
    assert cancelled.startswith("# This job was cancelled\n")
    assert "## What to do" not in cancelled
    assert "## Why" not in cancelled


def test_a_job_without_a_file_and_without_an_end_has_a_page() -> None:
    text = page(path=None, finished=None)
    assert "File:" not in text
    assert "2026-02-02T02:40:00.250Z" in text


def test_foreign_text_can_not_change_the_page_or_the_terminal() -> None:
    text = page(
        path="a`b\n# fake/cat.txt",
        refusal=Refusal(None, "two\nlines\x1b[2J", "caf\udce9\u202e\u2028"),
        prompt=Prompt("a cat\n# not a heading\r\x07"),
    )
    assert "- File: `a_b # fake/cat.txt`" in text
    assert "**two lines\ufffd[2J**" in text
    assert "caf\ufffd\ufffd\ufffd" in text
    assert "    a cat\n    # not a heading\ufffd\ufffd" in text


def test_other_scripts_and_emoji_stay_as_they_are() -> None:
    words = "Größe 猫 👩\u200d🚀 می\u200cخوم\u00a0!"
    assert words in page(prompt=Prompt(words))


@given(job=wild_jobs)
def test_whatever_a_job_holds_its_page_is_plain_text(job: Job) -> None:
    text = failure_page(replace(job, id="7k3f9a2m"))
    text.encode()
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text if char != "\n")
