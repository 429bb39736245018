"""The sections of the configuration: each setting with its default, its kind and a line about its use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.settings.values import (
    address,
    apprise_urls,
    choice,
    day_spans,
    discord_id,
    flag,
    folder,
    folder_mode,
    group_name,
    hosts,
    metrics_file,
    number,
    program,
    setting,
    some_of,
    webhook,
    whole,
    whole_or_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """``[inbox]``: where prompt files are dropped, and when they count as complete. Times are in seconds."""

    path: Path = setting(Path("inbox"), folder(), "Drop prompt files here; subfolders count too.")
    settle: float = setting(
        2.0, number(0, 3600), "Seconds without a change after which mjwatch takes a file."
    )
    settle_incomplete: float = setting(
        10.0, number(0, 3600), "The same for a file that looks incomplete (no final newline, broken TOML)."
    )
    scan_interval: float = setting(
        30.0,
        number(0.1, 3600),
        "Seconds between full scans; file system events only make mjwatch look earlier.",
    )
    after: str = setting(
        "remove",
        choice("remove", "keep"),
        "What happens to a taken prompt file: it is removed, or kept and run again when it changes.",
    )


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """``[outbox]``: where results appear, and in which form."""

    path: Path = setting(
        Path("outbox"), folder(), "Pictures and manifests appear here, one folder for each job."
    )
    format: str = setting(
        "auto",
        choice("auto", "png", "webp", "jpeg"),
        'Format of the four pictures: "auto" is lossless (png stays png, webp becomes lossless webp).',
    )
    keep_grid: bool = setting(True, flag(), "Keep the grid too, byte for byte as it was downloaded.")
    embed_prompt: bool = setting(True, flag(), "Write the prompt into the pictures' metadata.")
    gallery: bool = setting(
        True,
        flag(),
        "Maintain a gallery of all jobs in the outbox: index.html, for a browser, on any machine.",
    )
    collect_by_hand: bool = setting(
        False,
        flag(),
        "Publish also what you start by hand in the channel while the service runs, under _channel/.",
    )
    heartbeat: int = setting(
        5,
        whole(0, 1440),
        "Minutes after which status.json is written again, which shows that mjwatch is alive. 0: never.",
    )
    mode: str = setting(
        "",
        folder_mode(),
        'Mode of new folders, such as "0770"; files get the same without x. "" leaves it to the umask.',
    )
    group: str = setting(
        "",
        group_name(),
        "Group of the outbox, and so of all that is published in it. See docs/how-to/syncing.md.",
    )


@dataclass(frozen=True, slots=True)
class StateSettings:
    """``[state]``: what the service must remember."""

    path: Path = setting(
        Path("state"),
        folder(),
        "Journal and results in preparation, on a local disk. systemd's StateDirectory takes precedence.",
    )


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """``[discord]``: the addresses of Discord; the simulator is used by setting its addresses."""

    api_url: str = setting(
        "https://discord.com/api/v9", address("http", "https"), "Address of Discord's API."
    )
    gateway_url: str = setting("wss://gateway.discord.gg", address("ws", "wss"), "Address of the gateway.")
    cdn_hosts: tuple[str, ...] = setting(
        ("cdn.discordapp.com", "media.discordapp.net"),
        hosts(),
        "Pictures are downloaded from these hosts only; the token is never sent to them.",
    )
    allow_hosts: tuple[str, ...] = setting(
        (), hosts(), "Hosts besides Discord's own and this machine that may receive the token. Keep it empty."
    )
    proxy: str = setting(
        "",
        address("http", optional=True),
        'HTTP proxy, such as "http://proxy.example.org:3128".',
        shown=False,
    )


@dataclass(frozen=True, slots=True)
class MidjourneySettings:
    """``[midjourney]``: the application that gets the commands."""

    application_id: str = setting(
        "936929561302675456", discord_id(), "The Midjourney bot's application id (niji: 1022952195194359889)."
    )


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """``[pace]``: how fast, and how much. Times are in seconds."""

    max_in_flight: int = setting(
        3,
        whole(1, 15),
        "Jobs that may run at the same time; your plan has a limit too (Basic and Standard 3, Pro 12).",
    )
    delay: float = setting(4.0, number(0, 3600), "Least seconds between two submissions.")
    jitter: float = setting(4.0, number(0, 3600), "Up to so many random seconds are added to the delay.")
    max_per_day: int = setting(
        200,
        whole(0, 1_000_000),
        "Most submissions in any 24 hours, without those that certainly did not run. 0 means no limit.",
    )
    run_between: tuple[str, ...] = setting(
        (),
        day_spans(),
        'Send prompts at these local times only, such as ["22:00-07:00"]; [] means always.',
    )
    urgent_priority: int | None = setting(
        None,
        whole_or_none(-1_000_000, 1_000_000),
        'Jobs of this priority or higher are sent at any time of the day; "" means none.',
    )
    min_fast_hours: float = setting(
        0.0,
        number(0, 10_000),
        "Pause when fewer fast hours are left; mjwatch sends /info from time to time. 0 turns it off.",
    )
    max_jobs_per_file: int = setting(
        100,
        whole(1, 100_000),
        "A prompt file with more jobs than this, including follow-ups, is rejected.",
    )
    start_timeout: float = setting(
        900.0,
        number(1, 7 * _DAY),
        "Seconds without any sign of a submitted job, after which mjwatch looks for it in the channel.",
    )
    silence_timeout: float = setting(
        3600.0, number(1, 7 * _DAY), "The same for a job that had started and then showed no progress."
    )
    quiet_time: float = setting(
        60.0,
        number(5, 3600),
        "Seconds for which the session must show no trace of a POST with unknown outcome before it is sent"
        " again.",
    )


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """``[notify]``: notifications when a job has ended or a person is needed."""

    exec: tuple[str, ...] = setting(
        (),
        program(),
        "A program to run, with its arguments, without a shell. See docs/how-to/notifications.md.",
    )
    webhook: str = setting(
        "",
        webhook(),
        "An address that gets the same as JSON by POST; https, or http on this machine.",
        shown=False,
    )
    apprise: tuple[str, ...] = setting(
        (),
        apprise_urls(),
        "Addresses for Apprise. They contain passwords: the file apprise.key in the keys' folder is safer.",
        shown=False,
    )
    attach: bool = setting(False, flag(), "Send a done job's first picture through Apprise, too.")
    on: tuple[str, ...] = setting(
        ("done", "failed", "needs_person", "trouble", "resolved"),
        some_of("done", "failed", "needs_person", "trouble", "resolved"),
        "When to notify: pictures are ready; a job has failed; mjwatch waits for a person; something is"
        " wrong, such as a full disk; that is over.",
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """``[metrics]``: figures for Prometheus."""

    textfile: str = setting(
        "",
        metrics_file(),
        "A file such as mjwatch.prom in the folder of the node exporter's textfile collector. See"
        " docs/how-to/metrics.md.",
    )


@dataclass(frozen=True, slots=True)
class KeysSettings:
    """``[keys]``: where the secrets are."""

    path: Path = setting(
        Path("keys"),
        folder(),
        "Token, guild id and channel id, one file each; see the README in that folder.",
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
    "metrics": MetricsSettings,
}
