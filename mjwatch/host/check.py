"""Checks whether everything is in place, and names the cure for what is not; prints and changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from mjwatch.config import Config, load_keys
from mjwatch.discord.hosts import host_of
from mjwatch.errors import AnsweredNoError, ConfigError, JournalError, WireError
from mjwatch.host import probe
from mjwatch.jobs.opening import look_over
from mjwatch.jobs.reader import JOURNAL_FILE
from mjwatch.jobs.schema import newest_version
from mjwatch.model import RefusalClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.config import Keys

DIRECT_MESSAGE = 1
"""The channel type of a conversation with one other user (discord-api-docs, "Channel Types")."""


class CheckState(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the check. ``mend`` says what to do, and is empty where nothing needs doing."""

    name: str
    state: CheckState
    detail: str
    mend: str = ""


class Api(Protocol):
    """What the checks need of Discord's HTTP API; each call raises WireError."""

    def me(self) -> Mapping[str, Any]:
        """The account."""

    def channel(self, channel_id: str) -> Mapping[str, Any]:
        """One channel."""

    def command(self, name: str, application_id: str, guild_id: str | None, channel_id: str) -> object:
        """A command out of the command index."""

    def close(self) -> None:
        """End the connections."""


def run_checks(
    config_path: Path | None,
    *,
    connect: Callable[[Config, Keys], Api],
    environ: Mapping[str, str] = os.environ,
    inotify: Path = probe.INOTIFY,
) -> list[CheckResult]:
    """Check configuration, keys, folders and, where Discord can be reached, what it makes of them.

    ``connect`` makes the API for these keys, without a request yet.
    """
    try:
        config = Config.load(config_path, environ=environ)
    except ConfigError as error:
        later = [_skipped(name, "the configuration is not usable") for name in ("keys", "folders", *_ONLINE)]
        return [*_failed_lines("configuration", error), *later]
    results = [_ok("configuration", str(config.source))]
    keys: Keys | None = None
    try:
        keys = load_keys(config, environ)
        results.append(_keys_found(config, keys))
    except ConfigError as error:
        results += _failed_lines("keys", error)
    results += _folders(config)
    results += [_journal(config), _inotify(config, inotify), *_notify(config, environ)]
    if keys is None:
        return results + [_skipped(name, "the keys are not usable") for name in _ONLINE]
    return results + _online(config, keys, connect)


_ONLINE = ("token", "channel", "command")


def _keys_found(config: Config, keys: Keys) -> CheckResult:
    where = f"guild {keys.guild_id}" if keys.guild_id else "direct messages"
    detail = f"{where}, channel {keys.channel_id}"
    folder = config.keys.path
    if os.name == "posix" and folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return CheckResult(
            "keys", CheckState.WARN, f"{detail}; others may change files in {folder}", f"chmod 700 {folder}"
        )
    return _ok("keys", detail)


def _folders(config: Config) -> Iterator[CheckResult]:
    nested = config.folder_problems()
    for problem in nested:
        yield _fail("folders", problem, f"give them other places in {config.source}")
    for name, folder in (
        ("inbox", config.inbox.path),
        ("outbox", config.outbox.path),
        ("state", config.state.path),
    ):
        obstacle = probe.writable(folder)
        if obstacle:
            yield _fail(name, f"{folder}: {obstacle}", f"make it a folder that {_user()} may write to")
        else:
            yield _ok(name, str(folder) if folder.exists() else f"{folder} will be made")
    if not nested:
        yield _staging(config.state.path, config.outbox.path)


def _staging(state: Path, outbox: Path) -> CheckResult:
    fits = probe.renames_into(state, outbox)
    if fits is None:
        return _skipped("staging", "the folders of state and outbox are not there yet, or not writable")
    if fits:
        return _ok("staging", "a folder made in state can be renamed into the outbox")
    return CheckResult(
        "staging",
        CheckState.WARN,
        "state and outbox are on different file systems, so results are put together inside the outbox",
        "if the outbox is synced, let the sync tool ignore .mjwatch-staging",
    )


def _journal(config: Config) -> CheckResult:
    """Whether every page of the journal is sound; beside a daemon too, and without changing it."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return _ok("journal", "there is none yet; the first start makes it")
        version = look_over(path)
    except JournalError as error:
        return _fail("journal", error.message, error.mend or _journal_mend())
    except OSError as error:
        return _fail("journal", f"{path} can't be read: {error.strerror}", _journal_mend())
    if version < newest_version():
        return _ok("journal", f"sound; the next start brings it from version {version} to {newest_version()}")
    return _ok("journal", f"sound, {max(1, path.stat().st_size >> 10)} KiB")


def _journal_mend() -> str:
    return f"{_user()} must be able to read and write it; ask as the user that the service runs as"


def _notify(config: Config, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether the program in [notify] is there. The web address is not called: that would be news."""
    notify = config.notify
    if notify.exec:
        program = notify.exec[0]
        if shutil.which(program, path=environ.get("PATH")) is None:
            yield _fail(
                "notify",
                f"{program} is not there, or may not be run",
                f"give its path in [notify] of {config.source}, and make it executable",
            )
            return
    told = [*notify.exec[:1], *([host_of(notify.webhook)] if notify.webhook else [])]
    if told:
        yield _ok("notify", f"{', '.join(notify.on) or 'nothing'} will be told to {' and '.join(told)}")


def _inotify(config: Config, root: Path) -> CheckResult:
    watches = probe.inotify_limit("max_user_watches", root)
    if watches is None:
        return _skipped("inotify", "this system has none; the inbox is found by scanning")
    folders = probe.count_folders(config.inbox.path)
    detail = f"{folders} folders to watch, {watches} watches allowed"
    if folders > watches // 2:
        return CheckResult(
            "inotify",
            CheckState.WARN,
            detail,
            f"sysctl fs.inotify.max_user_watches={max(65536, folders * 4)}; meanwhile scans find all",
        )
    return _ok("inotify", detail)


def _online(config: Config, keys: Keys, connect: Callable[[Config, Keys], Api]) -> list[CheckResult]:
    """Token, channel and command; the last two make no sense without the first."""
    try:
        api = connect(config, keys)
    except ConfigError as error:
        later = [_skipped(name, "nothing was sent") for name in _ONLINE[1:]]
        return [*_failed_lines("token", error), *later]
    try:
        token = _asked("token", config, lambda: _token(api))
        if token.state is not CheckState.OK:
            return [token, *(_skipped(name, "nothing more was asked") for name in _ONLINE[1:])]
        return [
            token,
            _asked("channel", config, lambda: _channel(config, keys, api)),
            _asked("command", config, lambda: _command(config, keys, api)),
        ]
    finally:
        api.close()


def _asked(name: str, config: Config, ask: Callable[[], CheckResult]) -> CheckResult:
    """The result, or what came between, with its cure."""
    try:
        return ask()
    except AnsweredNoError as error:
        refusal = error.refusal
        passing = refusal.cls in (RefusalClass.RETRY, RefusalClass.TRANSIENT)
        mend = refusal.advice or ("try again in a few minutes" if passing else _MENDS[name])
        # Who is told to wait is let in; a Discord that has trouble has told nothing about the token.
        state = CheckState.WARN if refusal.cls is RefusalClass.RETRY else CheckState.FAIL
        return CheckResult(name, state, refusal.detail, mend)
    except WireError as error:
        detail = f"Discord can't be reached at {config.discord.api_url}: {error.message}"
        return _fail(name, detail, error.mend or "check the network, and api_url and proxy in [discord]")


_MENDS = {
    "token": "a changed password makes a new token: keys/README.md says how it gets into authToken.key",
    "channel": "write the channel's address from the browser into API_channel_id.key",
    "command": "open the channel in Discord and type /imagine: what is not offered there can't be used here",
}


def _token(api: Api) -> CheckResult:
    account = api.me()
    return _ok("token", f"signed in as {account.get('username')} ({account.get('id')})")


def _channel(config: Config, keys: Keys, api: Api) -> CheckResult:
    """Whether the channel is where the keys say: in that guild, or the direct messages with the bot."""
    channel = api.channel(keys.channel_id)
    guild = channel.get("guild_id")
    if guild != keys.guild_id:
        return _wrong_guild(keys, guild)
    if guild is not None:
        return _ok("channel", f"#{channel.get('name')} in guild {guild}")
    recipients = {user.get("id"): user.get("username") for user in channel.get("recipients") or ()}
    bot = config.midjourney.application_id
    if channel.get("type") != DIRECT_MESSAGE or bot not in recipients:
        names = ", ".join(str(name) for name in recipients.values()) or "nobody"
        return _fail(
            "channel",
            f"channel {keys.channel_id} is a conversation with {names}, not the direct messages with the bot",
            _MENDS["channel"],
        )
    return _ok("channel", f"direct messages with {recipients[bot]}")


def _wrong_guild(keys: Keys, guild: object) -> CheckResult:
    if guild is None:
        return _fail(
            "channel",
            f"channel {keys.channel_id} is not in guild {keys.guild_id}: it is a direct message",
            "remove API_guild_id.key to use the direct messages, or name a channel of the guild",
        )
    named = f"the keys name guild {keys.guild_id}" if keys.guild_id else "the keys name no guild"
    return _fail(
        "channel",
        f"channel {keys.channel_id} is in guild {guild}, but {named}",
        f"write {guild} into API_guild_id.key, if this is the channel that is meant",
    )


def _command(config: Config, keys: Keys, api: Api) -> CheckResult:
    api.command("imagine", config.midjourney.application_id, keys.guild_id, keys.channel_id)
    return _ok("command", "/imagine of the bot may be used there")


def _user() -> str:
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"


def _ok(name: str, detail: str) -> CheckResult:
    return CheckResult(name, CheckState.OK, detail)


def _skipped(name: str, why: str) -> CheckResult:
    return CheckResult(name, CheckState.SKIPPED, why)


def _fail(name: str, detail: str, mend: str) -> CheckResult:
    return CheckResult(name, CheckState.FAIL, detail, mend)


def _failed_lines(name: str, error: ConfigError) -> list[CheckResult]:
    """One result for each thing that the error tells."""
    return [
        _fail(name, part.message, part.mend or "edit the file; config.example.toml shows every key")
        for part in error.parts or (error,)
    ]
