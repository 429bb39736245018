"""The verbs that show, and that no text plays tricks on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.cli.output import columns, plain
from mjwatch.jobs.journal import Journal
from mjwatch.jobs.reader import TakenFile
from mjwatch.model import Note, Refusal, RefusalClass, State
from tests.shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.told import Told

BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another word.")


def test_before_anything_has_run_there_is_nothing_to_see_and_nothing_wrong(
    mjwatch: Callable[..., Told],
) -> None:
    assert "does not run" in mjwatch("status").out
    assert json.loads(mjwatch("status", "--json").out)["jobs"] == {}
    assert mjwatch("list") == (0, "", "No jobs yet.\n")
    assert json.loads(mjwatch("list", "--json").out) == []
    assert mjwatch("show", "abc") == (
        1,
        "",
        'mjwatch: there is no job "abc" - `mjwatch list` shows the jobs\n',
    )


def test_jobs_are_listed_newest_first_and_by_state(
    mjwatch: Callable[..., Told], journal: Callable[..., None]
) -> None:
    journal(
        a_job("jobaaaaa", state=State.RUNNING, percent=46),
        a_job("jobbbbbb", state=State.DONE, percent=100, published=2.0, folder="cat-jobbbbbb"),
    )
    rows = mjwatch("list").out.splitlines()
    assert rows[0].split() == ["JOB", "STATE", "%", "ACCEPTED", "PROMPT"]
    assert [row.split()[0] for row in rows[1:]] == ["jobbbbbb", "jobaaaaa"]
    assert rows[2].split()[1:3] == ["running", "46"]
    assert [job["job"] for job in json.loads(mjwatch("list", "--state", "done", "--json").out)] == [
        "jobbbbbb"
    ]
    assert mjwatch("list", "--state", "failed").err == "No job is like that.\n"
    assert len(mjwatch("list", "--limit", "1").out.splitlines()) == 2


def test_status_shows_what_runs_what_waits_and_ends_with_four_where_a_person_is_needed(
    mjwatch: Callable[..., Told], journal: Callable[..., None], tmp_path: Path
) -> None:
    journal(a_job(state=State.RUNNING, percent=46))
    (tmp_path / "inbox" / "cat.txt").write_text("a cat\n")
    told = mjwatch("status")
    assert told.code == 0
    assert "1 running" in told.out
    assert "(1 prompt file waits)" in told.out
    assert told.out.splitlines()[-1].split() == ["jobaaaaa", "running", "46", "a", "red", "cat"]
    journal(paused={"reason": "Discord asks for a captcha", "kind": "account"})
    told = mjwatch("status")
    assert told.code == 4
    assert "paused   Discord asks for a captcha" in told.out
    assert json.loads(mjwatch("status", "--json").out)["paused"] == "Discord asks for a captcha"


def test_show_tells_the_reason_and_the_history(
    mjwatch: Callable[..., Told], journal: Callable[..., None]
) -> None:
    history = (Note(1.0, "accepted"), Note(2.0, "failed: Banned prompt"))
    journal(a_job(state=State.FAILED, refusal=BANNED, published=2.0, history=history))
    told = mjwatch("show", "joba")
    assert "error      Banned prompt: The word is banned." in told.out
    assert "mend       Use another word." in told.out
    assert told.out.splitlines()[-1].endswith("failed: Banned prompt")
    whole = json.loads(mjwatch("show", "jobaaaaa", "--json").out)
    assert (whole["state"], whole["error"]) == ("failed", "Banned prompt: The word is banned.")


def test_show_says_what_to_do_about_a_job_in_doubt(
    mjwatch: Callable[..., Told], journal: Callable[..., None]
) -> None:
    journal(a_job(state=State.IN_DOUBT))
    assert "mend       look into the channel" in mjwatch("show", "jobaaaaa").out


@pytest.mark.parametrize("prefix", ["job", "", "%", "jobaaaaaa", "\x1b[31m"])
def test_a_beginning_that_names_not_one_job_is_told(
    mjwatch: Callable[..., Told], journal: Callable[..., None], prefix: str
) -> None:
    journal(a_job("jobaaaaa"), a_job("jobbbbbb"))
    told = mjwatch("show", prefix)
    assert (told.code, told.out, told.err.count("\n")) == (1, "", 1)
    assert ("several jobs begin with job: jobaaaaa, jobbbbbb" in told.err) == (prefix == "job")
    assert "\x1b" not in told.err


def test_a_prompt_cannot_steer_the_terminal(
    mjwatch: Callable[..., Told], journal: Callable[..., None]
) -> None:
    journal(a_job(text="a \x1b[2Jcat \u202e[red]x[/red] \x07", state=State.RUNNING))
    for verb in (("list",), ("status",), ("show", "jobaaaaa"), ("list", "--json")):
        told = mjwatch(*verb)
        assert "[red]x[/red]" in told.out
        assert all(char.isprintable() or char == "\n" for char in told.out)


@given(st.text(), st.integers(2, 40))
def test_any_text_becomes_printable_and_no_wider_than_its_place(text: str, width: int) -> None:
    shown = plain(text, width)
    assert columns(shown) <= width
    assert shown.isprintable()


def test_wide_characters_take_two_columns_and_accents_none() -> None:
    assert columns("漢字") == 4
    assert columns(unicodedata.normalize("NFD", "é")) == 1
    assert plain("漢字漢字", 5) == "漢字…"


def test_looking_loads_nothing_that_talks_draws_or_watches(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as writer:
        writer.accept(TakenFile("a.txt", "0" * 64, 1.0, b"x"), [(a_job(), "x")], 1.0)
    script = (
        "import sys; from mjwatch.__main__ import main; sys.argv[0] = 'mjwatch'\n"
        "try: main()\n"
        "except SystemExit as ended: print(ended.code, *sys.modules)"
    )
    heavy = {"requests", "urllib3", "PIL", "watchdog", "websocket", "aiohttp", "rich"}
    for verb in (("status",), ("list",), ("show", "jobaaaaa")):
        command = [sys.executable, "-c", script, "--config", str(tmp_path / "config.toml"), *verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        code, *modules = done.stdout.splitlines()[-1].split()
        assert code == "0"
        assert heavy.isdisjoint(modules)
