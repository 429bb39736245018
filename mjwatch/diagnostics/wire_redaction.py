"""Make JSON from the wire public: what is not known to be harmless is replaced. Pure.

A key passes only if it is in a table below, and then decides what of its value passes: an id becomes a
placeholder that is the same wherever the id occurs; a number passes if it is small; of a text only words from
a list and the shape pass. A list of what to hide would have gaps; this one only hides too much.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mjwatch.discord.json_values import is_object
from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID
from mjwatch.midjourney.buttons import UUID
from mjwatch.midjourney.parsing.content import read_content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OTHER_KEYS = "(other keys)"
MORE_ITEMS = "(more)"
MOST_ITEMS = 12
LARGEST_NUMBER = 1 << 24
"""Colours and flags are below; ids, sizes in bytes and telephone numbers are not all."""
DEEPEST = 12

HIDDEN, HIDDEN_NUMBER, HIDDEN_TIME = "<text>", "<number>", "<time>"

IDS = frozenset(
    {
        *("id", "ids", "channel_id", "guild_id", "message_id", "webhook_id", "application_id", "user_id"),
        *("nonce", "session_id", "interacted_message_id", "original_response_message_id", "version"),
        *("last_message_id", "target_message_id", "recipient_ids"),
    }
)
OBJECTS = frozenset(
    {
        *(
            "d",
            "data",
            "body",
            "sent",
            "author",
            "user",
            "interaction",
            "interaction_metadata",
            "attachments",
        ),
        *("embeds", "components", "message_reference", "referenced_message", "mentions", "footer", "options"),
        *("triggering_interaction_metadata", "authorizing_integration_owners", "errors", "_errors"),
        *(
            "refreshed_urls",
            "attachment_urls",
            "recipients",
            "channels",
            "updated_channels",
            "items",
            "media",
        ),
        *("accessory", "component", "image", "captcha_key"),
    }
)
NUMBERS = frozenset(
    {
        *("op", "type", "flags", "component_type", "style", "status", "code", "color", "width", "height"),
        *("lifetime", "reason_code", "command_type", "retry_after", "position"),
    }
)
FLAGS = frozenset({"bot", "tts", "pinned", "mention_everyone", "disabled", "global", "is_empty", "required"})
TIMES = frozenset({"timestamp", "edited_timestamp"})
PUBLIC_IDS = {
    MIDJOURNEY_APPLICATION_ID: "<Midjourney>",
    NIJI_APPLICATION_ID: "<niji>",
    "938956540159881230": "</imagine>",
    "972289487818334209": "</info>",
}
WORDS: Mapping[str, frozenset[str]] = {
    "t": frozenset(
        {
            *("READY", "READY_SUPPLEMENTAL", "RESUMED", "SESSIONS_REPLACE", "MESSAGE_CREATE"),
            *("MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "MESSAGE_ACK", "INTERACTION_CREATE"),
            *("INTERACTION_SUCCESS", "INTERACTION_FAILURE", "INTERACTION_MODAL_CREATE"),
            *("INTERACTION_IFRAME_MODAL_CREATE", "PASSIVE_UPDATE_V1", "PASSIVE_UPDATE_V2"),
            *("CHANNEL_UNREAD_UPDATE", "GUILD_CREATE", "PRESENCE_UPDATE", "TYPING_START"),
        }
    ),
    "op": frozenset({f"op {n}" for n in range(50)} | {"READY", "RESUMED", "close"}),
    "name": frozenset({"imagine", "info", "prompt"}),
    "content_type": frozenset(
        {
            *("application/json", "application/json; charset=utf-8", "text/html", "text/html; charset=utf-8"),
            *(
                "text/plain",
                "text/plain; charset=utf-8",
                "image/png",
                "image/webp",
                "image/jpeg",
                "image/gif",
            ),
            "video/mp4",
        }
    ),
    "title": frozenset(
        {
            *("Job queued", "Queue full", "Action needed to continue", "Action required to continue"),
            *("Banned prompt", "Banned prompt detected", "Banned image prompt", "Invalid parameter"),
            *("Invalid prompt", "Empty prompt", "Invalid request", "Invalid link", "Image denied", "Blocked"),
            *("Pending mod message", "Credits exhausted", "Subscription required", "Subscription paused"),
            *("Plan Cancelled", "Tos not accepted", "Slow Down!", "Job action restricted"),
            *("Sorry, something went wrong", "Sorry! Could not complete the job!"),
            *("Request cancelled due to image filters", "Request cancelled due to output filters"),
            "Duplicate images detected",
        }
    ),
    "message": frozenset(
        {
            *("Invalid Form Body", "Unknown Guild", "Unknown Integration", "Unknown Application"),
            *("Unknown Channel", "Unknown Message", "Unknown interaction", "401: Unauthorized"),
            *("404: Not Found", "500: Internal Server Error", "The resource is being rate limited."),
            *("You are being rate limited.", "Missing Access", "internal network error"),
        }
    ),
    "code": frozenset(
        {
            *("INTERACTION_APPLICATION_COMMAND_INVALID_VERSION", "COMPONENT_VALIDATION_FAILED"),
            *("INTERACTION_APPLICATION_COMMAND_INVALID_PERMISSIONS", "BASE_TYPE_REQUIRED"),
            *("BASE_TYPE_MAX_LENGTH", "BASE_TYPE_BAD_LENGTH", "BASE_TYPE_CHOICES", "NUMBER_TYPE_COERCE"),
        }
    ),
    "type": frozenset({"rich", "image", "link", "video"}),
    "label": frozenset(
        {
            *(f"{letter}{number}" for letter in "UV" for number in range(1, 5)),
            *("Web", "Cancel Job", "Appeal", "\u200b"),
        }
    ),
}
INFO_LINES = (
    *("Subscription", "User ID", "Job Mode", "Visibility Mode", "Fast Time Remaining", "Lifetime Usage"),
    *("Relaxed Usage", "Queued Jobs (fast)", "Queued Jobs (relax)", "Running Jobs"),
)
HOSTS = frozenset(
    {
        *("discord.com", "cdn.discordapp.com", "media.discordapp.net", "gateway.discord.gg"),
        *("midjourney.com", "www.midjourney.com", "cdn.midjourney.com", "s.mj.run", "127.0.0.1"),
    }
)
SEGMENTS = frozenset({"attachments", "ephemeral-attachments", "jobs", "api", "v9", "channels", "media"})
PARAMETERS = frozenset({"ex", "is", "hm", "v", "encoding", "compress"})
ENDINGS = frozenset({"png", "webp", "jpg", "jpeg", "gif", "mp4"})
CUSTOM_WORDS = frozenset(
    {
        *("MJ", "JOB", "Job", "SOLO", "upsample", "variation", "reroll", "low_variation", "high_variation"),
        *("Inpaint", "Outpaint", "CustomZoom", "BOOKMARK", "CancelJob", "ByJobid", "Prompts", "Appeal"),
        *("pan_left", "pan_right", "pan_up", "pan_down", "animate_high", "animate_low"),
        *(
            "upsample_v7_2x_subtle",
            "upsample_v7_2x_creative",
            "video_virtual_upscale",
            "PicReader",
            "Settings",
        ),
    }
)

_UUID = re.compile(UUID, re.IGNORECASE)
_SMALL = re.compile(r"\d{1,3}")
_LINE = re.compile(r"^\*\*([^*\n]+?)\*\*:?", re.MULTILINE)


class WireRedactor:
    """Replaces ids by placeholders, each id by its own, for everything that one report contains."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._uuids: dict[str, str] = {}
        self._texts: dict[str, Callable[[str], str]] = {
            "content": self._content,
            "description": _description,
            "filename": self._file_name,
            "custom_id": self._custom_id,
            **dict.fromkeys(("url", "proxy_url", "original", "refreshed"), self._address),
            **dict.fromkeys(("resume_gateway_url", "attachment_urls"), self._address),
            **dict.fromkeys(TIMES, lambda _: HIDDEN_TIME),
        }

    def redacted(self, value: object, key: str = "", depth: int = DEEPEST) -> Any:
        """Return JSON that holds nothing of the value but its shape and known words."""
        if value is None or isinstance(value, bool):
            return value
        if depth == 0:
            return HIDDEN
        if is_object(value):
            return self._object(value, depth)
        if isinstance(value, list):
            shown = [self.redacted(item, key, depth - 1) for item in value[:MOST_ITEMS]]
            return [*shown, MORE_ITEMS] if len(value) > MOST_ITEMS else shown
        if isinstance(value, str):
            return self._text(value, key) if value else ""
        return self._number(value, key)

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = {key: self.redacted(value[key], key, depth - 1) for key in value if key in KEYS}
        others = len(value) - len(known)
        return {**known, OTHER_KEYS: others} if others else known

    def _number(self, value: object, key: str) -> Any:
        is_small = isinstance(value, int) and abs(value) < LARGEST_NUMBER
        if key in IDS and isinstance(value, int):
            return value if abs(value) < 100 else self._id(str(value))
        return value if is_small and key in NUMBERS else HIDDEN_NUMBER

    def _text(self, value: str, key: str) -> str:
        if key in IDS:
            return self._id(value)
        if key in self._texts:
            return self._texts[key](value)
        if key == "title" and value.startswith("Your info - "):
            return "Your info - <name>"
        return value if value in WORDS.get(key, ()) else HIDDEN

    def _id(self, value: str) -> str:
        if _UUID.fullmatch(value):
            return self._uuid(value)
        return PUBLIC_IDS.get(value) or self._ids.setdefault(value, f"<id {len(self._ids) + 1}>")

    def _uuid(self, value: str) -> str:
        return self._uuids.setdefault(value.lower(), f"<uuid {len(self._uuids) + 1}>")

    def _content(self, value: str) -> str:
        """Return the shape of a job's text, made from what the parser found in it."""
        echo = read_content(value)
        if echo is None or echo.prompt is None or echo.user_id is None:
            return HIDDEN
        end = value.rpartition(f"{echo.user_id}>")[2]
        link = _UUID.search(end) if "](<https://" in end else None
        website = "(Open on website for full quality)" if "(Open on website for full quality)" in end else ""
        parts = [
            f"**<prompt>** - <@{self._id(echo.user_id)}>",
            f"[{website}](<{self._uuid(link[0])}>)" if website and link else website,
            f"({echo.percent}%)" if echo.percent is not None else f"({echo.status})" if echo.status else "",
            f"({echo.mode})" if echo.mode else "",
        ]
        return " ".join(part for part in parts if part)

    def _custom_id(self, value: str) -> str:
        return "::".join(self._element(element) for element in value.split("::"))

    def _element(self, element: str) -> str:
        if _UUID.fullmatch(element):
            return self._uuid(element)
        return element if element in CUSTOM_WORDS or _SMALL.fullmatch(element) else HIDDEN

    def _file_name(self, value: str) -> str:
        stem, dot, ending = value.rpartition(".")
        found = list(_UUID.finditer(stem))
        shape = HIDDEN
        if stem == "grid_0":
            shape = stem
        elif found:
            before, after = stem[: found[-1].start()], stem[found[-1].end() :]
            known_end = after if after in ("", "_grid_0") else HIDDEN
            shape = f"{f'{HIDDEN}_' if before else ''}{self._uuid(found[-1][0])}{known_end}"
        return f"{shape}.{ending}" if dot and ending in ENDINGS else shape

    def _address(self, value: str) -> str:
        """Return host, shape of the path, and names of parameters; nothing that could be followed."""
        try:
            parts = urlsplit(value)
            host = parts.hostname
        except ValueError:
            return "<address>"
        path = [self._segment(part) for part in parts.path.split("/") if part]
        given = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
        names = [name if name in PARAMETERS else HIDDEN for name in given[:MOST_ITEMS]]
        query = f"? {' '.join(names)}" if names else ""
        return " ".join(
            [host if host in HOSTS else "<host>", "/", " / ".join(path[:MOST_ITEMS]), query]
        ).strip()

    def _segment(self, part: str) -> str:
        if part in SEGMENTS:
            return part
        if part.isascii() and part.isdigit():
            return self._id(part)
        return self._uuid(part) if _UUID.fullmatch(part) else self._file_name(part)


def _description(value: str) -> str:
    """Return the known lines of /info; of any other text nothing."""
    lines = [name.strip().rstrip(":") for name in _LINE.findall(value)]
    known = [name for name in lines if name in INFO_LINES]
    return f"<lines: {', '.join(dict.fromkeys(known))}>" if known else HIDDEN


KEYS = frozenset(
    {
        *IDS,
        *OBJECTS,
        *NUMBERS,
        *FLAGS,
        *TIMES,
        *WORDS,
        *("content", "description", "filename", "custom_id", "url", "proxy_url", "original", "refreshed"),
        *("resume_gateway_url", "auth_token", "required_action", "text", "value", "username", "emoji"),
        *("captcha_service", "reason", "label"),
    }
)
"""Every key that passes."""
