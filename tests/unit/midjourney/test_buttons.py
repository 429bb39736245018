"""Which button of a message does the follow-up that is asked for."""

from __future__ import annotations

import pytest

from mjwatch.midjourney.buttons import CUSTOM_ZOOM, explain_missing, find_button, name_of, opens_form
from mjwatch.model import Button
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from tests.helpers.button_shapes import GRID_UUID, extend_buttons, grid_buttons, single_buttons, video_buttons

U = GRID_UUID


def found(action: str, buttons: tuple[Button, ...]) -> str | None:
    button = find_button(action, buttons)
    return button.custom_id if button else None


@pytest.mark.parametrize(
    ("action", "custom_id"),
    [
        ("U1", f"MJ::JOB::upsample::1::{U}"),
        ("U4", f"MJ::JOB::upsample::4::{U}"),
        ("V3", f"MJ::JOB::variation::3::{U}"),
        ("reroll", f"MJ::JOB::reroll::0::{U}::SOLO"),
        ("vary strong", None),
        ("zoom 2x 3", None),
    ],
)
def test_a_grid_has_its_four_pictures_and_the_whole(action: str, custom_id: str | None) -> None:
    assert found(action, grid_buttons()) == custom_id


@pytest.mark.parametrize(
    ("action", "custom_id"),
    [
        ("vary subtle", f"MJ::JOB::low_variation::1::{U}::SOLO"),
        ("vary strong", f"MJ::JOB::high_variation::1::{U}::SOLO"),
        ("vary strong 3", f"MJ::JOB::high_variation::1::{U}::SOLO"),
        ("zoom 2x", f"MJ::Outpaint::50::1::{U}::SOLO"),
        ("zoom 1.5x 4", f"MJ::Outpaint::75::1::{U}::SOLO"),
        ("zoom 1.8x", f"MJ::CustomZoom::{U}"),
        ("square", f"MJ::Outpaint::100::1::{U}::SOLO"),
        ("pan left", f"MJ::JOB::pan_left::1::{U}::SOLO"),
        ("pan down", f"MJ::JOB::pan_down::1::{U}::SOLO"),
        ("animate low", f"MJ::JOB::animate_low::1::{U}::SOLO"),
        ("animate high", f"MJ::JOB::animate_high::1::{U}::SOLO"),
        ("U1", None),
        ("reroll", None),
        ("extend low", None),
    ],
)
def test_a_single_picture_offers_zoom_pan_and_animate_but_no_grid_buttons(
    action: str, custom_id: str | None
) -> None:
    assert found(action, single_buttons()) == custom_id


@pytest.mark.parametrize("version", ["v6_2x", "v6r1_2x", "v7_2x", "v8_2x", "v9r2_3x_new"])
def test_upscalers_of_any_version_are_found(version: str) -> None:
    for how in ("subtle", "creative"):
        expected = f"MJ::JOB::upsample_{version}_{how}::1::{U}::SOLO"
        assert found(f"upscale {how}", single_buttons(version)) == expected
        assert find_button("upscale 2x", single_buttons(version)) is None


def test_the_upscalers_of_version_5_have_numbers() -> None:
    for how in ("2x", "4x"):
        assert found(f"upscale {how}", single_buttons("v5")) == f"MJ::JOB::upsample_v5_{how}::1::{U}::SOLO"
    assert find_button("upscale subtle", single_buttons("v5")) is None


def test_a_video_has_four_pictures_of_its_own_and_is_extended() -> None:
    assert found("U2", video_buttons()) == f"MJ::JOB::video_virtual_upscale::2::{U}"
    assert found("extend high", extend_buttons()) == f"MJ::JOB::animate_high_extend::1::{U}"
    assert found("extend high 2", extend_buttons()) == f"MJ::JOB::animate_high_extend::2::{U}"
    assert found("extend low 3", extend_buttons()) is None
    assert found("animate low 2", extend_buttons()) == f"MJ::JOB::animate_low_extend::2::{U}"


def test_a_used_button_is_the_same_button() -> None:
    used = Button(f"MJ::JOB::upsample_v6r1_2x_subtle::1::{U}::SOLO", "Redo Upscale (Subtle)")
    assert find_button("upscale subtle", [used]) == used


def test_the_redo_buttons_of_old_single_pictures_are_no_u1_or_v1() -> None:
    old = [Button(f"MJ::JOB::{verb}::1::{U}::SOLO") for verb in ("upsample", "variation")]
    assert find_button("U1", old) is None
    assert find_button("V1", old) is None


@pytest.mark.parametrize(
    ("label", "action"),
    [
        ("U3", "U3"),
        ("\U0001f504", "reroll"),
        ("Vary (Strong)", "vary strong"),
        ("Redo Upscale (Creative)", "upscale creative"),
        ("Upscale (4x)", "upscale 4x"),
        ("Zoom Out 1.5x", "zoom 1.5x"),
        ("Make Square", "square"),
        ("\u2b06\ufe0f", "pan up"),
        ("Animate (High motion)", "animate high"),
    ],
)
def test_the_label_counts_where_the_custom_id_is_of_no_known_form(label: str, action: str) -> None:
    button = Button("MJ::Job2::doit::0::now", label)
    assert find_button(action, [button]) == button
    assert find_button(action, [Button(f"MJ::BOOKMARK::{U}", label)]) is None
    assert find_button(action, [Button("Other::thing", label)]) is None


def test_a_label_does_not_make_another_button_of_a_known_one() -> None:
    assert find_button("vary strong", [Button(f"MJ::Inpaint::1::{U}::SOLO", "Vary (Strong)")]) is None


def test_every_follow_up_that_has_a_name_is_found_somewhere() -> None:
    everywhere = (*grid_buttons(), *single_buttons(), *single_buttons("v5"), *extend_buttons())
    assert [name for name in (*ON_GRID, *ON_PICTURE) if find_button(name, everywhere) is None] == []


def test_the_text_says_which_buttons_a_message_has_instead() -> None:
    text = explain_missing("vary strong", grid_buttons())
    assert "`vary strong`" in text
    assert "U1 to U4 first" in text
    assert text.endswith("Its buttons: U1, U2, U3, U4, reroll, V1, V2, V3, V4")
    single = explain_missing("U2", single_buttons())
    assert "first" not in single
    assert CUSTOM_ZOOM in single
    assert explain_missing("U1", [Button(f"MJ::BOOKMARK::{U}")]).endswith(
        "any other follow-up that mjwatch knows"
    )


def test_only_custom_zoom_opens_a_form_always() -> None:
    opening = [one.custom_id for one in (*grid_buttons(), *single_buttons()) if opens_form(one.custom_id)]
    assert opening == [f"MJ::CustomZoom::{U}"]
    assert not opens_form("nonsense")


def test_buttons_that_are_no_follow_ups_have_no_name() -> None:
    for custom_id in (f"MJ::CancelJob::ByJobid::{U}", f"MJ::BOOKMARK::{U}", "MJ::Prompts::Appeal::x", "x"):
        assert name_of(Button(custom_id, "Do it")) is None
