"""The command ``mjwatch`` itself: help, usage errors, and how errors are printed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from mjwatch import __main__, __version__
from mjwatch.cli import app as cli
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

VERBS = (
    *("submit", "imagine", "act", "ask", "expand", "shell", "status", "list", "show", "info"),
    *("gallery", "import"),
    *("pause", "resume", "retry", "cancel", "assign", "dismiss", "prune"),
    *("run", "service", "check", "init", "keys", "config"),
    *("split", "explain", "bundle", "simulate", "demo"),
)
SERVICE_VERBS = ("install", "uninstall", "print")


@pytest.mark.parametrize("verb", ["", *VERBS, *(f"service {verb}" for verb in SERVICE_VERBS)])
def test_every_help_fits_eighty_columns_and_cuts_no_sentence(
    mjwatch: Callable[..., CommandResult], verb: str
) -> None:
    result = mjwatch(*verb.split(), "--help")
    assert result.code == 0
    assert all(len(line) <= 80 for line in result.out.splitlines())
    assert not any(line.endswith("...") for line in result.out.splitlines() if line.startswith("  "))


def test_every_verb_says_what_it_does_and_so_does_each_of_its_parts() -> None:
    group: Any = typer.main.get_group(cli.app)
    verbs = {name: group.get_command(None, name) for name in group.list_commands(None)}
    assert tuple(verbs) == VERBS
    assert tuple(verbs["service"].commands) == SERVICE_VERBS
    for command in [*verbs.values(), *verbs["service"].commands.values()]:
        assert command.help.split("\n")[0].endswith(".")
        assert all(param.help for param in command.params)


def test_the_list_of_verbs_says_what_the_help_of_each_begins_with_and_loads_none() -> None:
    group: Any = typer.main.get_command(cli.app)
    for name, entry in ((name, entry) for entries in cli.GROUPS.values() for name, entry in entries.items()):
        assert entry.help == group.get_command(None, name).get_short_help_str(1000), name
    script = "import sys; from mjwatch.cli.app import run; run(['--help']); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "dismiss" in shown
    loaded = {name for name in shown.splitlines()[-1].split() if name.startswith("mjwatch.cli.")}
    assert loaded == {"mjwatch.cli.app"}


def test_the_version(mjwatch: Callable[..., CommandResult]) -> None:
    assert mjwatch("--version") == (0, f"mjwatch {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stauts", 'there is no command "stauts" (did you mean status?) - `mjwatch --help` lists them'),
        ("frobnicate", 'there is no command "frobnicate" - `mjwatch --help` lists them'),
        ("service instal", 'service: there is no command "instal" (did you mean install?)'),
        (
            "run --log-format jsn",
            "run: invalid value for '--log-format': \"jsn\" is not one of auto, text, json"
            " (did you mean json?)",
        ),
        ("service print --user --system", "service print: give either --user or --system, not both - "),
        ("list --stat done", 'list: there is no option "--stat" (did you mean --state?)'),
        ("list --limit all", "list: invalid value for '--limit': Input should be a valid integer - "),
        ("list --state lost", "list: invalid value for '--state': "),
        ("split --format gif x", "split: invalid value for '--format': "),
        ("show", "show: missing argument 'JOB' - `mjwatch show --help` shows the usage"),
        ("show a\x1b[2J b\n", 'show: "b\\x0a" is too much; put a text with blanks in quotes - '),
        ("imagine a red kite", 'imagine: "red kite" is too much; put a text with blanks in quotes - '),
    ],
)
def test_a_usage_error_is_one_line_with_a_suggestion(
    mjwatch: Callable[..., CommandResult], line: str, words: str
) -> None:
    result = mjwatch(*line.split(" "))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"mjwatch: {words}")
    assert "\x1b" not in result.err


def test_an_argument_is_shown_without_braces_and_type(mjwatch: Callable[..., CommandResult]) -> None:
    help_text = mjwatch("act", "--help").out
    assert "act [OPTIONS] JOB ACTION...\n" in help_text
    assert "{" not in help_text
    assert "<" not in help_text


@pytest.mark.parametrize(
    ("line", "same_as"),
    [
        ("-h", "--help"),
        ("status -h", "status --help"),
        ("help", "--help"),
        ("help service print", "service print --help"),
        ("-V", "--version"),
    ],
)
def test_other_spellings_mean_the_same(
    mjwatch: Callable[..., CommandResult], line: str, same_as: str
) -> None:
    result = mjwatch(*line.split())
    assert result == mjwatch(*same_as.split())
    assert result.code == 0


@pytest.mark.parametrize("line", ["status {}", "--config /other status {}", "config path {}", "list {} -h"])
def test_the_configuration_may_be_named_after_the_command(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, line: str
) -> None:
    file = tmp_path / "other.toml"
    file.write_text("")
    result = mjwatch(*line.format(f"--config={file}").split())
    assert (result.code, result.err) == (0, "")
    if line.endswith("status {}"):
        assert f"`mjwatch --config {file} run`" in " ".join(result.out.split())


def test_the_option_config_of_check_names_the_file_to_check(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    assert (
        f"there is no configuration file {tmp_path / 'x'}"
        in mjwatch("check", "--config", str(tmp_path / "x")).out
    )


def test_a_group_alone_shows_its_help_and_ends_with_two(mjwatch: Callable[..., CommandResult]) -> None:
    result = mjwatch("service")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: ")


def test_each_problem_is_one_line_that_says_what_to_do(
    mjwatch: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ConfigError.together([ConfigError("one is\nwrong", "fix it"), ConfigError("so is\x1b two")])

    monkeypatch.setattr(cli, "run", fail)
    assert mjwatch() == (3, "", "mjwatch: one is wrong - fix it\nmjwatch: so is\\x1b two\n")


def test_an_internal_error_is_one_line_without_its_message(
    mjwatch: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise KeyError("secret")

    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(cli, "run", fail)
    result = mjwatch()
    assert result.code == 1
    assert result.err.startswith("mjwatch: internal error in mjwatch: KeyError at test_app.py:")
    assert "secret" not in result.err
    assert result.err.count("\n") == 1


def test_a_closed_pipe_ends_the_command_silently(
    mjwatch: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(cli, "run", fail)
    monkeypatch.setattr(__main__, "_drop_output", lambda: None)
    assert mjwatch() == (1, "", "")
