"""The shell in real processes: alone, left while a job is queued, and with a daemon."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.scenarios.stage import open_stage

if TYPE_CHECKING:
    from pathlib import Path


def test_prompts_become_folders_with_or_without_a_daemon_and_unsent_prompts_are_kept(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        stage.arm_fault(fault="refuse", title="Banned prompt detected", match="nasty")
        alone = stage.run("shell", stdin="a {red, blue} kite\n# a note\na nasty kite\n:status")
        assert alone.returncode == 1
        assert alone.stdout.count("  queued  a ") == 3
        folders = [line for line in alone.stdout.splitlines() if line.startswith(str(stage.outbox))]
        assert len(folders) == 2
        assert "Banned prompt detected" in alone.stderr
        assert {manifest["state"] for manifest in stage.manifests()} == {"done", "failed"}

        left = stage.run("shell", stdin="a green kite\n:quit\n")
        assert left.returncode == 0
        assert "kept until `mjwatch --config" in left.stderr
        next_shell = stage.run("shell", stdin=":list\n")
        assert next_shell.returncode == 0
        assert "a green kite" in next_shell.stdout
        daemon = stage.start_ready()
        with_daemon = stage.run("shell", stdin="a yellow kite")
        assert (with_daemon.returncode, with_daemon.stdout.count(str(stage.outbox))) == (0, 1)
        (red,) = [each for each in stage.manifests() if each["prompt"]["submitted"] == "a red kite"]
        pressed = stage.run("shell", stdin=f":act {red['job']} U1 V2\n")
        assert (pressed.returncode, pressed.stdout.count(str(stage.outbox))) == (0, 2)
        assert stage.stop(daemon, signal.SIGTERM) == 0
        stage.drain()

        assert len([each for each in stage.manifests() if each["state"] == "done"]) == 6
        stage.check_simulator_record()
