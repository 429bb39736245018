"""Discord's API for a command, in this process: the connection, and a message that a person names."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from mjwatch.config import load_keys
from mjwatch.discord.rest import DiscordREST
from mjwatch.errors import MjwatchError
from mjwatch.settings.secrets import parse_channel_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.config import Config, Keys
    from mjwatch.discord.rest import HttpExchange


def connect(config: Config, keys: Keys, tap: Callable[[HttpExchange], object] | None = None) -> DiscordREST:
    """Return the API as this configuration reaches it; the caller closes it. Raise ConfigError.

    ``tap`` is called with each request that was answered.
    """
    discord = config.discord
    return DiscordREST(
        discord.api_url, keys.token.reveal(), proxy=discord.proxy, allow_hosts=discord.allow_hosts, tap=tap
    )


def read_message(config: Config, text: str, message_id: str) -> dict[str, Any] | None:
    """Return the message as the channel's history has it, or None if it is gone or hidden.

    ``text``: its id or its link. Raise MjwatchError where the link names another channel, ConfigError where
    the keys can't be used, and WireError where Discord gives no answer.
    """
    keys = load_keys(config)
    if "/" in text and parse_channel_address(text)[1] != keys.channel_id:
        raise MjwatchError("the message is in another channel", "name one in the channel that mjwatch uses")
    with closing(connect(config, keys)) as rest:
        return rest.message(keys.channel_id, message_id)
