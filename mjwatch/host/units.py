"""systemd's units: the shipped ones with this installation's paths, and what is in the way of them."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.config import SYSTEM_CONFIG, Config, user_config
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UNIT = "mjwatch.service"

ACCOUNT = "mjwatch"
"""The user and group of the service of the machine."""

STATE_DIRECTORY = Path("/var/lib/mjwatch")
"""What ``StateDirectory=`` in that unit means."""

HIDDEN = {
    "/home": "ProtectHome=",
    "/root": "ProtectHome=",
    "/run/user": "ProtectHome=",
    "/tmp": "PrivateTmp=",
    "/var/tmp": "PrivateTmp=",
}
"""Folders of which the service of the machine sees nothing, and the line that sees to it."""


class Scope(StrEnum):
    """Whose service it is: one user's, or the machine's."""

    USER = "user"
    SYSTEM = "system"


def shipped(name: str) -> str:
    """A file as it ships: ``mjwatch.service``, ``user/mjwatch.service``, ``mjwatch.sysusers``."""
    return files("mjwatch").joinpath("systemd", *name.split("/")).read_text(encoding="utf-8")


def own_program() -> tuple[str, ...]:
    """The command that starts this very installation."""
    script = Path(sys.executable).with_name("mjwatch")
    return (str(script),) if script.exists() else (sys.executable, "-m", "mjwatch")


def load_config(scope: Scope, given: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration that the service will read. Raises ConfigError.

    For the machine's, a configuration of the user who asks is not looked for.
    """
    if scope is Scope.USER or given is not None or environ.get("MJWATCH_CONFIG"):
        return Config.load(given, environ=environ)
    return Config.load(SYSTEM_CONFIG, environ=environ)


def unit(
    scope: Scope, config: Config, program: Sequence[str], environ: Mapping[str, str] = os.environ
) -> str:
    """The unit, as shipped but for its paths. Raises ConfigError for a path that none could hold."""
    if scope is Scope.USER:
        usual = config.source == user_config(environ)
        command = [*program, *([] if usual else ["--config", str(config.source)]), "run"]
        return _filled(shipped(f"user/{UNIT}"), {"ExecStart": _command(command)})
    command = [*program, "--config", str(config.source), "run"]
    folders = [config.inbox.path, config.outbox.path]
    own = [] if config.state.path == STATE_DIRECTORY else [config.state.path]
    values = {
        "ExecStart": _command(command),
        "RequiresMountsFor": _paths(folders),
        "ReadWritePaths": _paths([*folders, *own]),
        "LoadCredential": f"{{name}}:{_escaped(str(_plain(config.keys.path)))}/{{name}}",
    }
    return _filled(shipped(UNIT), values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with new values for some keys; ``{name}`` stands for what the old one had before a colon."""
    lines = []
    for line in text.splitlines():
        key, _, old = line.partition("=")
        name = old.partition(":")[0]
        lines.append(f"{key}={values[key].replace('{name}', name)}" if key in values else line)
    return "\n".join(lines) + "\n"


def _command(words: Sequence[str]) -> str:
    return " ".join(_quoted(word.replace("$", "$$")) for word in words)


def _paths(paths: Sequence[Path]) -> str:
    return " ".join(_quoted(str(_plain(path))) for path in paths)


def _quoted(word: str) -> str:
    """One word of a unit's line (systemd.syntax(7), "Quoting")."""
    word = _escaped(word)
    if not set(word) & set(" \"'\\;"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    if not text.isprintable():
        raise ConfigError(f"{text!r} can't stand in a unit", "use paths without control characters")
    return text.replace("%", "%%")


def _plain(path: Path) -> Path:
    """Without ``..``, which systemd does not take."""
    return Path(os.path.realpath(path)) if ".." in path.parts else path


# ---- what is in the way


def problems(scope: Scope, config: Config, program: Sequence[str]) -> list[ConfigError]:
    """All that would keep the service from its work, and is not seen to by putting it in place."""
    found = [
        ConfigError(words, f"give them other places in {config.source}") for words in config.folder_problems()
    ]
    if scope is Scope.SYSTEM:
        found += [*_hidden(config, program), *_two_states(config)]
    return found


def _hidden(config: Config, program: Sequence[str]) -> Iterator[ConfigError]:
    installation = (
        "install it for all: `python3 -m venv /opt/mjwatch`, then `/opt/mjwatch/bin/pip install mjwatch`"
    )
    move = f"choose another place in {config.source}, or use --user"
    places = {
        f"the program {program[0]}": (Path(program[0]), installation),
        f"its Python in {sys.base_prefix}": (Path(sys.base_prefix), installation),
        f"the configuration {config.source}": (config.source, f"move it to {SYSTEM_CONFIG}"),
        f"the inbox {config.inbox.path}": (config.inbox.path, move),
        f"the outbox {config.outbox.path}": (config.outbox.path, move),
        f"the state folder {config.state.path}": (config.state.path, move),
    }
    for what, (path, mend) in places.items():
        for folder, line in HIDDEN.items():
            if Path(os.path.realpath(path)).is_relative_to(folder):
                yield ConfigError(f"{what} lies in {folder}, which the service can't see ({line})", mend)


def _two_states(config: Config) -> Iterator[ConfigError]:
    """Without [state] path the service goes by systemd's variable, which the CLI does not have."""
    in_service = Config.load(config.source, environ={**os.environ, "STATE_DIRECTORY": str(STATE_DIRECTORY)})
    if in_service.state.path != config.state.path:
        yield ConfigError(
            f"the service would have its state in {in_service.state.path}, `mjwatch status` would look in"
            f" {config.state.path}",
            f'write `path = "{STATE_DIRECTORY}"` under [state] in {config.source}',
        )
