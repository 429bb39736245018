from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.discord.http_errors import LONGEST_WAIT, NOT_READY_WAIT, read_answer
from mjwatch.model import LimitScope, Refusal, RefusalClass

R = RefusalClass


def form(path: str, *codes: str) -> dict[str, Any]:
    """Return a 50035 with these codes at this path."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": "in any language"} for code in codes]}
    for name in reversed(path.split(".")):
        errors = {name: errors}
    return {"code": 50035, "errors": errors, "message": "Corps de formulaire invalide"}


def read(status: int, body: object, **headers: str) -> Refusal:
    refusal = read_answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    assert refusal is not None
    assert refusal.title is None, "only messages of the bot have titles"
    assert refusal.detail
    return refusal


@pytest.mark.parametrize(
    ("status", "body"), [(200, {}), (204, None), (204, ""), (202, {"ok": True}), (201, [1])]
)
def test_a_success_refuses_nothing(status: int, body: object) -> None:
    assert read_answer(status, {}, body) is None


def test_a_stale_version_is_distinguished_from_other_400s() -> None:
    stale = read(400, form("data", "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION"))
    assert (stale.kind, stale.needs_human) == (R.STALE_VERSION, False)
    other = read(400, form("data.options.0.value", "BASE_TYPE_MAX_LENGTH"))
    assert other.kind is R.USER
    assert "data.options.0.value: BASE_TYPE_MAX_LENGTH" in other.detail


def test_a_stale_version_is_found_in_a_list_too() -> None:
    stale = {"_errors": [{"code": "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION"}]}
    for errors in ([stale], {"data": [stale]}, {"data": {"0": stale}}, stale):
        refusal = read_answer(400, {}, {"code": 50035, "errors": errors})
        assert refusal is not None
        assert refusal.kind is RefusalClass.STALE_VERSION


def test_the_localised_text_beside_a_code_decides_nothing() -> None:
    body = {"code": 10008, "message": "Unknown Channel"}
    assert read(404, body).kind is R.USER


@pytest.mark.parametrize(
    ("status", "body", "kind", "needs_human"),
    [
        (400, {"captcha_key": ["captcha-required"], "captcha_sitekey": "x"}, R.ACCOUNT, True),
        (401, {"message": "401: Unauthorized", "code": 0}, R.ACCOUNT, True),
        (401, "<html>", R.ACCOUNT, True),
        (403, {"code": 40001}, R.ACCOUNT, True),
        (403, {"code": 50014}, R.ACCOUNT, True),
        (403, {"code": 40002}, R.ACCOUNT, True),
        (403, {"code": 10008}, R.ACCOUNT, True),
        (404, {"code": 10008}, R.USER, False),
        (400, {"code": 10008}, R.USER, False),
        (400, {"code": 10002}, R.CONFIG, True),
        (404, {"code": 10003}, R.CONFIG, True),
        (400, {"code": 10004}, R.CONFIG, True),
        (400, {"code": 10005}, R.CONFIG, True),
        (403, {"code": 50001}, R.CONFIG, True),
        (403, {"code": 50013}, R.CONFIG, True),
        (400, {"code": 40333, "message": "internal network error"}, R.ACCOUNT, True),
        (403, {"code": 40333}, R.ACCOUNT, True),
        (403, {"code": 240000}, R.MODERATION, False),
        (400, {"code": 200000}, R.MODERATION, False),
        (403, {"code": 20028}, R.RETRY, False),
        (403, {"code": 40004}, R.RETRY, False),
        (403, {"code": 40006}, R.RETRY, False),
        (400, {"code": 40043}, R.RETRY, False),
        (400, form("data", "COMPONENT_VALIDATION_FAILED"), R.USER, False),
        (400, {"code": 50035}, R.USER, False),
        (400, form("data", "INTERACTION_APPLICATION_COMMAND_INVALID_PERMISSIONS"), R.CONFIG, True),
        (400, form("data", "INTERACTION_APPLICATION_COMMAND_UNKNOWN_REASON"), R.CONFIG, True),
        (400, form("data.id", "NUMBER_TYPE_COERCE"), R.CONFIG, True),
        (400, form("channel_id", "NUMBER_TYPE_COERCE"), R.CONFIG, True),
        (400, form("data.options.0.value", "INTERACTION_APPLICATION_COMMAND_OPTION_INVALID"), R.USER, False),
        (400, form("files.0.file_size", "NUMBER_TYPE_MAX"), R.USER, False),
        (403, {"code": 99999}, R.ACCOUNT, True),
        (403, "<html>Attention Required! | Cloudflare</html>", R.ACCOUNT, True),
        (404, "not here", R.CONFIG, True),
        (302, "", R.CONFIG, True),
        (500, {"message": "500: Internal Server Error", "code": 0}, R.TRANSIENT, False),
        (503, {"code": 130000}, R.TRANSIENT, False),
        (502, "<html>Bad gateway</html>", R.TRANSIENT, False),
        (408, None, R.TRANSIENT, False),
        (400, {"code": 99999}, None, False),
        (418, None, None, False),
    ],
)
def test_each_answer_has_its_class(
    status: int, body: object, kind: RefusalClass | None, needs_human: bool
) -> None:
    refusal = read(status, body)
    assert (refusal.kind, refusal.needs_human) == (kind, needs_human)


def test_a_captcha_is_known_by_status_and_key_together() -> None:
    assert read(400, {"captcha_key": ["x"]}).kind is R.ACCOUNT
    assert read(500, {"captcha_key": ["x"]}).kind is R.TRANSIENT
    assert read_answer(200, {}, {"captcha_key": None}) is None


def test_a_rate_limit_says_how_long_to_wait() -> None:
    refusal = read(429, {"global": False, "retry_after": 2.06}, Retry_After="3")
    assert (refusal.kind, refusal.retry_after, refusal.needs_human) == (R.RETRY, 2.06, False)


SLOW: dict[str, object] = {"retry_after": 2.0, "global": False}
S = LimitScope


@pytest.mark.parametrize(
    ("status", "body", "headers", "scope"),
    [
        (429, SLOW, {"Via": "1.1 google"}, S.ROUTE),
        (429, SLOW, {"X_RateLimit_Scope": "shared"}, S.ROUTE),
        (429, SLOW, {"X_RateLimit_Scope": "global"}, S.GLOBAL),
        (429, SLOW | {"global": True}, {}, S.GLOBAL),
        (429, {"message": "no time is named"}, {"Via": "1.1 google"}, S.ROUTE),
        (429, "error code: 1015", {"Retry_After": "3600"}, S.ADDRESS),
        (429, "error code: 1015", {}, None),  # a person must look
        (403, SLOW | {"code": 20028}, {}, S.ROUTE),
        (400, {"code": 40043}, {}, None),
        (202, {"code": 110000}, {}, S.ROUTE),
        (503, "", {"Retry_After": "94"}, S.ROUTE),
        (503, "", {}, None),
    ],
)
def test_a_limit_says_to_what_it_applies(
    status: int, body: object, headers: dict[str, str], scope: LimitScope | None
) -> None:
    assert read(status, body, **headers).scope is scope


def test_the_status_and_the_code_tell_one_http_error_from_another() -> None:
    assert read(418, None).http_error == "HTTP 418"
    assert read(400, {"code": 50035}).http_error == "HTTP 400, code 50035"


@pytest.mark.parametrize(
    ("in_body", "in_header", "seconds"),
    [
        (2060, "2", 2.06),
        (2060, "3", 2.06),
        (500, "1", 0.5),
        (900, "900", 900),
        (1.0, "1", 1.0),
        (120.5, None, 120.5),
        (None, "7", 7.0),
        ("4.5", None, 4.5),
        (-3, None, None),
        (float("nan"), None, None),
        (float("nan"), "7", 7.0),
        ("NaN", "-7", None),
        (None, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        (1e9, None, LONGEST_WAIT),
        (1e30, None, LONGEST_WAIT),
        (float("inf"), None, LONGEST_WAIT),
        (10**400, None, LONGEST_WAIT),
        ("1e30", None, LONGEST_WAIT),
        (None, "99999999999999999999", LONGEST_WAIT),
        (3_600_000, "3600", 3600),
        (86_401_000, "86401", LONGEST_WAIT),
        ([], None, None),
        (True, None, None),
    ],
)
def test_milliseconds_in_the_body_are_recognised_by_the_header(
    in_body: object, in_header: str | None, seconds: float | None
) -> None:
    headers = {} if in_header is None else {"RETRY-AFTER": in_header}
    refusal = read_answer(429, headers, {"retry_after": in_body})
    assert refusal is not None
    assert (refusal.kind, refusal.retry_after) == (R.RETRY, seconds)


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", LONGEST_WAIT),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("soon", None),
    ],
)
def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(until: str, seconds: float | None) -> None:
    headers = {"Retry-After": until, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    refusal = read_answer(429, headers, {"global": False})
    assert refusal is not None
    assert refusal.retry_after == seconds


def test_a_404_names_what_to_check() -> None:
    assert "channel id" in read(404, {"message": "404: Not Found", "code": 0}).detail
    assert "api_url" in read(404, "<html>").detail


def test_a_missing_permission_says_what_to_change_in_the_server() -> None:
    detail = read(400, form("data", "INTERACTION_APPLICATION_COMMAND_INVALID_PERMISSIONS")).detail
    assert "Use Application Commands" in detail
    assert "Integrations" in detail


def test_a_rate_limit_names_its_scope() -> None:
    assert "all requests" in read(429, {"global": True, "retry_after": 1}).detail
    assert "shared with other users" in read(429, {"retry_after": 1}, X_RateLimit_Scope="shared").detail
    assert "this request" in read(429, {"retry_after": 1}, X_RateLimit_Scope="user").detail


@pytest.mark.parametrize(
    ("body", "headers", "scope"),
    [
        ({"retry_after": 1, "global": False}, {}, LimitScope.ROUTE),
        ({"retry_after": 1}, {"X-RateLimit-Scope": "user"}, LimitScope.ROUTE),
        ({"retry_after": 1}, {"x-ratelimit-scope": "shared"}, LimitScope.ROUTE),
        ({"retry_after": 1}, {"Via": "1.1 google"}, LimitScope.ROUTE),
        ({"retry_after": 1, "global": True}, {}, LimitScope.GLOBAL),
        ({"retry_after": 1}, {"X-RateLimit-Scope": "Global"}, LimitScope.GLOBAL),
        ({"retry_after": 1}, {"X-RATELIMIT-GLOBAL": "true"}, LimitScope.GLOBAL),
        ({"retry_after": 1}, {}, LimitScope.ADDRESS),
        ("<html>", {"Retry-After": "3600"}, LimitScope.ADDRESS),
    ],
)
def test_the_scope_of_a_rate_limit_is_a_field(
    body: object, headers: dict[str, str], scope: LimitScope
) -> None:
    refusal = read_answer(429, headers, body)
    assert refusal is not None
    assert refusal.scope is scope


def test_only_rate_limits_have_a_scope() -> None:
    assert read(403, {"code": 50013}).scope is None
    assert read(500, "").scope is None
    assert read(403, {"code": 20028, "retry_after": 1}).scope is LimitScope.ROUTE
    assert read(202, {"code": 110000}).scope is LimitScope.ROUTE


def test_a_429_without_json_and_without_a_time_is_a_block_of_the_address() -> None:
    blocked = read(429, "error code: 1015")
    assert (blocked.kind, blocked.needs_human) == (R.ACCOUNT, True)
    limited = read(429, "<html>slow down</html>", retry_after="30")
    assert (limited.kind, limited.needs_human, limited.retry_after) == (R.RETRY, False, 30.0)


def test_an_index_that_is_not_ready_is_worth_another_try() -> None:
    assert read(202, {"code": 110000, "retry_after": 2}).retry_after == 2
    assert read(202, {"code": 110000}).retry_after == NOT_READY_WAIT


def test_undecoded_json_is_decoded_first() -> None:
    assert read(400, '{"code": 10004}').kind is R.CONFIG
    assert read(400, b'{"captcha_key": []}').kind is R.ACCOUNT


def test_field_names_and_codes_are_made_safe_to_show() -> None:
    detail = read(400, form("data\x1b[31m", "BAD\nCODE" + "x" * 500)).detail
    assert "\x1b" not in detail
    assert "\n" not in detail
    assert len(detail) < 250


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["code", "errors", "_errors", "retry_after", "global"]), inner
        )
    ),
)


@given(st.integers(0, 999), st.dictionaries(st.text(), st.text()), JSON | st.binary())
def test_every_answer_can_be_read(status: int, headers: dict[str, str], body: object) -> None:
    refusal = read_answer(status, headers, body)
    if refusal and refusal.retry_after is not None:
        assert 0 <= refusal.retry_after <= LONGEST_WAIT
