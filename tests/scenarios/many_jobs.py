"""Very many jobs in one outbox, all made by a daemon of prompt files, on a simulator that answers at once.

Among them is what a gallery may meet: families, refusals, answers in words, every shape, and words and names
that would do harm to a page that took them for its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.processes import environment, simulator
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANG = deadline(600.0)
"""Seconds after which a drain of thousands will never end."""

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> \"'`${window.hacked=3}`"
QUOTED = 'it\'s "quoted" <svg onload=window.hacked=4>'
FAMILY = "mending nets"
"""Words of a prompt that has follow-ups."""

SMALL = {
    "clients/acme/keeper.ready.toml": f'prompt = "a keeper {FAMILY} --ar 3:2"\n'
    'label = "spring"\nthen = ["U2"]',
    f"{QUOTED}.ready.txt": f"{HOSTILE} banned-word-test",
}
"""Three jobs: a grid, a picture out of it, and a refusal."""

MIXED = {
    f"sketches/{QUOTED}.ready.toml": f"prompt = '''{HOSTILE}'''\n"
    f"label = '''{HOSTILE}'''\n[parameters]\nar = \"2:3\"\nno = ['''<b>''', '''\"''']",
    "sketches/deep/down/there/kite.ready.toml": 'prompt = "a red kite over the sea --ar 16:9"\n'
    'label = "spring"\nthen = ["U1", "V3", "zoom 2x", "animate low"]',
    "clients/bolt/shapes.ready.txt": "a row of chairs --ar {1:1, 1:2, 21:9, 9:16, 4:5} --seed 77",
    "clients/bolt/long.ready.txt": "an endless street of very different houses, " * 40,
    "account.ready.toml": 'command = "info"',
    "sketches/shorter.ready.toml": 'command = "shorten"\nprompt = "a very very long way to say a red kite"',
    "broken.ready.toml": "prompt = 7",
}

SUBJECTS = (
    "a lighthouse",
    "a red kite",
    "an old harbour",
    "a fox",
    "two cows",
    "a glass city",
    "a tin robot",
)
MANNERS = ("at dawn", "in the rain", "as a woodcut", "under northern lights", "in soft clay")
SHAPES = ("1:1", "3:2", "16:9", "2:3", "4:5")
FOLDERS = ("", "clients/acme/", "clients/bolt/", "sketches/")
LABELS = ("", "spring campaign", "calendar")
SERIES = 50
"""Jobs that come of one of the many files."""


@dataclass
class Crowd:
    """A workspace whose outbox grows."""

    folder: Path

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    def jobs(self) -> list[dict[str, Any]]:
        """The manifests in the outbox, those first that the gallery shows first."""
        found = [json.loads(path.read_text("utf-8")) for path in self.outbox.glob("**/manifest.json")]
        found.sort(key=lambda job: job["job"])
        return sorted(found, key=lambda job: str(job["times"]["published"]), reverse=True)

    def grow(self, jobs: int) -> None:
        """Have just so many jobs, at least three."""
        if not (made := len(self.jobs())):
            made = self._made_of(SMALL)
        if made < jobs and not (self.outbox / "clients/bolt").exists():
            made = self._made_of(MIXED)
        if made < jobs:
            made = self._made_of(dict(_series(range(made, jobs))))
        assert made == jobs, self._log()[-2000:]

    def _made_of(self, files: dict[str, str]) -> int:
        """Have a daemon do these files, and end; how many jobs there are then."""
        for name, text in files.items():
            path = self.folder / "inbox" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "mjwatch", "--config", str(self.folder / "config.toml")]
        with (self.folder / "mjwatch.log").open("a") as log:
            ended = subprocess.run(
                [*command, "run", "--drain"],
                stdout=log,
                stderr=log,
                env=environment(),
                timeout=HANG,
                check=False,
            )
        assert ended.returncode == 0, self._log()[-2000:]
        return len(self.jobs())

    def _log(self) -> str:
        return (self.folder / "mjwatch.log").read_text("utf-8")


def _series(numbers: range) -> Iterator[tuple[str, str]]:
    """Files that become the jobs of these numbers. Of a full one the first is varied, the last is refused."""
    for start in range(numbers.start, numbers.stop, SERIES):
        whole = start + SERIES <= numbers.stop
        end = start + SERIES - 1 if whole else numbers.stop
        label = LABELS[start // SERIES % len(LABELS)]
        jobs = [f"[[jobs]]\nprompt = {json.dumps(_prompt(number))}\n" for number in range(start, end)]
        if whole:
            jobs[0] += 'then = ["V2"]\n'
            jobs[-1] = jobs[-1].replace(" --ar", " banned-word-test --ar")
        folder = FOLDERS[start // SERIES % len(FOLDERS)]
        yield f"{folder}series-{start:04}.ready.toml", f"label = {json.dumps(label)}\n" + "".join(jobs)


def _prompt(number: int) -> str:
    subject, manner = SUBJECTS[number % len(SUBJECTS)], MANNERS[number // 3 % len(MANNERS)]
    return f"{subject} {manner}, take {number} --ar {SHAPES[number * 7 // 3 % len(SHAPES)]}"


@contextmanager
def a_crowd(folder: Path) -> Iterator[Crowd]:
    """A workspace with its simulator, for as long as the block lasts."""
    options = ("--grid", "64", "--seconds-per-job", "0", "--fast-hours", "10000")
    with simulator(folder, *options):
        yield Crowd(folder)
