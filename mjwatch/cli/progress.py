"""Jobs at work as lines and bars: on standard error, above the shell's prompt, and in ``status --watch``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.output import STATE_COLOURS, job_summary, plain, silence_log
from mjwatch.jobs.status_text import reason
from mjwatch.model import ENDED, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from rich.console import RenderableType
    from rich.progress import Progress, TaskID
    from rich.table import Table

NAME_WIDTH = 30
BAR_WIDTH = 20
LINES_KEPT_FREE = 4
"""Lines of the terminal that no bar takes."""

TEXT_BAR_WIDTH = 16
TEXT_STATE_WIDTH = 11
MOST_TEXT_BARS = 8
"""Bars above the prompt at most; further jobs are counted."""

TABLE_WIDTHS = (8, max(map(len, State)), BAR_WIDTH, 4)
"""Columns of a job's id, state, bar and percentage in a table; the job's summary takes the rest."""


# ---- what is shown of a job


def summary_of(job: Job) -> str:
    """Return what the job does: its prompt, after its action or its command if not imagine."""
    return job_summary(job.prompt.action, job.prompt.command, job.prompt.text)


def percent_of(state: str, percent: int | None) -> int | None:
    """Return how far the bar of a job reaches; None before the first percentage."""
    return 100 if state in {State.COLLECTING, State.DONE} else percent


def state_of(job: Job) -> str:
    """Return the job's state for people."""
    if job.state is State.SUBMITTED and job.queued_by_bot:
        return "waits at Midjourney"
    if job.state is State.QUEUED and job.failed_tries:
        return "to be sent again"
    return {State.COLLECTING: "saving", State.IN_DOUBT: "in doubt"}.get(job.state, str(job.state))


def _state_with_reason(job: Job) -> str:
    """Return the state with the percentage, or with the reason why the job waits or failed."""
    if job.state is State.RUNNING and job.percent is not None:
        return f"running {job.percent}%"
    why = "" if job.state is State.CANCELLED else reason(job)[0]
    if job.state is State.QUEUED and job.failed_tries and job.history:
        why = job.history[-1].text
    return f"{state_of(job)}: {plain(why)}" if why else state_of(job)


# ---- on standard error


class JobProgress:
    """Show a bar for each job, or a line for each change where standard error is no terminal. Use ``with``.

    Standard output stays free, so that it can be piped.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._bars: dict[str, TaskID] = {}
        self._printed: dict[str, str] = {}
        self._progress = _rich_progress() if sys.stderr.isatty() else None

    def __enter__(self) -> JobProgress:
        silence_log()
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
        """The jobs as they were last shown, in the order of their arrival."""
        return list(self._jobs.values())

    def update(self, job: Job) -> None:
        """Show this change of a job."""
        self._jobs[job.id] = job
        if self._progress is None:
            self._print_once(
                job.id, f"{job.id} {_state_with_reason(job)}  {plain(_name_of(job), NAME_WIDTH)}"
            )
        else:
            self._update_bar(self._progress, job)

    def trouble(self, reason: str) -> None:
        """Show once why the jobs have to wait."""
        if self._progress is None:
            self._print_once("", f"waiting: {plain(reason)}")
        elif self._printed.get("") != reason:
            self._printed[""] = reason
            self._progress.console.print(f"waiting: {plain(reason)}", markup=False, highlight=False)

    def _print_once(self, subject: str, line: str) -> None:
        if self._printed.get(subject) != line:
            self._printed[subject] = line
            typer.echo(line, err=True)

    def _update_bar(self, progress: Progress, job: Job) -> None:
        if job.id not in self._bars:
            self._bars[job.id] = progress.add_task(plain(_name_of(job), NAME_WIDTH), total=100, state="")
        completed = percent_of(job.state, job.percent) or 0
        progress.update(self._bars[job.id], completed=completed, state=plain(state_of(job)))
        self._hide_surplus(progress)

    def _hide_surplus(self, progress: Progress) -> None:
        """Where there are more jobs than lines, show running jobs first, then queued jobs."""
        room = max(1, progress.console.height - LINES_KEPT_FREE)
        if len(self._jobs) <= room:
            return
        ranked = sorted(self._jobs.values(), key=_rank)
        visible = {job.id for job in ranked[:room]}
        for job_id, bar in self._bars.items():
            progress.update(bar, visible=job_id in visible)


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


def _name_of(job: Job) -> str:
    return summary_of(job) or (job.source.path if job.source else job.id)


# ---- above the shell's prompt


def text_bars(jobs: Sequence[Job], width: int, most: int = MOST_TEXT_BARS) -> list[str]:
    """Return a line of at most ``width`` columns for each open job, queued jobs last."""
    open_jobs = sorted((job for job in jobs if job.open), key=lambda job: job.state is State.QUEUED)
    shown = open_jobs if len(open_jobs) <= most else open_jobs[: most - 1]
    lines = [plain(_text_bar(job), width) for job in shown]
    left = len(open_jobs) - len(shown)
    return [*lines, f"and {left} more"] if left else lines


def _text_bar(job: Job) -> str:
    done = 100 if job.state in ENDED else percent_of(job.state, job.percent) or 0
    full = done * TEXT_BAR_WIDTH // 100
    bar = "█" * full + "░" * (TEXT_BAR_WIDTH - full)
    return f"{job.id}  {state_of(job):<{TEXT_STATE_WIDTH}} {bar} {done:>3}%  {summary_of(job)}"


# ---- in ``status --watch``


def bar_table(jobs: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table with a bar for each of these jobs, given as ``status --json`` shows them."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for width in TABLE_WIDTHS:
        table.add_column(no_wrap=True, width=width)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for job in jobs:
        table.add_row(*_bar_row(job))
    return table


def _bar_row(job: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    state, percent = job["state"], job["percent"]
    done = percent_of(state, percent)
    return (
        Text(job["job"]),
        Text(state, style=STATE_COLOURS.get(state, "")),
        # Without its colours an empty bar looks like a full one.
        Text("") if done is None else ProgressBar(total=100, completed=done, width=BAR_WIDTH),
        Text("" if percent is None else f"{percent}%", justify="right"),
        Text(plain(job_summary(job["action"], job["command"], job["prompt"]))),
    )
