"""The exact output of list, show, check and init in terminals of 80 and of 120 columns."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.cli import output
from mjwatch.diagnostics.checks import fail, ok, skipped, warn
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, State
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.helpers.command_result import CommandResult

VIEWS = Path(__file__).parents[3] / "tests" / "data" / "views"

AT = 1_770_000_000.0
"""2026-02-02, 02:40 UTC."""

WORDS = (
    "a lighthouse keeper mending nets at dawn, film still, 35mm, grain, the sea behind --ar 3:2 --stylize 250"
)
DETAIL = "The word is not allowed here, nor are others of its kind; see the rules of the community."


@pytest.fixture
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the same local time on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def seen(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greenwich: None
) -> Callable[[int, str], str]:
    """Return what a command shows in a terminal with so many columns."""

    def see(columns: int, line: str) -> str:
        monkeypatch.setattr(output, "terminal_width", lambda: columns)
        return mjwatch(*line.split()).out.replace(str(tmp_path), "~")

    return see


def jobs() -> list[Job]:
    history = (
        *(Note(AT, "accepted"), Note(AT + 34, "submitting, nonce 1500000000000000001")),
        *(Note(AT + 34.4, "submitted"), Note(AT + 36, "started, message 1400000000000000001")),
        Note(AT + 101, "refused by Midjourney: Banned prompt: " + DETAIL),
    )
    refusal = Refusal(RefusalClass.MODERATION, "Banned prompt", DETAIL)
    again = Prompt("", action="vary strong", parent="jobbbbbb")
    zoom = Prompt("", action="zoom 2x", parent="jobccccc")
    return [
        a_job("jobaaaaa", WORDS, state=State.DONE, percent=100, published=AT, accepted=AT - 90_000),
        a_job(
            "jobbbbbb",
            prompt=Prompt(WORDS, label="spring campaign", action="U1", parent="jobaaaaa"),
            state=State.FAILED,
            refusal=refusal,
            parent="jobaaaaa",
            accepted=AT,
            history=history,
        ),
        a_job("jobccccc", prompt=again, state=State.RUNNING, percent=7, parent="jobbbbbb", accepted=AT + 60),
        a_job("jobddddd", prompt=zoom, state=State.QUEUED, parent="jobccccc", accepted=AT + 70),
    ]


def view(verb: str, columns: int) -> str:
    """Return the approved output; after a change it must be approved and stored again."""
    return (VIEWS / f"{verb}-{columns}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_output_of_list(
    seen: Callable[[int, str], str], journal: Callable[..., None], columns: int
) -> None:
    journal(*jobs())
    assert seen(columns, "list") == view("list", columns)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_output_of_show(
    seen: Callable[[int, str], str], journal: Callable[..., None], columns: int
) -> None:
    journal(*jobs())
    assert seen(columns, "show jobb") == view("show", columns)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_output_of_check(
    seen: Callable[[int, str], str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    results = [
        ok("configuration", "~/.config/mjwatch/config.toml"),
        skipped("credential", "not started by systemd with LoadCredential="),
        warn(
            "staging",
            "state folder and outbox are on different file systems,"
            " so results are prepared inside the outbox",
            "if you sync the outbox, exclude .mjwatch-staging",
        ),
        fail(
            "guild",
            "channel 222222222222222222 is in guild 444444444444444444, but the keys name no guild",
            "write 444444444444444444 into API_guild_id.key, if this is the right channel",
        ),
    ]
    monkeypatch.setattr("mjwatch.diagnostics.check.run_checks", lambda *args, **options: results)
    assert seen(columns, "check") == view("check", columns)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_conversation_with_init(
    seen: Callable[[int, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """The whole screen, answers included; the token is not shown."""
    address = "https://discord.com/channels/1111000000000000002/1111000000000000003"
    answers = iter(["y", "https://discord.com/app", address, str(tmp_path / "prompts"), ""])

    def typed(prompt: str) -> str:
        answer = next(answers)
        sys.stdout.write(f"{prompt}{answer}\n")
        return answer

    def whispered(prompt: str) -> str:
        sys.stdout.write(f"{prompt}\n")
        return "aaaa.bbbb.cccc"

    monkeypatch.setattr("typer._click.termui.visible_prompt_func", typed)
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", whispered)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert seen(columns, f"init --folder {tmp_path}/home/mjwatch") == view("init", columns)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_setup_without_questions(seen: Callable[[int, str], str], tmp_path: Path, columns: int) -> None:
    line = (
        f"init --yes --folder {tmp_path}/new --channel https://discord.com/channels/@me/1111000000000000003"
    )
    assert seen(columns, line) == view("init-yes", columns)
