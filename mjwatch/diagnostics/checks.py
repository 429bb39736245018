"""The single checks: folders, journal and limits of this machine, and what Discord answers.

The result of a check is a line with a name, what was found and, if something is wrong, how to fix it.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from mjwatch.discord.http import proxy_for
from mjwatch.errors import AnsweredNoError, ConfigError, JournalError, WireError
from mjwatch.filesystem import probe
from mjwatch.filesystem.probe import remote_type
from mjwatch.host.accounts import acting_as, own_account
from mjwatch.host.platform import machine_id
from mjwatch.inbox.ownership import owner_of
from mjwatch.journal.database import check_integrity, newest_version
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import RefusalClass, State
from mjwatch.trouble import clock_trouble, resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.discord.rest import ApplicationCommand
    from mjwatch.host.accounts import Account
    from mjwatch.settings.secrets import Keys

ONLINE_CHECKS = ("proxy", "token", "clock", "guild", "channel", "command")

DIRECT_MESSAGE = 1
"""The channel type of a conversation with one other user (discord-api-docs, "Channel Types")."""

LEAST_FREE = 1 << 30
"""Bytes on the disks of state and outbox: space for about thirty jobs."""


# ---- results


class CheckState(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the check. ``hint`` says what to do, and is empty if there is nothing to do."""

    name: str
    state: CheckState
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the result as ``check --json`` prints it."""
        return {"name": self.name, "state": self.state, "detail": self.detail, "mend": self.hint}


def ok(name: str, detail: str) -> CheckResult:
    """Return a result without a problem."""
    return CheckResult(name, CheckState.OK, detail)


def warn(name: str, detail: str, hint: str) -> CheckResult:
    """Return a result that works, but not as it should."""
    return CheckResult(name, CheckState.WARN, detail, hint)


def fail(name: str, detail: str, hint: str) -> CheckResult:
    """Return a result that does not work."""
    return CheckResult(name, CheckState.FAIL, detail, hint)


def skipped(name: str, reason: str) -> CheckResult:
    """Return a result for something that could not be checked, or that does not exist."""
    return CheckResult(name, CheckState.SKIPPED, reason)


def failed_lines(name: str, error: ConfigError) -> list[CheckResult]:
    """Return one result for each part of the error."""
    return [
        fail(name, part.message, part.hint or "edit the file; config.example.toml shows every key")
        for part in error.parts or (error,)
    ]


# ---- this machine


def check_folders(config: Config, inotify: Path, account: Account) -> Iterator[CheckResult]:
    """Check all that is on this machine; ``inotify`` is the folder with the kernel's limits.

    The ``account`` must be able to write to inbox and outbox. systemd gives it the state folder.
    """
    nested = config.folder_problems()
    for problem in nested:
        yield fail("folders", problem, f"change the paths in {config.source}")
    with acting_as(account):
        shared = [_folder("inbox", config.inbox.path), _folder("outbox", config.outbox.path)]
    yield from shared
    yield _folder("state", config.state.path)
    if not nested:
        yield _staging(config.state.path, config.outbox.path)
    yield _owner(config.inbox.path, config.state.path / JOURNAL_FILE)
    yield _journal(config)
    yield from _pause(config)
    yield _inotify(config, inotify)


def _folder(name: str, folder: Path) -> CheckResult:
    obstacle = probe.writable(folder)
    if obstacle:
        return fail(name, f"{folder}: {obstacle}", f"make it a folder that {user()} may write to")
    if name == "state" and (kind := remote_type(folder)):
        return warn(
            name, f"{folder} is on a network file system ({kind})", "[state] path belongs on a local disk"
        )
    free = probe.free_space(folder)
    if name != "inbox" and free is not None and free < LEAST_FREE:
        return warn(
            name, f"{folder}: only {free >> 20} MiB are free", "free some space: a job takes about 30 MiB"
        )
    return ok(name, str(folder) if folder.exists() else f"{folder} will be created")


def _staging(state: Path, outbox: Path) -> CheckResult:
    fits = probe.renames_into(state, outbox)
    if fits is None:
        return skipped("staging", "the state folder or the outbox does not exist yet, or is not writable")
    if fits:
        return ok("staging", "a folder in the state folder can be renamed into the outbox")
    return warn(
        "staging",
        "state folder and outbox are on different file systems, so results are prepared inside the outbox",
        "if you sync the outbox, exclude .mjwatch-staging",
    )


def _owner(inbox: Path, journal: Path) -> CheckResult:
    """Check which host owns the inbox: two hosts that share an inbox would both run every file."""
    owner = owner_of(inbox)
    if owner is None:
        return ok("owner", "the inbox has no owner yet; the first start makes this machine its owner")
    if owner.machine == machine_id(_identity(journal)):
        return ok("owner", "the inbox belongs to this machine")
    host = f'"{owner.host}"' if owner.host else "a host whose name in the marker can't be read"
    hint = "stop mjwatch there for good, then start it here once with `mjwatch run --take-over`"
    return fail("owner", f"the inbox belongs to mjwatch on {host}", hint)


def _identity(journal: Path) -> str:
    """Return the id of a journal, "" if it has none or can't be read; the check of the journal says why."""
    try:
        with closing(JournalReader(journal)) as reader:
            return str(reader.recall("journal") or "")
    except JournalError:
        return ""


def _journal(config: Config) -> CheckResult:
    """Check every page of the journal, without changing it, also while a daemon runs."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return ok("journal", "there is no journal yet; the first start creates it")
        version = check_integrity(path)
    except JournalError as error:
        return fail("journal", error.message, error.hint or _journal_hint())
    except OSError as error:
        return fail("journal", f"{path} can't be read: {error.strerror}", _journal_hint())
    if version < newest_version():
        return ok(
            "journal", f"undamaged; the next start migrates it from version {version} to {newest_version()}"
        )
    return ok("journal", f"undamaged, {max(1, path.stat().st_size >> 10)} KiB")


def _journal_hint() -> str:
    return f"{user()} must be able to read and write the journal; run the command as the user of the service"


def _pause(config: Config) -> Iterator[CheckResult]:
    """Check whether sending waits for a person, if the journal says so."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return
        with closing(JournalReader(path)) as reader:
            pause = reader.paused()
            doubtful = sum(1 for job in reader.live_jobs() if job.state is State.IN_DOUBT)
    except (JournalError, OSError):
        return  # the check of the journal reports it
    if pause is not None:
        yield warn("sending", f"paused: {pause.reason}", resume_hint(pause))
    elif doubtful:
        jobs = "1 job is" if doubtful == 1 else f"{doubtful} jobs are"
        yield warn("sending", f"{jobs} in doubt", "`mjwatch list --state in_doubt`, then retry or cancel")
    else:
        yield ok("sending", "nothing waits for you")


def _inotify(config: Config, root: Path) -> CheckResult:
    watches = probe.inotify_limit("max_user_watches", root)
    if watches is None:
        return skipped("inotify", "this system has no inotify; mjwatch finds files by scanning")
    obstacle = probe.inotify_obstacle()
    if obstacle:
        return warn(
            "inotify",
            f"the inbox can't be watched: {obstacle}",
            "sysctl fs.inotify.max_user_instances=512; until then, scans find all files",
        )
    folders = probe.count_folders(config.inbox.path)
    detail = f"{folders} {'folder' if folders == 1 else 'folders'} to watch, {watches} watches allowed"
    if folders > watches // 2:
        more = max(65536, folders * 4)
        return warn(
            "inotify", detail, f"sysctl fs.inotify.max_user_watches={more}; until then, scans find all files"
        )
    return ok("inotify", detail)


def user() -> str:
    """Return a name for the user whose rights are checked."""
    return f"user {own_account().name}" if os.name == "posix" else "this user"


# ---- Discord


class CheckApi(Protocol):
    """What the checks need of Discord's HTTP API; each call may raise WireError."""

    @property
    def server_time(self) -> float | None:
        """Discord's clock at the last answer, in seconds since 1970."""

    def me(self) -> Mapping[str, Any]:
        """Return the account."""

    def channel(self, channel_id: str) -> Mapping[str, Any]:
        """Return a channel."""

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """Return a command of the command index."""

    def close(self) -> None:
        """Close the connections that are kept open between requests."""


def check_discord(
    config: Config, keys: Keys, connect: Callable[[Config, Keys], CheckApi]
) -> list[CheckResult]:
    """Check Discord; the checks after the token need a valid token. ``connect`` makes no request yet."""
    try:
        proxy = _proxy(config)
    except ConfigError as error:
        return [*failed_lines("proxy", error), *_unchecked(ONLINE_CHECKS[1:])]
    try:
        api = connect(config, keys)
    except ConfigError as error:
        return [proxy, *failed_lines("token", error), *_unchecked(ONLINE_CHECKS[2:])]
    try:
        token = _checked("token", config, lambda: [_token(api)])
        clock = _clock(api.server_time, time.time())
        if token[0].state is not CheckState.OK:
            return [proxy, *token, clock, *_unchecked(ONLINE_CHECKS[3:])]
        return [
            *(proxy, *token, clock),
            *_checked("channel", config, lambda: _channel(config, keys, api)),
            *_checked("command", config, lambda: [_command(config, keys, api)]),
        ]
    finally:
        api.close()


def _unchecked(names: Iterable[str]) -> list[CheckResult]:
    return [skipped(name, "not checked") for name in names]


def _proxy(config: Config) -> CheckResult:
    """Return the proxy's result. Raise ConfigError for a proxy that can't be used."""
    proxy = proxy_for(config.discord.api_url, config.discord.proxy)
    if proxy is None:
        return ok("proxy", "none")
    origin = "[discord] proxy" if config.discord.proxy else "the environment"
    parts = urlsplit(proxy)  # it may contain a password
    return ok("proxy", f"{parts.hostname}:{parts.port or 80}, from {origin}")


def _checked(name: str, config: Config, ask: Callable[[], list[CheckResult]]) -> list[CheckResult]:
    """Return the results of ``ask``, or a result for its error."""
    try:
        return ask()
    except AnsweredNoError as error:
        refusal = error.refusal
        is_temporary = refusal.kind in (RefusalClass.RETRY, RefusalClass.TRANSIENT)
        hint = refusal.advice or ("try again in a few minutes" if is_temporary else _HINTS[name])
        # A rate limit means that Discord accepts the account; a server problem says nothing about the token.
        result = warn if refusal.kind is RefusalClass.RETRY else fail
        return [result(name, refusal.detail, hint)]
    except WireError as error:
        detail = f"Discord can't be reached at {config.discord.api_url}: {error.message}"
        hint = error.hint or "check the network, and api_url and proxy in [discord]"
        return [fail(name, detail, hint)]


_HINTS = {
    "token": "a changed password makes a new token; set it with `mjwatch keys set token`",
    "channel": "set the channel's address from the browser with `mjwatch keys set channel`",
    "command": "open the channel in Discord and type /imagine: the command must be available there",
}


def _token(api: CheckApi) -> CheckResult:
    account = api.me()
    return ok("token", f"signed in as {account.get('username')} ({account.get('id')})")


def _clock(server: float | None, now: float) -> CheckResult:
    if server is None:
        return skipped("clock", "Discord's answer has no time")
    trouble = clock_trouble(now - server)
    if trouble is not None:
        return warn("clock", trouble.sentence, trouble.remedy)
    return ok("clock", "the same as Discord's")


def _channel(config: Config, keys: Keys, api: CheckApi) -> list[CheckResult]:
    """Check that the channel is in the guild of the keys, or is the direct messages with the bot."""
    channel = api.channel(keys.channel_id)
    guild = channel.get("guild_id")
    if guild != keys.guild_id:
        return [_wrong_guild(keys, guild), skipped("channel", "not checked, because the guild is wrong")]
    if guild is not None:
        return [ok("guild", str(guild)), ok("channel", f"#{channel.get('name')} ({keys.channel_id})")]
    return [ok("guild", "none: direct messages"), _conversation(config, keys, channel)]


def _conversation(config: Config, keys: Keys, channel: Mapping[str, Any]) -> CheckResult:
    recipients = {user.get("id"): user.get("username") for user in channel.get("recipients") or ()}
    bot = config.midjourney.application_id
    if channel.get("type") != DIRECT_MESSAGE or bot not in recipients:
        names = ", ".join(str(name) for name in recipients.values()) or "nobody"
        detail = f"channel {keys.channel_id} is a conversation with {names}, not only with the bot"
        return fail("channel", detail, _HINTS["channel"])
    return ok("channel", f"direct messages with {recipients[bot]}")


def _wrong_guild(keys: Keys, guild: object) -> CheckResult:
    if guild is None:
        return fail(
            "guild",
            f"channel {keys.channel_id} is not in guild {keys.guild_id}: it is a direct message",
            "remove API_guild_id.key to use the direct messages, or set a channel of the guild",
        )
    configured = f"the keys name guild {keys.guild_id}" if keys.guild_id else "the keys name no guild"
    return fail(
        "guild",
        f"channel {keys.channel_id} is in guild {guild}, but {configured}",
        f"write {guild} into API_guild_id.key, if this is the right channel",
    )


def _command(config: Config, keys: Keys, api: CheckApi) -> CheckResult:
    bot = config.midjourney.application_id
    command = api.command("imagine", bot, keys.guild_id, keys.channel_id)
    return ok("command", f"/imagine of the bot {bot} is available there, version {command.version}")
