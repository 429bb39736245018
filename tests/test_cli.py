"""The command line in this process: what it prints, how it ends, and that no text plays tricks on it."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from mjwatch import __main__, __version__
from mjwatch.cli import app as cli
from mjwatch.cli.output import columns, plain
from mjwatch.cli.progress import JobProgress
from mjwatch.errors import ConfigError
from mjwatch.jobs.journal import Journal
from mjwatch.jobs.reader import TakenFile
from mjwatch.model import Job, Note, Refusal, RefusalClass, State
from tests.shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable

VERBS = (
    *("submit", "imagine", "act", "ask", "expand", "status", "list", "show", "info", "gallery"),
    *("pause", "resume", "retry", "cancel", "prune"),
    *("run", "service", "check", "init"),
    *("split", "explain", "simulate", "demo"),
)
SERVICE_VERBS = ("install", "uninstall", "print")
ADDRESS = "https://discord.com/channels/1111000000000000002/1111000000000000003"
BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another word.")


class Told(NamedTuple):
    """How a verb ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def mjwatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Run a verb in a fresh workspace, as the command would."""
    for name in ("inbox", "outbox", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(tmp_path / "config.toml"), *arguments])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return Told(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def journal(tmp_path: Path, mjwatch: Callable[..., Told]) -> Callable[..., None]:
    """Fill the workspace's journal."""

    def fill(*jobs: Job, **facts: Any) -> None:
        with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as writer:
            for job in jobs:
                writer.accept(TakenFile(f"{job.id}.txt", "0" * 64, 1.0, b"x"), [(job, job.id)], 1.0)
            writer.remember(facts)

    return fill


# ---- help


@pytest.mark.parametrize("verb", ["", *VERBS, *(f"service {verb}" for verb in SERVICE_VERBS)])
def test_every_help_fits_eighty_columns_and_cuts_no_sentence(mjwatch: Callable[..., Told], verb: str) -> None:
    told = mjwatch(*verb.split(), "--help")
    assert told.code == 0
    assert all(len(line) <= 80 for line in told.out.splitlines())
    assert not any(line.endswith("...") for line in told.out.splitlines() if line.startswith("  "))


def test_every_verb_says_what_it_does_and_so_does_each_of_its_parts() -> None:
    group: Any = typer.main.get_group(cli.app)
    verbs = {name: group.get_command(None, name) for name in group.list_commands(None)}
    assert tuple(verbs) == VERBS
    assert tuple(verbs["service"].commands) == SERVICE_VERBS
    for command in [*verbs.values(), *verbs["service"].commands.values()]:
        assert command.help.split("\n")[0].endswith(".")
        assert all(param.help for param in command.params)


def test_the_page_of_the_command_line_says_what_the_help_says() -> None:
    docs = Path(__file__).parent.parent / "docs"
    page: Callable[[], str] = runpy.run_path(str(docs / "make_cli.py"))["page"]
    assert (docs / "cli.md").read_text(encoding="utf-8") == page(), "run `make cli-page`"


def test_the_version(mjwatch: Callable[..., Told]) -> None:
    assert mjwatch("--version") == (0, f"mjwatch {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stauts", 'there is no verb "stauts" (did you mean status?) - `mjwatch --help` shows all'),
        ("frobnicate", 'there is no verb "frobnicate" - `mjwatch --help` shows all'),
        ("service instal", 'service: there is no verb "instal" (did you mean install?)'),
        ("list --stat done", 'list: there is no option "--stat" (did you mean --state?)'),
        ("list --limit all", "list: invalid value for '--limit': Input should be a valid integer - "),
        ("list --state lost", "list: invalid value for '--state': "),
        ("split --format gif x", "split: invalid value for '--format': "),
        ("show", "show: missing argument 'JOB' - `mjwatch show --help` says what it takes"),
        ("show a\x1b[2J b\n", "show: got unexpected extra argument(s) (b\\x0a) - "),
    ],
)
def test_a_slip_is_told_in_one_line_with_what_was_probably_meant(
    mjwatch: Callable[..., Told], line: str, words: str
) -> None:
    told = mjwatch(*line.split(" "))
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(f"mjwatch: {words}")
    assert "\x1b" not in told.err


def test_a_group_alone_shows_its_help_and_ends_with_two(mjwatch: Callable[..., Told]) -> None:
    told = mjwatch("service")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Usage: ")


# ---- looking


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
    assert mjwatch("list", "--state", "failed").err == "No job is failed.\n"
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


# ---- what goes wrong


def test_each_thing_that_is_wrong_is_one_line_that_says_what_to_do(
    mjwatch: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ConfigError.together([ConfigError("one is\nwrong", "mend it"), ConfigError("so is\x1b two")])

    monkeypatch.setattr(cli, "run", fail)
    assert mjwatch() == (3, "", "mjwatch: one is wrong - mend it\nmjwatch: so is\\x1b two\n")


def test_a_fault_of_our_own_is_one_line_without_the_librarys_words(
    mjwatch: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise KeyError("secret")

    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(cli, "run", fail)
    told = mjwatch()
    assert told.code == 1
    assert told.err.startswith("mjwatch: a fault in mjwatch itself: KeyError at test_cli.py:")
    assert "secret" not in told.err
    assert told.err.count("\n") == 1


def test_a_reader_that_has_gone_ends_it_silently(
    mjwatch: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(cli, "run", fail)
    monkeypatch.setattr(__main__, "_drop_output", lambda: None)
    assert mjwatch() == (1, "", "")


# ---- submitting


def test_words_are_dropped_as_a_file_that_says_just_them(
    mjwatch: Callable[..., Told], tmp_path: Path
) -> None:
    told = mjwatch("submit", "a  cat\non a mat --ar 3:2")
    assert (told.code, told.out) == (0, f"{tmp_path}/inbox/a-cat-on-a-mat.ready.txt\n")
    assert "No daemon runs" in told.err
    assert (tmp_path / "inbox/a-cat-on-a-mat.ready.txt").read_text() == "a cat on a mat --ar 3:2\n"


def test_words_that_look_like_a_comment_are_none(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    mjwatch("submit", '# a "cat"')
    assert (tmp_path / "inbox/a-cat.ready.toml").read_text() == 'prompt = "# a \\"cat\\""\n'


def test_words_may_stand_for_several_prompts(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    (tmp_path / "inbox/_wildcards").mkdir()
    (tmp_path / "inbox/_wildcards/colour.txt").write_text("red\nblue\n")
    assert mjwatch("submit", r"a {big, small} __colour__ \__cat__").code == 0
    (dropped,) = (tmp_path / "inbox").glob("*.txt")
    assert dropped.read_text() == "a {big, small} __colour__ \\__cat__\n"


def test_a_file_that_names_pictures_is_not_dropped_without_them(
    mjwatch: Callable[..., Told], tmp_path: Path
) -> None:
    file = tmp_path / "cat.toml"
    file.write_text('prompt = "a cat"\nimages = ["a.png"]\n')
    told = mjwatch("submit", str(file))
    assert told.code == 1
    assert "copy it with its pictures into the inbox" in told.err
    assert not list((tmp_path / "inbox").iterdir())


def test_the_same_words_twice_are_two_files(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    mjwatch("submit", "a cat")
    mjwatch("submit", "a cat", "--json")
    assert sorted(path.name for path in (tmp_path / "inbox").iterdir()) == [
        "a-cat-2.ready.txt",
        "a-cat.ready.txt",
    ]


def test_a_file_is_dropped_as_it_is_and_its_slips_are_told(
    mjwatch: Callable[..., Told], tmp_path: Path
) -> None:
    file = tmp_path / "two.list.txt"
    file.write_bytes("a cat --stylize 5000\r\na dog\r\n".encode("utf-16"))
    told = mjwatch("submit", str(file), "--json")
    dropped = Path(json.loads(told.out)["file"])
    assert dropped.name == "two.list.ready.txt"
    assert dropped.read_bytes() == file.read_bytes()
    assert told.err.startswith("note: line 1: ")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("missing.txt", "can't be read"),
        ("", "the prompt is empty"),
        ("a {red, blue cat", "a { is not closed"),
        ("a __colour__ cat", "there is no wildcard colour"),
        ("caf\udce9", "control character"),
        ("word " * 1400, "6999 characters"),
        ("/", "is no prompt file"),
        (__file__, "is no prompt file"),
    ],
)
def test_what_is_no_prompt_is_never_sent(
    mjwatch: Callable[..., Told], tmp_path: Path, argument: str, words: str
) -> None:
    told = mjwatch("submit", argument)
    assert told.code == 1
    assert words in told.err
    assert told.err.count("\n") == 1
    assert not list((tmp_path / "inbox").iterdir())


def test_waiting_needs_a_daemon(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    told = mjwatch("submit", "a cat", "--wait")
    assert (told.code, told.out) == (3, "")
    assert not list((tmp_path / "inbox").iterdir())


# ---- progress


def _story() -> list[Job]:
    refused = a_job("jobbbbbb", "a nasty\x1b cat", state=State.FAILED, refusal=BANNED)
    again = a_job("jobccccc", state=State.QUEUED, tries=1, history=(Note(1.0, "not sent: no network"),))
    return [
        a_job(state=State.QUEUED),
        a_job(state=State.SUBMITTED, held_by_bot=True),
        a_job(state=State.RUNNING, percent=46),
        a_job(state=State.RUNNING, percent=46),
        a_job(state=State.DONE),
        refused,
        again,
    ]


def test_where_it_is_no_terminal_progress_is_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    with JobProgress() as progress:
        for job in _story():
            progress.update(job)
        progress.trouble("no network")
        progress.trouble("no network")
    assert capsys.readouterr().err.splitlines() == [
        "jobaaaaa queued  a red cat",
        "jobaaaaa waits at Midjourney  a red cat",
        "jobaaaaa running 46%  a red cat",
        "jobaaaaa done  a red cat",
        "jobbbbbb failed: Banned prompt: The word is banned.  a nasty\\x1b cat",
        "jobccccc to be sent again: not sent: no network  a red cat",
        "waiting: no network",
    ]


def test_in_a_terminal_each_job_has_a_bar_and_those_at_work_come_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with JobProgress() as progress:
        for number in range(20):
            state = State.DONE if number < 10 else State.RUNNING if number < 13 else State.QUEUED
            progress.update(a_job(f"job{number:05}", f"[red]prompt {number}[/red] " * 5, state=state))
        progress.trouble("[blink]no network[/blink]")
    shown = capsys.readouterr().err
    last = shown.split("waiting: ")[-1]
    assert last.startswith("[blink]no network[/blink]")
    for number in (10, 11, 12):
        assert f"[red]prompt {number}[/red] " in last
    assert "[red]prompt 1[/red]" not in last
    assert [job.id for job in progress.jobs] == [f"job{number:05}" for number in range(20)]


# ---- tools and the first configuration


def test_explain_reads_standard_input_and_files_alike(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    file.write_text('{"event": "MESSAGE_CREATE", "payload": {"id": "1"}}')
    assert json.loads(mjwatch("explain", str(file)).out)["kind"] == "other"
    file.write_text("[")
    told = mjwatch("explain", str(file))
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert mjwatch("explain", str(tmp_path / "none")).code == 1


def test_split_tells_the_files_that_it_made(mjwatch: Callable[..., Told], tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (6, 4), "teal").save(tmp_path / "grid.png")
    made = json.loads(mjwatch("split", str(tmp_path / "grid.png"), "--json").out)
    assert [Path(one["file"]).name for one in made] == [f"grid_{number}.png" for number in (1, 2, 3, 4)]
    assert {(one["width"], one["height"], one["format"]) for one in made} == {(3, 2, "png")}
    assert all(Path(one["file"]).exists() for one in made)
    told = mjwatch("split", str(tmp_path / "config.toml"))
    assert (told.code, told.err.count("\n")) == (1, 1)


def test_init_asks_nothing_with_yes_and_never_writes_over_anything(
    mjwatch: Callable[..., Told], tmp_path: Path
) -> None:
    folder = tmp_path / "new place"
    assert mjwatch("init", "--yes", "--folder", str(folder)).code == 2
    told = mjwatch("init", "--yes", "--folder", str(folder), "--channel", ADDRESS)
    assert told.code == 0
    assert f"--config '{folder}/config.toml' check" in told.out
    assert (folder / "keys/API_channel_id.key").read_text() == "1111000000000000003\n"
    told = mjwatch("init", "--folder", str(folder))
    assert (told.code, told.out) == (3, "")


def test_init_asks_again_for_an_address_that_is_none(
    mjwatch: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["y", "http://example.org", ADDRESS])
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda prompt: next(answers))
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", lambda prompt: "aaaa.bbbb.cccc")
    told = mjwatch("init", "--folder", str(tmp_path / "new"))
    assert told.code == 0
    assert "is not the address of a Discord channel" in told.out + told.err
    assert (tmp_path / "new/keys/authToken.key").read_text() == "aaaa.bbbb.cccc\n"
    assert "aaaa.bbbb.cccc" not in told.out + told.err
