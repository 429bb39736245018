"""What a session without a subscription to the guild gets instead of the channel's messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.json_values import id_of, snowflake_of

if TYPE_CHECKING:
    from mjwatch.events import GatewayDispatch

PASSIVE_EVENTS = {
    "PASSIVE_UPDATE_V1": "channels",
    "PASSIVE_UPDATE_V2": "updated_channels",
    "CHANNEL_UNREAD_UPDATE": "channel_unread_updates",
}
"""These events, and the key of the channels in them (discord-userdoccers, gateway events)."""


def last_message(event: GatewayDispatch, channel_id: str) -> str | None:
    """Return the id of the channel's last message, if the event is a passive update that names it."""
    channels = event.data.get(PASSIVE_EVENTS.get(event.name, ""), ())
    for channel in channels if isinstance(channels, list | tuple) else ():
        if isinstance(channel, dict) and id_of(channel.get("id")) == channel_id:
            return snowflake_of(channel.get("last_message_id"))
    return None
