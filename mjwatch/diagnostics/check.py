"""All checks of an installation, in order. They print nothing and change nothing."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from mjwatch.config import SECTIONS, Config, load_keys
from mjwatch.diagnostics.check_rights import check_group, check_inbox_rights
from mjwatch.diagnostics.checks import (
    ONLINE_CHECKS,
    CheckResult,
    CheckState,
    check_discord,
    check_folders,
    fail,
    failed_lines,
    ok,
    skipped,
    user,
    warn,
)
from mjwatch.discord.allowed_hosts import host_of
from mjwatch.errors import ConfigError
from mjwatch.filesystem import probe
from mjwatch.host.metrics import require_prometheus
from mjwatch.host.platform import in_container, require_library
from mjwatch.host.service import account_of
from mjwatch.settings.secrets import origins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mjwatch.diagnostics.checks import CheckApi
    from mjwatch.settings.secrets import Keys

__all__ = ["CheckResult", "CheckState", "run_checks"]

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def run_checks(
    config_path: Path | None,
    *,
    connect: Callable[[Config, Keys], CheckApi],
    environ: Mapping[str, str] = os.environ,
    inotify: Path = probe.INOTIFY,
    running: Config | None = None,
) -> list[CheckResult]:
    """Check configuration, keys, folders and, if Discord can be reached, its answers.

    ``connect`` returns the API for the keys and makes no request yet. ``running`` is the configuration that
    the one at ``config_path`` would replace.
    """
    try:
        config = Config.load(config_path, environ=environ)
    except ConfigError as error:
        skipped_checks = [
            skipped(name, "the configuration is not usable") for name in ("keys", "folders", *ONLINE_CHECKS)
        ]
        return [*failed_lines("configuration", error), *skipped_checks]
    results = [ok("configuration", str(config.source))]
    if running is not None:
        results.append(_changes(running, config))
    keys: Keys | None = None
    try:
        keys = load_keys(config, environ)
        results.append(_keys_found(config, keys))
    except ConfigError as error:
        results += failed_lines("keys", error)
    account = account_of(config)
    results += [
        _credential(config, environ),
        *check_folders(config, inotify, account),
        *check_inbox_rights(config, account),
        *check_group(config, account),
        *_notify(config, keys, environ),
    ]
    results += _metrics(config)
    if keys is None:
        return results + [skipped(name, "the keys are not usable") for name in ONLINE_CHECKS]
    return results + check_discord(config, keys, connect)


def _changes(before: Config, after: Config) -> CheckResult:
    """Return the settings that a restart would change, without their values, which may be secret."""
    changed = [
        f"[{name}] {key}"
        for name in SECTIONS
        for key, value in asdict(getattr(after, name)).items()
        if value != asdict(getattr(before, name))[key]
    ]
    detail = f"{', '.join(changed) or 'none'}, compared with {before.source}"
    if before.state.path != after.state.path:
        hint = f"move the content of {before.state.path} there first; otherwise waiting jobs stay behind"
        return warn("changes", detail, hint)
    return ok("changes", detail)


def _keys_found(config: Config, keys: Keys) -> CheckResult:
    where = f"guild {keys.guild_id}" if keys.guild_id else "direct messages"
    detail = f"{where}, channel {keys.channel_id}"
    folder = config.keys.path
    if os.name == "posix" and folder.is_dir():
        if folder.stat().st_mode & _WRITABLE_BY_OTHERS:
            return warn(
                "keys", f"{detail}; others may change files in {folder}", f"chmod 700 {quote(str(folder))}"
            )
        for file in sorted(folder.glob("*.key")):
            if file.stat().st_mode & _WRITABLE_BY_OTHERS:
                return warn("keys", f"{detail}; others may change {file}", f"chmod 600 {quote(str(file))}")
    return ok("keys", detail)


def _credential(config: Config, environ: Mapping[str, str]) -> CheckResult:
    """Check that systemd passes the token, if it passes credentials."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return skipped("credential", "not started by systemd, which can pass the token as a credential")
    try:
        found = origins(config.keys.path, environ)
    except ConfigError as error:
        return fail("credential", error.message, error.hint)
    passed = [name for name, origin in found.items() if origin.startswith(folder)]
    if in_container(environ):  # the key files are as good there
        return ok("credential", f"{folder} has {', '.join(passed) or 'no key'}")
    if "token" not in passed:
        hint = "add LoadCredential=authToken.key:... to the unit; `mjwatch service print` shows the line"
        return warn("credential", "systemd passes no token", hint)
    return ok("credential", f"systemd passes {', '.join(passed)}")


def _notify(config: Config, keys: Keys | None, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that the program and the library for [notify] exist. Nobody is notified."""
    notify = config.notify
    if notify.exec:
        program = notify.exec[0]
        if shutil.which(program, path=environ.get("PATH")) is None:
            yield fail(
                "notify",
                f"{program} does not exist, or is not executable",
                f"give the program's path in [notify] of {config.source}, and make it executable",
            )
            return
    targets = [*notify.exec[:1], *([host_of(notify.webhook)] if notify.webhook else [])]
    if keys and (number := len(keys.apprise)):
        try:
            require_library("apprise", "apprise", "[notify] apprise")
        except ConfigError as error:
            yield from failed_lines("notify", error)
            return
        targets.append(f"{number} {'address' if number == 1 else 'addresses'} of Apprise's")
    if targets:
        yield ok("notify", f"{', '.join(notify.on) or 'nothing'} will be reported to {' and '.join(targets)}")


def _metrics(config: Config) -> Iterator[CheckResult]:
    """Check that the metrics can be made, and their file be written."""
    if not config.metrics.textfile:
        return
    file = Path(config.metrics.textfile)
    try:
        require_prometheus()
    except ConfigError as error:
        yield from failed_lines("metrics", error)
        return
    obstacle = probe.writable(file.parent) if file.parent.exists() else "it does not exist"
    if obstacle:
        yield fail(
            "metrics",
            f"the folder of {file} can't be written to: {obstacle}",
            f"make it a folder that {user()} may write to; the node exporter's option"
            " --collector.textfile.directory names it",
        )
    else:
        yield ok("metrics", str(file))
