"""The simulator's options, and the workspace: a folder for trying a client with the simulator."""

from __future__ import annotations

import contextlib
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, GUILD_ID, USER_TOKEN

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
    """All options of the simulator with their defaults; None means the profile's value."""

    port: int = 0
    """0 takes the port of the workspace's config if it is free, or else any free port."""
    bind: str | None = None
    """The address to listen on; None is 127.0.0.1. Any other must be given."""
    seconds_per_job: float = 8.0
    """The mean of a job's random length; all other pauses of the bot scale with it."""
    grid: int = 2048
    """The edge of a square grid in pixels; other aspect ratios scale with it."""
    profile: ProfileName = "2026"
    delete: DeleteOrder | None = None
    """When the progress message is deleted: before the final, after it, or never."""
    format: PictureFormat | None = None
    workspace: Path | None = None
    seed: int | None = None
    """Makes random job lengths and orders reproducible; job uuids stay unique."""
    fast_hours: float | None = None
    """The account's remaining fast hours; None is a new month of a plan."""
    max_running: int = 12
    max_queued: int = 10
    heartbeat_interval: float = 41.25
    """Seconds, sent to the client in HELLO."""
    url_lifetime: float | None = None
    """Seconds until a signed CDN address expires."""
    scenario: Path | None = None
    """A JSON file with a list of faults to arm at the start, or `after` some seconds."""
    replay: Path | None = None
    """A bundle whose recording is played in place of the simulated bot."""
    read_history: bool = True
    """False: the user lacks READ_MESSAGE_HISTORY, so message lists are empty."""


_CONFIG = """\
# Made by the simulator: all addresses are the simulator's. The token in keys/ is valid nowhere else.
[inbox]
path = "inbox"
settle = 0.5
settle_incomplete = 2.0

[outbox]
path = "outbox"

[state]
path = "state"

[keys]
path = "keys"

[discord]
api_url = "http://{host}/api/v9"
gateway_url = "ws://{host}"
cdn_hosts = ["{host}"]

[midjourney]
application_id = "{application_id}"

[pace]
max_in_flight = 12
delay = 0
jitter = 0
max_per_day = 0
"""
_KEYS = {"authToken.key": USER_TOKEN, "API_guild_id.key": GUILD_ID, "API_channel_id.key": CHANNEL_ID}


def make_workspace(folder: Path, host: str) -> None:
    """Create the workspace's missing files for ``host`` (`127.0.0.1:PORT`); only config.toml is rewritten."""
    for name in ("inbox", "outbox"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("state", "keys"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    for name, value in _KEYS.items():
        _write_key(folder / "keys" / name, value)
    text = _CONFIG.format(host=host, application_id=BOT_ID)
    if configured_port(folder) != urlsplit(f"//{host}").port:
        (folder / "config.toml").write_text(text, encoding="utf-8")


def put_prompt(folder: Path, suffix: str, text: str) -> None:
    """Put a prompt file into the inbox of a workspace in which nothing has run yet."""
    if not any((folder / "state").iterdir()):
        (folder / "inbox" / f"replayed.ready{suffix}").write_text(text, encoding="utf-8")


def configured_port(folder: Path) -> int | None:
    """Return the port in the workspace's config.toml; None if it can't be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
        url: str = config["discord"]["api_url"]
        return urlsplit(url).port
    return None


def _write_key(path: Path, value: str) -> None:
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{value}\n")
