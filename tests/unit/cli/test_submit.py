"""The command ``submit``, which drops prompts into the inbox."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.host.lock import daemon_lock
from mjwatch.journal.reader import JOURNAL_FILE, TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import ResultKind, State
from mjwatch.prompts.source_text import sha256
from tests.helpers.button_shapes import done_job, single_buttons
from tests.helpers.message_shapes import a_job
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.command_result import CommandResult


def test_a_text_is_dropped_as_a_file_with_just_this_prompt(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    result = mjwatch("submit", "a  cat\non a mat --ar 3:2")
    assert (result.code, result.out) == (0, f"{tmp_path}/inbox/a-cat-on-a-mat.ready.txt\n")
    assert "No daemon runs" in result.err
    assert (tmp_path / "inbox/a-cat-on-a-mat.ready.txt").read_text() == "a cat on a mat --ar 3:2\n"


def test_a_text_that_looks_like_a_comment_is_a_prompt(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    mjwatch("submit", '# a "cat"')
    assert (tmp_path / "inbox/a-cat.ready.toml").read_text() == 'prompt = "# a \\"cat\\""\n'


def test_a_text_may_stand_for_several_prompts(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    (tmp_path / "inbox/_wildcards").mkdir()
    (tmp_path / "inbox/_wildcards/colour.txt").write_text("red\nblue\n")
    assert mjwatch("submit", r"a {big, small} __colour__ \__cat__").code == 0
    (dropped,) = (tmp_path / "inbox").glob("*.txt")
    assert dropped.read_text() == "a {big, small} __colour__ \\__cat__\n"


def test_a_file_that_names_pictures_is_not_dropped_without_them(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "cat.toml"
    file.write_text('prompt = "a cat"\nimages = ["a.png"]\n')
    result = mjwatch("submit", str(file))
    assert result.code == 1
    assert "copy it with its pictures into the inbox" in result.err
    assert not list((tmp_path / "inbox").iterdir())


def test_the_same_text_twice_is_two_files(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    mjwatch("submit", "a cat")
    mjwatch("submit", "a cat", "--json")
    assert sorted(path.name for path in (tmp_path / "inbox").iterdir()) == [
        "a-cat-2.ready.txt",
        "a-cat.ready.txt",
    ]


def test_a_file_is_dropped_unchanged_and_its_probable_slips_are_noted(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "two.list.txt"
    file.write_bytes("a cat --stylize 5000\r\na dog\r\n".encode("utf-16"))
    result = mjwatch("submit", str(file), "--json")
    dropped = Path(json.loads(result.out)["file"])
    assert dropped.name == "two.list.ready.txt"
    assert dropped.read_bytes() == file.read_bytes()
    assert result.err.startswith("note: line 1: ")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("missing.txt", "can't be read"),
        ("", "the prompt is empty"),
        ("a red fox\na grey owl\nan old heron", "the lines look like 3 prompts"),
        ("a {red, blue cat", "a { is not closed"),
        ("a __colour__ cat", "there is no wildcard colour"),
        ("caf\udce9", "control character"),
        ("word " * 1400, "6999 characters"),
        ("/", "is the name of a file or folder"),
        ("./no-such-folder", "is the name of a file or folder"),
        (str(Path(__file__).parent), "is the name of a file or folder"),
        (__file__, "is the name of a file or folder"),
    ],
)
def test_what_is_not_a_prompt_is_never_sent(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, argument: str, words: str
) -> None:
    result = mjwatch("submit", argument)
    assert result.code == 1
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not list((tmp_path / "inbox").iterdir())


def test_waiting_needs_a_daemon(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    result = mjwatch("submit", "a cat", "--wait")
    assert (result.code, result.out) == (3, "")
    assert not list((tmp_path / "inbox").iterdir())


# ---- follow-ups, and a pause


def test_a_picture_that_is_there_is_used_and_one_that_is_not_is_named(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    with closing(Journal(tmp_path / "state" / JOURNAL_FILE)) as journal:
        grid = done_job(published=2.0)
        journal.accept(None, [(grid, grid.id)], 1.0)
        first = mjwatch("act", grid.id, "pan left").out
        assert (
            "pan left  queued: this job is U1, which pan left needs first; pan left follows as a job" in first
        )
        picture = journal.job(first.split()[0])
        assert picture is not None
        assert mjwatch("act", grid.id[:3], "U1").code == 1
        at_work = mjwatch("act", grid.id, "pan left")
        assert (at_work.code, f"is queued as job {picture.id}" in at_work.out) == (1, True)
        single = done_job(buttons=single_buttons(), kind=ResultKind.SINGLE)
        journal.update(replace(picture, state=State.DONE, result=single.result, published=2.0))
        second = mjwatch("act", grid.id, "pan left").out
        assert second.endswith("  pan left  queued\n")
        pan = journal.job(second.split()[0])
        assert pan is not None
        assert (pan.parent, pan.prompt.action) == (picture.id, "pan left")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_prompt_that_waits_for_the_end_of_a_pause_is_named_as_kept(
    mjwatch: Callable[..., CommandResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    job = a_job(state=State.QUEUED)
    with closing(Journal(tmp_path / "state" / JOURNAL_FILE)) as journal, daemon_lock(tmp_path / "state"):
        journal.remember({"paused": {"reason": "paused by hand", "kind": "person"}})

        def sleep(seconds: float) -> None:
            data = (tmp_path / "inbox/a-red-cat.ready.txt").read_bytes()
            if journal.job(job.id) is None:
                file = TakenFile("a-red-cat.ready.txt", sha256(data), 1.0, data)
                journal.accept(file, [(job, job.id)], 1.0)

        monkeypatch.setattr("mjwatch.client.submit.time.sleep", sleep)
        monkeypatch.setattr("mjwatch.client.submit.ACCEPT_PATIENCE", deadline(60))
        result = mjwatch("submit", "a red cat", "--wait", *options)
    assert result.code == 4
    assert "job jobaaaaa is kept and runs after that; do not submit the prompt again" in result.err
    assert "`mjwatch resume` continues" in result.err
    if options:
        assert [(found["job"], found["state"]) for found in json.loads(result.out)] == [(job.id, "queued")]
    else:
        assert result.out == "jobaaaaa  queued\n"


def test_force_drops_a_text_as_it_is_written(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    result = mjwatch("submit", "quit", "--force")
    assert result.code == 0
    assert (tmp_path / "inbox/quit.ready.toml").read_text() == 'force = true\nprompt = "quit"\n'


@pytest.mark.parametrize(
    ("name", "content", "dropped"),
    [
        ("five.txt", "a cat\na dog\n", 'force = true\nprompts = ["a cat a dog"]\n'),
        ("two.list.txt", "help\nquit\n", 'force = true\nprompts = ["help", "quit"]\n'),
        ("one.toml", 'prompt = "help"\n', 'force = true\nprompt = "help"\n'),
        ("own.toml", 'prompt = "help"\nforce = true\n', 'prompt = "help"\nforce = true\n'),
    ],
)
def test_force_drops_a_file_as_toml(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, name: str, content: str, dropped: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert mjwatch("submit", str(file)).code == (0 if "own" in name else 1)
    assert mjwatch("submit", str(file), "--force").code == 0
    assert dropped in [path.read_text() for path in (tmp_path / "inbox").iterdir()]


def test_a_reading_is_noted_in_the_answer_of_submit_and_of_expand(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    note = 'left out "/imagine prompt:" before it'
    result = mjwatch("submit", "/imagine prompt: a cat", "--json")
    assert json.loads(result.out)["notes"] == [note]
    assert f"note: {note}" in result.err
    (file,) = (tmp_path / "inbox").iterdir()
    expanded = mjwatch("expand", str(file))
    assert expanded.out == "1 job\n  1  a cat\n"
    assert f"note: {note}" in expanded.err


def test_expand_refuses_in_the_words_of_submit_unless_forced(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "pets.txt"
    file.write_text("a cat\na dog\n")
    refused = mjwatch("expand", str(file))
    assert refused.code == 1
    assert refused.err == mjwatch("submit", str(file)).err
    assert mjwatch("expand", str(file), "--force").out == "1 job\n  1  a cat a dog\n"
