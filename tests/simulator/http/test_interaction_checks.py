"""Checks of request bodies, against anything a client may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.simulator.http.command_index import COMMANDS, RegisteredCommands
from mjwatch.simulator.http.errors import ApiError
from mjwatch.simulator.http.history import History
from mjwatch.simulator.http.interactions import InteractionChecks
from mjwatch.simulator.messages.modals import Interaction, OpenModals, nonce_of, text_of
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, GUILD_ID, SnowflakeGenerator

if TYPE_CHECKING:
    from mjwatch.simulator.http.validation import SentFile

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("type", "application_id", "guild_id", "channel_id", "session_id", "nonce", "data", "message_id")
DATA = ("id", "version", "name", "type", "options", "attachments", "custom_id")


class _NoUploads:
    def path_of(self, uploaded_filename: object) -> str | None:
        return None

    def store_upload(self, channel_id: str, file: SentFile) -> str:
        raise NotImplementedError


def _checks() -> InteractionChecks:
    return InteractionChecks(RegisteredCommands(SnowflakeGenerator()), History(), _NoUploads(), OpenModals())


def _good() -> dict[str, object]:
    imagine = COMMANDS["imagine"]
    data = {"id": imagine.id, "version": imagine.version, "name": "imagine", "type": 1, "attachments": []}
    data["options"] = [{"type": 3, "name": "prompt", "value": "a red cat"}]
    place = {"application_id": BOT_ID, "guild_id": GUILD_ID, "channel_id": CHANNEL_ID}
    return {"type": 2, "session_id": "s", "nonce": "1", "data": data, **place}


def _outcome(body: object) -> Interaction | ApiError:
    nonce_of(body)
    text_of(body)
    try:
        return _checks().checked(body)
    except ApiError as error:
        assert 400 <= error.status < 500
        assert isinstance(error.body["code"], int)
        return error


def test_a_good_body_becomes_an_interaction() -> None:
    outcome = _outcome(_good())
    assert isinstance(outcome, Interaction)
    assert outcome.option("prompt") == "a red cat"
    assert text_of(_good()) == outcome.text == "imagine a red cat"


@given(JSON)
def test_any_other_body_gets_an_error_of_discord(body: object) -> None:
    assert isinstance(_outcome(body), ApiError)


@given(st.sampled_from(FIELDS), JSON, st.sampled_from([2, 3, 5]))
def test_one_wrong_field_never_breaks_the_checks(field: str, value: object, kind: int) -> None:
    _outcome({**_good(), "type": kind, field: value})


@given(st.sampled_from(DATA), JSON)
def test_one_wrong_field_of_the_data_never_breaks_the_checks(field: str, value: object) -> None:
    good = _good()
    data = good["data"]
    assert isinstance(data, dict)
    data[field] = value
    _outcome(good)


@pytest.mark.parametrize("digits", ["9" * 21, "-1", "1.5", "\u0661" * 30])
def test_an_id_is_twenty_digits_at_most(digits: str) -> None:
    outcome = _outcome({**_good(), "channel_id": digits})
    assert isinstance(outcome, ApiError)
    assert outcome.body["code"] == 50035
