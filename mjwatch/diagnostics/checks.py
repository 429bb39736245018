"""Checks of what Discord says: the way to it, token, clock, guild, channel and the bot's command.

Checks of what lies on this machine: folders, journal, the inbox's owner, what the kernel allows.

How one check went: a line with a name, what was found and, where something is wrong, what mends it.
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
from mjwatch.host.platform import machine_id
from mjwatch.inbox.ownership import owner_of
from mjwatch.jobs.status_text import resume_hint
from mjwatch.journal.database import check_integrity, newest_version
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.discord.rest import ApplicationCommand
    from mjwatch.settings.secrets import Keys


ONLINE = ("proxy", "token", "clock", "guild", "channel", "command")

DIRECT_MESSAGE = 1
"""The channel type of a conversation with one other user (discord-api-docs, "Channel Types")."""

CLOCK_SLACK = 30.0
"""Seconds by which the clocks may differ: Discord tells whole seconds, and some are spent on the way."""


class CheckApi(Protocol):
    """What the checks need of Discord's HTTP API; each call raises WireError."""

    @property
    def server_time(self) -> float | None:
        """Discord's clock at the last answer, in seconds since 1970."""

    def me(self) -> Mapping[str, Any]:
        """The account."""

    def channel(self, channel_id: str) -> Mapping[str, Any]:
        """One channel."""

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """A command out of the command index."""

    def close(self) -> None:
        """End the connections."""


def check_discord(
    config: Config, keys: Keys, connect: Callable[[Config, Keys], CheckApi]
) -> list[CheckResult]:
    """All of them; those after the token make no sense without it. ``connect`` makes no request yet."""
    try:
        way = _proxy(config)
    except ConfigError as error:
        return [*failed_lines("proxy", error), *_not_asked(ONLINE[1:])]
    try:
        api = connect(config, keys)
    except ConfigError as error:
        return [way, *failed_lines("token", error), *_not_asked(ONLINE[2:])]
    try:
        token = _asked("token", config, lambda: [_token(api)])
        clock = _clock(api.server_time, time.time())
        if token[0].state is not CheckState.OK:
            return [way, *token, clock, *_not_asked(ONLINE[3:])]
        return [
            *(way, *token, clock),
            *_asked("channel", config, lambda: _place(config, keys, api)),
            *_asked("command", config, lambda: [_command(config, keys, api)]),
        ]
    finally:
        api.close()


def _not_asked(names: Iterable[str]) -> list[CheckResult]:
    return [skipped(name, "not asked") for name in names]


def _proxy(config: Config) -> CheckResult:
    """Raises ConfigError for one that can't be used."""
    proxy = proxy_for(config.discord.api_url, config.discord.proxy)
    if proxy is None:
        return ok("proxy", "none")
    named = "[discord] proxy" if config.discord.proxy else "the environment"
    parts = urlsplit(proxy)  # it may hold a password
    return ok("proxy", f"{parts.hostname}:{parts.port or 80}, from {named}")


def _asked(name: str, config: Config, ask: Callable[[], list[CheckResult]]) -> list[CheckResult]:
    """The results, or what came between, with its cure."""
    try:
        return ask()
    except AnsweredNoError as error:
        refusal = error.refusal
        passing = refusal.kind in (RefusalClass.RETRY, RefusalClass.TRANSIENT)
        hint = refusal.advice or ("try again in a few minutes" if passing else _MENDS[name])
        # Who is told to wait is let in; a Discord that has trouble has told nothing about the token.
        told = warn if refusal.kind is RefusalClass.RETRY else fail
        return [told(name, refusal.detail, hint)]
    except WireError as error:
        detail = f"Discord can't be reached at {config.discord.api_url}: {error.message}"
        hint = error.hint or "check the network, and api_url and proxy in [discord]"
        return [fail(name, detail, hint)]


_MENDS = {
    "token": "a changed password makes a new token; `mjwatch keys set token` takes it",
    "channel": "give the channel's address from the browser: `mjwatch keys set channel`",
    "command": "open the channel in Discord and type /imagine: what is not offered there can't be used here",
}


def _token(api: CheckApi) -> CheckResult:
    account = api.me()
    return ok("token", f"signed in as {account.get('username')} ({account.get('id')})")


def _clock(server: float | None, now: float) -> CheckResult:
    if server is None:
        return skipped("clock", "Discord has not told the time")
    ahead = now - server
    if abs(ahead) > CLOCK_SLACK:
        where = "ahead of" if ahead > 0 else "behind"
        hint = "set it, by `timedatectl set-ntp true` for example: nonces, pauses and the daily cap go by it"
        return warn("clock", f"this machine's clock is {abs(ahead):.0f} s {where} Discord's", hint)
    return ok("clock", "as Discord's")


def _place(config: Config, keys: Keys, api: CheckApi) -> list[CheckResult]:
    """Whether the channel is where the keys say: in that guild, or the direct messages with the bot."""
    channel = api.channel(keys.channel_id)
    guild = channel.get("guild_id")
    if guild != keys.guild_id:
        return [_wrong_guild(keys, guild), skipped("channel", "it is not where the keys say")]
    if guild is not None:
        return [ok("guild", str(guild)), ok("channel", f"#{channel.get('name')} ({keys.channel_id})")]
    return [ok("guild", "none: direct messages"), _conversation(config, keys, channel)]


def _conversation(config: Config, keys: Keys, channel: Mapping[str, Any]) -> CheckResult:
    recipients = {user.get("id"): user.get("username") for user in channel.get("recipients") or ()}
    bot = config.midjourney.application_id
    if channel.get("type") != DIRECT_MESSAGE or bot not in recipients:
        names = ", ".join(str(name) for name in recipients.values()) or "nobody"
        detail = f"channel {keys.channel_id} is a conversation with {names}, not with the bot alone"
        return fail("channel", detail, _MENDS["channel"])
    return ok("channel", f"direct messages with {recipients[bot]}")


def _wrong_guild(keys: Keys, guild: object) -> CheckResult:
    if guild is None:
        return fail(
            "guild",
            f"channel {keys.channel_id} is not in guild {keys.guild_id}: it is a direct message",
            "remove API_guild_id.key to use the direct messages, or name a channel of the guild",
        )
    named = f"the keys name guild {keys.guild_id}" if keys.guild_id else "the keys name no guild"
    return fail(
        "guild",
        f"channel {keys.channel_id} is in guild {guild}, but {named}",
        f"write {guild} into API_guild_id.key, if this is the channel that is meant",
    )


def _command(config: Config, keys: Keys, api: CheckApi) -> CheckResult:
    bot = config.midjourney.application_id
    command = api.command("imagine", bot, keys.guild_id, keys.channel_id)
    return ok("command", f"/imagine of the bot {bot} is offered there, version {command.version}")


LEAST_FREE = 1 << 30
"""Bytes on the disks of state and outbox: room for some thirty jobs."""


def check_folders(config: Config, inotify: Path) -> Iterator[CheckResult]:
    """All of them; ``inotify`` is where the kernel tells its limits."""
    nested = config.folder_problems()
    for problem in nested:
        yield fail("folders", problem, f"give them other places in {config.source}")
    for name, folder in (
        ("inbox", config.inbox.path),
        ("outbox", config.outbox.path),
        ("state", config.state.path),
    ):
        yield _folder(name, folder)
    if not nested:
        yield _staging(config.state.path, config.outbox.path)
    yield _owner(config.inbox.path)
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
        return warn(name, f"{folder}: only {free >> 20} MiB are free", "make room: a job takes some 30 MiB")
    return ok(name, str(folder) if folder.exists() else f"{folder} will be made")


def _staging(state: Path, outbox: Path) -> CheckResult:
    fits = probe.renames_into(state, outbox)
    if fits is None:
        return skipped("staging", "the folders of state and outbox are not there yet, or not writable")
    if fits:
        return ok("staging", "a folder made in state can be renamed into the outbox")
    return warn(
        "staging",
        "state and outbox are on different file systems, so results are put together inside the outbox",
        "if the outbox is synced, let the sync tool ignore .mjwatch-staging",
    )


def _owner(inbox: Path) -> CheckResult:
    """Whose the inbox is: two hosts that share one would each run all of it."""
    owner = owner_of(inbox)
    if owner is None:
        return ok("owner", "the inbox is nobody's yet; the first start makes it this machine's")
    if owner.machine == machine_id():
        return ok("owner", "the inbox is this machine's")
    who = f'"{owner.host}"' if owner.host else "a host that can't be read in its marker"
    hint = "stop mjwatch there for good, then start it here once by `mjwatch run --take-over`"
    return fail("owner", f"the inbox belongs to mjwatch on {who}", hint)


def _journal(config: Config) -> CheckResult:
    """Whether every page of the journal is sound; beside a daemon too, and without changing it."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return ok("journal", "there is none yet; the first start makes it")
        version = check_integrity(path)
    except JournalError as error:
        return fail("journal", error.message, error.hint or _journal_mend())
    except OSError as error:
        return fail("journal", f"{path} can't be read: {error.strerror}", _journal_mend())
    if version < newest_version():
        return ok("journal", f"sound; the next start brings it from version {version} to {newest_version()}")
    return ok("journal", f"sound, {max(1, path.stat().st_size >> 10)} KiB")


def _journal_mend() -> str:
    return f"{user()} must be able to read and write it; ask as the user that the service runs as"


def _pause(config: Config) -> Iterator[CheckResult]:
    """Whether a person is waited for, where the journal can tell."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return
        with closing(JournalReader(path)) as reader:
            pause = reader.paused()
            doubtful = sum(1 for job in reader.live_jobs() if job.state is State.IN_DOUBT)
    except (JournalError, OSError):
        return  # told already
    if pause is not None:
        yield warn("sending", f"paused: {pause.reason}", resume_hint(pause))
    elif doubtful:
        jobs = "1 job is" if doubtful == 1 else f"{doubtful} jobs are"
        yield warn("sending", f"{jobs} in doubt", "`mjwatch list --state in_doubt`, then retry or cancel")
    else:
        yield ok("sending", "nothing waits for a person")


def _inotify(config: Config, root: Path) -> CheckResult:
    watches = probe.inotify_limit("max_user_watches", root)
    if watches is None:
        return skipped("inotify", "this system has none; the inbox is found by scanning")
    obstacle = probe.inotify_obstacle()
    if obstacle:
        return warn(
            "inotify",
            f"no watch can be begun: {obstacle}",
            "sysctl fs.inotify.max_user_instances=512; meanwhile scans find all",
        )
    folders = probe.count_folders(config.inbox.path)
    detail = f"{folders} {'folder' if folders == 1 else 'folders'} to watch, {watches} watches allowed"
    if folders > watches // 2:
        more = max(65536, folders * 4)
        return warn("inotify", detail, f"sysctl fs.inotify.max_user_watches={more}; meanwhile scans find all")
    return ok("inotify", detail)


def user() -> str:
    """Who asks."""
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"


class CheckState(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the check. ``hint`` says what to do, and is empty where nothing needs doing."""

    name: str
    state: CheckState
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the result as ``check --json`` prints it."""
        return {"name": self.name, "state": self.state, "detail": self.detail, "mend": self.hint}


def ok(name: str, detail: str) -> CheckResult:
    """All is well."""
    return CheckResult(name, CheckState.OK, detail)


def warn(name: str, detail: str, hint: str) -> CheckResult:
    """It works, but not as it should."""
    return CheckResult(name, CheckState.WARN, detail, hint)


def fail(name: str, detail: str, hint: str) -> CheckResult:
    """It does not work."""
    return CheckResult(name, CheckState.FAIL, detail, hint)


def skipped(name: str, why: str) -> CheckResult:
    """It could not be checked, or there is nothing to check."""
    return CheckResult(name, CheckState.SKIPPED, why)


def failed_lines(name: str, error: ConfigError) -> list[CheckResult]:
    """One result for each thing that the error tells."""
    return [
        fail(name, part.message, part.hint or "edit the file; config.example.toml shows every key")
        for part in error.parts or (error,)
    ]
