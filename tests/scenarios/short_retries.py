"""Run mjwatch with short delays between retries. They are not configurable, so they are set from outside.

``python -m tests.scenarios.short_retries ARGUMENT...``: mjwatch gets the arguments.
"""

from __future__ import annotations

import functools

import mjwatch.engine.service_state
import mjwatch.inbox.inbox
import mjwatch.jobs.delivery
import mjwatch.jobs.transitions
from mjwatch.__main__ import main
from mjwatch.discord.timing import backoff

if __name__ == "__main__":
    mjwatch.engine.service_state.JOURNAL_RETRY_DELAY = 0.1
    mjwatch.inbox.inbox.SCAN_INTERVAL = 0.2
    short_backoff = functools.partial(backoff, first=0.2, most=0.5)
    for module in (mjwatch.jobs.transitions, mjwatch.jobs.delivery):
        setattr(module, "backoff", short_backoff)  # noqa: B010 - the name is imported there, not exported
    main()
