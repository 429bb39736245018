"""Forms that the bot opens for a pressed button: read from the gateway's event. Pure.

No such event was recorded yet; the shape is discord-userdoccers' ("Interaction Modal Create") and what other
clients rely on: text inputs in action rows, or in labels since Discord has those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.midjourney.components import walk
from mjwatch.midjourney.loose import id_of, text_of
from mjwatch.model import Modal

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_INPUT = 4
_PROMPT_FIELDS = ("prompt", "promptfield")


def read_modal(data: Mapping[str, Any]) -> Modal | None:
    """The form in an INTERACTION_MODAL_CREATE; None without an id or a custom id. Never raises."""
    modal_id, custom_id = id_of(data.get("id")), text_of(data.get("custom_id"))
    if modal_id is None or not custom_id:
        return None
    inputs = [one for one in walk(data.get("components")) if one.get("type") == _TEXT_INPUT]
    fields = ((text_of(one.get("custom_id")), text_of(one.get("value"))) for one in inputs)
    return Modal(modal_id, custom_id, tuple(field for field in fields if field[0]))


def prompt_field(modal: Modal) -> str | None:
    """The custom id of the field that holds the prompt; None if the form has none.

    ``MJ::RemixModal::new_prompt``, ``MJ::PanModal::prompt``, ``MJ::Picreader::Modal::PromptField``.
    """
    names = (name for name, _ in modal.fields)
    return next((name for name in names if name.lower().endswith(_PROMPT_FIELDS)), None)
