"""Shows jobs at work: a bar a job with the bot's own percentage, or plain lines where it is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from mjwatch.cli.output import plain
from mjwatch.model import ENDED, Job, State

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

WIDTH = 30


class JobProgress:
    """Give it every change of a job. Use ``with``. Writes to standard error, so that output can be piped."""

    def __init__(self) -> None:
        self._bars: dict[str, TaskID] = {}
        self._told: dict[str, str] = {}
        self._progress = _rich_progress() if sys.stderr.isatty() else None

    def __enter__(self) -> JobProgress:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, job: Job) -> None:
        """Show how this job stands."""
        if self._progress is None:
            self._tell(job)
            return
        if job.id not in self._bars:
            self._bars[job.id] = self._progress.add_task(plain(_name(job), WIDTH), total=100, state="")
        self._progress.update(self._bars[job.id], completed=_percent(job), state=_state(job))

    def _tell(self, job: Job) -> None:
        line = f"{job.id} {_state(job)}"
        if job.state is State.RUNNING and job.percent is not None:
            line += f" {job.percent}%"
        if self._told.get(job.id) != line:
            self._told[job.id] = line
            typer.echo(f"{line}  {plain(_name(job), WIDTH)}", err=True)


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[state]}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True))


def _name(job: Job) -> str:
    return job.prompt.text or (job.source.path if job.source else job.id)


def _percent(job: Job) -> int:
    return 100 if job.state in ENDED or job.state is State.COLLECTING else job.percent or 0


def _state(job: Job) -> str:
    if job.state is State.SUBMITTED and job.held_by_bot:
        return "waiting at Midjourney"
    return {State.COLLECTING: "saving", State.IN_DOUBT: "in doubt"}.get(job.state, str(job.state))
