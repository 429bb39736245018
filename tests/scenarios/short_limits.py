"""Run mjwatch with short waits for limits and outages. No setting changes them, so they are set from outside.

``python -m tests.scenarios.short_limits ARGUMENT...``: mjwatch gets the arguments.
"""

from __future__ import annotations

from mjwatch.__main__ import main
from mjwatch.jobs import limits


def shorten_limits() -> None:
    """Let a limit without a time last a second, and probe an outage after one, two ... four seconds."""
    limits.UNNAMED_LIMIT = limits.GRACE_PERIOD = 1.0
    limits.FIRST_INTERVAL, limits.LONGEST_INTERVAL = 1.0, 4.0


if __name__ == "__main__":
    shorten_limits()
    main()
