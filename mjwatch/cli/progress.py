"""Shows jobs at work: a bar a job with the bot's own percentage, or plain lines where it is no terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import typer

from mjwatch.cli.output import plain, wanted
from mjwatch.jobs.status_text import reason
from mjwatch.model import ENDED, Job, State

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

NAME_WIDTH = 30
BAR_WIDTH = 20
LINES_KEPT_FREE = 4
"""Lines of the terminal that no bar takes."""


class JobProgress:
    """Give it every change of a job. Use ``with``. Writes to standard error, so that output can be piped."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._bars: dict[str, TaskID] = {}
        self._told: dict[str, str] = {}
        self._progress = _rich_progress() if sys.stderr.isatty() else None

    def __enter__(self) -> JobProgress:
        # What is worth telling is told here; without a handler the log would write warnings between the bars.
        logging.getLogger("mjwatch").addHandler(logging.NullHandler())
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def jobs(self) -> list[Job]:
        """The jobs as they were shown last, in the order in which they came."""
        return list(self._jobs.values())

    def update(self, job: Job) -> None:
        """Show how this job stands."""
        self._jobs[job.id] = job
        if self._progress is None:
            self._line(job.id, f"{job.id} {told(job)}  {plain(name_of(job), NAME_WIDTH)}")
        else:
            self._bar(self._progress, job)

    def trouble(self, why: str) -> None:
        """Say once why nothing moves."""
        if self._progress is None:
            self._line("", f"waiting: {plain(why)}")
        elif self._told.get("") != why:
            self._told[""] = why
            self._progress.console.print(f"waiting: {plain(why)}", markup=False, highlight=False)

    def _line(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            typer.echo(line, err=True)

    def _bar(self, progress: Progress, job: Job) -> None:
        if job.id not in self._bars:
            self._bars[job.id] = progress.add_task(plain(name_of(job), NAME_WIDTH), total=100, state="")
        progress.update(self._bars[job.id], completed=percent_of(job), state=plain(state_of(job)))
        self._make_room(progress)

    def _make_room(self, progress: Progress) -> None:
        """Where there are more jobs than lines, those at work come first, then those that wait."""
        room = max(1, progress.console.height - LINES_KEPT_FREE)
        if len(self._jobs) <= room:
            return
        ranked = sorted(self._jobs.values(), key=_rank)
        shown = {job.id for job in ranked[:room]}
        for job_id, bar in self._bars.items():
            progress.update(bar, visible=job_id in shown)


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=BAR_WIDTH),
        TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
    )
    return Progress(*columns, console=Console(stderr=True, emoji=False))


def _rank(job: Job) -> int:
    return 2 if job.state in ENDED else 1 if job.state is State.QUEUED else 0


def name_of(job: Job) -> str:
    """What it is about."""
    prompt = job.prompt
    words = wanted(prompt.action, prompt.command, prompt.text)
    return words or (job.source.path if job.source else job.id)


def percent_of(job: Job) -> int:
    """How far its bar is."""
    return 100 if job.state in {State.COLLECTING, State.DONE} else job.percent or 0


def state_of(job: Job) -> str:
    """Its state, in words for those who watch."""
    if job.state is State.SUBMITTED and job.held_by_bot:
        return "waits at Midjourney"
    if job.state is State.QUEUED and job.tries:
        return "to be sent again"
    return {State.COLLECTING: "saving", State.IN_DOUBT: "in doubt"}.get(job.state, str(job.state))


def told(job: Job) -> str:
    """State, percentage and, where something is in the way, what."""
    if job.state is State.RUNNING and job.percent is not None:
        return f"running {job.percent}%"
    why = "" if job.state is State.CANCELLED else reason(job)[0]
    if job.state is State.QUEUED and job.tries and job.history:
        why = job.history[-1].event
    return f"{state_of(job)}: {plain(why)}" if why else state_of(job)
