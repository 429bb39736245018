"""How the bot echoes prompts, by year."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.simulator.messages.profiles import PROFILES
from mjwatch.simulator.messages.prompt_text import echoed, filename_stem, rewritten, unrecognized_parameters

P2024, P2026 = PROFILES["2024"], PROFILES["2026"]


@pytest.mark.parametrize(
    ("prompt", "echo"),
    [
        ("  a   red\tcat ", "a red cat"),
        ("a red cat \u2014v 7", "a red cat --v 7.0"),
        ("a red cat --v 5.2", "a red cat --v 5.2"),
        ("a red cat --v 7 --style raw --no hats, shoes", "a red cat --v 7.0 --no hats, shoes --raw"),
        ("a red cat --s 250 --ar 16:9", "a red cat --ar 16:9 --s 250"),
        ("a red cat --tile", "a red cat --tile"),
        ("a red--cat -- dog", "a red--cat -- dog"),
        ("--v 7", "--v 7.0"),
    ],
)
def test_a_prompt_is_echoed_in_the_bots_own_way(prompt: str, echo: str) -> None:
    assert rewritten(prompt, P2026) == echo


def test_raw_keeps_its_old_spelling_in_older_years() -> None:
    assert rewritten("x --style raw --v 6 --ar 16:9", P2024) == "x --ar 16:9 --v 6.0 --style raw"


def test_links_and_profile_codes_are_shortened_in_the_same_way_each_time() -> None:
    prompt = "https://example.invalid/a.png a cat <https://example.invalid/b.png> --p m6207768150323941526"
    echo = rewritten(prompt, P2026)
    pattern = r"<https://s\.mj\.run/\w{11}> a cat <https://s\.mj\.run/\w{11}> --p [a-z0-9]{7}"
    assert re.fullmatch(pattern, echo)
    assert rewritten(prompt, P2026) == echo


@given(st.text())
def test_rewriting_accepts_any_text_and_does_not_change_its_own_echo(prompt: str) -> None:
    once = rewritten(prompt, P2026)
    assert "\u2014" not in once
    assert len(echoed(once)) <= 1703


def test_a_file_name_holds_the_latin_words_before_the_parameters() -> None:
    stem = filename_stem("ada", "<https://s.mj.run/x> [947] A light, and a sail-boat quarrelled. --s 750")
    assert stem == "ada_947_A_light_and_a_sail-boat_quarrelled."
    assert filename_stem("u7719052846", "a dusty 1960s model railway yard waking late as 3D puppets") == (
        "u7719052846_a_dusty_1960s_model_railway_yard_waking_late_as_3D_"
    )
    assert filename_stem("ada", "灯台と帆船 --v 7") == "ada_"


def test_parameters_with_an_en_dash_are_listed_as_the_bot_lists_them() -> None:
    assert unrecognized_parameters("a cat \u2013v 5 \u2013tile") == "\u2013v, 5, \u2013tile"
    assert unrecognized_parameters("1990\u20132000, a range") is None
