"""A simulator that draws nothing and leaves nothing to chance: every grid is one file, made beforehand.

``python -m bench.instant_simulator PICTURE ARGUMENT...``: the arguments are those of ``mjwatch simulate``. Every job
takes just ``--seconds-per-job``, 0 where it is not given.
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


class Even(Random):
    """What should be anywhere between two numbers is in their middle."""

    def uniform(self, a: float, b: float) -> float:
        """Their middle."""
        return (a + b) / 2


def answer_with(picture: bytes) -> None:
    """Draw nothing from now on, and sum nothing up: a CDN knows the checksums of what it has.

    And take no time beside a job's own: for an answer to an interaction, or before what follows a picture.
    """
    headers = mjwatch.simulator.cdn.server._headers("/a.png", picture)
    setattr(mjwatch.simulator.cdn.store, "render", lambda wanted: picture)  # noqa: B010 - set from outside
    setattr(mjwatch.simulator.cdn.server, "_headers", lambda path, data: headers)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.queue, "Random", Even)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.bot, "ANSWER_TIME", 0.0)  # noqa: B010
    setattr(mjwatch.simulator.midjourney.job.RenderJob, "_moment", lambda job: 0.0)  # noqa: B010


if __name__ == "__main__":
    answer_with(Path(sys.argv[1]).read_bytes())
    sys.argv[1:] = ["simulate", "--seconds-per-job", "0", "--format", "png", *sys.argv[2:]]
    main()
