"""The Midjourney account behind the pretend user: its settings, and what it has used up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.simulator.faults.registry import FaultError
from mjwatch.simulator.messages.message import embed
from mjwatch.simulator.world import USERNAME, Json

if TYPE_CHECKING:
    from mjwatch.simulator.messages.plans import Plan

GREEN = 65280
HOURS_OF_PLAN = 30.0
_MINUTE = 1 / 60
_SPEEDS = {"fast": 1.0, "turbo": 2.0, "relax": 0.0}
"""Fast hours used, as a multiple of what the job costs."""
_SETTINGS: dict[str, type] = {
    "mode": str,
    "stealth": bool,
    "remix": bool,
    "variability": bool,
    "suffix": str,
    "version": str,
    "fast_hours": float,
}
"""What can be set from outside, with its type."""


@dataclass(slots=True)
class Account:
    """Settings, and what is running, waiting and used up."""

    fast_hours: float = HOURS_OF_PLAN
    """Left of this month's."""
    mode: str = "fast"
    stealth: bool = False
    remix: bool = False
    variability: bool = True
    """High variation."""
    suffix: str = ""
    """Added to every prompt."""
    version: str = ""
    """Of the model, added to every prompt; empty for the default."""
    images: int = 0
    hours: float = 0.0
    relaxed_images: int = 0
    relaxed_hours: float = 0.0
    running: dict[str, str] = field(default_factory=dict)
    """Job uuid to the address of the job."""
    waiting: Counter[str] = field(default_factory=Counter)
    """How many jobs wait, by mode."""

    def change(self, settings: Json) -> None:
        """Set what is named. Raises FaultError for what is not understood."""
        for name, value in settings.items():
            kind = _SETTINGS.get(name)
            given = float(value) if kind is float and type(value) is int else value
            if kind is None or type(given) is not kind or (name == "mode" and given not in _SPEEDS):
                raise FaultError(f"an account has {', '.join(_SETTINGS)}; {name!r} can't be {value!r}")
            setattr(self, name, given)

    def settings(self) -> Json:
        """What is set, as /_sim/state shows it."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def lacks_hours(self, mode: str) -> bool:
        """Whether a job of this mode can't be paid for."""
        return mode != "relax" and self.fast_hours <= 0

    def pay(self, plan: Plan) -> float:
        """Pay for a job that begins; the fast hours that it costs."""
        time = _minutes(plan) * _MINUTE
        cost = time * _SPEEDS[plan.mode]
        self.fast_hours = max(0.0, self.fast_hours - cost)
        self.hours += time
        self.relaxed_hours += time if plan.mode == "relax" else 0.0
        return cost

    def count(self, plan: Plan) -> None:
        """Count the pictures of a job that is done."""
        self.images += len(plan.tiles)
        self.relaxed_images += len(plan.tiles) if plan.mode == "relax" else 0

    def body(self) -> Json:
        """The embed of /info."""
        total = max(HOURS_OF_PLAN, self.fast_hours)
        left = f"{self.fast_hours:.2f}/{total} hours ({100 * self.fast_hours / total:.2f}%)"
        running = ", ".join(f"[{uuid[:8]}](<{url}>)" for uuid, url in self.running.items()) or "None"
        lines = {
            "Subscription": "Pro (Active monthly, renews next on <t:1893456000>)",
            "Job Mode": {"relax": "Relaxed"}.get(self.mode, self.mode.capitalize()),
            "Visibility Mode": "Stealth" if self.stealth else "Public",
            "Fast Time Remaining": left,
            "Lifetime Usage": f"{self.images} images ({self.hours:.2f} hours)",
            "Relaxed Usage": f"{self.relaxed_images} images ({self.relaxed_hours:.2f} hours)",
        }
        queues = {
            "Queued Jobs (fast)": str(self.waiting["fast"] + self.waiting["turbo"]),
            "Queued Jobs (relax)": str(self.waiting["relax"]),
            "Running Jobs": running,
        }
        text = "\n".join(map(_line, lines.items())) + "\n\n" + "\n".join(map(_line, queues.items()))
        return embed(f"Your info - {USERNAME}", text, GREEN)


def _minutes(plan: Plan) -> float:
    if plan.at_once:
        return 0.0
    if plan.motion is not None:
        return 8.0
    return 2.0 if plan.upscaled else 1.0


def _line(pair: tuple[str, str]) -> str:
    return f"{f'**{pair[0]}**:':<32}{pair[1]}"
