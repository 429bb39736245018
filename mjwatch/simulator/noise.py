"""Gateway messages that mean nothing to a client, and known ones in shapes that it may not expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.identity import BOT_ID, CHANNEL_ID, GUILD_ID

if TYPE_CHECKING:
    from mjwatch.simulator.identity import Json

UNKNOWN_OPCODES = ('{"t":null,"s":null,"op":99,"d":{"a":[1]}}', '{"t":null,"s":null,"op":24,"d":null}')

_BOT: Json = {"id": BOT_ID, "username": "Midjourney Bot", "bot": True}
_HERE: Json = {"channel_id": CHANNEL_ID, "guild_id": GUILD_ID}

DISPATCHES: tuple[tuple[str, object], ...] = (
    ("SOMETHING_NEW", {"entries": [None, 1, "x"]}),
    ("SOMETHING_EMPTY", None),
    ("PRESENCE_UPDATE", {"user": {"id": BOT_ID}, "status": "idle"}),
    ("MESSAGE_CREATE", {"id": "7", **_HERE}),
    ("MESSAGE_CREATE", {"id": "8", **_HERE, "author": None, "content": None, "attachments": None}),
    ("MESSAGE_CREATE", {"id": 9, **_HERE, "author": _BOT, "content": 7, "embeds": [None, 3], "flags": "x"}),
    ("MESSAGE_CREATE", {"id": "10", **_HERE, "author": _BOT, "content": "", "components": [{"type": 77}]}),
    ("MESSAGE_UPDATE", {"id": "11", **_HERE, "embeds": [{"type": "image"}]}),
    ("MESSAGE_UPDATE", {"id": "12", **_HERE, "author": _BOT, "attachments": [{}, "x", {"url": 5}]}),
    ("MESSAGE_DELETE", {"id": "13", **_HERE}),
    ("MESSAGE_DELETE_BULK", {"ids": None, **_HERE}),
    ("INTERACTION_SUCCESS", {"id": "14"}),
    ("INTERACTION_FAILURE", {"id": "15", "nonce": 5, "reason_code": "x"}),
    ("PASSIVE_UPDATE_V2", {"guild_id": GUILD_ID, "updated_channels": None}),
)
