"""What an HTTP answer of Discord means for the job that asked and for all other jobs; pure.

Only status and numeric code count, because the messages are in the account's language. Sources:
discord-userdoccers "Errors", "Rate Limits" and "Captcha handling"; answers to ``POST /interactions`` as
recorded 2023-2026.
"""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import parsedate_to_datetime
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

from mjwatch.discord.json_values import object_of, objects_of
from mjwatch.model import LimitScope, Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOT_READY_WAIT = 5.0
"""Seconds to wait for an index that Discord is still building, if Discord does not name a time."""

LONGEST_WAIT = 86_400.0
"""Seconds. The longest known limit, a block of an address, lasts a day (discord-userdoccers)."""

_STALE_VERSION = "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION"
_NOT_PERMITTED = "INTERACTION_APPLICATION_COMMAND_INVALID_PERMISSIONS"
_SAME_FOR_ALL = frozenset({"data.id", "data.name", "data.type", "application_id", "guild_id", "channel_id"})
"""The fields of a request that do not depend on its prompt."""
_BUTTON_GONE = "COMPONENT_VALIDATION_FAILED"
_INVALID_FORM: Final = 50035
_UNKNOWN_MESSAGE: Final = 10008
_NOT_DELIVERED: Final = 40043

_WRONG_TOKEN = "Discord does not accept the token; put the account's current token into authToken.key"
_BY_CODE: dict[int, tuple[RefusalClass, str]] = {
    10002: (RefusalClass.CONFIG, "Discord does not know this application; check [midjourney] application_id"),
    10003: (
        RefusalClass.CONFIG,
        "Discord does not know this channel; check the channel id and the guild id",
    ),
    10004: (
        RefusalClass.CONFIG,
        "Discord does not know this guild, or the account is not in it; check the guild id",
    ),
    10005: (RefusalClass.CONFIG, "the Midjourney bot is not in this guild; invite it, or use another guild"),
    10062: (RefusalClass.TRANSIENT, "the form has expired: Discord no longer knows the interaction"),
    50001: (
        RefusalClass.CONFIG,
        "the account has no access to this channel; check the channel id and the membership",
    ),
    50013: (RefusalClass.CONFIG, "the account may not use commands in this channel; ask the guild's owner"),
    40001: (RefusalClass.ACCOUNT, _WRONG_TOKEN),
    50014: (RefusalClass.ACCOUNT, _WRONG_TOKEN),
    40002: (
        RefusalClass.ACCOUNT,
        "Discord asks to verify the account; open Discord and follow its instructions",
    ),
    40333: (
        RefusalClass.ACCOUNT,
        "Discord's edge blocked the request; open Discord, and check proxy or VPN",
    ),
    20016: (RefusalClass.RETRY, "the channel's slow mode is on"),
    20028: (RefusalClass.RETRY, "the channel has reached its limit of messages for now"),
    40004: (RefusalClass.RETRY, "Discord has disabled sending for the moment"),
    40006: (RefusalClass.RETRY, "Discord has disabled this feature for the moment"),
    _NOT_DELIVERED: (RefusalClass.RETRY, "Discord could not deliver the command to the bot"),
    130000: (RefusalClass.TRANSIENT, "Discord is overloaded"),
    200000: (RefusalClass.MODERATION, "the guild's AutoMod rejects the text of this prompt"),
    240000: (RefusalClass.MODERATION, "Discord's link filter rejects a link in this prompt"),
}
_CLASSES_FOR_PERSON = frozenset({RefusalClass.ACCOUNT, RefusalClass.CONFIG})


def read_answer(status: int, headers: Mapping[str, str], body: object) -> Refusal | None:
    """Return the refusal that this answer means, or None if it is a success.

    ``body`` is the answer's JSON, decoded or not, or anything else that arrived. A 5xx is transient;
    the caller of a request that must not be repeated can't know then whether it was executed.
    """
    body = decoded(body)
    fields = object_of(body)
    code = _number(fields.get("code"))
    refusal = _refusal_of(status, headers, body, fields, code)
    suffix = "" if code is None else f", code {int(code)}"
    return None if refusal is None else replace(refusal, http_error=f"HTTP {status}{suffix}")


def _refusal_of(
    status: int, headers: Mapping[str, str], body: object, fields: Mapping[str, Any], code: float | None
) -> Refusal | None:
    if status == 202 and code is not None and 110_000 <= int(code) < 120_000:
        return _retry(headers, fields, "Discord is still preparing the answer", default=NOT_READY_WAIT)
    if 200 <= status < 300:
        return None
    if status == 400 and "captcha_key" in fields:
        return _refuse(
            RefusalClass.ACCOUNT, "Discord asks for a captcha; open Discord and run a command by hand"
        )
    if status == 401:
        return _refuse(RefusalClass.ACCOUNT, _WRONG_TOKEN)
    if status == 429:
        return _rate_limited(headers, body)
    if code is not None:
        known = _by_code(status, int(code), headers, fields)
        if known:
            return known
    return _by_status(status, headers, "" if code is None else f", code {int(code)}")


def decoded(body: object) -> object:
    """Return the JSON in the text or bytes of an answer, None if there is none; other types unchanged."""
    if not isinstance(body, str | bytes):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _by_code(status: int, code: int, headers: Mapping[str, str], fields: Mapping[str, Any]) -> Refusal | None:
    if code == _INVALID_FORM:
        return _invalid_form(fields)
    if code == _UNKNOWN_MESSAGE:
        return _unknown_message(status)
    if code not in _BY_CODE:
        return None
    kind, detail = _BY_CODE[code]
    if kind is RefusalClass.RETRY:
        # A command that was not delivered says nothing about others.
        scope = None if code == _NOT_DELIVERED else LimitScope.ROUTE
        return _retry(headers, fields, detail, scope=scope)
    return _refuse(kind, detail)


def _invalid_form(fields: Mapping[str, Any]) -> Refusal:
    """Return the refusal for 50035: a field of the request is wrong; inner codes say which one and why."""
    faults = list(_faults(fields.get("errors"), ""))
    codes = {code for _, code in faults}
    if _STALE_VERSION in codes:
        return _refuse(RefusalClass.STALE_VERSION, "the command has a new version")
    if _BUTTON_GONE in codes:
        return _refuse(
            RefusalClass.USER, "this button no longer works; read the message again to see its buttons"
        )
    if faults and all(_is_of_command(*fault) for fault in faults):
        return _command_refused(codes)
    named = ", ".join(f"{path or 'request'}: {code}" for path, code in faults[:3]) or "no field named"
    return _refuse(
        RefusalClass.USER, f"Discord calls the request malformed ({named}); check the prompt's length"
    )


def _is_of_command(path: str, code: str) -> bool:
    """Return whether a fault lies at the command, and not in its options."""
    return path in _SAME_FOR_ALL or (path == "data" and code.startswith("INTERACTION_APPLICATION_COMMAND"))


def _command_refused(codes: set[str]) -> Refusal:
    """Return the refusal for a fault of the command itself: no prompt can be sent until it is corrected."""
    if _NOT_PERMITTED in codes:
        return _refuse(
            RefusalClass.CONFIG,
            "the account may not use Midjourney's commands in this channel; the guild's owner must allow it "
            "(Server Settings, Integrations, Midjourney Bot, and the permission Use Application Commands)",
        )
    named = ", ".join(sorted(codes)[:3])
    return _refuse(
        RefusalClass.CONFIG,
        f"Discord refuses the command, whatever its prompt ({named}); try it by hand in this channel",
    )


def _faults(errors: object, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the path of each ``_errors`` list in the nested ``errors``, with each code in the list.

    Discord writes an item of a list under its position as a name, or in a real list.
    """
    if isinstance(errors, list):
        errors = {str(position): item for position, item in enumerate(errors)}
    if not isinstance(errors, dict) or depth > 12:
        return
    for key, value in errors.items():
        if key == "_errors" and isinstance(value, list):
            yield from ((path, _shown(item.get("code"))) for item in objects_of(value))
        else:
            yield from _faults(value, f"{path}.{_shown(key)}" if path else _shown(key), depth + 1)


def _unknown_message(status: int) -> Refusal:
    """Return the refusal for 10008; a 403 hides a block against abuse (discord-userdoccers, "Errors")."""
    if status == 403:
        return _refuse(
            RefusalClass.ACCOUNT,
            "Discord blocks the messages of this account; do not use the account for some hours",
        )
    return _refuse(RefusalClass.USER, "the message with this button no longer exists")


def _rate_limited(headers: Mapping[str, str], body: object) -> Refusal:
    """Return the refusal for 429. Without a time, a new try at Cloudflare's limit makes it worse."""
    fields = object_of(body)
    scope = _limit_scope(headers, body)
    if not isinstance(body, dict) and _retry_after(headers, fields) is None:
        detail = "Cloudflare has blocked this address for a while; wait at least an hour"
        return _refuse(RefusalClass.ACCOUNT, detail)
    if scope is LimitScope.ADDRESS:
        text = "Cloudflare's rate limit for this address"
    elif scope is LimitScope.GLOBAL:
        text = "Discord's rate limit for all requests"
    elif _header(headers, "x-ratelimit-scope") == "shared":
        text = "Discord's rate limit shared with other users"
    else:
        text = "Discord's rate limit for this request"
    return _retry(headers, fields, text, scope=scope)


def _limit_scope(headers: Mapping[str, str], body: object) -> LimitScope:
    """Return what a 429 limits. Cloudflare's answer has no JSON, or no sign of Discord's API.

    Sources: discord-api-docs and discord-userdoccers, "Rate Limits"; discord.py-self reads ``Via`` like this.
    """
    fields = object_of(body)
    scope = (_header(headers, "x-ratelimit-scope") or "").strip().lower()
    marked = (_header(headers, "x-ratelimit-global") or "").strip().lower()
    if not (scope or marked or _header(headers, "via") or "global" in fields):
        return LimitScope.ADDRESS
    if fields.get("global") is True or scope == "global" or marked == "true":
        return LimitScope.GLOBAL
    return LimitScope.ROUTE


def _by_status(status: int, headers: Mapping[str, str], suffix: str) -> Refusal:
    """Return the refusal for an answer without a code that we know."""
    about = f"HTTP {status}{suffix}"
    if status >= 500:
        detail, seconds = f"Discord has a server problem ({about})", _retry_after(headers, {})
        return Refusal(RefusalClass.TRANSIENT, None, detail, retry_after=seconds, scope=_scope(seconds))
    if status == 403:
        return _refuse(
            RefusalClass.ACCOUNT, f"Discord forbids the request ({about}); open Discord and read its message"
        )
    if status == 404:
        wrong = "the channel id and the guild id" if suffix else "[discord] api_url"
        return _refuse(RefusalClass.CONFIG, f"Discord has nothing at this address ({about}); check {wrong}")
    if 300 <= status < 400:
        return _refuse(RefusalClass.CONFIG, f"redirects are not followed ({about}); check [discord] api_url")
    if status == 408:
        return _refuse(RefusalClass.TRANSIENT, f"the request took too long to arrive ({about})")
    return _refuse(None, f"Discord refuses the request ({about})")


def _refuse(kind: RefusalClass | None, detail: str) -> Refusal:
    return Refusal(kind, None, detail, needs_human=kind in _CLASSES_FOR_PERSON, token=detail == _WRONG_TOKEN)


def _retry(
    headers: Mapping[str, str],
    fields: Mapping[str, Any],
    detail: str,
    *,
    default: float | None = None,
    scope: LimitScope | None = LimitScope.ROUTE,
) -> Refusal:
    seconds = _retry_after(headers, fields)
    seconds = default if seconds is None else seconds
    text = detail if seconds is None else f"{detail}; Discord asks to wait {seconds:.1f} s"
    return Refusal(RefusalClass.RETRY, None, text, retry_after=seconds, scope=scope)


def _scope(seconds: float | None) -> LimitScope | None:
    """Return the scope of an answer that names a time: all requests like this one wait for so long."""
    return None if seconds is None else LimitScope.ROUTE


def _retry_after(headers: Mapping[str, str], fields: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait, a day at most; None if no sane time is named.

    The body is finer, but Cloudflare's is in ms; the header shows which.
    """
    in_header = _seconds(_header(headers, "retry-after"))
    if in_header is None:
        in_header = _seconds_until(_header(headers, "retry-after"), _header(headers, "date"))
    in_body = _seconds(fields.get("retry_after"))
    if in_body is None:
        return None if in_header is None else min(in_header, LONGEST_WAIT)
    if in_header is not None and in_body >= 100 and abs(in_body / 1000 - in_header) <= 1:
        in_body /= 1000
    return min(in_body, LONGEST_WAIT)


def _seconds(value: object) -> float | None:
    """Return a number that is not negative, also from its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return inf
    except ValueError:
        return None
    return number if number >= 0 else None


def _seconds_until(date: str | None, now: str | None) -> float | None:
    """Return the seconds from one HTTP date (RFC 9110) to another, both of the server's clock."""
    try:
        until = parsedate_to_datetime(date or "") - parsedate_to_datetime(now or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, until.total_seconds())


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _number(value: object) -> float | None:
    """Return a finite number that is not negative, also from its text; None for anything else."""
    number = _seconds(value)
    return number if number is not None and isfinite(number) else None


def _shown(value: object) -> str:
    """Return a code or field name of the answer, made safe to show."""
    return "".join(char for char in str(value)[:60] if char.isprintable())
