"""The shell: completion, what it shows, and what typed lines do."""

from __future__ import annotations

import io
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

import mjwatch.client.background
from mjwatch.cli.app import GROUPS
from mjwatch.cli.progress import text_bars
from mjwatch.cli.shell.commands import CLI_COMMANDS, LineCommands, completions, help_text
from mjwatch.cli.shell.shell import HISTORY_FILE, LineEditor, PipedLines, open_history
from mjwatch.cli.shell.view import FollowedJobs, remaining_work, result_text, service_line
from mjwatch.client.background import BackgroundService
from mjwatch.config import Config
from mjwatch.errors import JournalError
from mjwatch.model import Job, Refusal, RefusalClass, State
from tests.helpers.button_shapes import done_job
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JOBS = [
    a_job("7k3f9a2m", "a red cat", state=State.DONE),
    a_job("8abcdefg", "a blue cat", state=State.RUNNING),
]


class Idle(BackgroundService):
    """A service that never starts: requests stay in the journal, and queued jobs stay queued."""

    def ensure_running(self) -> None:
        """Do nothing."""


def offered(line: str) -> list[str]:
    return [offer.text for offer in completions(line, lambda: JOBS)]


# ---- what is offered


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        (":re", ["retry", "resume"]),
        (":show 7", ["7k3f9a2m"]),
        (":cancel 7k3f9a2m ", ["7k3f9a2m", "8abcdefg"]),
        (":act 8a", ["8abcdefg"]),
        (":act 8abcdefg p", ['"pan left"', '"pan right"', '"pan up"', '"pan down"']),
        (':act 8abcdefg U1 "vary s', ['"vary subtle"', '"vary strong"']),
        (":ask sh", ["shorten", "show"]),
        (":list ", []),
        ("a red cat --chao", ["--chaos"]),
        ("a red cat --sr", ["--sref"]),
        ("a red cat", []),
        ("", []),
    ],
)
def test_commands_jobs_follow_ups_and_parameters_are_offered_where_they_fit(
    line: str, texts: list[str]
) -> None:
    assert offered(line) == texts


def test_an_offer_stands_in_the_place_of_the_word_that_is_being_typed() -> None:
    (offer,) = completions(':act 8abcdefg "vary st', lambda: JOBS)
    assert (offer.text, offer.length) == ('"vary strong"', len('"vary st'))
    (offer,) = completions(":show 7", lambda: JOBS)
    assert (offer.length, offer.note) == (1, "done: a red cat")


def test_every_command_is_one_of_the_command_line_and_is_in_the_help() -> None:
    verbs = {name for group in GROUPS.values() for name in group}
    assert set(CLI_COMMANDS) < verbs
    assert all(f":{name} " in help_text() for name in CLI_COMMANDS)


# ---- what is shown


def test_bars_show_what_is_open_those_at_work_first_within_the_width() -> None:
    running = a_job("8abcdefg", "a \x1bblue cat " * 20, state=State.RUNNING, percent=46)
    queued = a_job("9abcdefg", "a green cat", state=State.QUEUED)
    lines = text_bars([queued, running, a_job("7k3f9a2m", state=State.DONE, published=1.0)], width=70)
    assert [line[:8] for line in lines] == ["8abcdefg", "9abcdefg"]
    assert " running     ███████░░░░░░░░░  46%  a \\x1bblue" in lines[0]
    assert len(lines[0]) <= 70
    many = [a_job(f"job{number:05}", state=State.QUEUED) for number in range(20)]
    assert text_bars(many, 70, most=3)[1:] == [text_bars(many, 70)[1], "and 18 more"]


def test_a_result_shows_its_folder_or_its_reason(tmp_path: Path) -> None:
    banned = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another.")
    done = a_job(state=State.DONE, folder="a-red-cat-jobaaaaa", published=1.0)
    failed = a_job(state=State.FAILED, refusal=banned, published=1.0)
    assert (
        result_text(done, tmp_path) == f"jobaaaaa  done  a red cat\n          {tmp_path}/a-red-cat-jobaaaaa"
    )
    assert "Banned prompt: The word is banned. - Use another." in (result_text(failed, tmp_path) or "")
    assert result_text(a_job(state=State.RUNNING), tmp_path) is None
    long = a_job("jobaaaaa", "a red cat " * 20, state=State.DONE, folder="f", published=1.0)
    below = (result_text(failed, tmp_path, 40) or "").split("\n")[1:]
    assert below == ["          Banned prompt: The word is", "          banned. - Use another."]
    assert (result_text(long, tmp_path, 40) or "").startswith("jobaaaaa  done  a red cat a red cat a r…\n")


def test_the_line_below_says_what_is_in_the_way_before_all_else() -> None:
    facts: dict[str, Any] = {"daemon": True, "paused": None, "trouble": None, "capped_until": None}
    facts |= {"sending_limit": None, "quiet_until": None}
    facts |= {"jobs": {"queued": 2, "running": 1}, "sent_in_24h": 7, "max_per_day": 200, "held": []}
    line = service_line(facts, here=True, now=0.0)
    assert line == "working here  ·  1 at work, 2 queued  ·  7 of 200 sent in 24 h  ·  :help"
    assert service_line(facts, here=False, now=0.0).startswith("a daemon works")
    assert "run_between" in service_line(facts | {"quiet_until": 60.0}, here=True, now=0.0)
    assert service_line(facts | {"trouble": "no network"}, here=True, now=0.0).endswith("no network")
    assert service_line(facts | {"paused": "a captcha"}, here=True, now=0.0).endswith("continues: a captcha")
    outage = {"why": "no answer", "until": 0.0, "scope": "failures"}
    assert service_line(facts | {"sending_limit": outage}, here=True, now=5.0) == (
        "only one prompt at a time is tried, the next one now: no answer"
    )
    assert "starts it" in service_line(facts | {"daemon": False}, here=False, now=0.0)
    assert remaining_work(facts) == "2 queued and 1 sent and not done: the daemon continues the work"
    assert "2 queued" in remaining_work(facts | {"daemon": False})
    assert remaining_work(facts | {"jobs": {"in_doubt": 1}}) == ""


# ---- what is done


@pytest.fixture
def config(mjwatch: Callable[..., Any], journal: Callable[..., None], tmp_path: Path) -> Config:
    """A workspace with one finished job; no process works on its journal."""
    journal(done_job())
    return Config.load(tmp_path / "config.toml")


@pytest.fixture
def lines(config: Config, tmp_path: Path) -> LineCommands:
    return LineCommands(config, tmp_path / "config.toml", Idle(config), FollowedJobs(config))


def queue_of(config: Config) -> list[Job]:
    followed = FollowedJobs(config)
    followed.add_queue()
    return followed.update().changed


def test_a_line_is_queued_at_once_with_all_that_it_stands_for(
    lines: LineCommands, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines.run("a {red, blue} kite --chaos 300")
    assert sorted(job.prompt.text for job in queue_of(config)) == [
        "a blue kite --chaos 300",
        "a red kite --chaos 300",
    ]
    result = capsys.readouterr()
    assert result.out.count("  queued  a ") == 2
    assert "note: --chaos 300" in result.err
    assert not lines.failed


@pytest.mark.parametrize("line", ["", "   ", "# a note to myself", ":help", ":"])
def test_empty_lines_comments_and_help_queue_nothing(lines: LineCommands, config: Config, line: str) -> None:
    assert lines.run(line)
    assert queue_of(config) == []
    assert not lines.failed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("birds.toml", "is the name of a file or folder, not a prompt"),
        ("a {red, blue cat __nobody__", "there is no wildcard nobody"),
        ("exit", "did you mean :quit?"),
        ("help", "did you mean :help?"),
        (":stauts", "did you mean status?"),
        (':act parent22 "vary', "a quotation mark is missing"),
        (":act parent22 U9", "U9"),
        (":show nobody22", 'there is no job "nobody22"'),
    ],
)
def test_an_error_in_a_line_is_reported_and_nothing_is_sent(
    lines: LineCommands, config: Config, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    assert lines.run(line)
    assert words in capsys.readouterr().err
    assert lines.failed
    assert queue_of(config) == []


def test_a_line_is_forced_with_a_command(
    lines: LineCommands, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines.run("exit")
    answer = " ".join(capsys.readouterr().err.split())
    assert "type :force before it" in answer
    assert "--force" not in answer
    assert lines.failed
    assert queue_of(config) == []
    lines.run(":force exit")
    assert [job.prompt.text for job in queue_of(config)] == ["exit"]


def test_how_a_line_was_read_is_shown_and_in_the_history(
    lines: LineCommands, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    lines.run("- a cat")
    [job] = queue_of(config)
    assert job.prompt.text == "a cat"
    assert "note: left out the bullet before the prompt" in [note.event for note in job.history]
    assert "note: left out the bullet before the prompt" in capsys.readouterr().err


def test_follow_ups_are_followed_and_a_job_that_was_taken_back_has_ended(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    followed = FollowedJobs(config)
    lines = LineCommands(config, tmp_path / "config.toml", Idle(config), followed)
    lines.run(':act pare U1 "vary strong 2"')
    assert {job.prompt.action for job in followed.update().changed} == {"U1", "U2"}  # whose picture is varied
    assert followed.has_unanswered
    assert followed.update().changed == []
    lines.run(":cancel " + " ".join(job.id for job in followed.jobs))
    assert {job.state for job in followed.update().changed} == {State.CANCELLED}
    assert "cancelled before it was sent" in capsys.readouterr().out
    assert not lines.failed


def test_after_ctrl_c_the_shell_says_that_a_command_continues(
    lines: LineCommands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mjwatch.api.MidjourneyAPI.command", interrupted)
    lines.run(":info")
    assert capsys.readouterr().err == "stopped waiting; the work continues\n"
    assert not lines.failed


def test_a_reason_for_a_pause_needs_no_quotation_marks(lines: LineCommands, config: Config) -> None:
    lines.run(":pause for lunch")
    assert FollowedJobs(config).update().facts["paused"] == "paused by hand: for lunch"
    lines.run(":resume")
    assert FollowedJobs(config).update().facts["paused"] is None
    assert not lines.failed


@pytest.mark.parametrize("line", [":quit", ":exit", " :q "])
def test_quit_leaves(lines: LineCommands, line: str) -> None:
    assert not lines.run(line)


def test_lines_from_a_pipe_come_one_by_one_also_without_a_last_line_end() -> None:
    reading, writing = os.pipe()
    given = PipedLines(reading)
    os.write(writing, "a café\n\na ki".encode())
    os.write(writing, b"te")
    os.close(writing)
    found = []
    while not given.ended:
        line = given.next()
        found += [] if line is None else [line]
    os.close(reading)
    assert found == ["a café", "", "a kite"]


# ---- in a terminal


def typed_in(config: Config, keys: str) -> str:
    """Return what the shell shows when this is typed."""
    screen = io.StringIO()
    background, followed = Idle(config), FollowedJobs(config)
    with (
        create_pipe_input() as keyboard,
        create_app_session(input=keyboard, output=PlainTextOutput(screen)),
    ):
        keyboard.send_text(keys)
        LineEditor(config, background, followed).run(LineCommands(config, None, background, followed))
    return screen.getvalue()


def test_typed_lines_are_queued_until_ctrl_d_and_are_in_the_history_next_time(config: Config) -> None:
    shown = typed_in(config, "a red kite\ra blue kite\r\x04")
    assert "✦ a red kite" in shown
    assert [job.prompt.text for job in reversed(queue_of(config))] == ["a red kite", "a blue kite"]
    file = config.state.path / HISTORY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    typed_in(config, "\x1b[A\r\x04")
    assert [job.prompt.text for job in queue_of(config)].count("a blue kite") == 2


def test_ctrl_c_drops_the_line_and_stays(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    typed_in(config, "a half\x03a whole\r:quit\r")
    assert [job.prompt.text for job in queue_of(config)] == ["a whole"]
    assert "Ctrl-D leaves" in capsys.readouterr().err


def test_pasted_lines_are_a_prompt_each(config: Config) -> None:
    typed_in(config, "\x1b[200~a red kite\r\n\r\na blue kite\x1b[201~\r\x04")
    assert [job.prompt.text for job in reversed(queue_of(config))] == ["a red kite", "a blue kite"]


def test_ctrl_c_while_a_prompt_is_handed_in_does_not_leave(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def run(self: LineCommands, line: str) -> bool:
        done.append(line)
        if len(done) == 1:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(LineCommands, "run", run)
    typed_in(config, "a kite\ra second kite\r\x04")
    assert done == ["a kite", "a second kite"]
    assert "Ctrl-D leaves" in capsys.readouterr().err


def test_a_history_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / HISTORY_FILE
    file.write_text("")
    file.chmod(0o644)
    assert isinstance(open_history(file), FileHistory)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert isinstance(open_history(tmp_path / "nowhere" / HISTORY_FILE), InMemoryHistory)


# ---- in the background


def test_without_keys_the_shell_says_so_and_leaves_no_thread(config: Config) -> None:
    before = set(threading.enumerate())
    with pytest.raises(Exception, match="token"), BackgroundService(config):
        pass
    assert set(threading.enumerate()) <= before  # one of an earlier test may have ended


def test_the_error_that_ended_the_work_is_raised_once_and_the_next_line_starts_it_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object) -> None:
            raise JournalError("the disk is gone", "bring it back")

    (config.keys.path).mkdir(mode=0o700, exist_ok=True)
    for name, text in {"authToken": "MTEx.abc.def", "API_channel_id": "1111000000000000003"}.items():
        file = config.keys.path / f"{name}.key"
        file.write_text(text)
        file.chmod(0o600)
    monkeypatch.setattr(mjwatch.client.background, "Runtime", Broken)
    background = BackgroundService(config)
    for _ in range(2):
        with pytest.raises(JournalError, match="the disk is gone"):
            background.ensure_running()
    assert not background.is_running
    background.stop()
