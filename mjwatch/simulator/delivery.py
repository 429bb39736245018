"""How a message of the bot reaches the world: into the history, and out over the gateway."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL

from .identity import CHANNELS, Json
from .mint import iso_time

if TYPE_CHECKING:
    from .history import History
    from .identity import Channel
    from .interactions import Interaction
    from .sessions import Sessions
    from .signing import Signer


class Manner(Enum):
    """How the gateway tells of a message."""

    ONCE = auto()
    TWICE = auto()
    """Every dispatch is doubled."""
    PASSIVE = auto()
    """As in a guild that the session is not subscribed to: only that something is new in the channel."""


class Delivery:
    """Creates, edits and deletes messages, and tells those who may hear of it."""

    def __init__(self, history: History, sessions: Sessions, signer: Signer) -> None:
        self._history = history
        self._sessions = sessions
        self._signer = signer

    def create(
        self, message: Json, interaction: Interaction | None = None, manner: Manner = Manner.ONCE
    ) -> None:
        """Post a message; an answer to an interaction carries its nonce, over the gateway only."""
        self._keep(message)
        nonce = interaction.nonce if interaction is not None else None
        shown = message if nonce is None else {**message, "nonce": nonce}
        self._announce("MESSAGE_CREATE", shown, interaction, manner)

    def update(
        self, message: Json, interaction: Interaction | None = None, manner: Manner = Manner.ONCE
    ) -> None:
        """Edit a message; ``message`` is the whole new body."""
        message["edited_timestamp"] = iso_time(time.time())
        self._keep(message)
        self._announce("MESSAGE_UPDATE", message, interaction, manner)

    def delete(self, message: Json, manner: Manner = Manner.ONCE) -> None:
        """Delete a message that all could see."""
        channel = CHANNELS[message["channel_id"]]
        self._history.of(channel.id).remove(int(message["id"]))
        body: Json = {"id": message["id"], "channel_id": channel.id}
        if channel.guild_id is not None:
            body["guild_id"] = channel.guild_id
        self._tell(channel, "MESSAGE_DELETE", body, manner)

    def _keep(self, message: Json) -> None:
        if not message["flags"] & FLAG_EPHEMERAL:
            self._history.of(message["channel_id"]).put(message)

    def _announce(self, event: str, message: Json, to: Interaction | None, manner: Manner) -> None:
        channel = CHANNELS[message["channel_id"]]
        signed = self._signer.signed_message(message)
        if message["flags"] & FLAG_EPHEMERAL:
            self._sessions.to_user(to.session_id if to else "", event, signed)
        elif channel.guild_id is None:
            self._tell(channel, event, signed, manner)
        else:
            self._tell(channel, event, {**signed, "guild_id": channel.guild_id}, manner)

    def _tell(self, channel: Channel, event: str, body: Json, manner: Manner) -> None:
        if manner is Manner.PASSIVE and channel.guild_id is not None:
            self._sessions.to_channel(channel, "PASSIVE_UPDATE_V2", self._passive_update(channel))
            return
        for _ in range(2 if manner is Manner.TWICE else 1):
            self._sessions.to_channel(channel, event, body)

    def _passive_update(self, channel: Channel) -> Json:
        newest = self._history.of(channel.id).before(None, 1)
        last = newest[0]["id"] if newest else None
        return {
            "guild_id": channel.guild_id,
            "updated_channels": [{"id": channel.id, "last_message_id": last, "last_pin_timestamp": None}],
            "updated_voice_states": [],
            "updated_members": [],
            "removed_voice_states": [],
        }
