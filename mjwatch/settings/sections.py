"""The sections of the configuration: each setting with its default, what it must be, and a line of why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.settings.values import (
    address,
    choice,
    discord_id,
    flag,
    folder,
    hosts,
    number,
    program,
    setting,
    some_of,
    webhook,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """``[inbox]``: where prompt files are dropped, and when one is taken to be complete. Times in seconds."""

    path: Path = setting(Path("inbox"), folder(), "Prompt files are dropped here; subfolders count too.")
    settle: float = setting(
        2.0, number(0, 3600), "Seconds that a file must have been quiet before it is taken."
    )
    settle_incomplete: float = setting(
        10.0, number(0, 3600), "The same for a file that looks half written (no final newline, broken TOML)."
    )
    scan_interval: float = setting(
        30.0, number(0.1, 3600), "Seconds between full scans; events of the file system only hasten them."
    )
    after: str = setting(
        "remove",
        choice("remove", "keep"),
        "What becomes of a prompt file that was taken: removed, or kept and run again when it has changed.",
    )


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """``[outbox]``: where results appear, and as what."""

    path: Path = setting(
        Path("outbox"), folder(), "Pictures and manifests appear here, one folder for each job."
    )
    format: str = setting(
        "auto",
        choice("auto", "png", "webp", "jpeg"),
        'Format of the four pictures: "auto" loses nothing (png stays png, webp becomes lossless webp).',
    )
    keep_grid: bool = setting(True, flag(), "Keep the grid too, byte for byte as it was downloaded.")
    embed_prompt: bool = setting(
        True, flag(), "Write the prompt into the pictures' metadata; false leaves it out of them."
    )
    gallery: bool = setting(
        True, flag(), "Keep a gallery of all jobs beside them: index.html, for a browser, on any machine."
    )


@dataclass(frozen=True, slots=True)
class StateSettings:
    """``[state]``: what the service must remember."""

    path: Path = setting(
        Path("state"), folder(), "Journal and downloads in work; a local disk. systemd's StateDirectory wins."
    )


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """``[discord]``: the addresses of Discord, settable so that a simulator is just another address."""

    api_url: str = setting(
        "https://discord.com/api/v9", address("http", "https"), "Address of Discord's API."
    )
    gateway_url: str = setting("wss://gateway.discord.gg", address("ws", "wss"), "Address of the gateway.")
    cdn_hosts: tuple[str, ...] = setting(
        ("cdn.discordapp.com", "media.discordapp.net"),
        hosts(),
        "Pictures are downloaded from these hosts only; the token is never sent there.",
    )
    allow_hosts: tuple[str, ...] = setting(
        (), hosts(), "Hosts besides Discord's own and this machine that may be sent the token. Keep it empty."
    )
    proxy: str = setting(
        "",
        address("http", optional=True),
        'HTTP proxy, such as "http://proxy.example.org:3128".',
        shown=False,
    )


@dataclass(frozen=True, slots=True)
class MidjourneySettings:
    """``[midjourney]``: which application is spoken to."""

    application_id: str = setting(
        "936929561302675456", discord_id(), "The Midjourney bot's application id (niji: 1022952195194359889)."
    )


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """``[pace]``: how fast, and how much. Times in seconds."""

    max_in_flight: int = setting(
        3,
        whole(1, 15),
        "Jobs that may run at once; your plan has a limit too (Basic and Standard 3, Pro 12).",
    )
    delay: float = setting(4.0, number(0, 3600), "Seconds between two submissions, at least.")
    jitter: float = setting(4.0, number(0, 3600), "Up to so many seconds more, by chance.")
    max_per_day: int = setting(
        200, whole(0, 1_000_000), "Submissions in any 24 hours; the rest waits. 0 means no cap."
    )
    min_fast_hours: float = setting(
        0.0,
        number(0, 10_000),
        "Pause when fewer fast hours are left; /info is asked now and then for it. 0 never asks.",
    )
    max_jobs_per_file: int = setting(
        100,
        whole(1, 100_000),
        "A prompt file that would become more jobs than this, follow-ups counted, is rejected.",
    )
    start_timeout: float = setting(
        900.0,
        number(1, 7 * _DAY),
        "Seconds after which a submitted job that shows no sign of life is looked up.",
    )
    silence_timeout: float = setting(
        3600.0, number(1, 7 * _DAY), "The same for a job that had begun and then fell silent."
    )
    quiet_time: float = setting(
        60.0,
        number(5, 3600),
        "Seconds that Discord must say nothing of a POST whose fate is unknown, before it is sent again.",
    )


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """``[notify]``: who is told when a job has ended or a person is needed."""

    exec: tuple[str, ...] = setting(
        (),
        program(),
        "A program to run, with its arguments; no shell. What it is told: docs/how-to/notifications.md.",
    )
    webhook: str = setting(
        "", webhook(), "An address to POST the same to, as JSON; https, or http on this machine.", shown=False
    )
    on: tuple[str, ...] = setting(
        ("done", "failed", "needs_person"),
        some_of("done", "failed", "needs_person"),
        "What is told: pictures are there; a job has failed; nothing goes on without a person.",
    )


@dataclass(frozen=True, slots=True)
class KeysSettings:
    """``[keys]``: where the secrets are."""

    path: Path = setting(
        Path("keys"), folder(), "Token, guild id and channel id, one a file; see the README in that folder."
    )


SECTIONS: Mapping[str, type] = {
    "inbox": InboxSettings,
    "outbox": OutboxSettings,
    "state": StateSettings,
    "keys": KeysSettings,
    "discord": DiscordSettings,
    "midjourney": MidjourneySettings,
    "pace": PaceSettings,
    "notify": NotifySettings,
}
