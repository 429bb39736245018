"""Checks whether everything is in place, and names the cure for what is not; prints and changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING

from mjwatch.config import SECTIONS, Config, load_keys
from mjwatch.diagnostics.checks import (
    ONLINE,
    CheckResult,
    CheckState,
    check_discord,
    check_folders,
    fail,
    failed_lines,
    ok,
    skipped,
    warn,
)
from mjwatch.discord.allowed_hosts import host_of
from mjwatch.errors import ConfigError
from mjwatch.filesystem import probe
from mjwatch.settings.secrets import origins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.diagnostics.checks import CheckApi
    from mjwatch.settings.secrets import Keys

__all__ = ["CheckResult", "CheckState", "run_checks"]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def run_checks(
    config_path: Path | None,
    *,
    connect: Callable[[Config, Keys], CheckApi],
    environ: Mapping[str, str] = os.environ,
    inotify: Path = probe.INOTIFY,
    running: Config | None = None,
) -> list[CheckResult]:
    """Check configuration, keys, folders and, where Discord can be reached, what it makes of them.

    ``connect`` makes the API for these keys, without a request yet. ``running``: the configuration that the
    one at ``config_path`` is to replace.
    """
    try:
        config = Config.load(config_path, environ=environ)
    except ConfigError as error:
        later = [skipped(name, "the configuration is not usable") for name in ("keys", "folders", *ONLINE)]
        return [*failed_lines("configuration", error), *later]
    results = [ok("configuration", str(config.source))]
    if running is not None:
        results.append(_changes(running, config))
    keys: Keys | None = None
    try:
        keys = load_keys(config, environ)
        results.append(_keys_found(config, keys))
    except ConfigError as error:
        results += failed_lines("keys", error)
    results += [_credential(config, environ), *check_folders(config, inotify), *_notify(config, environ)]
    if keys is None:
        return results + [skipped(name, "the keys are not usable") for name in ONLINE]
    return results + check_discord(config, keys, connect)


def _changes(before: Config, after: Config) -> CheckResult:
    """What a restart with the other configuration would change; values may be secret, so none is shown."""
    changed = [
        f"[{name}] {key}"
        for name in SECTIONS
        for key, value in asdict(getattr(after, name)).items()
        if value != asdict(getattr(before, name))[key]
    ]
    detail = ", ".join(changed) or "none"
    if before.state.path != after.state.path:
        hint = f"move what is in {before.state.path} there first: jobs that wait stay behind otherwise"
        return warn("changes", f"{detail}, against {before.source}", hint)
    return ok("changes", f"{detail}, against {before.source}")


def _keys_found(config: Config, keys: Keys) -> CheckResult:
    where = f"guild {keys.guild_id}" if keys.guild_id else "direct messages"
    detail = f"{where}, channel {keys.channel_id}"
    folder = config.keys.path
    if os.name == "posix" and folder.is_dir():
        if folder.stat().st_mode & _OTHERS_WRITE:
            return warn("keys", f"{detail}; others may change files in {folder}", f"chmod 700 {folder}")
        for file in sorted(folder.glob("*.key")):
            if file.stat().st_mode & _OTHERS_WRITE:
                return warn("keys", f"{detail}; others may change {file}", f"chmod 600 {file}")
    return ok("keys", detail)


def _credential(config: Config, environ: Mapping[str, str]) -> CheckResult:
    """Whether systemd hands the token over, where it hands over anything."""
    given = environ.get("CREDENTIALS_DIRECTORY")
    if not given:
        return skipped("credential", "not started by systemd, which can hand over the token")
    try:
        found = origins(config.keys.path, environ)
    except ConfigError as error:
        return fail("credential", error.message, error.hint)
    handed = [name for name, place in found.items() if place.startswith(given)]
    if "token" not in handed:
        hint = "LoadCredential=authToken.key:... in the unit; `mjwatch service print` shows it"
        return warn("credential", "systemd hands over no token", hint)
    return ok("credential", f"systemd hands over {', '.join(handed)}")


def _notify(config: Config, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether the program in [notify] is there. The web address is not called: that would be news."""
    notify = config.notify
    if notify.exec:
        program = notify.exec[0]
        if shutil.which(program, path=environ.get("PATH")) is None:
            yield fail(
                "notify",
                f"{program} is not there, or may not be run",
                f"give its path in [notify] of {config.source}, and make it executable",
            )
            return
    told = [*notify.exec[:1], *([host_of(notify.webhook)] if notify.webhook else [])]
    if told:
        yield ok("notify", f"{', '.join(notify.on) or 'nothing'} will be told to {' and '.join(told)}")
