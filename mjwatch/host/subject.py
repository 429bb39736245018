"""Which jobs a line of the log is about, so that all lines of one job are found by a field.

Whoever logs only keeps to the words: a line about a job begins with its id, or has it after the word "job";
that of a prompt file ends with those of the jobs that it became.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mjwatch.jobs.intake import ID_ALPHABET

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

_OURS = "mjwatch"
_OF_FILES = "mjwatch.inbox"
"""The inbox's own lines begin with names of files, which may look like anything; it knows of no job."""

_PLACE = re.compile(r"^%s(?=[ :])|\bjob %s(?=[ ,;:]|$)| taken: %s$")
_ID = rf"[{ID_ALPHABET}]{{8}}"
_IDS = re.compile(rf"{_ID}(?:, {_ID})*")


def jobs_of(record: logging.LogRecord) -> tuple[str, ...]:
    """The ids of these jobs; most lines are about one or none."""
    told = getattr(record, "job", None)
    if told is not None:
        return (str(told),)
    found = [words for words in _in_place(record) if _IDS.fullmatch(words)]
    return tuple(job for words in found for job in words.split(", "))


def _in_place(record: logging.LogRecord) -> Iterator[str]:
    """What stands where ids would."""
    form, arguments = str(record.msg), record.args
    ours = record.name.partition(".")[0] == _OURS and record.name != _OF_FILES
    if not ours or not isinstance(arguments, tuple):
        return
    for place in _PLACE.finditer(form):
        number = form.count("%", 0, place.start())
        yield from map(str, arguments[number : number + 1])
