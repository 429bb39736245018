"""What a person can choose about the simulator, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

ProfileName = Literal["2023", "2024", "2026"]
DeleteOrder = Literal["before", "after", "missing"]
PictureFormat = Literal["png", "webp"]

PROFILE_NAMES: tuple[ProfileName, ...] = ("2023", "2024", "2026")
DELETE_ORDERS: tuple[DeleteOrder, ...] = ("before", "after", "missing")
PICTURE_FORMATS: tuple[PictureFormat, ...] = ("png", "webp")


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """Every knob of the simulator with its default; None means "as the profile has it"."""

    port: int = 0
    """0 takes the port of the workspace's config if that is free, else any free one."""
    bind: str | None = None
    """The address to listen on; None is 127.0.0.1. Anything else must be asked for."""
    seconds_per_job: float = 8.0
    """The middle of a job's random length; everything the bot does is paced by it."""
    grid: int = 2048
    """The edge of a square grid in pixels; other aspect ratios scale with it."""
    profile: ProfileName = "2026"
    delete: DeleteOrder | None = None
    """When the progress message goes: before the final, after it, or never."""
    format: PictureFormat | None = None
    workspace: Path | None = None
    seed: int | None = None
    """Fixes the lengths and orders that are drawn at random; job uuids stay unique."""
    fast_hours: float | None = None
    """Fast hours that the account has left; None is a new month of a plan."""
    max_running: int = 12
    max_queued: int = 10
    heartbeat_interval: float = 41.25
    """Seconds, told to the client in HELLO."""
    url_lifetime: float | None = None
    """Seconds until a signed CDN address expires."""
    scenario: Path | None = None
    """A JSON file with a list of faults to arm at the start, or `after` some seconds."""
    read_history: bool = True
    """False: the user lacks READ_MESSAGE_HISTORY, so message lists are empty."""
