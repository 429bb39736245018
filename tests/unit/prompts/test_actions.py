"""The names of follow-ups: every spelling that people use becomes the canonical one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.prompts.actions import (
    ON_GRID,
    ON_PICTURE,
    canonical,
    expand_then,
    jobs_for,
    split_number,
    takes_text,
    zoom_factor,
)


@pytest.mark.parametrize("name", [*ON_GRID, *ON_PICTURE])
def test_each_name_is_its_own_spelling(name: str) -> None:
    assert canonical(name) == canonical(name.upper()) == canonical(f"  {name} ") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("u1", "U1"),
        ("V 4", "V4"),
        ("Reroll", "reroll"),
        ("Vary (Strong)", "vary strong"),
        ("vary_subtle", "vary subtle"),
        ("vary  strong 3", "vary strong 3"),
        ("Upscale (2x)", "upscale 2x"),
        ("upscale 4x 2", "upscale 4x 2"),
        ("pan-left", "pan left"),
        ("Make Square", "square"),
        ("square 4", "square 4"),
        ("Animate (High motion)", "animate high"),
        ("Extend (Low motion)", "extend low"),
        ("Zoom Out 2x", "zoom 2x"),
        ("zoom 2", "zoom 2x"),
        ("zoom 1.5x 3", "zoom 1.5x 3"),
        ("zoom 1.80", "zoom 1.8x"),
        ("zoom 1 2", "zoom 1x 2"),
        ("zoom 1.", "zoom 1x"),
    ],
)
def test_spellings_that_people_use_are_understood(text: str, name: str) -> None:
    assert canonical(text) == name
    assert canonical(name) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("U5", "did you mean U"),
        ("vary strog", "did you mean vary strong?"),
        ("vary", "did you mean vary "),
        ("pan lef", "did you mean pan left?"),
        ("rerol", "did you mean reroll?"),
        ("upscale 3", "did you mean U3?"),
        ("variation 2", "did you mean V2?"),
        ("vary region", "drawn by hand"),
        ("vary strong 5", "there is no follow-up"),
        ("reroll 2", "there is no follow-up"),
        ("U1 2", "there is no follow-up"),
        ("zoom 3", "zoom 3x is not possible"),
        ("zoom 0.5x", "zoom 0.5x is not possible"),
        ("zoom 99999999999999999999", "is not possible"),
        ("zoom", "did you mean zoom"),
        ("", 'there is no follow-up ""'),
        ("Cancel Job", "there is no follow-up"),
        ("\x1b[31m", "there is no follow-up"),
    ],
)
def test_other_names_are_refused_with_what_was_probably_meant(text: str, message: str) -> None:
    with pytest.raises(PromptFileError) as caught:
        canonical(text)
    assert message in caught.value.message
    assert caught.value.hint


def test_all_stands_for_the_four_pictures_and_nothing_is_done_twice() -> None:
    assert expand_then(["vary strong", "All", "u3", "Vary (Strong)", "reroll"]) == (
        *("vary strong", "U1", "U2", "U3", "U4", "reroll"),
    )
    assert expand_then([]) == ()


def test_the_number_of_a_picture_comes_off_and_that_of_a_button_stays() -> None:
    assert split_number("vary strong 3") == ("vary strong", 3)
    assert split_number("square 1") == ("square", 1)
    assert split_number("zoom 1x 2") == ("zoom 1x", 2)
    assert {split_number(name)[1] for name in (*ON_GRID, *ON_PICTURE)} == {None}


@pytest.mark.parametrize(
    ("then", "after", "jobs"),
    [
        ((), None, 0),
        (("U1", "V2", "reroll"), None, 3),
        (("vary strong",), None, 2),
        (("U1", "vary strong", "zoom 1.7x"), None, 3),
        (("vary strong 2", "square 2", "pan left 3"), None, 5),
        (("U1", "U2", "U3", "U4", "vary strong", "zoom 2x"), None, 6),
        (("vary strong",), "reroll", 2),
        (("vary strong", "upscale 2x"), "U3", 2),
        (("zoom 2x",), "upscale subtle", 1),
    ],
)
def test_a_picture_that_must_be_upscaled_first_is_counted(
    then: tuple[str, ...], after: str | None, jobs: int
) -> None:
    assert jobs_for(then, after) == jobs


def test_a_zoom_has_a_factor_and_nothing_else_has() -> None:
    assert [zoom_factor(name) for name in ("zoom 2x", "zoom 1.75x 3", "pan left")] == [2.0, 1.75, None]


def test_a_new_text_is_possible_only_where_there_is_a_form_for_it() -> None:
    without = [name for name in (*ON_GRID, *ON_PICTURE) if not takes_text(name)]
    assert without == [
        *("U1", "U2", "U3", "U4"),
        *("upscale subtle", "upscale creative", "upscale 2x", "upscale 4x", "square"),
    ]


@given(st.text(max_size=30) | st.floats().map("zoom {}".format))
def test_any_text_is_a_name_or_a_prompt_file_error(text: str) -> None:
    try:
        name = canonical(text)
    except PromptFileError as error:
        assert error.hint
        return
    assert canonical(name) == name
