"""From a job to the body that is POSTed for it: its command, its button, or its form filled in. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.midjourney.interactions import prompt_field
from mjwatch.midjourney.packets import PACKETS, ButtonPacket, ModalPacket, PacketAssembler
from mjwatch.prompts.actions import zoom_factor
from mjwatch.prompts.commands import COMMANDS, slash_name

if TYPE_CHECKING:
    from mjwatch.midjourney.packets import CommandRef, Target
    from mjwatch.model import ButtonPress, Job, Modal

_ZOOM = re.compile(r"\s*--zoom(?:\s+[\d.]+)?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is POSTed for one job, without what is known only at that moment.

    ``command``: the slash command whose entry in the command index is needed; None for a button or a form.
    """

    packet: PacketAssembler | ButtonPacket | ModalPacket
    command: str | None = None

    def assemble(self, command: CommandRef | None, target: Target, nonce: str) -> dict[str, Any]:
        """Return the body of the POST. Raises ValueError if the command's entry is missing or wrong."""
        if not isinstance(self.packet, PacketAssembler):
            return self.packet.assemble(target, nonce)
        if command is None:
            raise ValueError(f"/{self.packet.name} can't be sent without its entry in the command index")
        return self.packet.assemble(command, target, nonce)


def request_for(job: Job) -> JobRequest:
    """Return what is POSTed for this job. Raises ValueError, with a message for the user."""
    if job.button_press is not None:
        return JobRequest(_pressed(job, job.button_press))
    command = job.prompt.command
    if command not in COMMANDS:
        raise ValueError(f"there is no command {command!r}: there are {', '.join(COMMANDS)}")
    if len(job.uploads) < len(job.prompt.images):
        raise ValueError("its pictures are not uploaded yet")
    packet = (PACKETS.get(command) or PACKETS[slash_name(command)]).for_job(job)
    return JobRequest(packet, packet.name)


def cancel_packet(job: Job, target: Target, nonce: str) -> dict[str, Any]:
    """Return the body of the POST that presses the job's Cancel Job. Raises ValueError without a button."""
    button = job.cancel_button
    if button is None:
        raise ValueError("Midjourney offers no button that would stop the job")
    return ButtonPacket(button.custom_id, button.message_id, button.flags).assemble(target, nonce)


def _pressed(job: Job, press: ButtonPress) -> ButtonPacket | ModalPacket:
    if job.modal is None:
        return ButtonPacket(press.custom_id, press.message_id, press.flags)
    fields = _filled_in(job.modal, press.words, job.prompt.action)
    return ModalPacket(job.modal.id, job.modal.custom_id, fields)


def _filled_in(modal: Modal, new_text: str | None, action: str | None) -> tuple[tuple[str, str], ...]:
    """Return all fields unchanged, except the prompt: it gets the new text, if any, and the zoom factor."""
    prompt = prompt_field(modal)
    if prompt is None:
        raise ValueError("the form has no field for a prompt")
    factor = zoom_factor(action or "") if "CustomZoom" in modal.custom_id else None
    return tuple(
        (name, _form_text(value, new_text, factor) if name == prompt else value)
        for name, value in modal.fields
    )


def _form_text(own: str, new_text: str | None, factor: float | None) -> str:
    """Return the text for the form's prompt; parameters without words are added to its own text."""
    text = own if new_text is None else f"{own} {new_text}" if new_text.startswith("--") else new_text
    if factor is None:
        return text
    return f"{_ZOOM.sub('', text).strip()} --zoom {factor:g}"
