"""The shell in a real terminal, with and without a daemon."""

from __future__ import annotations

import re
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.fault_runs import open_patient_stage, progress_blocked, renders_blocked
from tests.scenarios.stage import wait_until
from tests.scenarios.tmux_terminal import open_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.scenarios.stage import Stage
    from tests.scenarios.tmux_terminal import Terminal

pytestmark = pytest.mark.real

ICON = "✦"

_BAR = re.compile(r"^(\w{8})  running +[█░]{16} +(\d+)%  (a \w+ kite)")


@contextmanager
def shell(stage: Stage, columns: int, lines: int) -> Iterator[Terminal]:
    """Start a shell, and yield it once it asks for a line."""
    command = (sys.executable, "-W", "error", "-m", "mjwatch", "--config", str(stage.config), "shell")
    with open_terminal(*command, columns=columns, lines=lines, folder=stage.folder) as terminal:
        terminal.wait_for(ICON, ":help")
        yield terminal


def complete(terminal: Terminal, typed: str, note: str, line: str) -> None:
    """Type the beginning of a word, and accept the completion that is offered."""
    terminal.type(typed)
    terminal.wait_for(f"{ICON} {typed}", note)
    terminal.press("Tab")
    terminal.wait_for(f"{ICON} {line}")


def finished(stage: Stage, count: int) -> bool:
    return len([each for each in stage.manifests() if each["state"] == "done"]) == count


def percentages(terminal: Terminal, seen: dict[str, set[int]]) -> bool:
    """Record the percentages of the bars, and return whether one of them has changed."""
    screen = terminal.screen()
    for number, line in enumerate(screen):
        if found := _BAR.match(line):
            assert any(below.startswith(ICON) for below in screen[number:]), "\n".join(screen)
            seen.setdefault(found[3], set()).add(int(found[2]))
    return any(len(found) > 1 for found in seen.values())


def test_quickly_typed_prompts_are_queued_show_progress_and_continue_after_leaving_the_shell(
    tmp_path: Path,
) -> None:
    with open_patient_stage(tmp_path / "w", format="webp") as stage:
        daemon = stage.start_ready()
        with shell(stage, 80, 24) as terminal:
            assert "a daemon works" in terminal.screen()[-1]
            seen: dict[str, set[int]] = {}
            with progress_blocked() as show_next:
                terminal.type("a red kite\na blue kite\na green kite\n")
                terminal.wait_for(*(f"queued  a {colour} kite" for colour in ("red", "blue", "green")))
                wait_until(lambda: percentages(terminal, seen) or len(seen) == 3, "three bars")
                show_next()
                wait_until(lambda: percentages(terminal, seen), "a bar that moves")
            wait_until(lambda: finished(stage, 3), "three folders")
            terminal.wait_for(*(f"done  a {colour} kite" for colour in ("red", "blue", "green")))
            shown = "\n".join(terminal.all())
            for folder in stage.folders().values():
                assert str(folder) in shown
                assert len(list(folder.glob("*_[1-4].webp"))) == 4

            with renders_blocked():
                terminal.paste("a torn kite\na repaired kite")
                terminal.press("Enter")
                terminal.wait_for("queued  a torn kite", "queued  a repaired kite")
                terminal.press("C-d")
                assert terminal.status() == 0
            assert "the daemon continues the work" in "\n".join(terminal.all())
        wait_until(lambda: finished(stage, 5), "the jobs left to the daemon")
        assert stage.stop(daemon, signal.SIGTERM) == 0
        stage.check_simulator_record()


def test_a_shell_has_history_completes_commands_and_job_ids_and_obeys_keys(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w", seconds_per_job=0.5) as stage:
        with renders_blocked(), shell(stage, 120, 40) as terminal:
            assert "working here" in terminal.screen()[-1]
            terminal.type("a yellow kite\n")
            terminal.wait_for("queued  a yellow kite")
            terminal.press("C-d")
            assert terminal.status() == 0
            assert "kept until `mjwatch --config" in "\n".join(terminal.all())
        with shell(stage, 120, 40) as terminal:
            terminal.wait_for("continuing 1 job from before")
            terminal.press("Up")
            terminal.wait_for(f"{ICON} a yellow kite")
            terminal.press("C-c")
            terminal.wait_for("Ctrl-D leaves")
            terminal.wait_for("done  a yellow kite")
            (job,) = stage.folders()
            complete(terminal, ":sta", "jobs at work", ":status")
            terminal.press("Enter")
            terminal.wait_for("connected since", "in the last 24 hours")
            complete(terminal, f":act {job[:3]}", "done: a yellow kite", f":act {job}")
            terminal.type(" U1\n")
            terminal.wait_for(f"{job}", "done  U1")
            complete(terminal, "a grey kite --styli", "0 to 1000", "a grey kite --stylize")
            terminal.type(" 50\n")
            terminal.wait_for("queued  a grey kite --stylize 50", "done  a grey kite --stylize 50")
            stage.arm_fault(fault="told_late", seconds=2)
            terminal.type(":info\n")
            terminal.wait_for("submitted")
            terminal.press("C-d")  # pressed between two prompts: the next prompt reads it
            assert terminal.status() == 0
            shown = "\n".join(terminal.all())
            assert "Fast Time Remaining" in shown
            assert "renews next on 20" in shown
            assert "<t:" not in shown
        executed = [entry["prompt"] for entry in stage.simulator_state()["interactions"]]
        assert executed.count("a yellow kite") == 1
        stage.check_simulator_record()
