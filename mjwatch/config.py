"""The configuration: find and read the file once, and report all its problems together.

The file is the first of these::

    --config > MJWATCH_CONFIG > $XDG_CONFIG_HOME/mjwatch/config.toml > /etc/mjwatch/config.toml

The token is never in this file: ``load_keys`` reads it from a key file, the environment or systemd.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from mjwatch.errors import ConfigError
from mjwatch.settings.secrets import Keys, Secret, parse_channel_address, read_keys
from mjwatch.settings.sections import (
    SECTIONS,
    DiscordSettings,
    InboxSettings,
    KeysSettings,
    MetricsSettings,
    MidjourneySettings,
    NotifySettings,
    OutboxSettings,
    PaceSettings,
    StateSettings,
)
from mjwatch.settings.values import (
    did_you_mean,
    kinds,
    parse_toml,
    read_table,
    render_table,
    shown,
    toml_hint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "SECTIONS",
    "Config",
    "InboxSettings",
    "Keys",
    "KeysSettings",
    "OutboxSettings",
    "Secret",
    "StateSettings",
    "config_template",
    "load_keys",
    "parse_channel_address",
]

SYSTEM_CONFIG = Path("/etc/mjwatch/config.toml")

_KEY_FILES = {
    "token": "the token belongs in a file of its own, keys/authToken.key",
    "guild_id": "the guild id belongs in a file of its own, keys/API_guild_id.key",
    "channel_id": "the channel id belongs in a file of its own, keys/API_channel_id.key",
}
"""Hints for keys that are secrets, and so must not be in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. ``source`` is the file that they come from; paths are absolute after ``load``."""

    source: Path = Path("config.toml")
    inbox: InboxSettings = field(default_factory=InboxSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    state: StateSettings = field(default_factory=StateSettings)
    keys: KeysSettings = field(default_factory=KeysSettings)
    discord: DiscordSettings = field(default_factory=DiscordSettings)
    midjourney: MidjourneySettings = field(default_factory=MidjourneySettings)
    pace: PaceSettings = field(default_factory=PaceSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)

    @classmethod
    def load(cls, path: Path | str | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
        """Find and read the configuration file.

        Raise ConfigError where there is none, or with one line for each problem in it.
        """
        source = find_config(None if path is None else Path(path), environ)
        return cls.from_toml(_read(source), source, environ=environ)

    @classmethod
    def from_toml(cls, text: str, source: Path, *, environ: Mapping[str, str] = os.environ) -> Config:
        """Return the configuration in this text, as if it were the file ``source``. Raise ConfigError."""
        try:
            document = parse_toml(text)
        except ValueError as error:
            raise ConfigError(f"{source} is not valid TOML: {error}", toml_hint(text)) from error
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

    def command(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return how to start mjwatch with this configuration in any terminal: `mjwatch --config FILE`."""
        return f"mjwatch {config_option(self.source, environ)}".rstrip()

    def folder_problems(self) -> tuple[str, ...]:
        """Return a line for each pair of folders that must not be inside each other (links are followed)."""
        inbox, outbox, state, keys = (
            Path(os.path.realpath(section.path))
            for section in (self.inbox, self.outbox, self.state, self.keys)
        )
        problems = []
        if _contains(inbox, outbox) or _contains(outbox, inbox):
            problems.append(f"inbox {inbox} and outbox {outbox} must be separate, neither inside the other")
        inner_folders = {"state folder": state, "keys folder": keys}
        if self.metrics.textfile:
            inner_folders["metrics file"] = Path(os.path.realpath(self.metrics.textfile))
        for name, inner in inner_folders.items():
            for outer_name, outer in (("inbox", inbox), ("outbox", outbox)):
                if _contains(outer, inner):
                    problems.append(f"the {name} {inner} must not be inside the {outer_name} {outer}")
        return tuple(problems)


def find_config(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file to read, as an absolute path. Raise ConfigError if it does not exist."""
    named = path or (Path(environ["MJWATCH_CONFIG"]) if environ.get("MJWATCH_CONFIG") else None)
    if named is not None:
        named = _absolute(named, Path.cwd(), environ)
        if not _exists(named):
            has_usual_name = named.name == "config.toml"
            command = f"mjwatch --config {quote(str(named))} init" if has_usual_name else "mjwatch init"
            raise ConfigError(f"there is no configuration file {named}", f"create one: `{command}`")
        return named
    default = _default_config(environ)
    if default is not None:
        return default
    searched = f"{user_config(environ)} or {SYSTEM_CONFIG}"
    raise ConfigError(f"there is no configuration file {searched}", "run `mjwatch init`, or give --config")


def _default_config(environ: Mapping[str, str]) -> Path | None:
    return next(filter(_exists, (user_config(environ), SYSTEM_CONFIG)), None)


def config_option(source: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return the option by which a command in another shell finds this file; "" if it needs none."""
    return "" if source == _default_config(environ) else f"--config {quote(str(source))}"


_COMMAND = re.compile(r"`mjwatch (?=[a-z])(?![^`]*--help`)")


def with_option(text: str, option: str) -> str:
    """Return a text with this option in every command of mjwatch that it tells a person to run."""
    return _COMMAND.sub(lambda found: f"{found[0]}{option} ", text) if option else text


def user_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of this user's configuration file (XDG: a relative base is ignored)."""
    xdg = Path(environ.get("XDG_CONFIG_HOME", ""))
    base = xdg if xdg.is_absolute() else _home(environ) / ".config"
    return base / "mjwatch" / "config.toml"


def load_keys(config: Config, environ: Mapping[str, str] = os.environ) -> Keys:
    """Return all keys. Raise ConfigError with one line for each that is not usable."""
    keys = read_keys(config.keys.path, environ)
    return replace(keys, apprise=(*keys.apprise, *map(Secret, config.notify.apprise)))


def config_template(values: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """Return a configuration file that shows every key: those in ``values`` set, the others as comments."""
    head = (
        "# mjwatch's configuration. A key that is commented out has the value that is shown.\n"
        "# Relative paths are relative to this file.\n"
    )
    values = values or {}
    tables = [render_table(name, kind, values.get(name, {})) for name, kind in SECTIONS.items()]
    return "\n".join([head, *tables])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # the error on reading says more than "there is no file"


def _read(source: Path) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig")
    except IsADirectoryError as error:
        hint = f"name the file in it: {quote(str(source / 'config.toml'))}"
        raise ConfigError(f"{source} is a folder, and not a configuration file", hint) from error
    except OSError as error:
        raise ConfigError(f"{source} can't be read: {error.strerror}", "check its owner and mode") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each unknown section or key, with what was probably meant."""
    for name, table in document.items():
        if name not in SECTIONS:
            what = "section" if isinstance(table, dict) else "key outside of any section,"
            yield f"unknown {what} {shown(name)}" + (_right_section(name) or did_you_mean(name, SECTIONS))
        elif isinstance(table, dict):
            known = kinds(SECTIONS[name])
            for key in (key for key in table if key not in known):
                yield f"[{name}] unknown key {shown(key)}" + (_right_section(key) or did_you_mean(key, known))


def _right_section(key: str) -> str:
    """Return a hint where the key belongs; empty if it is unknown everywhere."""
    if key in _KEY_FILES:
        return f" ({_KEY_FILES[key]})"
    owners = [f"[{name}]" for name, kind in SECTIONS.items() if key != "path" and key in kinds(kind)]
    return f" (it belongs in {owners[0]})" if owners else ""


def _with_absolute_paths(config: Config, state_given: bool, environ: Mapping[str, str]) -> Config:
    base, textfile = config.source.parent, config.metrics.textfile
    # systemd passes a list when the unit names several; the first is the service's own.
    by_systemd = "" if state_given else environ.get("STATE_DIRECTORY", "").split(":")[0]
    return replace(
        config,
        inbox=replace(config.inbox, path=_absolute(config.inbox.path, base, environ)),
        outbox=replace(config.outbox, path=_absolute(config.outbox.path, base, environ)),
        keys=KeysSettings(_absolute(config.keys.path, base, environ)),
        state=StateSettings(_absolute(Path(by_systemd) if by_systemd else config.state.path, base, environ)),
        notify=replace(config.notify, exec=_with_program(config.notify.exec, base, environ)),
        metrics=MetricsSettings(textfile and str(_absolute(Path(textfile), base, environ))),
    )


def _with_program(command: tuple[str, ...], base: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Make the program's path absolute if it has a slash; without one it is looked up in PATH."""
    if not command or not ("/" in command[0] or os.sep in command[0]):
        return command
    return (str(_absolute(Path(command[0]), base, environ)), *command[1:])


def _absolute(path: Path, base: Path, environ: Mapping[str, str]) -> Path:
    if path.parts and path.parts[0] == "~":
        return _home(environ).joinpath(*path.parts[1:])
    return base / path


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  Path.home() can raise


def _contains(outer: Path, inner: Path) -> bool:
    return inner == outer or outer in inner.parents
