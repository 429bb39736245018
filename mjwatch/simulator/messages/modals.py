"""Accepted interactions, and modals: the forms that a press opens, and their submission.

An interaction is a command, a press of a button or select, or a submitted modal.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL
from mjwatch.simulator.http import errors
from mjwatch.simulator.http.validation import checked_custom_id, objects
from mjwatch.simulator.world import BOT_ID, USER_ID, SimulatedChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.world import Json


TEXT_INPUT = 4
"""The component type (discord-api-docs, component reference)."""

MODAL_LIFETIME = 900.0
"""Seconds in which a modal can be submitted: the lifetime of an interaction's token (discord-api-docs)."""
MODALS_KEPT = 1000
FIELD_MAX = 4000

_DIRECTION = re.compile(r"pan_(left|right|up|down)")
_STRENGTHS = {"low_variation": 0, "high_variation": 1, "variation": 1, "reroll": 1}


@dataclass(frozen=True, slots=True)
class ModalForm:
    """One form, with one field for a prompt."""

    custom_id: str
    title: str
    field: str
    """The field's custom_id."""
    label: str
    value: str
    """The field's initial content."""

    def row(self) -> list[Json]:
        """Return the form's row with its field."""
        return [
            {
                "type": TEXT_INPUT,
                "custom_id": self.field,
                "label": self.label,
                "style": 2,
                "min_length": 1,
                "max_length": FIELD_MAX,
                "required": True,
                "value": self.value[:FIELD_MAX],
            }
        ]


@dataclass(frozen=True, slots=True)
class OpenModal:
    """A form that is open in a client."""

    id: str
    """The id of the interaction that opened it."""
    form: ModalForm
    press: Interaction


class OpenModals:
    """The modals that can still be submitted, each once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[float, OpenModal]] = OrderedDict()

    def open(self, press: Interaction, form: ModalForm) -> OpenModal:
        """Open a form for a press and return the modal."""
        modal = OpenModal(press.id, form, press)
        self._open[modal.id] = self._clock() + MODAL_LIFETIME, modal
        if len(self._open) > MODALS_KEPT:
            self._open.popitem(last=False)
        return modal

    def find(self, modal_id: str) -> OpenModal | None:
        """Return the modal with this id, if it can still be submitted."""
        until, modal = self._open.get(modal_id, (0.0, None))
        return modal if until > self._clock() else None

    def close(self, modal: OpenModal) -> None:
        """Remove a modal, because it was submitted or has expired."""
        self._open.pop(modal.id, None)

    def clear(self) -> None:
        """Remove all modals."""
        self._open.clear()


def form_for_press(custom_id: str, prompt: str, *, numbered_pans: bool) -> ModalForm | None:
    """Return the form that a button opens, always or in remix mode; None for buttons that never open one.

    The custom_ids are those that other clients answer; no modal of the bot has been recorded.
    """
    _, group, *rest = [*custom_id.split("::"), "", "", ""]
    if group == "CustomZoom":
        name = "MJ::OutpaintCustomZoomModal"
        zoom = f"{prompt} --zoom 2"
        return ModalForm(f"{name}::{rest[0]}", "Zoom Out", f"{name}::prompt", "Prompt", zoom)
    if group != "JOB":
        return None
    action, number, job = rest[0], rest[1], rest[2]
    if action in _STRENGTHS:
        name, label = "MJ::RemixModal", f"New prompt for image #{number}"
        custom_id = f"{name}::{job}::{number}::{_STRENGTHS[action]}"
        return ModalForm(custom_id, "Remix Prompt", f"{name}::new_prompt", label, prompt)
    if found := _DIRECTION.fullmatch(action):
        suffix = f"::{number}" if numbered_pans else ""
        name, title = "MJ::PanModal", f"Pan {found[1].capitalize()}"
        return ModalForm(f"{name}::{found[1]}::{job}{suffix}", title, f"{name}::prompt", "Prompt", prompt)
    if action.startswith("animate_"):
        name = "MJ::AnimateModal"
        return ModalForm(f"{name}::{action}::{number}::{job}", "Animate", f"{name}::prompt", "Prompt", prompt)
    return None


def form_for_text(custom_id: str, message_id: str, prompt: str) -> ModalForm:
    """Return the form that a number below a description or a shortened prompt opens in remix mode."""
    if "PicReader" in custom_id:
        name, number = "MJ::Picreader::Modal", custom_id.rpartition("::")[2]
        return ModalForm(f"{name}::{number}", "Imagine", f"{name}::PromptField", "Prompt", prompt)
    name = "MJ::ImagineModal"
    return ModalForm(f"{name}::{message_id}", "Imagine", f"{name}::new_prompt", "Prompt", prompt)


def checked_field_text(data: Json, form: ModalForm) -> str:
    """Return the text in the form's field. Raise `ApiError` with Discord's answer."""
    if checked_custom_id(data) != form.custom_id:
        raise errors.component_gone()
    rows = data.get("components")
    if not isinstance(rows, list) or len(objects(rows)) != len(rows):
        raise errors.not_a_list("data.components")
    if not rows:
        raise errors.required("data.components")
    text = None
    for position, row in enumerate(rows):
        path = f"data.components.{position}.components"
        if row.get("type") != 1:
            raise errors.bad_choice(f"data.components.{position}.type")
        fields = row.get("components")
        if not isinstance(fields, list) or len(fields) != 1 or not isinstance(fields[0], dict):
            raise errors.bad_length(path, 1, 1)
        text = _checked_field(fields[0], form, f"{path}.0")
    return text or ""


def _checked_field(field: Json, form: ModalForm, path: str) -> str:
    if field.get("type") != TEXT_INPUT:
        raise errors.bad_choice(f"{path}.type")
    if checked_custom_id(field, f"{path}.custom_id") != form.field:
        raise errors.component_gone(f"{path}.custom_id")
    value = field.get("value")
    if not isinstance(value, str) or not value.strip():
        raise errors.required(f"{path}.value")
    if len(value) > FIELD_MAX:
        raise errors.too_long(f"{path}.value", FIELD_MAX)
    return value


@dataclass(frozen=True, slots=True)
class Interaction:
    """An accepted interaction, before the bot handles it."""

    nonce: str | int | None
    session_id: str
    channel: SimulatedChannel
    application_id: str = BOT_ID
    command: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    """(name, value); the value of an attachment is its CDN path, of a sub-command its options."""
    target_id: str | None = None
    """The message that a message command is for."""
    custom_id: str | None = None
    """Of the pressed button or select, or of the submitted modal."""
    message_id: str | None = None
    """The message that has the button; for a modal, the one whose button opened it."""
    ephemeral: bool = False
    """That message is ephemeral."""
    values: tuple[str, ...] = ()
    """The selected values of a select."""
    modal: OpenModal | None = None
    field_text: str | None = None
    """The text in the modal's field."""
    id: str = ""
    user_id: str = USER_ID

    @property
    def kind(self) -> int:
        """The interaction's type on the wire: 2, 3 or 5."""
        if self.modal is not None:
            return INTERACTION_MODAL
        return INTERACTION_COMMAND if self.custom_id is None else INTERACTION_COMPONENT

    @property
    def full_name(self) -> str | None:
        """The command with its sub-commands, such as `prefer remix`, as answers to it name it."""
        names, options = [self.command or ""], self.options
        while options and isinstance(options[0][1], tuple):
            names.append(options[0][0])
            options = options[0][1]
        return " ".join(names) or None

    @property
    def prompt(self) -> str | None:
        """The interaction's prompt."""
        return self.field_text if self.modal is not None else self.option("prompt")

    @property
    def text(self) -> str:
        """The text that faults are matched with."""
        given = [value for _, value in self.options if isinstance(value, str)]
        return " ".join(part for part in (self.command, *given, self.field_text, self.custom_id) if part)

    def option(self, name: str) -> str | None:
        """Return the text of this option."""
        value = dict(self.options).get(name)
        return value if isinstance(value, str) else None


def nonce_of(body: object) -> object:
    """Return the nonce in a request body, whatever it is."""
    return body.get("nonce") if isinstance(body, dict) else None


def text_of(body: object) -> str:
    """Return the text of a possibly malformed body, for matching faults: its name and every text."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return ""
    rows = objects(data.get("components"))
    fields = [field for row in rows for field in objects(row.get("components"))]
    given = [*objects(data.get("options")), *fields]
    values = [data.get("name"), data.get("custom_id"), *(one.get("value") for one in given)]
    return " ".join(value for value in values if isinstance(value, str))
