"""systemd's units: rendered with this installation's paths, checked for problems, installed and removed.

A unit is installed and removed in steps; each is a command that a person could type.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.config import SYSTEM_CONFIG, Config, user_config
from mjwatch.errors import ConfigError
from mjwatch.filesystem.permissions import group_id
from mjwatch.host.accounts import named_account, own_account

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mjwatch.host.accounts import Account


UNIT = "mjwatch.service"

ACCOUNT = "mjwatch"
"""The user and group of the system service."""

STATE_DIRECTORY = Path("/var/lib/mjwatch")
"""The folder that ``StateDirectory=`` in the system unit stands for."""

HIDDEN_FOLDERS = {
    "/home": "ProtectHome=",
    "/root": "ProtectHome=",
    "/run/user": "ProtectHome=",
    "/tmp": "PrivateTmp=",
    "/var/tmp": "PrivateTmp=",
}
"""Folders that the system service can't see, and the setting of the unit that hides them."""

SYSTEM_UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/mjwatch.conf")

FOLDER_MODE = "2770"
"""For inbox and outbox: files that are put there belong to the group."""

STEP_TIMEOUT = 90.0
"""Seconds for one step; stopping a service takes time."""


class Scope(StrEnum):
    """Whether it is a user service or the system service."""

    USER = "user"
    SYSTEM = "system"


# ---- units


def shipped(name: str) -> str:
    """Return a file of the package: ``mjwatch.service``, ``user/mjwatch.service`` or ``mjwatch.sysusers``."""
    return files("mjwatch").joinpath("systemd", *name.split("/")).read_text(encoding="utf-8")


def own_program() -> tuple[str, ...]:
    """Return the command that starts this installation."""
    script = Path(sys.executable).with_name("mjwatch")
    return (str(script),) if script.exists() else (sys.executable, "-m", "mjwatch")


def load_config(scope: Scope, given: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration that the service will read. Raise ConfigError.

    For the system service, the calling user's own configuration is not considered.
    """
    if scope is Scope.USER or given is not None or environ.get("MJWATCH_CONFIG"):
        return Config.load(given, environ=environ)
    return Config.load(SYSTEM_CONFIG, environ=environ)


def account_of(config: Config) -> Account:
    """Return the user who runs mjwatch with this configuration: for root's, that of the system service."""
    is_roots = own_account().uid == 0 and config.source.is_relative_to(SYSTEM_CONFIG.parent)
    return (named_account(ACCOUNT) if is_roots else None) or own_account()


def unit(
    scope: Scope, config: Config, program: Sequence[str], environ: Mapping[str, str] = os.environ
) -> str:
    """Return the unit with this installation's paths. Raise ConfigError if no unit can contain them."""
    if scope is Scope.USER:
        is_default = config.source == user_config(environ)
        command = [*program, *([] if is_default else ["--config", str(config.source)]), "run"]
        return _filled(shipped(f"user/{UNIT}"), {"ExecStart": _command(command)})
    command = [*program, "--config", str(config.source), "run"]
    folders = [config.inbox.path, config.outbox.path]
    state = [] if config.state.path == STATE_DIRECTORY else [config.state.path]
    metrics = [Path(config.metrics.textfile).parent] if config.metrics.textfile else []
    values = {
        "ExecStart": _command(command),
        "RequiresMountsFor": _paths(folders),
        "ReadWritePaths": _paths([*folders, *state, *metrics]),
        "LoadCredential": f"{{name}}:{_escaped(str(_plain(config.keys.path)))}/{{name}}",
    }
    return _filled(shipped(UNIT), values)


def template_unit(program: Sequence[str]) -> str:
    """Return the unit ``mjwatch@.service``: the instance NAME uses /etc/mjwatch/NAME/config.toml.

    Its folders are those that ``init`` gives such a configuration, which a unit without the configuration's
    content can know.
    """
    served = "/srv/mjwatch/%i"
    command = _command([*program, "--config", "INSTANCE", "run"])
    values = {
        "Description": "mjwatch for %i, pictures from prompt files",
        "ExecStart": command.replace("INSTANCE", f"{SYSTEM_CONFIG.parent}/%i/{SYSTEM_CONFIG.name}"),
        "RequiresMountsFor": f"{served}/inbox {served}/outbox",
        "ReadWritePaths": f"{served}/inbox {served}/outbox",
        "StateDirectory": "mjwatch/%i",
        "RuntimeDirectory": "mjwatch/%i",
        "WorkingDirectory": "/run/mjwatch/%i",
        "LoadCredential": f"{{name}}:{SYSTEM_CONFIG.parent}/%i/keys/{{name}}",
    }
    return _filled(shipped(UNIT), values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with new values for some keys; ``{name}`` is the old value's part before a colon."""
    lines = []
    for line in text.splitlines():
        key, _, old = line.partition("=")
        name = old.partition(":")[0]
        lines.append(f"{key}={values[key].replace('{name}', name)}" if key in values else line)
    return "\n".join(lines) + "\n"


def _command(arguments: Sequence[str]) -> str:
    return " ".join(_quoted(argument.replace("$", "$$")) for argument in arguments)


def _paths(paths: Sequence[Path]) -> str:
    return " ".join(_quoted(str(_plain(path))) for path in paths)


def _quoted(word: str) -> str:
    """Return one word of a unit's line, quoted if necessary (systemd.syntax(7), "Quoting")."""
    word = _escaped(word)
    if not set(word) & set(" \"'\\;"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    if not text.isprintable():
        raise ConfigError(f"a systemd unit can't contain {text!r}", "use paths without control characters")
    return text.replace("%", "%%")


def _plain(path: Path) -> Path:
    """Return the path without ``..``, which systemd does not accept."""
    return Path(os.path.realpath(path)) if ".." in path.parts else path


def unit_file(scope: Scope, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path at which the unit is installed."""
    if scope is Scope.SYSTEM:
        return SYSTEM_UNITS / UNIT
    return user_config(environ).parent.parent / "systemd" / "user" / UNIT


# ---- problems


def problems(scope: Scope, config: Config, program: Sequence[str]) -> list[ConfigError]:
    """Return everything that would keep the service from working and that installing does not fix."""
    found = [
        ConfigError(message, f"change the paths in {config.source}") for message in config.folder_problems()
    ]
    if scope is Scope.SYSTEM:
        found += [*_hidden(config, program), *_two_states(config)]
    group = config.outbox.group
    if group and group_id(group) is None:
        found.append(
            ConfigError(f"[outbox] group: there is no group {group}", f"run `sudo groupadd {group}`")
        )
    return found


def _hidden(config: Config, program: Sequence[str]) -> Iterator[ConfigError]:
    installation = (
        "install mjwatch for all users: `python3 -m venv /opt/mjwatch`, then, in the folder of its source,"
        " `/opt/mjwatch/bin/pip install .`"
    )
    move = f"choose another folder in {config.source}, or use --user"
    places = {
        f"the program {program[0]}": (Path(program[0]), installation),
        f"its Python in {sys.base_prefix}": (Path(sys.base_prefix), installation),
        f"the configuration {config.source}": (config.source, f"move it to {SYSTEM_CONFIG}"),
        f"the inbox {config.inbox.path}": (config.inbox.path, move),
        f"the outbox {config.outbox.path}": (config.outbox.path, move),
        f"the state folder {config.state.path}": (config.state.path, move),
    }
    if textfile := config.metrics.textfile:
        places[f"the metrics file {textfile}"] = (Path(textfile), move)
    for what, (path, hint) in places.items():
        for folder, line in HIDDEN_FOLDERS.items():
            if Path(os.path.realpath(path)).is_relative_to(folder):
                yield ConfigError(f"{what} is in {folder}, which the service can't see ({line})", hint)


def _two_states(config: Config) -> Iterator[ConfigError]:
    """Without [state] path the service uses systemd's variable, which the CLI does not have."""
    in_service = Config.load(config.source, environ={**os.environ, "STATE_DIRECTORY": str(STATE_DIRECTORY)})
    if in_service.state.path != config.state.path:
        yield ConfigError(
            f"the service would keep its state in {in_service.state.path}, but `mjwatch status` would look in"
            f" {config.state.path}",
            f'write `path = "{STATE_DIRECTORY}"` under [state] in {config.source}',
        )


# ---- steps


@dataclass(frozen=True, slots=True)
class Step:
    """One command. Its standard input is ``text``, which the command line ``source`` prints too."""

    command: tuple[str, ...]
    source: str = ""
    text: str = ""

    def shown(self, *, as_root: bool) -> str:
        """Return the command as a person types it, with sudo if it needs root."""
        line = shlex.join(("sudo", *self.command) if as_root else self.command)
        return f"{self.source} | {line}" if self.source else line


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """The steps that were done, those that are left, and why the first of those failed."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]
    obstacle: str = ""


def installation(scope: Scope, config: Config, unit_text: str, source: str) -> list[Step]:
    """Return the steps that install the unit; ``source`` is the command line that prints the same unit."""
    write = Step(("install", "-D", "-m", "644", "/dev/stdin", str(unit_file(scope))), source, unit_text)
    steps = [write, Step((*_systemctl(scope), "daemon-reload"))]
    if scope is Scope.SYSTEM:
        steps = [*_account(config.outbox.group), *_folders(config), *steps]
    return steps


def rights(scope: Scope, config: Config) -> list[Step]:
    """Return the steps that give the service's user missing rights; the files' owner decides on them."""
    if scope is Scope.USER:
        return []
    steps = []
    status = _status(config.source)
    if status is not None and not _may(status, stat.S_IRGRP, stat.S_IROTH):
        steps = [_to_group(config.source), Step(("chmod", "640", str(config.source)))]
    for path, group in {**_shared_folders(config), config.state.path: ACCOUNT}.items():
        status = _status(path)
        if status is not None and not _may(status, stat.S_IWGRP, stat.S_IWOTH):
            steps += [_to_group(path, group), Step(("chmod", FOLDER_MODE, str(path)))]
    return steps


def start(scope: Scope) -> Step:
    """Return the step that starts the service now, and with the machine or the user's session."""
    return Step((*_systemctl(scope), "enable", "--now", UNIT))


def removal(scope: Scope) -> list[Step]:
    """Return the steps that stop the service and remove the unit. Folders, keys, state and account stay."""
    systemctl = _systemctl(scope)
    return [
        Step((*systemctl, "disable", "--now", UNIT)),
        Step(("rm", "-f", str(unit_file(scope)))),
        Step((*systemctl, "daemon-reload")),
    ]


def take(steps: Sequence[Step]) -> InstallProgress:
    """Run one step after the other, up to the first that fails."""
    for number, step in enumerate(steps):
        obstacle = _run(step)
        if obstacle:
            return InstallProgress(tuple(steps[:number]), tuple(steps[number:]), obstacle)
    return InstallProgress(tuple(steps), ())


def may_take(scope: Scope) -> bool:
    """Return whether this user may run the steps."""
    return scope is Scope.USER or os.geteuid() == 0


def _run(step: Step) -> str:
    """Run one step. Return "" if it succeeded, and the reason if it failed."""
    try:
        done = subprocess.run(
            step.command, input=step.text, capture_output=True, text=True, timeout=STEP_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{step.command[0]}: {getattr(error, 'strerror', None) or 'it took too long'}"
    output = (done.stderr.strip() or f"it ended with code {done.returncode}").splitlines()[-1]
    return "" if done.returncode == 0 else f"{step.command[0]}: {output}"


def _account(group: str) -> Iterable[Step]:
    source = str(files("mjwatch").joinpath("systemd", "mjwatch.sysusers"))
    yield Step(("install", "-D", "-m", "644", source, str(SYSUSERS)))
    yield Step(("systemd-sysusers", str(SYSUSERS)))
    if group:
        yield Step(("usermod", "-aG", group, ACCOUNT))


def _folders(config: Config) -> Iterable[Step]:
    """Existing folders stay unchanged, because their owner decides who may use them."""
    for path, group in _shared_folders(config).items():
        if _status(path) is None:
            owner = ("-o", ACCOUNT, "-g", group)
            yield Step(("install", "-d", *owner, "-m", FOLDER_MODE, str(path)))


def _shared_folders(config: Config) -> dict[Path, str]:
    """Return the group of inbox and outbox."""
    return {config.inbox.path: ACCOUNT, config.outbox.path: config.outbox.group or ACCOUNT}


def _status(path: Path) -> os.stat_result | None:
    """Return the file's status; None if there is no file, or if this user can't see it."""
    try:
        return path.stat()
    except OSError:
        return None


def _may(status: os.stat_result, by_group: int, by_others: int) -> bool:
    """Return whether the mode gives the service's user the right; access control lists are ignored."""
    account = named_account(ACCOUNT)
    if account is not None and status.st_uid == account.uid:
        return True
    in_group = account is not None and status.st_gid in account.groups
    return bool(status.st_mode & (by_group if in_group else by_others))


def _to_group(path: Path, group: str = ACCOUNT) -> Step:
    return Step(("chgrp", group, str(path)))


def _systemctl(scope: Scope) -> tuple[str, ...]:
    return ("systemctl", "--user") if scope is Scope.USER else ("systemctl",)
