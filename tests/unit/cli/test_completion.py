"""Completion in a shell: commands, options, states, and the ids of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mjwatch.cli.submit import complete_action
from mjwatch.model import Prompt, State
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE, canonical
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult


@pytest.fixture
def offered(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """Return what bash would offer for the last word of a line."""
    monkeypatch.setenv("_MJWATCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("MJWATCH_CONFIG", str(tmp_path / "config.toml"))

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", f"mjwatch {line}")
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ") + 1))
        result = mjwatch()
        assert (result.code, result.err) == (0, "")
        return result.out.split()

    return offer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sta", ["status"]),
        ("service ", ["install", "uninstall", "print"]),
        ("list --l", ["--label", "--limit"]),
        ("list --state re", ["rejected"]),
        ("keys set ", ["token", "channel", "guild"]),
        ("act jobaaaaa vary", ["vary-subtle", "vary-strong"]),
    ],
)
def test_verbs_options_and_states_are_offered(
    offered: Callable[[str], list[str]], line: str, words: list[str]
) -> None:
    assert offered(line) == words


@pytest.mark.parametrize("verb", ["show", "retry", "cancel jobbbbbb", "act", "bundle"])
def test_ids_of_jobs_are_offered_the_newest_first(
    offered: Callable[[str], list[str]], journal: Callable[..., None], verb: str
) -> None:
    journal(a_job("jobaaaaa"), a_job("jobbbbbb", state=State.DONE), a_job("kobccccc"))
    assert offered(f"{verb} ") == ["kobccccc", "jobbbbbb", "jobaaaaa"]
    assert offered(f"{verb} j") == ["jobaaaaa", "jobbbbbb"]


def test_every_follow_up_that_is_offered_is_one() -> None:
    assert [canonical(name) for name in complete_action()] == [*ON_GRID, *ON_PICTURE]


def test_where_nothing_has_run_or_nothing_is_configured_nothing_is_offered(
    offered: Callable[[str], list[str]], tmp_path: Path
) -> None:
    assert offered("show ") == []
    (tmp_path / "config.toml").write_text("broken")
    assert offered("show ") == []


def test_what_is_offered_says_what_it_is_without_tricks(
    offered: Callable[[str], list[str]],
    journal: Callable[..., None],
    mjwatch: Callable[..., CommandResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal(a_job("jobaaaaa", prompt=Prompt("a \x1b[2Jcat\n" * 20), state=State.RUNNING))
    monkeypatch.setenv("_MJWATCH_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "mjwatch show ")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    shown = mjwatch().out
    assert "running: a \\x1b[2Jcat" in shown
    assert shown.count("\n") == 1
    assert len(shown) < 80


def test_messages_of_held_results_are_offered(
    offered: Callable[[str], list[str]], journal: Callable[..., None]
) -> None:
    journal(
        a_job("jobaaaaa"), held=[{"message": "700", "prompt": "a cat"}, {"message": "80", "prompt": None}]
    )
    assert offered("dismiss ")[0] == "700"
    assert offered("dismiss 8") == ["80"]
    assert offered("assign jobaaaaa 7")[0] == "700"
    assert offered("assign joba") == ["jobaaaaa"]
