"""Checks of what Discord says: the way to it, token, clock, guild, channel and the bot's command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from mjwatch.diagnostics.check_result import CheckResult, CheckState, fail, failed_lines, ok, skipped, warn
from mjwatch.discord.http import proxy_for
from mjwatch.errors import AnsweredNoError, ConfigError, WireError
from mjwatch.model import RefusalClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mjwatch.config import Config
    from mjwatch.discord.rest import ApplicationCommand
    from mjwatch.settings.secrets import Keys

ONLINE = ("proxy", "token", "clock", "guild", "channel", "command")

DIRECT_MESSAGE = 1
"""The channel type of a conversation with one other user (discord-api-docs, "Channel Types")."""

CLOCK_SLACK = 30.0
"""Seconds by which the clocks may differ: Discord tells whole seconds, and some are spent on the way."""


class Api(Protocol):
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


def check_discord(config: Config, keys: Keys, connect: Callable[[Config, Keys], Api]) -> list[CheckResult]:
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
        passing = refusal.cls in (RefusalClass.RETRY, RefusalClass.TRANSIENT)
        mend = refusal.advice or ("try again in a few minutes" if passing else _MENDS[name])
        # Who is told to wait is let in; a Discord that has trouble has told nothing about the token.
        told = warn if refusal.cls is RefusalClass.RETRY else fail
        return [told(name, refusal.detail, mend)]
    except WireError as error:
        detail = f"Discord can't be reached at {config.discord.api_url}: {error.message}"
        mend = error.mend or "check the network, and api_url and proxy in [discord]"
        return [fail(name, detail, mend)]


_MENDS = {
    "token": "a changed password makes a new token; `mjwatch keys set token` takes it",
    "channel": "give the channel's address from the browser: `mjwatch keys set channel`",
    "command": "open the channel in Discord and type /imagine: what is not offered there can't be used here",
}


def _token(api: Api) -> CheckResult:
    account = api.me()
    return ok("token", f"signed in as {account.get('username')} ({account.get('id')})")


def _clock(server: float | None, now: float) -> CheckResult:
    if server is None:
        return skipped("clock", "Discord has not told the time")
    ahead = now - server
    if abs(ahead) > CLOCK_SLACK:
        where = "ahead of" if ahead > 0 else "behind"
        mend = "set it, by `timedatectl set-ntp true` for example: nonces, pauses and the daily cap go by it"
        return warn("clock", f"this machine's clock is {abs(ahead):.0f} s {where} Discord's", mend)
    return ok("clock", "as Discord's")


def _place(config: Config, keys: Keys, api: Api) -> list[CheckResult]:
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


def _command(config: Config, keys: Keys, api: Api) -> CheckResult:
    bot = config.midjourney.application_id
    command = api.command("imagine", bot, keys.guild_id, keys.channel_id)
    return ok("command", f"/imagine of the bot {bot} is offered there, version {command.version}")
