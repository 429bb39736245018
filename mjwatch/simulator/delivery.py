"""How a message of the bot reaches the world: into the history, and out over the gateway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL

from .identity import CHANNELS, Json
from .mint import iso_time

if TYPE_CHECKING:
    from .history import History
    from .interactions import Interaction
    from .sessions import Sessions
    from .signing import Signer


class Delivery:
    """Creates, edits and deletes messages, and tells those who may hear of it."""

    def __init__(self, history: History, sessions: Sessions, signer: Signer) -> None:
        self._history = history
        self._sessions = sessions
        self._signer = signer

    def create(self, message: Json, interaction: Interaction | None = None, *, twice: bool = False) -> None:
        """Post a message; an answer to an interaction carries its nonce, over the gateway only."""
        self._keep(message)
        nonce = interaction.nonce if interaction is not None else None
        shown = message if nonce is None else {**message, "nonce": nonce}
        self._announce("MESSAGE_CREATE", shown, interaction, twice=twice)

    def update(self, message: Json, interaction: Interaction | None = None, *, twice: bool = False) -> None:
        """Edit a message; ``message`` is the whole new body."""
        message["edited_timestamp"] = iso_time(time.time())
        self._keep(message)
        self._announce("MESSAGE_UPDATE", message, interaction, twice=twice)

    def delete(self, message: Json, *, twice: bool = False) -> None:
        """Delete a message that all could see."""
        channel = CHANNELS[message["channel_id"]]
        self._history.of(channel.id).remove(int(message["id"]))
        body: Json = {"id": message["id"], "channel_id": channel.id}
        if channel.guild_id is not None:
            body["guild_id"] = channel.guild_id
        for _ in range(2 if twice else 1):
            self._sessions.to_channel(channel, "MESSAGE_DELETE", body)

    def _keep(self, message: Json) -> None:
        if not message["flags"] & FLAG_EPHEMERAL:
            self._history.of(message["channel_id"]).put(message)

    def _announce(self, event: str, message: Json, to: Interaction | None, *, twice: bool) -> None:
        channel = CHANNELS[message["channel_id"]]
        signed = self._signer.signed_message(message)
        for _ in range(2 if twice else 1):
            if message["flags"] & FLAG_EPHEMERAL:
                self._sessions.to_user(to.session_id if to else "", event, signed)
            elif channel.guild_id is None:
                self._sessions.to_channel(channel, event, signed)
            else:
                self._sessions.to_channel(channel, event, {**signed, "guild_id": channel.guild_id})
