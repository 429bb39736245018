"""A simulator without drawing and without randomness: every grid is the same prepared file.

``python -m bench.instant_simulator PICTURE ARGUMENT...``: ``mjwatch simulate`` gets the arguments. Every job
takes exactly ``--seconds-per-job``, by default 0.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import mjwatch.simulator.cdn.server
import mjwatch.simulator.cdn.store
import mjwatch.simulator.midjourney.bot
import mjwatch.simulator.midjourney.job
import mjwatch.simulator.midjourney.queue
from mjwatch.__main__ import main


class MiddleRandom(Random):
    """A generator that returns the middle of a range instead of a random number."""

    def uniform(self, a: float, b: float) -> float:
        """Return the middle of the range."""
        return (a + b) / 2


def answer_with(picture: bytes) -> None:
    """Always serve this picture, without drawing, and without computing checksums, which a real CDN stores.

    Also remove all delays except the duration of the job: before the response to an interaction, and between
    messages.
    """
    headers = mjwatch.simulator.cdn.server._headers("/a.png", picture)
    setattr(mjwatch.simulator.cdn.store, "render", lambda wanted: picture)  # noqa: B010 - set from outside
    setattr(mjwatch.simulator.cdn.server, "_headers", lambda path, data: headers)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.queue, "Random", MiddleRandom)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.bot, "ANSWER_TIME", 0.0)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.job.RenderJob, "_moment", lambda job: 0.0)  # noqa: B010


if __name__ == "__main__":
    answer_with(Path(sys.argv[1]).read_bytes())
    sys.argv[1:] = ["simulate", "--seconds-per-job", "0", "--format", "png", *sys.argv[2:]]
    main()
