"""The world of the simulated Discord: invented ids, names and tokens that never change; snowflakes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import (
    DISCORD_EPOCH_MS,
    MIDJOURNEY_APPLICATION_ID,
    NIJI_APPLICATION_ID,
    snowflake_ms,
)

if TYPE_CHECKING:
    from collections.abc import Callable


Json = dict[str, Any]
"""A JSON object on its way to or from a client."""

USER_TOKEN = "SIMULATED.not-a-real-token.for-loopback-only"
"""The person's token; it opens nothing but this simulator."""
NEW_USER_TOKEN = "SIMULATED.a-newer-token.for-loopback-only"
"""A token that READY may announce as the new one; the older one continues to work."""
BOT_TOKEN = "MTExMTAwMDAwMDAwMDAwMDAwNw.simulated.bot-token"
"""The token of an ordinary bot in the same guild, for bot libraries; hikari needs the id in base64 first."""

USER_ID = "1111000000000000001"
GUILD_ID = "1111000000000000002"
CHANNEL_ID = "1111000000000000003"
DM_CHANNEL_ID = "1111000000000000004"
STRANGER_ID = "1111000000000000005"
LISTENER_ID = "1111000000000000007"
BOT_ID = MIDJOURNEY_APPLICATION_ID
NIJI_ID = NIJI_APPLICATION_ID

USERNAME = "ada.simulated"
GLOBAL_NAME = "Ada"
GUILD_NAME = "Simulated guild"
CHANNEL_NAME = "pictures"


@dataclass(frozen=True, slots=True)
class SimulatedChannel:
    """A text channel of the guild, or a DM with the Midjourney bot (`guild_id` None)."""

    id: str
    guild_id: str | None


CHANNELS: dict[str, SimulatedChannel] = {
    CHANNEL_ID: SimulatedChannel(CHANNEL_ID, GUILD_ID),
    DM_CHANNEL_ID: SimulatedChannel(DM_CHANNEL_ID, None),
}


def account_of(authorization: str | None) -> str | None:
    """Return the account's id for an Authorization header or a gateway token; None if it is unknown."""
    if authorization in (USER_TOKEN, NEW_USER_TOKEN):
        return USER_ID
    if authorization in (BOT_TOKEN, f"Bot {BOT_TOKEN}"):
        return LISTENER_ID
    return None


def user() -> Json:
    """Return the person, as seen by others."""
    return {
        "id": USER_ID,
        "username": USERNAME,
        "avatar": None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "global_name": GLOBAL_NAME,
        "avatar_decoration_data": None,
        "banner_color": None,
        "clan": None,
        "primary_guild": None,
    }


def username(user_id: str) -> str:
    """Return the name of the person or the stranger."""
    name: str = (user() if user_id == USER_ID else stranger())["username"]
    return name


def stranger() -> Json:
    """Return another member of the guild, who also uses Midjourney."""
    return {**user(), "id": STRANGER_ID, "username": "bob.simulated", "global_name": "Bob"}


def own_user() -> Json:
    """Return the person, as seen by the person: `GET /users/@me` and READY."""
    return {
        **user(),
        "bio": "",
        "desktop": True,
        "email": "ada@simulated.invalid",
        "locale": "en-US",
        "mfa_enabled": False,
        "mobile": False,
        "nsfw_allowed": True,
        "phone": None,
        "premium": False,
        "premium_type": 0,
        "pronouns": "",
        "purchased_flags": 0,
        "verified": True,
    }


def midjourney() -> Json:
    """Return the Midjourney bot as an author."""
    return {
        "id": BOT_ID,
        "username": "Midjourney Bot",
        "avatar": None,
        "discriminator": "9282",
        "public_flags": 589824,
        "flags": 589824,
        "bot": True,
        "banner": None,
        "accent_color": None,
        "global_name": None,
        "avatar_decoration_data": None,
        "banner_color": None,
        "clan": None,
        "primary_guild": None,
    }


def niji() -> Json:
    """Return the niji・journey bot as an author."""
    return {**midjourney(), "id": NIJI_ID, "username": "niji・journey Bot", "discriminator": "4373"}


def bot(application_id: str) -> Json:
    """Return the author of an application's messages: its bot has the application's id."""
    return niji() if application_id == NIJI_ID else midjourney()


def listener() -> Json:
    """Return the ordinary bot, with the fields that a bot library needs."""
    return {
        "id": LISTENER_ID,
        "username": "Listener",
        "avatar": None,
        "discriminator": "0007",
        "public_flags": 0,
        "flags": 0,
        "bot": True,
        "email": None,
        "global_name": None,
        "locale": "en-US",
        "mfa_enabled": False,
        "verified": True,
        "banner": None,
        "accent_color": None,
    }


def member(user_id: str) -> Json:
    """Return a guild member without its `user` object."""
    return {
        "user_id": user_id,
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "deaf": False,
        "flags": 0,
        "joined_at": "2024-01-01T00:00:00.000000+00:00",
        "mute": False,
        "nick": None,
        "pending": False,
        "premium_since": None,
        "roles": [],
    }


def text_channel() -> Json:
    """Return the guild's channel."""
    return {
        "id": CHANNEL_ID,
        "type": 0,
        "name": CHANNEL_NAME,
        "flags": 0,
        "guild_id": GUILD_ID,
        "last_message_id": None,
        "nsfw": False,
        "parent_id": None,
        "permission_overwrites": [],
        "position": 0,
        "rate_limit_per_user": 0,
        "topic": None,
    }


def dm_channel(*, with_recipients: bool) -> Json:
    """Return the direct messages with Midjourney; sessions that deduplicate users get ids of users."""
    people: Json = {"recipients": [midjourney()]} if with_recipients else {"recipient_ids": [BOT_ID]}
    return {"id": DM_CHANNEL_ID, "type": 1, "flags": 0, "last_message_id": None, "is_spam": False, **people}


def guild_properties() -> Json:
    """Return the guild's own fields, without its members and channels."""
    return {
        "id": GUILD_ID,
        "name": GUILD_NAME,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": None,
        "owner_id": USER_ID,
        "application_id": None,
        "region": "us-central",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": None,
        "max_members": 500000,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "rules_channel_id": None,
        "safety_alerts_channel_id": None,
        "public_updates_channel_id": None,
        "hub_type": None,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "features": [],
    }


def everyone_role() -> Json:
    """Return the guild's only role."""
    return {
        "id": GUILD_ID,
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 0,
        "permissions": "2248473465835073",
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }


class SnowflakeGenerator:
    """Generates snowflakes of the current time, each greater than the one before."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """Return a new id."""
        now = (int(self._clock() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return str(self._last)


def timestamp_of(snowflake: str) -> str:
    """Return the time in an id as Discord writes it in messages, e.g. `2026-06-06T18:15:49.650000+00:00`."""
    return iso_time(snowflake_ms(snowflake) / 1000)


def iso_time(unix: float) -> str:
    """Return a unix time in Discord's form, in UTC, always with six digits after the point."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="microseconds")
