"""The Midjourney account behind the pretend user: what /info tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .identity import USERNAME, Json
from .messages import embed

GREEN = 65280
HOURS_TOTAL = 30.0
HOURS_PER_JOB = 1 / 60


@dataclass(slots=True)
class Account:
    """What has been used up."""

    mode: str = "fast"
    images: int = 0
    running: dict[str, str] = field(default_factory=dict)
    """Job uuid to the address of its progress message."""

    def body(self, waiting: int) -> Json:
        """The embed of /info; ``waiting`` is the number of queued jobs."""
        used = self.images / 4 * HOURS_PER_JOB
        left = max(0.0, HOURS_TOTAL - used)
        running = ", ".join(f"[{uuid[:8]}](<{url}>)" for uuid, url in self.running.items()) or "None"
        lines = {
            "Subscription": "Pro (Active monthly, renews next on <t:1893456000>)",
            "Job Mode": self.mode.capitalize(),
            "Visibility Mode": "Public",
            "Fast Time Remaining": f"{left:.2f}/{HOURS_TOTAL} hours ({100 * left / HOURS_TOTAL:.2f}%)",
            "Lifetime Usage": f"{self.images} images ({used:.2f} hours)",
            "Relaxed Usage": "0 images (0.00 hours)",
        }
        queues = {
            "Queued Jobs (fast)": str(waiting),
            "Queued Jobs (relax)": "0",
            "Running Jobs": running,
        }
        text = "\n".join(map(_line, lines.items())) + "\n\n" + "\n".join(map(_line, queues.items()))
        return embed(f"Your info - {USERNAME}", text, GREEN)


def _line(pair: tuple[str, str]) -> str:
    return f"{f'**{pair[0]}**:':<32}{pair[1]}"
