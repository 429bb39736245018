"""Runs mjwatch with short pauses where a disk fails. They are no settings, so they are set from outside.

``python -m tests.scenarios.impatient ARGUMENT...``: the arguments are those of mjwatch.
"""

from __future__ import annotations

import functools

import mjwatch.engine.journal_retry
import mjwatch.inbox.inbox
import mjwatch.jobs.transitions
from mjwatch.__main__ import main
from mjwatch.discord.timing import backoff

if __name__ == "__main__":
    mjwatch.engine.journal_retry.JOURNAL_PAUSE = 0.1
    mjwatch.inbox.inbox.POLL = 0.2
    soon = functools.partial(backoff, first=0.2, most=0.5)
    setattr(mjwatch.jobs.transitions, "backoff", soon)  # noqa: B010 - the name is imported there, not exported
    main()
