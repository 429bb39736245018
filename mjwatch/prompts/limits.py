"""How many jobs one file may make, and where in it an error was found."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXACT = 1000
"""Up to here the number of too many jobs is told exactly, beyond it as the least that it can be."""


class Count:
    """Counts the jobs of one file, follow-ups among them, against the most that are taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made = 0

    def foresee(self, jobs: int) -> None:
        """So many jobs more will come, or more than that. Raises PromptFileError if they are far too many."""
        if self._made + jobs > max(self._most, _EXACT):
            raise self._too_many(f"at least {_written(self._made + jobs)}")

    def add(self, jobs: int) -> None:
        """So many jobs more. Raises PromptFileError if they are far too many."""
        self.foresee(jobs)
        self._made += jobs

    def check(self) -> None:
        """Raise PromptFileError if they are too many, now that all are counted."""
        if self._made > self._most:
            raise self._too_many(f"{self._made:,}")

    def _too_many(self, number: str) -> PromptFileError:
        return PromptFileError(
            f"the file makes {number} jobs, but at most {self._most} are taken from one file",
            "split it, or raise [pace] max_jobs_per_file; follow-ups count too",
        )


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Name this place of the file in a PromptFileError that comes out of here."""
    try:
        yield
    except PromptFileError as error:
        raise PromptFileError(f"{where}: {error.message}" if where else error.message, error.mend) from error


def _written(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"10^{len(str(count)) - 1}"
