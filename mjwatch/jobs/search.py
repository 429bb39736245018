"""Which jobs a person wants to see, and the conditions by which the journal finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.jobs.stored import stored_label, stored_path

if TYPE_CHECKING:
    from mjwatch.model import State


@dataclass(frozen=True, slots=True)
class Wanted:
    """Jobs in one of these states (any, if none is named), with this label, from a file in the inbox.

    ``since``: accepted at this time or later, in seconds since 1970. ``source``: a path with the wildcards *,
    ? and [...]; a * stands for slashes, too.
    """

    states: tuple[State, ...] = ()
    label: str | None = None
    since: float | None = None
    source: str | None = None

    def conditions(self, since_number: int | None) -> tuple[list[str], list[object]]:
        """Terms of a WHERE clause and their values, the states left out.

        ``since_number``: the number of the first job that is young enough, if an age is wanted.
        """
        terms: dict[str, object] = {}
        if self.label is not None:
            terms["label=?"] = stored_label(self.label)
        if self.source is not None:
            # The paths are an index: no job is read for it.
            terms["file IN (SELECT id FROM files WHERE path GLOB ?)"] = stored_path(self.source)
        if since_number is not None:
            terms["number>=?"] = since_number
        return list(terms), list(terms.values())
