"""Puts a unit in place, or takes it away: step by step, each a command that a person could type as well.

systemd's units: the shipped ones with this installation's paths, and what is in the way of them.
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


SYSTEM_UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/mjwatch.conf")

FOLDER_MODE = "2770"
"""For inbox and outbox: what comes to lie there belongs to the group."""

PATIENCE = 90.0
"""Seconds for one step; stopping a service takes some."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command. Where it reads standard input it gets ``text``, which the line ``source`` prints too."""

    command: tuple[str, ...]
    source: str = ""
    text: str = ""

    def shown(self, *, as_root: bool) -> str:
        """As a person types it, who is no root if it is to be done as root."""
        line = shlex.join(("sudo", *self.command) if as_root else self.command)
        return f"{self.source} | {line}" if self.source else line


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """How it went: the steps that were done, those that are left, and why the first of those could not be."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]
    obstacle: str = ""


def installation(scope: Scope, config: Config, unit_text: str, source: str) -> list[Step]:
    """The steps that put the unit in place; ``source`` is the command line that prints the same unit."""
    write = Step(("install", "-D", "-m", "644", "/dev/stdin", str(unit_file(scope))), source, unit_text)
    steps = [write, Step((*_systemctl(scope), "daemon-reload"))]
    if scope is Scope.SYSTEM:
        steps = [*_account(), *_folders(config), *steps]
    return steps


def rights(scope: Scope, config: Config) -> list[Step]:
    """What would give the service's user the rights that it lacks: done by nobody but the files' owner."""
    if scope is Scope.USER:
        return []
    steps = []
    found = _found(config.source)
    if found is not None and not _may(found, stat.S_IRGRP, stat.S_IROTH):
        steps = [_to_group(config.source), Step(("chmod", "640", str(config.source)))]
    for path in (config.inbox.path, config.outbox.path, config.state.path):
        found = _found(path)
        if found is not None and not _may(found, stat.S_IWGRP, stat.S_IWOTH):
            steps += [_to_group(path), Step(("chmod", FOLDER_MODE, str(path)))]
    return steps


def start(scope: Scope) -> Step:
    """Start it, now and with the machine or the user's session."""
    return Step((*_systemctl(scope), "enable", "--now", UNIT))


def removal(scope: Scope) -> list[Step]:
    """The steps that stop the service and take the unit away. Folders, keys, state and account stay."""
    systemctl = _systemctl(scope)
    return [
        Step((*systemctl, "disable", "--now", UNIT)),
        Step(("rm", "-f", str(unit_file(scope)))),
        Step((*systemctl, "daemon-reload")),
    ]


def take(steps: Sequence[Step]) -> InstallProgress:
    """Do one after the other, up to the first that can't be done."""
    for number, step in enumerate(steps):
        obstacle = _take(step)
        if obstacle:
            return InstallProgress(tuple(steps[:number]), tuple(steps[number:]), obstacle)
    return InstallProgress(tuple(steps), ())


def may_take(scope: Scope) -> bool:
    """Whether this user has the right to them."""
    return scope is Scope.USER or os.geteuid() == 0


def _take(step: Step) -> str:
    """Empty if it worked, else why not."""
    try:
        done = subprocess.run(
            step.command, input=step.text, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{step.command[0]}: {getattr(error, 'strerror', None) or 'it took too long'}"
    said = (done.stderr.strip() or f"it ended with code {done.returncode}").splitlines()[-1]
    return "" if done.returncode == 0 else f"{step.command[0]}: {said}"


def _account() -> Iterable[Step]:
    source = str(files("mjwatch").joinpath("systemd", "mjwatch.sysusers"))
    yield Step(("install", "-D", "-m", "644", source, str(SYSUSERS)))
    yield Step(("systemd-sysusers", str(SYSUSERS)))


def _folders(config: Config) -> Iterable[Step]:
    """Those that are there stay as they are: whose they are is their owner's decision."""
    for path in (config.inbox.path, config.outbox.path):
        if _found(path) is None:
            owner = ("-o", ACCOUNT, "-g", ACCOUNT)
            yield Step(("install", "-d", *owner, "-m", FOLDER_MODE, str(path)))


def _found(path: Path) -> os.stat_result | None:
    """What is there; None if nothing is, or it can't be seen by this user."""
    try:
        return path.stat()
    except OSError:
        return None


def _may(found: os.stat_result, by_group: int, by_others: int) -> bool:
    """Whether the mode lets the service's user do it; lists of access rights are not looked at."""
    user, group = account_ids()
    if found.st_uid == user:
        return True
    return bool(found.st_mode & (by_group if found.st_gid == group else by_others))


def _to_group(path: Path) -> Step:
    return Step(("chgrp", ACCOUNT, str(path)))


def _systemctl(scope: Scope) -> tuple[str, ...]:
    return ("systemctl", "--user") if scope is Scope.USER else ("systemctl",)


def unit_file(scope: Scope, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the unit has its place."""
    if scope is Scope.SYSTEM:
        return SYSTEM_UNITS / UNIT
    return user_config(environ).parent.parent / "systemd" / "user" / UNIT


if sys.platform == "win32":

    def account_ids() -> tuple[int | None, int | None]:
        """There are none."""
        return None, None

else:
    import pwd

    def account_ids() -> tuple[int | None, int | None]:
        """The service's user and group; None where the account is not made yet."""
        try:
            account = pwd.getpwnam(ACCOUNT)
        except KeyError:
            return None, None
        return account.pw_uid, account.pw_gid


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
    for what, (path, hint) in places.items():
        for folder, line in HIDDEN.items():
            if Path(os.path.realpath(path)).is_relative_to(folder):
                yield ConfigError(f"{what} lies in {folder}, which the service can't see ({line})", hint)


def _two_states(config: Config) -> Iterator[ConfigError]:
    """Without [state] path the service goes by systemd's variable, which the CLI does not have."""
    in_service = Config.load(config.source, environ={**os.environ, "STATE_DIRECTORY": str(STATE_DIRECTORY)})
    if in_service.state.path != config.state.path:
        yield ConfigError(
            f"the service would have its state in {in_service.state.path}, `mjwatch status` would look in"
            f" {config.state.path}",
            f'write `path = "{STATE_DIRECTORY}"` under [state] in {config.source}',
        )
