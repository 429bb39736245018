"""The configuration: sections with their defaults, found and read once, all problems told together.

::

    given path > MJWATCH_CONFIG > $XDG_CONFIG_HOME/mjwatch/config.toml > /etc/mjwatch/config.toml

Secrets never stand in this file: ``load_keys`` reads them from where they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.errors import ConfigError
from mjwatch.keys import Keys, Secret, parse_channel_address, read_keys
from mjwatch.settings import (
    address,
    choice,
    did_you_mean,
    discord_id,
    flag,
    folder,
    hosts,
    kinds,
    number,
    parse_toml,
    read_table,
    render_table,
    setting,
    shown,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Config",
    "Keys",
    "Secret",
    "config_template",
    "load_keys",
    "parse_channel_address",
]

SYSTEM_CONFIG = Path("/etc/mjwatch/config.toml")

_DAY = 86400.0
_NOT_HERE = {
    "token": "the token belongs alone in keys/authToken.key",
    "guild_id": "the guild id belongs alone in keys/API_guild_id.key",
    "channel_id": "the channel id belongs alone in keys/API_channel_id.key",
}


@dataclass(frozen=True, slots=True)
class Inbox:
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


@dataclass(frozen=True, slots=True)
class Outbox:
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


@dataclass(frozen=True, slots=True)
class State:
    """``[state]``: what the service must remember."""

    path: Path = setting(
        Path("state"), folder(), "Journal and downloads in work; a local disk. systemd's StateDirectory wins."
    )


@dataclass(frozen=True, slots=True)
class Discord:
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
class Midjourney:
    """``[midjourney]``: which application is spoken to."""

    application_id: str = setting(
        "936929561302675456", discord_id(), "The Midjourney bot's application id (niji: 1022952195194359889)."
    )


@dataclass(frozen=True, slots=True)
class Pace:
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
    max_jobs_per_file: int = setting(
        100, whole(1, 100_000), "A prompt file that would become more jobs than this is rejected."
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
class KeyFolder:
    """``[keys]``: where the secrets are."""

    path: Path = setting(
        Path("keys"), folder(), "Token, guild id and channel id, one a file; see the README in that folder."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. ``source`` is the file they were read from; paths are absolute after ``load``."""

    source: Path = Path("config.toml")
    inbox: Inbox = field(default_factory=Inbox)
    outbox: Outbox = field(default_factory=Outbox)
    state: State = field(default_factory=State)
    keys: KeyFolder = field(default_factory=KeyFolder)
    discord: Discord = field(default_factory=Discord)
    midjourney: Midjourney = field(default_factory=Midjourney)
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def load(cls, path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
        """Find and read the configuration file.

        Raises ConfigError where there is none, or with one line for each problem in it.
        """
        source = find_config(path, environ)
        return cls.from_toml(_read(source), source, environ=environ)

    @classmethod
    def from_toml(cls, text: str, source: Path, *, environ: Mapping[str, str] = os.environ) -> Config:
        """The configuration that this text is, when it stands in the file ``source``. Raises ConfigError."""
        try:
            document = parse_toml(text)
        except ValueError as error:
            raise ConfigError(
                f"{source} is not valid TOML: {error}", "text values stand in quotes"
            ) from error
        problems = list(_unknown(document))
        sections: dict[str, Any] = {}
        for name, kind in SECTIONS.items():
            table = document.get(name, {})
            if isinstance(table, dict):
                sections[name], wrong = read_table(kind, table)
                problems += [f"[{name}] {line}" for line in wrong]
            else:
                problems.append(f"{name} is {shown(table)}, but must be a section: [{name}]")
        if problems:
            raise ConfigError.together([ConfigError(f"{source}: {problem}") for problem in problems])
        state_given = "path" in document.get("state", {})
        return _with_absolute_paths(cls(source=source, **sections), state_given, environ)

    def folder_problems(self) -> tuple[str, ...]:
        """What is wrong with how the folders lie to each other (links followed), one line each."""
        inbox, outbox, state, keys = (
            Path(os.path.realpath(part.path)) for part in (self.inbox, self.outbox, self.state, self.keys)
        )
        problems = []
        if _holds(inbox, outbox) or _holds(outbox, inbox):
            problems.append(f"inbox {inbox} and outbox {outbox} must be apart, neither inside the other")
        for name, inner in (("state", state), ("keys", keys)):
            for outer_name, outer in (("inbox", inbox), ("outbox", outbox)):
                if _holds(outer, inner):
                    problems.append(f"the {name} folder {inner} must not be inside the {outer_name} {outer}")
        return tuple(problems)


SECTIONS: Mapping[str, type] = {
    "inbox": Inbox,
    "outbox": Outbox,
    "state": State,
    "keys": KeyFolder,
    "discord": Discord,
    "midjourney": Midjourney,
    "pace": Pace,
}


def find_config(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration file to read, as an absolute path. Raises ConfigError if it does not exist."""
    named = path or (Path(environ["MJWATCH_CONFIG"]) if environ.get("MJWATCH_CONFIG") else None)
    if named is not None:
        named = _absolute(named, Path.cwd(), environ)
        if not _is_there(named):
            raise ConfigError(f"there is no configuration file {named}", "`mjwatch init` makes one")
        return named
    places = (user_config(environ), SYSTEM_CONFIG)
    for place in places:
        if _is_there(place):
            return place
    looked = " and ".join(str(place) for place in places)
    raise ConfigError(
        f"there is no configuration: looked for {looked}", "run `mjwatch init`, or give --config"
    )


def user_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's configuration file is looked for (XDG: a relative base is ignored)."""
    given = Path(environ.get("XDG_CONFIG_HOME", ""))
    base = given if given.is_absolute() else _home(environ) / ".config"
    return base / "mjwatch" / "config.toml"


def load_keys(config: Config, environ: Mapping[str, str] = os.environ) -> Keys:
    """Read token, guild id and channel id. Raises ConfigError with one line for each that is not usable."""
    return read_keys(config.keys.path, environ)


def config_template(values: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """A configuration file that shows every key; those in ``values`` are set, the others are comments."""
    head = (
        "# mjwatch's configuration. A key that is commented out has the value that is shown.\n"
        "# Relative paths are relative to this file.\n"
    )
    given = values or {}
    tables = [render_table(name, kind, given.get(name, {})) for name, kind in SECTIONS.items()]
    return "\n".join([head, *tables])


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # reading it will say so, which tells more than "there is none"


def _read(source: Path) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{source} can't be read: {error.strerror}", "check its owner and mode") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each section or key that nobody reads, with what was probably meant."""
    for name, table in document.items():
        if name not in SECTIONS:
            what = "section" if isinstance(table, dict) else "key outside of any section,"
            yield f"unknown {what} {shown(name)}" + (_belongs(name) or did_you_mean(name, SECTIONS))
        elif isinstance(table, dict):
            known = kinds(SECTIONS[name])
            for key in (key for key in table if key not in known):
                yield f"[{name}] unknown key {shown(key)}" + (_belongs(key) or did_you_mean(key, known))


def _belongs(key: str) -> str:
    if key in _NOT_HERE:
        return f" ({_NOT_HERE[key]})"
    owners = [f"[{name}]" for name, kind in SECTIONS.items() if key != "path" and key in kinds(kind)]
    return f" (it belongs in {owners[0]})" if owners else ""


def _with_absolute_paths(config: Config, state_given: bool, environ: Mapping[str, str]) -> Config:
    base = config.source.parent
    # systemd gives a list when the unit names several; the first is the service's own.
    by_systemd = "" if state_given else environ.get("STATE_DIRECTORY", "").split(":")[0]
    return replace(
        config,
        inbox=replace(config.inbox, path=_absolute(config.inbox.path, base, environ)),
        outbox=replace(config.outbox, path=_absolute(config.outbox.path, base, environ)),
        keys=KeyFolder(_absolute(config.keys.path, base, environ)),
        state=State(_absolute(Path(by_systemd) if by_systemd else config.state.path, base, environ)),
    )


def _absolute(path: Path, base: Path, environ: Mapping[str, str]) -> Path:
    if path.parts and path.parts[0] == "~":
        return _home(environ).joinpath(*path.parts[1:])
    return base / path


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  Path.home() can raise


def _holds(outer: Path, inner: Path) -> bool:
    return inner == outer or outer in inner.parents
