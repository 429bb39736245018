"""Delivery of the bot's messages: into the history, and over the gateway."""

from __future__ import annotations

import asyncio
import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL
from mjwatch.simulator.world import CHANNELS, Json, iso_time

if TYPE_CHECKING:
    from mjwatch.simulator.cdn.store import Signer
    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.profiles import CurrentProfile
    from mjwatch.simulator.world import SimulatedChannel


class DeliveryMode(Enum):
    """How the gateway delivers a message."""

    ONCE = auto()
    TWICE = auto()
    """Every dispatch is sent twice."""
    HISTORY_ONLY = auto()
    """The gateway does not send it; only the history has it."""
    SWAPPED = auto()
    """Every second event overtakes the one before it."""
    PASSIVE = auto()
    """As in a guild without a subscription: only the fact that the channel has something new."""


SWAP_LIMIT = 1.0
"""Seconds that an event waits for another one to overtake it."""

_Event = tuple["SimulatedChannel", str, Json]


_CHANGEABLE = (
    *("id", "channel_id", "edited_timestamp", "content", "attachments", "components", "embeds", "flags"),
)


def _with_nonce(message: Json, nonce: object) -> Json:
    return message if nonce is None else {**message, "nonce": nonce}


class MessageDelivery:
    """Creates, edits and deletes messages, and dispatches the events to the sessions."""

    def __init__(self, history: History, sessions: Sessions, signer: Signer, profile: CurrentProfile) -> None:
        self._profile = profile
        self._history = history
        self._sessions = sessions
        self._signer = signer
        self._waiting: _Event | None = None

    def create(
        self,
        message: Json,
        interaction: Interaction | None = None,
        mode: DeliveryMode = DeliveryMode.ONCE,
        *,
        nonce: object = None,
        kept_nonce: object = None,
    ) -> None:
        """Post a message; only over the gateway it has a nonce, its own or that of the interaction.

        ``kept_nonce`` is one that the history shows.
        """
        self._store(_with_nonce(message, kept_nonce))
        if interaction is not None:
            has_nonce = self._profile.for_text(interaction.text).nonce_on_start
            nonce = interaction.nonce if has_nonce else None
        self._send("MESSAGE_CREATE", _with_nonce(message, nonce), interaction, mode)

    def update(
        self,
        message: Json,
        interaction: Interaction | None = None,
        mode: DeliveryMode = DeliveryMode.ONCE,
        *,
        nonce: object = None,
        whole: bool = True,
    ) -> None:
        """Edit a message; ``message`` is the whole new body. Unless ``whole``, only its changes are sent."""
        message["edited_timestamp"] = iso_time(time.time())
        self._store(message)
        shown = message if whole else {key: message[key] for key in _CHANGEABLE if key in message}
        self._send("MESSAGE_UPDATE", _with_nonce(shown, nonce), interaction, mode)

    def delete(self, message: Json, mode: DeliveryMode = DeliveryMode.ONCE, *, bulk: bool = False) -> None:
        """Delete a message; ``bulk`` uses the event for several messages."""
        channel = CHANNELS[message["channel_id"]]
        for kept in (self._history.of(channel.id), self._history.ephemeral):
            kept.remove(int(message["id"]))
        body: Json = {"ids": [message["id"]]} if bulk else {"id": message["id"]}
        body["channel_id"] = channel.id
        if channel.guild_id is not None:
            body["guild_id"] = channel.guild_id
        event = "MESSAGE_DELETE_BULK" if bulk else "MESSAGE_DELETE"
        if message["flags"] & FLAG_EPHEMERAL:
            self._sessions.to_user("", event, body)
        else:
            self._dispatch_as(channel, event, body, mode)

    def _store(self, message: Json) -> None:
        ephemeral = message["flags"] & FLAG_EPHEMERAL
        kept = self._history.ephemeral if ephemeral else self._history.of(message["channel_id"])
        kept.put(message)

    def _send(self, event: str, message: Json, to: Interaction | None, mode: DeliveryMode) -> None:
        channel = CHANNELS[message["channel_id"]]
        signed = self._signer.signed_message(message)
        if message["flags"] & FLAG_EPHEMERAL:
            if self._profile.for_text(to.text if to else "").guild_on_ephemeral and channel.guild_id:
                signed["guild_id"] = channel.guild_id
            self._sessions.to_user(to.session_id if to else "", event, signed)
        elif channel.guild_id is None:
            self._dispatch_as(channel, event, signed, mode)
        else:
            self._dispatch_as(channel, event, {**signed, "guild_id": channel.guild_id}, mode)

    def _dispatch_as(self, channel: SimulatedChannel, event: str, body: Json, mode: DeliveryMode) -> None:
        if mode is DeliveryMode.PASSIVE and channel.guild_id is not None:
            self._sessions.to_channel(channel, "PASSIVE_UPDATE_V2", self._passive_update(channel))
        elif mode is DeliveryMode.SWAPPED:
            self._dispatch_swapped((channel, event, body))
        elif mode is not DeliveryMode.HISTORY_ONLY:
            self._dispatch(channel, event, body)
            if mode is DeliveryMode.TWICE:
                self._dispatch(channel, event, body)

    def _dispatch(self, channel: SimulatedChannel, event: str, body: Json) -> None:
        passive = None if channel.guild_id is None else self._passive_update(channel)
        self._sessions.to_channel(channel, event, body, passive)

    def _dispatch_swapped(self, new: _Event) -> None:
        if self._waiting is None:
            self._waiting = new
            asyncio.get_running_loop().call_later(SWAP_LIMIT, self._release, new)
            return
        earlier, self._waiting = self._waiting, None
        self._dispatch(*new)
        self._dispatch(*earlier)

    def _release(self, new: _Event) -> None:
        """Send the event if nothing has overtaken it."""
        if self._waiting is new:
            self._waiting = None
            self._dispatch(*new)

    def _passive_update(self, channel: SimulatedChannel) -> Json:
        newest = self._history.of(channel.id).before(None, 1)
        last = newest[0]["id"] if newest else None
        return {
            "guild_id": channel.guild_id,
            "updated_channels": [{"id": channel.id, "last_message_id": last, "last_pin_timestamp": None}],
            "updated_voice_states": [],
            "updated_members": [],
            "removed_voice_states": [],
        }
