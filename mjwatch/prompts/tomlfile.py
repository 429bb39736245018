"""What a TOML prompt file says: its tables, and each of its prompts with the defaults that count for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts.commands import wish_for
from mjwatch.prompts.keys import KEYS, read_keys
from mjwatch.prompts.limits import Count, placed
from mjwatch.prompts.tomlhints import hint_for
from mjwatch.prompts.wish import Given
from mjwatch.settings.values import parse_toml, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from mjwatch.prompts.wish import Wish


def parse(text: str) -> dict[str, Any]:
    """TOML to a table. Raises PromptFileError with line and column."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise PromptFileError(f"not valid TOML: {error}", hint_for(str(error), text)) from error


def read_wishes(
    document: Mapping[str, Any], folder: Given, max_jobs: int, zone: tzinfo | None = None
) -> list[Wish]:
    """Every prompt of the file, in order; ``folder`` are its folder's defaults.

    Raises PromptFileError, also for more than ``max_jobs``.
    """
    tables = list(_tables(document, zone))
    Count(max_jobs).foresee(
        sum(
            len(own.prompts or top.prompts or (1,)) * len(own.actions or top.actions or (1,))
            for _, own, top in tables
        )
    )
    return [wish for where, own, top in tables for wish in _wishes(where, own, top, folder)]


def _tables(document: Mapping[str, Any], zone: tzinfo | None) -> Iterator[tuple[str, Given, Given]]:
    """Each table that makes jobs: its name, its own keys, and those above it."""
    jobs = document.get("jobs")
    rest = {key: value for key, value in document.items() if key != "jobs"}
    top = _read("", rest, (*KEYS, "jobs"), zone)
    if jobs is None:
        yield "", top, Given()
        return
    if not (isinstance(jobs, list) and jobs and all(isinstance(job, dict) for job in jobs)):
        raise PromptFileError(
            f"jobs is {shown(jobs)}, but must be tables", "begin each job with a line [[jobs]]"
        )
    for number, job in enumerate(jobs, start=1):
        yield f"job {number}", _read(f"job {number}", job, KEYS, zone), top


def _read(where: str, table: Mapping[str, Any], known: tuple[str, ...], zone: tzinfo | None) -> Given:
    with placed(where):
        return read_keys(table, known, zone)


def _wishes(where: str, own: Given, top: Given, folder: Given) -> Iterator[Wish]:
    prompts: tuple[str | None, ...] = own.prompts or top.prompts or (None,)
    for number, text in enumerate(prompts, start=1):
        place = ", ".join(filter(None, (where, f"prompt {number}" if len(prompts) > 1 else "")))
        for action in own.actions or top.actions or (None,):
            with placed(place):
                wish = wish_for(place, text, action, own, top, folder)
            yield wish
