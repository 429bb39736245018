"""Run the simulator as a process of its own whose jobs don't end while a file exists.

``python -m tests.scenarios.held_simulator FILE ARGUMENT...``: mjwatch gets the arguments.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mjwatch.__main__ import main
from mjwatch.simulator.midjourney.job import RenderJob


def hold_while_exists(file: Path) -> None:
    """Let the rendering of each job wait until the file is gone."""
    render = RenderJob._render_with_progress

    async def wait(job: RenderJob) -> None:
        while file.exists():
            await asyncio.sleep(0.05)
        await render(job)

    setattr(RenderJob, "_render_with_progress", wait)  # noqa: B010 - mypy forbids an assignment


if __name__ == "__main__":
    hold_while_exists(Path(sys.argv.pop(1)))
    main()
