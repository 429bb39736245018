"""From a job to what is posted for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.midjourney.packets import FIELD_LIMIT
from mjwatch.midjourney.requests import request_for
from mjwatch.model import ButtonPress, Job, Modal, Prompt, UploadedImage
from tests.helpers.button_shapes import GRID_UUID, done_job, pressed_job, single_buttons
from tests.helpers.interaction_schemas import APP, DIRECT, GUILD, NONCE, Command
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "MJ::RemixModal::99999999-0000-4000-8000-000000000009::1::1"
ZOOM_FORM = f"MJ::OutpaintCustomZoomModal::{GRID_UUID}"


def wanting(command: str, text: str = "", *uploads: UploadedImage, **prompt: Any) -> Job:
    images = tuple(one.filename for one in uploads)
    return a_job(prompt=Prompt(text, command=command, images=images, **prompt), uploads=uploads)


def as_link(name: str) -> UploadedImage:
    return UploadedImage(
        name, None, f"https://cdn.discordapp.com/attachments/1/2/{name}?ex=1&is=1&hm=1&", 1.0
    )


def as_file(name: str) -> UploadedImage:
    return UploadedImage(name, f"up/{name}", None, 1.0)


def data(job: Job) -> Mapping[str, Any]:
    request = request_for(job)
    command = Command(request.command) if request.command else None
    body: Mapping[str, Any] = request.assemble(command, GUILD, NONCE)["data"]
    return body


def value(job: Job) -> str:
    """Return the text in the prompt's field of a form."""
    inputs = [row["components"][0] for row in data(job)["components"]]
    return str(next(one["value"] for one in inputs if one["custom_id"].lower().endswith("prompt")))


def in_form(
    action: str, own: str, words: str | None = None, form: str = FORM, *extra: tuple[str, str]
) -> Job:
    field = form.rpartition("Modal")[0].replace(GRID_UUID, "") + "Modal::new_prompt"
    press = ButtonPress("550", f"MJ::JOB::variation::1::{GRID_UUID}", words=words)
    modal = Modal("812", form, ((field, own), *extra))
    return a_job(
        prompt=Prompt("a red cat", action=action), button_press=press, modal=modal, parent="parent22"
    )


def test_an_imagine_puts_uploaded_pictures_in_front_of_the_words() -> None:
    one, two = as_link("one.png"), as_link("two.png")
    sent = data(wanting("imagine", "kelp forest --ar 3:2", one, two))
    assert sent["options"] == [
        {"type": 3, "name": "prompt", "value": f"{one.url} {two.url} kelp forest --ar 3:2"}
    ]
    assert sent["name"] == request_for(wanting("imagine", "kelp")).command == "imagine"


def test_pictures_that_are_not_uploaded_yet_or_in_another_way_are_an_error() -> None:
    missing = a_job(prompt=Prompt("kelp", images=("a.png",)))
    for job, words in (
        (missing, "not uploaded yet"),
        (wanting("imagine", "kelp", as_file("a.png")), "a.png has no link"),
        (wanting("describe", "", as_link("a.png")), "a.png is not uploaded as a file"),
    ):
        with pytest.raises(ValueError, match=words):
            request_for(job)


def test_describe_takes_one_picture_as_file_or_link() -> None:
    assert data(wanting("describe", "", as_file("a.png")))["attachments"] == [
        {"id": "0", "filename": "a.png", "uploaded_filename": "up/a.png"}
    ]
    assert data(wanting("describe", "https://pics.example/a.png"))["options"] == [
        {"type": 3, "name": "link", "value": "https://pics.example/a.png"}
    ]
    for job in (wanting("describe"), wanting("describe", "https://pics.example/a.png", as_file("a.png"))):
        with pytest.raises(ValueError, match="takes one picture"):
            request_for(job)


@pytest.mark.parametrize(
    ("text", "dimensions"), [("", None), ("--ar 2:3", "--ar 2:3"), ("--aspect 1:1", "--ar 1:1")]
)
def test_blend_takes_files_and_an_aspect_ratio(text: str, dimensions: str | None) -> None:
    options = data(wanting("blend", text, as_file("a.png"), as_file("b.png")))["options"]
    shapes = [one["value"] for one in options if one["name"] == "dimensions"]
    assert shapes == ([dimensions] if dimensions else [])
    assert [one["name"] for one in options[:2]] == ["image1", "image2"]


@pytest.mark.parametrize("count", [0, 1, 6])
def test_blend_takes_two_to_five_pictures(count: int) -> None:
    with pytest.raises(ValueError, match="two to five"):
        request_for(wanting("blend", "", *(as_file(f"{n}.png") for n in range(count))))


@pytest.mark.parametrize("text", ["a cat", "--ar 16:9", "https://pics.example/a.png"])
def test_blend_takes_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="no text"):
        request_for(wanting("blend", text, as_file("a.png"), as_file("b.png")))


@pytest.mark.parametrize("name", ["info", "settings", "fast", "relax", "turbo", "public", "stealth"])
def test_commands_without_options_have_none(name: str) -> None:
    assert data(wanting(name))["options"] == []
    assert request_for(wanting(name)).command == name


def test_preferences_are_sub_commands() -> None:
    assert request_for(wanting("prefer remix")).command == "prefer"
    assert data(wanting("prefer remix"))["options"] == [{"type": 1, "name": "remix", "options": []}]
    assert data(wanting("prefer suffix", "--s 50"))["options"] == [
        {"type": 1, "name": "suffix", "options": [{"type": 3, "name": "new_value", "value": "--s 50"}]}
    ]
    assert data(wanting("prefer suffix"))["options"][0]["options"] == []
    with pytest.raises(ValueError, match="takes no text"):
        request_for(wanting("prefer remix", "on"))


def test_show_takes_midjourneys_own_id() -> None:
    assert data(wanting("show", GRID_UUID.upper()))["options"] == [
        {"type": 3, "name": "job_id", "value": GRID_UUID}
    ]
    with pytest.raises(ValueError, match="Midjourney's own job id"):
        request_for(wanting("show", "7k3f9a2m"))


@pytest.mark.parametrize("name", ["imagined", "prefer", "prefer all", "", "subscribe"])
def test_the_error_for_an_unknown_command_lists_the_commands(name: str) -> None:
    with pytest.raises(ValueError, match="there are imagine, blend, describe"):
        request_for(wanting(name, "kelp"))


def test_a_command_needs_its_entry_of_the_index_and_a_button_does_not() -> None:
    with pytest.raises(ValueError, match="command index"):
        request_for(wanting("info")).assemble(None, GUILD, NONCE)
    request = request_for(pressed_job("U3"))
    assert request.command is None
    assert request.assemble(None, DIRECT, NONCE) == {
        "type": 3,
        "application_id": APP,
        "channel_id": DIRECT.channel_id,
        "session_id": DIRECT.session_id,
        "nonce": NONCE,
        "message_flags": 0,
        "message_id": "550",
        "data": {"component_type": 2, "custom_id": f"MJ::JOB::upsample::3::{GRID_UUID}"},
    }


def test_a_form_is_submitted_with_its_own_text_or_with_a_new_one() -> None:
    own = "<https://s.mj.run/x> a red cat --ar 3:2"
    assert value(in_form("V1", own)) == own
    assert value(in_form("V1", own, "a blue dog")) == "a blue dog"
    assert value(in_form("V1", own, "--chaos 40")) == f"{own} --chaos 40"
    sent = data(in_form("V1", own))
    assert (sent["id"], sent["custom_id"]) == ("812", FORM)
    assert sent["components"] == [
        {"type": 1, "components": [{"type": 4, "custom_id": "MJ::RemixModal::new_prompt", "value": own}]}
    ]


def test_fields_beside_the_prompt_are_submitted_unchanged() -> None:
    job = in_form("V1", "a red cat", "a blue dog", FORM, ("MJ::RemixModal::other", "7"))
    values = [row["components"][0]["value"] for row in data(job)["components"]]
    assert values == ["a blue dog", "7"]


@pytest.mark.parametrize(
    ("own", "words", "expected"),
    [
        ("a red cat --ar 1:1 --zoom 2", None, "a red cat --ar 1:1 --zoom 1.8"),
        ("a red cat --zoom 2 --ar 1:1", None, "a red cat --ar 1:1 --zoom 1.8"),
        ("a red cat", None, "a red cat --zoom 1.8"),
        ("a red cat --ar 1:1 --zoom 2", "a blue dog", "a blue dog --zoom 1.8"),
        ("a red cat --zoom 2", "--ar 3:2", "a red cat --ar 3:2 --zoom 1.8"),
        ("a --zoomed cat --zoom", None, "a --zoomed cat --zoom 1.8"),
    ],
)
def test_custom_zoom_says_how_far(own: str, words: str | None, expected: str) -> None:
    assert value(in_form("zoom 1.8x", own, words, ZOOM_FORM)) == expected


def test_a_plain_zoom_in_remix_mode_gets_no_factor() -> None:
    assert value(in_form("zoom 2x", "a red cat --ar 1:1")) == "a red cat --ar 1:1"


def test_a_form_without_a_prompt_or_with_too_much_text_is_an_error() -> None:
    empty = pressed_job("zoom 1.8x", parent=done_job(single_buttons()), modal=Modal("812", FORM, ()))
    with pytest.raises(ValueError, match="no field for a prompt"):
        request_for(empty)
    with pytest.raises(ValueError, match=str(FIELD_LIMIT)):
        request_for(in_form("V1", "x", "x" * (FIELD_LIMIT + 1)))
