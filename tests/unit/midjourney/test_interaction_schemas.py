"""Every posted body is one that Discord accepts; what Discord would refuse is recognized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mjwatch.midjourney.requests import request_for
from mjwatch.model import ButtonPress, Job, Modal, Prompt, UploadedImage
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from tests.helpers.button_shapes import GRID_UUID, extend_buttons, grid_buttons, single_buttons
from tests.helpers.interaction_schemas import BUTTON, COMMANDS, DIRECT, FORM, GUILD, NONCE, Command
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from mjwatch.midjourney.packets import Target

MESSAGE = "1402113344556677444"
FILES = tuple(UploadedImage(f"{n}.png", f"up/{n}.png", None, 1.0) for n in range(5))
LINK = "https://pics.example/a.png"


def body(job: Job, target: Target = GUILD) -> dict[str, Any]:
    order = request_for(job)
    return order.assemble(Command(order.command) if order.command else None, target, NONCE)


def accepts(schema: dict[str, Any], sent: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(sent))


def wanting(command: str, text: str = "", files: int = 0) -> Job:
    names = tuple(one.filename for one in FILES[:files])
    return a_job(prompt=Prompt(text, command=command, images=names), uploads=FILES[:files])


def pressing(custom_id: str, flags: int = 0, modal: Modal | None = None, words: str | None = None) -> Job:
    press = ButtonPress(MESSAGE, custom_id, flags, words=words)
    return a_job(prompt=Prompt("a red cat", action="V1"), button_press=press, modal=modal)


JOBS = {
    "imagine": wanting("imagine", f"kelp {LINK} --ar 3:2"),
    "shorten": wanting("shorten", "kelp forest at night"),
    "show": wanting("show", GRID_UUID),
    "blend": wanting("blend", "--ar 2:3", 5),
    "describe (link)": wanting("describe", LINK),
    "describe (file)": wanting("describe", files=1),
    "prefer suffix": wanting("prefer suffix", "--s 50"),
    **{name: wanting(name) for name in ("prefer remix", "prefer variability", "info", "settings")},
    **{name: wanting(name) for name in ("fast", "relax", "turbo", "public", "stealth")},
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("target", [GUILD, DIRECT], ids=["guild", "direct"])
def test_each_command_is_sent_as_discord_takes_it(name: str, target: Target) -> None:
    Draft202012Validator.check_schema(COMMANDS[name])
    Draft202012Validator(COMMANDS[name]).validate(body(JOBS[name], target))


def test_no_command_is_left_out() -> None:
    with pytest.raises(ValueError, match="there are ") as caught:
        request_for(wanting("x"))
    every = {name.split(" (")[0] for name in COMMANDS}
    assert set(str(caught.value).rpartition("there are ")[2].split(", ")) == every


@pytest.mark.parametrize("files", range(2, 6))
@pytest.mark.parametrize("shape", ["", "--ar 1:1"])
def test_blends_of_any_size_are_taken(files: int, shape: str) -> None:
    assert accepts(COMMANDS["blend"], body(wanting("blend", shape, files)))


def test_every_button_is_sent_as_discord_takes_it() -> None:
    buttons = (*grid_buttons(), *single_buttons(), *single_buttons("v5"), *extend_buttons())
    assert len(buttons) >= len(ON_GRID) + len(ON_PICTURE) - 2
    for button in buttons:
        for target, flags in ((GUILD, 0), (DIRECT, 64)):
            assert accepts(BUTTON, body(pressing(button.custom_id, flags), target)), button


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (f"MJ::RemixModal::{GRID_UUID}::2::1", "MJ::RemixModal::new_prompt"),
        (f"MJ::OutpaintCustomZoomModal::{GRID_UUID}", "MJ::OutpaintCustomZoomModal::prompt"),
        (f"MJ::PanModal::left::{GRID_UUID}", "MJ::PanModal::prompt"),
        (f"MJ::AnimateModal::{GRID_UUID}", "MJ::AnimateModal::prompt"),
        (f"MJ::ImagineModal::{MESSAGE}", "MJ::ImagineModal::new_prompt"),
        ("MJ::Picreader::Modal::2", "MJ::Picreader::Modal::PromptField"),
    ],
)
def test_every_form_is_sent_as_discord_takes_it(form: str, field: str) -> None:
    modal = Modal("1402113344556677555", form, ((field, "a red cat --ar 1:1"),))
    for words in (None, "a blue dog", "--chaos 4"):
        assert accepts(FORM, body(pressing("MJ::x", modal=modal, words=words)))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), st.booleans())
def test_whatever_the_prompt_is_the_body_is_one_that_discord_takes(text: str, direct: bool) -> None:
    try:
        sent = body(wanting("imagine", text), DIRECT if direct else GUILD)
    except ValueError:
        assert not text.strip()
        return
    assert accepts(COMMANDS["imagine"], sent)


def _spoiled(sent: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Return the body with one value changed, or removed if the value is None."""
    key, *rest = path
    spoiled = _spoiled(sent[key], tuple(rest), value) if rest else value
    if isinstance(sent, list):
        return [spoiled if place == key else one for place, one in enumerate(sent)]
    others = {name: one for name, one in sent.items() if name != key}
    return others if spoiled is None else {**others, key: spoiled}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("imagine", ("type",), 3),
        ("imagine", ("session_id",), None),
        ("imagine", ("nonce",), 1402113344556600333),
        ("imagine", ("nonce",), "x" * 30),
        ("imagine", ("guild_id",), ""),
        ("imagine", ("application_id",), "1"),
        ("imagine", ("extra",), True),
        ("imagine", ("data", "version"), None),
        ("imagine", ("data", "type"), 2),
        ("imagine", ("data", "name"), "info"),
        ("imagine", ("data", "attachments"), None),
        ("imagine", ("data", "options"), []),
        ("imagine", ("data", "options", 0, "type"), 11),
        ("imagine", ("data", "options", 0, "name"), "text"),
        ("imagine", ("data", "options", 0, "value"), ""),
        ("imagine", ("data", "options", 0, "value"), "x" * 6001),
        ("blend", ("data", "attachments"), []),
        ("blend", ("data", "options", 1, "name"), "image1"),
        ("blend", ("data", "options", 5, "value"), "--ar 16:9"),
        ("describe (file)", ("data", "options", 0, "value"), 1),
        ("describe (link)", ("data", "options", 0, "value"), "a.png"),
        ("show", ("data", "options", 0, "value"), "7k3f9a2m"),
        ("prefer remix", ("data", "options", 0, "type"), 3),
    ],
)
def test_the_schemas_refuse_what_discord_refuses(
    name: str, path: tuple[str | int, ...], value: object
) -> None:
    sent = body(JOBS[name])
    assert accepts(COMMANDS[name], sent)
    assert not accepts(COMMANDS[name], _spoiled(sent, path, value))
