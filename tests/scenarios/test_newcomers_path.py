"""A newcomer's first steps: clone, demo, init, check, first prompt, gallery.

The golden file has every line that a newcomer types and reads, with placeholders for ids, times and sizes.
Packages of the package index are installed beforehand: tests use no network.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.published import manifest_paths
from tests.scenarios.required_programs import program
from tests.scenarios.stage import open_stage, wait_until
from tests.scenarios.tmux_terminal import open_terminal

if TYPE_CHECKING:
    from tests.scenarios.stage import Stage
    from tests.scenarios.tmux_terminal import Terminal

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "newcomer.txt"
"""The approved text; a change must be approved and stored here. A clone has only committed files."""

PROMPT = "$"
DROPPED = "a heron in the reeds"
COLUMNS, LINES = 240, 200
"""Wide enough that no line wraps, however long the paths of temporary folders are."""

PLACEHOLDERS = [
    (r"(?m)^warning: source repository is shallow.*\n", ""),
    (r"(?m)^Updating files: .*\n", ""),  # git prints this if the clone takes long
    (r"demo-\d{8}-\d{6}", "demo-<time>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "<time>"),
    (r"(?<!\d)\d\d:\d\d(:\d\d)?\b", "<time>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b(?!1111)\d{17,20}\b", "<id>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"_([1-4])\.(png|webp)\b", r"_\1.<format>"),  # Midjourney sends both
    (r"\+\d+ s\b", ""),
    (r"\d+ watches", "<many> watches"),
    (r"\d+ KiB", "<size>"),
    (r"(?<=\S) {2,}", "  "),
]
"""Patterns of what differs between runs, each with its placeholder."""


@dataclass
class Typist:
    """Type commands into a shell, and wait for each to end."""

    terminal: Terminal

    def do(self, line: str, *answers: tuple[str, str]) -> None:
        """Run a command to its end, with these answers to its questions."""
        self.begin(line)
        for question, answer in answers:
            self._wait_for_end(question)
            self.terminal.type(f"{answer}\n")
        self.end()

    def begin(self, line: str) -> None:
        """Start a command that keeps running."""
        self.end()
        self.terminal.type(line)
        self._wait_for_end(f"{PROMPT} {line}")
        self.terminal.press("Enter")

    def end(self) -> None:
        """Wait until the shell asks for the next command."""
        self._wait_for_end(PROMPT, alone=True)

    def _wait_for_end(self, text: str, *, alone: bool = False) -> None:
        """Wait until the output ends with this text; ``alone``: with a line of only this text."""

        def is_shown() -> bool:
            last = self.output()[-1:]
            return last == [text] if alone else bool(last) and last[0].endswith(text)

        try:
            wait_until(is_shown, text)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.output()])) from None

    def output(self) -> list[str]:
        """Return all lines of the terminal."""
        return self.terminal.all()


def a_shell(home: Path) -> tuple[str, ...]:
    """Return a shell with only a home folder, where the program is installed as by pipx."""
    variables = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),  # or root would set up the machine
        "PATH": f"{home}/.local/bin:/usr/local/bin:/usr/bin:/bin",
        "PS1": f"{PROMPT} ",
        "TERM": "screen",
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
        "BROWSER": "true",
    }
    settings = (f"{name}={value}" for name, value in variables.items())
    return ("env", "-i", *settings, program("bash"), "--norc", "--noprofile", "-i")


def install_launcher(clone: Path, path: Path) -> None:
    """Install the program of this clone, with the libraries of the tests."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nPYTHONPATH={clone} exec {sys.executable} -P -m mjwatch "$@"\n')
    path.chmod(0o755)


def use_simulator(config: Path, stage: Stage) -> None:
    """Replace the addresses of Discord with those of the simulator."""
    text = config.read_text()
    for key, value in tomllib.loads(stage.config.read_text())["discord"].items():
        text, count = re.subn(rf"(?m)^#{key} = .*$", f"{key} = {json.dumps(value)}", text)
        assert count == 1, key
    config.write_text(text)


def with_placeholders(lines: list[str], names: dict[str, str]) -> str:
    """Return the lines with placeholders for what differs between runs."""
    text = "\n".join(lines) + "\n"
    for name, placeholder in names.items():
        text = text.replace(name, placeholder)
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def demo_in_order(lines: list[str]) -> list[str]:
    """Return the lines with the demo's jobs sorted by name: the inbox is read in any order."""
    start = next(number for number, line in enumerate(lines) if line.startswith("4 prompt files")) + 1
    end = next(number for number, line in enumerate(lines) if line.startswith("5 of 5"))
    bars, *jobs = "\n".join(lines[start:end]).strip().split("\n\n")
    ordered = [*sorted(bars.split("\n")), ""]
    for job in sorted(jobs):
        ordered += [*job.split("\n"), ""]
    return lines[:start] + ordered + lines[end:]


def jobs_in(outbox: Path) -> dict[str, str]:
    """Return the ids of the jobs that are done, by prompt."""
    manifests = [json.loads(path.read_text()) for path in manifest_paths(outbox)]
    return {job["prompt"]["submitted"]: job["job"] for job in manifests if job["state"] == "done"}


@pytest.mark.real
def test_every_message_from_a_fresh_clone_to_the_gallery_matches_the_approved_text(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    config = home / ".config" / "mjwatch"
    with ExitStack() as stack:
        stage = stack.enter_context(open_stage(tmp_path / "simulated", "--seconds-per-job", "3"))
        first, second = (
            Typist(
                stack.enter_context(open_terminal(*a_shell(home), columns=COLUMNS, lines=LINES, folder=home))
            )
            for _ in range(2)
        )
        first.do(f"git clone {ROOT} mjwatch")
        first.do("cd mjwatch")
        install_launcher(home / "mjwatch", home / "mjwatch" / ".venv" / "bin" / "mjwatch")
        for name in ("bin/python", ".demo"):
            (home / "mjwatch" / ".venv" / name).touch()
        first.do("make demo")
        install_launcher(home / "mjwatch", home / ".local" / "bin" / "mjwatch")
        token = (stage.folder / "keys" / "authToken.key").read_text().strip()
        first.do(
            "mjwatch init",
            ("[y/N]:", "y"),
            (">", "general"),
            (">", "https://discord.com/channels/1111000000000000002/1111000000000000003"),
            ("inbox]:", ""),
            ("outbox]:", ""),
            ("later):", ""),
        )
        first.do("mjwatch keys set token", ("(not shown):", token))
        use_simulator(config / "config.toml", stage)
        first.do("mjwatch check")
        first.begin("mjwatch run")
        first.terminal.wait_for("gateway: ready")
        second.do(f"echo '{DROPPED}' > ~/.config/mjwatch/inbox/heron.txt")
        wait_until(lambda: jobs_in(config / "outbox"), "the first pictures")
        second.do('mjwatch submit "a lighthouse keeper mending nets at dawn --ar 3:2" --wait')
        second.do("mjwatch status")
        second.do("mjwatch list")
        jobs = jobs_in(config / "outbox")
        second.do(f"mjwatch show {jobs[DROPPED]}")
        chunk = config / "outbox" / "_gallery" / "jobs-0001.js"
        wait_until(lambda: all(job in chunk.read_text() for job in jobs.values()), "the jobs in the gallery")
        assert (config / "outbox" / "index.html").is_file()
        second.do("mjwatch gallery --open")
        first.terminal.press("C-c")
        first.end()
        names = {str(home): "~", str(ROOT): "<repository>"}
        (demo,) = (home / "mjwatch").glob("demo-*/outbox")
        names |= dict.fromkeys([*jobs.values(), *jobs_in(demo).values()], "<job>")
        output = with_placeholders(
            [*demo_in_order(first.output()), "", "# in a second terminal", *second.output()], names
        )
        assert token not in output
        assert len(stage.simulator_state()["interactions"]) == len(jobs) == 2
    approved = GOLDEN.read_text()
    assert output == approved, "\n".join(
        unified_diff(approved.splitlines(), output.splitlines(), lineterm="")
    )


def test_the_documentation_shows_the_same_steps_and_messages_in_the_same_order() -> None:
    approved = GOLDEN.read_text()
    typed = re.findall(rf"(?m)^{re.escape(PROMPT)} (.+)$", approved)
    guide = (ROOT / "docs" / "start" / "first-picture.md").read_text()
    steps = typed[typed.index("mjwatch init") :]
    assert lines_not_in_order(steps, re.findall(r"(?m)^    (\S.*)$", guide)) == []
    readme = re.findall(
        r"(?m)^    (make demo|mjwatch (?:init|check|run|submit)\b.*?)(?:  +#.*)?$",
        ROOT.joinpath("README.md").read_text(),
    )
    assert lines_not_in_order(readme, typed) == []
    blocks = "".join(re.findall(r"(?ms)^```console\n(.*?)^```", guide))
    shown = [re.sub(r"(?<=\S) {2,}", "  ", line) for line in blocks.splitlines()]
    assert lines_not_in_order(shown, approved.splitlines()) == []


def lines_not_in_order(wanted: list[str], lines: list[str]) -> list[str]:
    """Return the wanted lines that do not appear in this order."""
    rest = iter(lines)
    return [text for text in wanted if not any(line.startswith(text) for line in rest)]
