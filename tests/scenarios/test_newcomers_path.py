"""A newcomer's first steps: clone, demo, init, check, first prompt, gallery.

The golden file has every line that they type and read, with placeholders for ids, times and sizes. Packages
that would come from the package index are installed beforehand: tests use no network.
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

from tests.scenarios.required_programs import program
from tests.scenarios.stage import staged, wait_until
from tests.scenarios.tmux_terminal import opened

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

WORDS = [
    (r"(?m)^warning: source repository is shallow.*\n", ""),
    (r"(?m)^Updating files: .*\n", ""),  # of git, where the clone takes long
    (r"demo-\d{8}-\d{6}", "demo-<time>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "<time>"),
    (r"(?<!\d)\d\d:\d\d(:\d\d)?\b", "<time>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b(?!1111)\d{17,20}\b", "<id>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
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
        """A command to its end, with what is answered to its questions."""
        self.begin(line)
        for question, answer in answers:
            self._wait_for_end(question)
            self.terminal.type(f"{answer}\n")
        self.end()

    def begin(self, line: str) -> None:
        """A command that goes on."""
        self.end()
        self.terminal.type(line)
        self._wait_for_end(f"{PROMPT} {line}")
        self.terminal.press("Enter")

    def end(self) -> None:
        """Wait until the shell asks for the next command."""
        self._wait_for_end(PROMPT, alone=True)

    def _wait_for_end(self, text: str, *, alone: bool = False) -> None:
        """Until what stands there ends with this text, or with a line that says nothing else."""

        def stands() -> bool:
            last = self.told()[-1:]
            return last == [text] if alone else bool(last) and last[0].endswith(text)

        try:
            wait_until(stands, text)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.told()])) from None

    def told(self) -> list[str]:
        """All that stands in the terminal."""
        return self.terminal.all()


def a_shell(home: Path) -> tuple[str, ...]:
    """Return a shell with only a home folder, where the program is installed as by pipx."""
    variables = {
        "HOME": str(home),
        "PATH": f"{home}/.local/bin:/usr/local/bin:/usr/bin:/bin",
        "PS1": f"{PROMPT} ",
        "TERM": "screen",
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
        "BROWSER": "true",
    }
    given = (f"{name}={value}" for name, value in variables.items())
    return ("env", "-i", *given, program("bash"), "--norc", "--noprofile", "-i")


def installed(clone: Path, place: Path) -> None:
    """Install the program of this clone, with the libraries of the tests."""
    place.parent.mkdir(parents=True)
    place.write_text(f'#!/bin/sh\nPYTHONPATH={clone} exec {sys.executable} -P -m mjwatch "$@"\n')
    place.chmod(0o755)


def pointed_at_simulator(config: Path, stage: Stage) -> None:
    """Replace Discord's addresses by those of the simulator."""
    text = config.read_text()
    for key, value in tomllib.loads(stage.config.read_text())["discord"].items():
        text, count = re.subn(rf"(?m)^#{key} = .*$", f"{key} = {json.dumps(value)}", text)
        assert count == 1, key
    config.write_text(text)


def in_words(lines: list[str], names: dict[str, str]) -> str:
    """Return the lines with placeholders for what differs between runs."""
    text = "\n".join(lines) + "\n"
    for name, word in names.items():
        text = text.replace(name, word)
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
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
    manifests = [json.loads(path.read_text()) for path in outbox.glob("**/manifest.json")]
    return {one["prompt"]["submitted"]: one["job"] for one in manifests if one["state"] == "done"}


@pytest.mark.real
def test_every_message_from_a_fresh_clone_to_the_gallery_matches_the_approved_text(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    config = home / ".config" / "mjwatch"
    with ExitStack() as stack:
        stage = stack.enter_context(staged(tmp_path / "simulated", "--seconds-per-job", "3"))
        first, second = (
            Typist(stack.enter_context(opened(*a_shell(home), columns=COLUMNS, lines=LINES, folder=home)))
            for _ in range(2)
        )
        first.do(f"git clone {ROOT} mjwatch")
        first.do("cd mjwatch")
        installed(home / "mjwatch", home / "mjwatch" / ".venv" / "bin" / "mjwatch")
        for name in ("bin/python", ".demo"):
            (home / "mjwatch" / ".venv" / name).touch()
        first.do("make demo")
        installed(home / "mjwatch", home / ".local" / "bin" / "mjwatch")
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
        pointed_at_simulator(config / "config.toml", stage)
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
        told = in_words([*demo_in_order(first.told()), "", "# in a second terminal", *second.told()], names)
        assert token not in told
        assert len(stage.state()["interactions"]) == len(jobs) == 2
    found_good = GOLDEN.read_text()
    assert told == found_good, "\n".join(
        unified_diff(found_good.splitlines(), told.splitlines(), lineterm="")
    )


def test_the_documentation_shows_the_same_steps_and_messages_in_the_same_order() -> None:
    told = GOLDEN.read_text()
    typed = re.findall(rf"(?m)^{re.escape(PROMPT)} (.+)$", told)
    guide = (ROOT / "docs" / "start" / "first-picture.md").read_text()
    own = typed[typed.index("mjwatch init") :]
    assert in_turn(own, re.findall(r"(?m)^    (\S.*)$", guide)) == []
    readme = re.findall(
        r"(?m)^    (make demo|mjwatch (?:init|check|run|submit)\b.*?)(?:  +#.*)?$",
        ROOT.joinpath("README.md").read_text(),
    )
    assert in_turn(readme, typed) == []
    blocks = "".join(re.findall(r"(?ms)^```console\n(.*?)^```", guide))
    shown = [re.sub(r"(?<=\S) {2,}", "  ", line) for line in blocks.splitlines()]
    assert in_turn(shown, told.splitlines()) == []


def in_turn(wanted: list[str], lines: list[str]) -> list[str]:
    """Return the wanted lines that do not appear in this order."""
    rest = iter(lines)
    return [one for one in wanted if not any(line.startswith(one) for line in rest)]
