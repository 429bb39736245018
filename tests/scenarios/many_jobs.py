"""Very many jobs in one outbox, made by a daemon from prompt files with a simulator that answers at once.

They include all that a gallery can encounter: follow-ups, refusals, text answers, all aspect ratios, and
prompts and names that would harm a page that inserted them as markup.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.processes import environment, simulator
from tests.helpers.published import manifest_paths
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANG = deadline(600.0)
"""Seconds after which a drain of thousands of jobs counts as hanging."""

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> \"'`${window.hacked=3}`"
QUOTED = 'it\'s "quoted" <svg onload=window.hacked=4>'
FAMILY_PROMPT = "mending nets"
"""Part of the prompt that has a follow-up."""

SMALL = {
    "clients/acme/keeper.ready.toml": f'prompt = "a keeper {FAMILY_PROMPT} --ar 3:2"\n'
    'label = "spring"\nthen = ["U2"]',
    # Its ${} looks like a placeholder that was forgotten.
    f"{QUOTED}.ready.toml": f"prompt = '''{HOSTILE} banned-word-test'''\nforce = true",
}
"""Three jobs: a grid, a picture of this grid, and a refusal."""

MIXED = {
    f"sketches/{QUOTED}.ready.toml": f"prompt = '''{HOSTILE}'''\nforce = true\n"
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
STYLES = ("at dawn", "in the rain", "as a woodcut", "under northern lights", "in soft clay")
RATIOS = ("1:1", "3:2", "16:9", "2:3", "4:5")
FOLDERS = ("", "clients/acme/", "clients/bolt/", "sketches/")
LABELS = ("", "spring campaign", "calendar")
JOBS_PER_FILE = 50


@dataclass
class ManyJobs:
    """A workspace with an outbox to which jobs are added."""

    folder: Path

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    def jobs(self) -> list[dict[str, Any]]:
        """Return the manifests in the outbox in the order of the gallery."""
        found = [json.loads(path.read_text("utf-8")) for path in manifest_paths(self.outbox)]
        found.sort(key=lambda job: job["job"])
        return sorted(found, key=lambda job: str(job["times"]["published"]), reverse=True)

    def add_jobs(self, jobs: int) -> None:
        """Add jobs until there are exactly this many, at least three."""
        if not (made := len(self.jobs())):
            made = self._run_files(SMALL)
        if made < jobs and not (self.outbox / "clients/bolt").exists():
            made = self._run_files(MIXED)
        if made < jobs:
            made = self._run_files(dict(_prompt_files(range(made, jobs))))
        assert made == jobs, self._log()[-2000:]

    def _run_files(self, files: dict[str, str]) -> int:
        """Run a daemon for these files to its end, and return how many jobs there are then."""
        for name, text in files.items():
            path = self.folder / "inbox" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "mjwatch", "--config", str(self.folder / "config.toml")]
        with (self.folder / "mjwatch.log").open("a") as log:
            done = subprocess.run(
                [*command, "run", "--drain"],
                stdout=log,
                stderr=log,
                env=environment(),
                timeout=HANG,
                check=False,
            )
        assert done.returncode == 0, self._log()[-2000:]
        return len(self.jobs())

    def _log(self) -> str:
        return (self.folder / "mjwatch.log").read_text("utf-8")


def _prompt_files(numbers: range) -> Iterator[tuple[str, str]]:
    """Yield files for jobs of these numbers. In a full file the first job is varied, the last is refused."""
    for start in range(numbers.start, numbers.stop, JOBS_PER_FILE):
        is_full = start + JOBS_PER_FILE <= numbers.stop
        end = start + JOBS_PER_FILE - 1 if is_full else numbers.stop
        label = LABELS[start // JOBS_PER_FILE % len(LABELS)]
        jobs = [f"[[jobs]]\nprompt = {json.dumps(_prompt(number))}\n" for number in range(start, end)]
        if is_full:
            jobs[0] += 'then = ["V2"]\n'
            jobs[-1] = jobs[-1].replace(" --ar", " banned-word-test --ar")
        folder = FOLDERS[start // JOBS_PER_FILE % len(FOLDERS)]
        yield f"{folder}series-{start:04}.ready.toml", f"label = {json.dumps(label)}\n" + "".join(jobs)


def _prompt(number: int) -> str:
    subject, style = SUBJECTS[number % len(SUBJECTS)], STYLES[number // 3 % len(STYLES)]
    return f"{subject} {style}, take {number} --ar {RATIOS[number * 7 // 3 % len(RATIOS)]}"


@contextmanager
def many_jobs_workspace(folder: Path) -> Iterator[ManyJobs]:
    """Start a simulator with a workspace until the end of the block."""
    options = ("--grid", "64", "--seconds-per-job", "0", "--fast-hours", "10000")
    with simulator(folder, *options):
        yield ManyJobs(folder)
