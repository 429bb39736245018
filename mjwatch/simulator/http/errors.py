"""Discord's HTTP answers: errors as values with a status and a JSON body, and other answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from mjwatch.simulator.world import Json


class ApiError(Exception):
    """A request that Discord answers with an error."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def coded(status: int, code: int, message: str) -> ApiError:
    """Return an error with one of Discord's JSON error codes."""
    return ApiError(status, {"message": message, "code": code})


def unauthorized() -> ApiError:
    """Return the error for an invalid token."""
    return coded(401, 0, "401: Unauthorized")


def not_found() -> ApiError:
    """Return the error for an unknown address."""
    return coded(404, 0, "404: Not Found")


def unknown_channel(status: int = 404) -> ApiError:
    """Return the error for an unknown channel; POST /interactions was recorded with 400."""
    return coded(status, 10003, "Unknown Channel")


def unknown_guild(status: int = 404) -> ApiError:
    """Return the error for a guild that does not exist or that the account is not in."""
    return coded(status, 10004, "Unknown Guild")


def invalid_form(path: str, code: str, message: str) -> ApiError:
    """Return 50035 for a field, e.g. ``path`` "data.version"; an empty path is the body itself."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for name in reversed([part for part in path.split(".") if part]):
        errors = {name: errors}
    return ApiError(400, {"message": "Invalid Form Body", "code": 50035, "errors": errors})


def required(path: str) -> ApiError:
    """Return the error for a missing field."""
    return invalid_form(path, "BASE_TYPE_REQUIRED", "This field is required")


def too_long(path: str, limit: int) -> ApiError:
    """Return the error for too long a text."""
    return invalid_form(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def too_small(path: str, limit: int) -> ApiError:
    """Return the error for too small a number."""
    return invalid_form(path, "NUMBER_TYPE_MIN", f"Value should be greater than or equal to {limit}.")


def bad_length(path: str, least: int, most: int) -> ApiError:
    """Return the error for a list with too few or too many items."""
    return invalid_form(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")


def not_a_list(path: str) -> ApiError:
    """Return the error for a value that is not a list."""
    return invalid_form(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")


def not_an_object(path: str) -> ApiError:
    """Return the error for a value that is not an object."""
    return invalid_form(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")


def attachment_not_found(path: str) -> ApiError:
    """Return the error for a file that was never uploaded."""
    return invalid_form(path, "ATTACHMENT_NOT_FOUND", "The attachment was not found.")


def component_gone(path: str = "data.custom_id") -> ApiError:
    """Return the error for a button, select or modal field that no longer exists."""
    return invalid_form(path, "COMPONENT_VALIDATION_FAILED", "Component validation failed")


def unknown_message() -> ApiError:
    """Return the error for a message that does not exist or that this account can't see."""
    return coded(404, 10008, "Unknown Message")


def bad_choice(path: str) -> ApiError:
    """Return the error for a value that is not allowed."""
    return invalid_form(path, "BASE_TYPE_CHOICES", "Value is not one of the choices.")


def not_a_snowflake(path: str, value: object) -> ApiError:
    """Return the error for an id that is not a number."""
    return invalid_form(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


def stale_version() -> ApiError:
    """Return the error for an old version of a command (recorded 2023-06 and later)."""
    return invalid_form(
        "data",
        "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION",
        "This command is outdated, please try again in a few minutes",
    )


def not_permitted() -> ApiError:
    """Return the error for a command that the account may not use in this channel."""
    return invalid_form(
        "data",
        "INTERACTION_APPLICATION_COMMAND_INVALID_PERMISSIONS",
        "You do not have permission to use this command",
    )


def captcha() -> ApiError:
    """Return the error that asks for a captcha (discord-userdoccers, captcha handling)."""
    body: Json = {
        "captcha_key": ["captcha-required"],
        "captcha_service": "hcaptcha",
        "captcha_sitekey": "00000000-0000-0000-0000-000000000000",
        "captcha_rqdata": "simulated",
        "captcha_rqtoken": "simulated",
    }
    return ApiError(400, body)


def rate_limited(retry_after: float, scope: str = "user") -> ApiError:
    """Return 429 as for user accounts: a float in the body, whole seconds in the header."""
    everywhere = scope == "global"
    message = "You are being rate limited." if everywhere else "The resource is being rate limited."
    body: Json = {"global": everywhere, "message": message, "retry_after": retry_after}
    headers = {"Retry-After": str(max(1, round(retry_after))), "X-RateLimit-Scope": scope}
    return ApiError(429, body, headers | ({"X-RateLimit-Global": "true"} if everywhere else {}))


def rate_limited_in_ms(retry_after: float) -> ApiError:
    """Return 429 with milliseconds in the body and seconds in the header (seen by discord.py-self)."""
    seconds = max(1, round(retry_after))
    body: Json = {"global": False, "message": "You are being rate limited.", "retry_after": seconds * 1000}
    return ApiError(429, body, {"Retry-After": str(seconds)})


def not_ready(retry_after: float) -> ApiError:
    """Return 202, the answer is still being prepared: it is not an error, but has the same form."""
    return ApiError(202, {"message": "Not ready", "code": 110000, "retry_after": retry_after})


def server_error() -> ApiError:
    """Return 500, which leaves open whether the request was executed."""
    return coded(500, 0, "500: Internal Server Error")


VIA = {"Via": "1.1 simulator"}
"""Answers of the API itself have Via; clients take answers without it for Cloudflare's."""


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return JSON with a content type of exactly `application/json`, which some clients compare."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers={**VIA, **(headers or {})},
    )


def html_answer(status: int, page: str, retry_after: float | None = None) -> web.Response:
    """Return an HTML page as from a proxy in front of the API: no JSON, and no Via."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return web.Response(status=status, text=page, content_type="text/html", headers=headers)


def empty_answer() -> web.Response:
    """Return 204 without a body."""
    return web.Response(status=204, headers=VIA)


def refused(refusal: ApiError) -> web.Response:
    """Return the answer to a request that Discord refuses."""
    return json_answer(refusal.body, refusal.status, refusal.headers)


def reset_connection(request: web.Request) -> web.Response:
    """Reset the request's TCP connection; the returned answer is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
