"""The commands that show jobs; and no text can control the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.cli import output
from mjwatch.cli.output import (
    display_width,
    duration,
    echo_hanging,
    has_colours,
    plain,
    terminal_width,
    wrap,
)
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import Note, Prompt, Refusal, RefusalClass, State
from tests.helpers.message_shapes import a_job
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another word.")


def test_before_anything_has_run_there_is_nothing_to_see_and_nothing_wrong(
    mjwatch: Callable[..., CommandResult],
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
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    journal(
        a_job("jobaaaaa", state=State.RUNNING, percent=46),
        a_job("jobbbbbb", state=State.DONE, percent=100, published=2.0, folder="cat-jobbbbbb"),
    )
    rows = mjwatch("list").out.splitlines()
    assert rows[0].split() == ["JOB", "STATE", "ACCEPTED", "PROMPT"]
    assert [row.split()[0] for row in rows[1:]] == ["jobbbbbb", "jobaaaaa"]
    assert rows[2].split()[1:3] == ["running", "46%"]
    assert [job["job"] for job in json.loads(mjwatch("list", "--state", "done", "--json").out)] == [
        "jobbbbbb"
    ]
    assert mjwatch("list", "--state", "failed").err == "No jobs match.\n"
    assert len(mjwatch("list", "--limit", "1").out.splitlines()) == 2


def test_status_shows_what_runs_what_waits_and_ends_with_four_where_a_person_is_needed(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None], tmp_path: Path
) -> None:
    journal(a_job(state=State.RUNNING, percent=46))
    (tmp_path / "inbox" / "cat.txt").write_text("a cat\n")
    result = mjwatch("status")
    assert result.code == 0
    assert "1 running" in result.out
    assert "(1 prompt file waits)" in result.out
    assert result.out.splitlines()[-1].split() == ["jobaaaaa", "running", "46%", "a", "red", "cat"]
    journal(paused={"reason": "Discord asks for a captcha", "kind": "account"})
    result = mjwatch("status")
    assert result.code == 4
    assert "trouble  sending is paused: Discord asks for a captcha" in result.out
    assert json.loads(mjwatch("status", "--json").out)["paused"] == "Discord asks for a captcha"


def test_a_file_that_was_taken_but_can_not_be_removed_does_not_wait_and_is_named_with_what_to_do(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None], tmp_path: Path
) -> None:
    files = [tmp_path / "inbox" / name for name in ("jobaaaaa.txt", "new.txt", "jobbbbbb.txt")]
    for file, mtime in zip(files, (1, 1, 500), strict=True):  # the last one was written again
        file.write_text("a cat\n")
        os.utime(file, (mtime, mtime))
    why = "it was taken, but can't be removed: Operation not permitted; run `sudo chmod -t /inbox`"
    left = {"counts": {why: 1}, "some": [{"path": "jobaaaaa.txt", "why": why}]}
    journal(a_job("jobaaaaa"), a_job("jobbbbbb"), inbox=left)
    shown = mjwatch("status").out
    assert "(2 prompt files wait)" in shown
    assert " ".join(shown.split()).count(f"ignored: jobaaaaa.txt ({why})") == 1


def test_show_prints_the_reason_and_the_history(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    history = (Note(1.0, "accepted"), Note(2.0, "failed: Banned prompt"))
    journal(a_job(state=State.FAILED, refusal=BANNED, published=2.0, history=history))
    result = mjwatch("show", "joba")
    assert "error      Banned prompt: The word is banned." in result.out
    assert "what to do Use another word." in result.out
    assert result.out.splitlines()[-1].endswith("failed: Banned prompt")
    whole = json.loads(mjwatch("show", "jobaaaaa", "--json").out)
    assert (whole["state"], whole["error"]) == ("failed", "Banned prompt: The word is banned.")


@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        ("--state done --state failed", ["jobccccc", "jobbbbbb"]),
        ("--label spring", ["jobbbbbb"]),
        ("--source *a.txt", ["jobaaaaa"]),
        ("--since 2h", ["jobccccc", "jobbbbbb"]),
        ("--since 1w --limit 1", ["jobccccc"]),
        ("--label autumn", []),
    ],
)
def test_a_list_is_filtered(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None], options: str, jobs: list[str]
) -> None:
    now = time.time()
    label = Prompt("a red cat", label="spring")
    journal(
        a_job("jobaaaaa", state=State.RUNNING, accepted=now - 10_000),
        a_job("jobbbbbb", state=State.DONE, published=now, prompt=label, accepted=now - 3_600),
        a_job("jobccccc", state=State.FAILED, accepted=now - 60),
    )
    result = mjwatch("list", "--json", *options.split())
    assert [job["job"] for job in json.loads(result.out)] == jobs


@pytest.mark.parametrize("age", ["", "3", "3y", "-1d", "1.5h", "9999999h"])
def test_an_invalid_age_is_reported(mjwatch: Callable[..., CommandResult], age: str) -> None:
    result = mjwatch("list", "--since", age)
    assert (result.code, result.out) == (2, "")
    assert "an age is a number with min, h, d or w - `mjwatch list --help`" in result.err


def test_show_prints_the_time_between_steps_and_the_lineage(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    history = (Note(1000.0, "accepted"), Note(1000.4, "submitting"), Note(4700.0, "published"))
    child = Prompt("a red cat", action="U1", parent="jobbbbbb")
    journal(
        a_job("jobaaaaa", "a red cat", state=State.DONE, published=2.0),
        a_job("jobbbbbb", "a red cat", state=State.DONE, published=2.0, parent="jobaaaaa", history=history),
        a_job("jobccccc", prompt=child, state=State.RUNNING, percent=7, parent="jobbbbbb"),
    )
    lines = mjwatch("show", "jobbb").out.splitlines()
    at = lines.index("")
    assert [line[19:] for line in lines[at + 1 : at + 4]] == [
        "              accepted",
        "              submitting",
        "  +1 h 1 min  published",
    ]
    assert lines[at + 5 :] == [
        "LINEAGE       STATE       WHAT",
        "jobaaaaa      done        a red cat",
        "  jobbbbbb    done        (this job)",
        "    jobccccc  running 7%  U1",
    ]


def test_show_prints_the_lineage_from_the_first_job_to_the_last(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    born = [
        ("jobbbbbb", "pruned00"),
        ("jobccccc", "jobbbbbb"),
        ("jobddddd", "jobccccc"),
        ("jobeeeee", "jobddddd"),
    ]
    born += [("jobfffff", "jobccccc"), ("jobggggg", "jobbbbbb")]
    journal(
        *(a_job(job, prompt=Prompt("", action="V1", parent=parent), parent=parent) for job, parent in born)
    )
    lines = mjwatch("show", "jobccccc").out.splitlines()
    assert lines[-6] == "pruned00          -          (no longer in the journal)"
    assert [line[:16].rstrip() for line in lines[-5:]] == [
        "  jobbbbbb",
        "    jobccccc",
        "      jobddddd",
        "        jobeeeee",
        "      jobfffff",
    ]
    lineage = json.loads(mjwatch("show", "jobeeeee", "--json").out)["lineage"]
    assert [one["job"] for one in lineage["ancestors"]] == ["jobbbbbb", "jobccccc", "jobddddd"]
    assert (lineage["parent"]["job"], lineage["follow_ups"]) == ("jobddddd", [])
    lineage = json.loads(mjwatch("show", "jobbbbbb", "--json").out)["lineage"]
    assert (lineage["ancestors"], lineage["parent"]) == ([], None)
    assert descendants(lineage) == [
        ("jobccccc", [("jobddddd", [("jobeeeee", [])]), ("jobfffff", [])]),
        ("jobggggg", []),
    ]
    journal(a_job("jobhhhhh"))
    assert "LINEAGE" not in mjwatch("show", "jobhhhhh").out


def descendants(job: dict[str, Any]) -> list[Any]:
    """Return the ids of the follow-ups, each with those of its own follow-ups."""
    return [(child["job"], descendants(child)) for child in job["follow_ups"]]


@pytest.mark.usefixtures("terminal")
def test_lines_fit_a_terminal(mjwatch: Callable[..., CommandResult], journal: Callable[..., None]) -> None:
    journal(a_job(text="漢字の猫 " * 40 + "the end", state=State.RUNNING))
    for verb in ("list", "status", "show jobaaaaa"):
        result = mjwatch(*verb.split())
        assert all(display_width(line) <= 80 for line in result.out.splitlines() if "/" not in line)


def test_lines_are_whole_in_a_pipe(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    text = "漢字の猫 " * 40 + "the end"
    journal(a_job(text=text, state=State.RUNNING))
    for verb in ("list", "status", "show jobaaaaa"):
        assert any(text in line for line in mjwatch(*verb.split()).out.splitlines())


@pytest.mark.parametrize(("terminal", "width"), [(True, 44), (False, None)])
def test_only_a_terminal_limits_the_width(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert terminal_width() == width


def test_states_have_colours_in_a_terminal_that_wants_them(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(a_job(text="failed", state=State.FAILED))
    assert "\x1b" not in mjwatch("list").out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert mjwatch("list").out.count("\x1b[31mfailed\x1b[0m") == 1


@pytest.mark.parametrize(
    ("terminal", "environ", "wanted"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_and_can_be_declined(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environ: dict[str, str], wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert has_colours() is wanted


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (3_605, "1 h"), (90_061, "1 d 1 h")],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.text(), st.integers(12, 60), st.integers(0, 10))
def test_wrapping_loses_no_word_and_breaks_only_words_that_fit_nowhere(
    text: str, whole: int, indent: int
) -> None:
    text = plain(text)
    lines = list(wrap(text, whole, indent))
    assert " ".join(lines) == text
    assert all(display_width(line) <= whole - indent or " " not in line.strip() for line in lines)


def test_a_command_that_is_to_be_copied_is_not_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "terminal_width", lambda: 30)
    command = "`sudo chmod g+rwx '/srv/mjwatch/inbox/two words'`"
    echo_hanging("inbox ", 6, f"can't be removed; run {command}, please")
    assert capsys.readouterr().out.splitlines() == [
        "inbox can't be removed; run",
        f"      {command},",
        "      please",
    ]


def test_show_says_what_to_do_about_a_job_in_doubt(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    journal(a_job(state=State.IN_DOUBT))
    assert "what to do look into the channel" in mjwatch("show", "jobaaaaa").out


@pytest.mark.parametrize("prefix", ["job", "", "%", "jobaaaaaa", "\x1b[31m"])
def test_a_prefix_that_does_not_name_exactly_one_job_is_reported(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None], prefix: str
) -> None:
    journal(a_job("jobaaaaa"), a_job("jobbbbbb"))
    result = mjwatch("show", prefix)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert ("several job ids begin with job: jobaaaaa, jobbbbbb" in result.err) == (prefix == "job")
    assert "\x1b" not in result.err


def test_a_prompt_cannot_steer_the_terminal(
    mjwatch: Callable[..., CommandResult], journal: Callable[..., None]
) -> None:
    journal(a_job(text="a \x1b[2Jcat \u202e[red]x[/red] \x07", state=State.RUNNING))
    for verb in (("list",), ("status",), ("show", "jobaaaaa"), ("list", "--json")):
        result = mjwatch(*verb)
        assert "[red]x[/red]" in result.out
        assert all(char.isprintable() or char == "\n" for char in result.out)


@given(st.text(), st.integers(2, 40))
def test_any_text_becomes_printable_and_no_wider_than_its_place(text: str, width: int) -> None:
    shown = plain(text, width)
    assert display_width(shown) <= width
    assert shown.isprintable()


def test_wide_characters_take_two_columns_and_accents_none() -> None:
    assert display_width("漢字") == 4
    assert display_width(unicodedata.normalize("NFD", "é")) == 1
    assert plain("漢字漢字", 5) == "漢字…"


def test_showing_loads_no_library_for_network_pictures_or_watching(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as writer:
        writer.accept(TakenFile("a.txt", "0" * 64, 1.0, b"x"), [(a_job(), "x")], 1.0)
    script = (
        "import sys; from mjwatch.__main__ import main; sys.argv[0] = 'mjwatch'\n"
        "try: main()\n"
        "except SystemExit as ended: print(ended.code, *sys.modules)"
    )
    heavy = {"requests", "urllib3", "PIL", "watchdog", "websocket", "aiohttp", "rich", "pydantic", "filelock"}
    for verb in (("status",), ("list",), ("show", "jobaaaaa")):
        command = [sys.executable, "-c", script, "--config", str(tmp_path / "config.toml"), *verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(60), check=True)
        code, *modules = done.stdout.splitlines()[-1].split()
        assert code == "0"
        assert heavy.isdisjoint(modules)
