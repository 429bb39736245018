"""A secret does not show, whole or in parts; ordinary words do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.host.redaction import REDACTED, SHORTEST_PART, Redaction

TOKEN = "aW52ZW50ZWQtdXNlcg.Gx1nvT.0123456789_abcdefghijkl"
WEBHOOK = "https://hooks.example.org/services/T000invented/B00invented0secret?key=another0invented"


@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)), st.text(), st.text())
def test_each_part_of_twelve_characters_is_hidden(start: int, end: int, before: str, after: str) -> None:
    part = TOKEN[start:end]
    shown = Redaction([TOKEN]).redacted(f"{before}{part}{after}")
    if len(part) >= SHORTEST_PART:
        assert REDACTED in shown
        assert not any(
            TOKEN[at : at + SHORTEST_PART] in shown for at in range(len(TOKEN) - SHORTEST_PART + 1)
        )


@given(st.text(st.characters(exclude_characters=TOKEN)))
def test_all_other_text_stays(text: str) -> None:
    assert Redaction([TOKEN]).redacted(text) == text


def test_what_stands_around_a_part_stays() -> None:
    redaction = Redaction([TOKEN])
    assert redaction.redacted(f"a {TOKEN} b {TOKEN[5:20]} c") == "a *** b *** c"
    assert redaction.redacted(f"{TOKEN[:12]}") == "***"
    assert redaction.redacted(f"x{TOKEN[-12:]}{TOKEN[:13]}y") == "x***y"
    assert redaction.redacted(f"short: {TOKEN[:11]}") == f"short: {TOKEN[:11]}"


def test_the_host_of_a_secret_address_is_an_ordinary_word() -> None:
    redaction = Redaction([WEBHOOK])
    assert redaction.redacted("the webhook at hooks.example.org answered HTTP 500") == (
        "the webhook at hooks.example.org answered HTTP 500"
    )
    assert "***" in redaction.redacted(f"POST {WEBHOOK} failed")
    assert redaction.redacted("/T000invented/B00invented0secret failed") == "/***/*** failed"


@pytest.mark.parametrize("secret", ["", "short", "http://["])
def test_any_text_can_be_a_secret(secret: str) -> None:
    assert Redaction([secret]).redacted("a short text") in {"a short text", "a *** text"}


def test_a_long_text_is_searched_in_linear_time() -> None:
    redaction, looked_up = Redaction([TOKEN]), 0

    class Text(str):
        def __getitem__(self, at: object) -> str:
            nonlocal looked_up
            looked_up += 1
            return super().__getitem__(at)  # type: ignore[index]

    redaction._without_parts(Text(TOKEN[:11] * 1000))
    assert looked_up < 11_000 * 4
