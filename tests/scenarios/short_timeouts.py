"""Run mjwatch with shorter timeouts. They are not configurable, so they are set from outside.

``python -m tests.scenarios.short_timeouts ARGUMENT...``: mjwatch gets the arguments.
"""

from __future__ import annotations

import functools

import mjwatch.discord.stream_position
import mjwatch.discord.timing
import mjwatch.midjourney.channel
import mjwatch.runtime
import mjwatch.workers.collector
from mjwatch.__main__ import main
from mjwatch.discord.protocol import CloseVerdict
from mjwatch.jobs.transitions import Timeouts
from tests.scenarios.short_limits import shorten_limits

if __name__ == "__main__":
    short_timeouts = functools.partial(Timeouts, deletion_grace=2.0, queue_full_pause=1.0)
    setattr(mjwatch.runtime, "Timeouts", short_timeouts)  # noqa: B010 - the name is imported there, not exported
    mjwatch.midjourney.channel.GRACE_PERIOD = 1.0
    mjwatch.discord.timing.LEAST_WAIT[CloseVerdict.WAIT_AND_RESUME] = 1.0
    shorten_limits()
    mjwatch.discord.stream_position.REPEAT_AFTER = 1.0
    mjwatch.discord.timing.SHORTEST_INTERVAL = 0.1
    mjwatch.workers.collector.PICTURE_TRIES = 3
    main()
