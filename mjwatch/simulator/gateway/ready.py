"""READY and related payloads, in the form that a session's capabilities ask for (discord-userdoccers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.world import (
    BOT_ID,
    GUILD_ID,
    LISTENER_ID,
    USER_ID,
    Json,
    dm_channel,
    everyone_role,
    guild_properties,
    listener,
    member,
    midjourney,
    niji,
    own_user,
    text_channel,
    user,
)

if TYPE_CHECKING:
    from mjwatch.simulator.gateway.sessions import SimulatedSession

VERSIONED_READ_STATES = 1 << 2
VERSIONED_USER_GUILD_SETTINGS = 1 << 3
DEDUPE_USER_OBJECTS = 1 << 4
PRIORITIZED_READY_PAYLOAD = 1 << 5
CLIENT_STATE_V2 = 1 << 10


def ready(session: SimulatedSession, resume_url: str) -> Json:
    """Return READY for a person's session."""
    has = session.capabilities
    deduped = bool(has & DEDUPE_USER_OBJECTS)
    body: Json = {
        "v": 9,
        "user": own_user(),
        "users": [midjourney(), niji()],
        "guilds": [guild(v2=bool(has & CLIENT_STATE_V2), with_members=not deduped)],
        "private_channels": [dm_channel(with_recipients=not deduped)],
        "relationships": [],
        "presences": [],
        "notes": {},
        "read_state": _versioned([], has & VERSIONED_READ_STATES),
        "user_guild_settings": _versioned([], has & VERSIONED_USER_GUILD_SETTINGS),
        "user_settings_proto": "",
        "session_id": session.id,
        "resume_gateway_url": resume_url,
        "sessions": [_own_session(session)],
        **_unused(),
    }
    if deduped:
        body["merged_members"] = [[member(USER_ID)]]
    return body


def ready_supplemental() -> Json:
    """Return the second half of READY, for sessions that asked for a prioritised payload."""
    return {
        "guilds": [{"id": GUILD_ID, "voice_states": [], "embedded_activities": []}],
        "merged_members": [[member(BOT_ID)]],
        "merged_presences": {"guilds": [[]], "friends": []},
        "lazy_private_channels": [],
        "disclose": [],
    }


def bot_ready(session: SimulatedSession, resume_url: str) -> Json:
    """Return READY for an ordinary bot; its guild follows in GUILD_CREATE."""
    return {
        "v": 10,
        "user": listener(),
        "guilds": [{"id": GUILD_ID, "unavailable": True}],
        "private_channels": [],
        "relationships": [],
        "presences": [],
        "session_id": session.id,
        "resume_gateway_url": resume_url,
        "session_type": "normal",
        "application": {"id": LISTENER_ID, "flags": 0},
    }


def guild(*, v2: bool, with_members: bool) -> Json:
    """Return the guild with its contents; client state v2 puts the guild's own fields under `properties`."""
    contents: Json = {
        "id": GUILD_ID,
        "joined_at": "2024-01-01T00:00:00.000000+00:00",
        "large": False,
        "unavailable": False,
        "lazy": True,
        "member_count": 4,
        "version": 1,
        "channels": [text_channel()],
        "threads": [],
        "roles": [everyone_role()],
        "emojis": [],
        "stickers": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "premium_subscription_count": 0,
        "data_mode": "full",
    }
    properties: Json = {"properties": guild_properties()} if v2 else guild_properties()
    return {**properties, **contents, **(_people() if with_members else {})}


def _people() -> Json:
    members = [_member_with(person) for person in (user(), midjourney(), niji(), listener())]
    return {"members": members, "presences": [], "voice_states": []}


def _member_with(person: Json) -> Json:
    fields = member(person["id"])
    del fields["user_id"]
    return {**fields, "user": person}


def _versioned(entries: list[Json], wanted: int) -> Json | list[Json]:
    return {"entries": entries, "partial": False, "version": 0} if wanted else entries


def _own_session(session: SimulatedSession) -> Json:
    client = {"client": "unknown", "os": "unknown", "version": 0}
    return {"session_id": session.id, "status": "online", "activities": [], "client_info": client}


def _unused() -> Json:
    return {
        "analytics_token": "simulated",
        "auth_session_id_hash": "c2ltdWxhdGVk",
        "connected_accounts": [],
        "consents": {"personalization": {"consented": False}},
        "country_code": "US",
        "experiments": [],
        "friend_suggestion_count": 0,
        "geo_ordered_rtc_regions": ["us-central"],
        "guild_experiments": [],
        "guild_join_requests": [],
        "session_type": "normal",
        "tutorial": None,
        "api_code_version": 1,
    }
