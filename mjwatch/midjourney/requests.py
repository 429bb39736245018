"""From a job to what is POSTed for it: its command, its button, or its form filled in. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.midjourney.interactions import prompt_field
from mjwatch.midjourney.packets import (
    PREFERENCES,
    BlendPacket,
    ButtonPacket,
    DescribePacket,
    FastPacket,
    ImaginePacket,
    InfoPacket,
    ModalPacket,
    PacketAssembler,
    PreferPacket,
    PublicPacket,
    RelaxPacket,
    SettingsPacket,
    ShortenPacket,
    ShowPacket,
    StealthPacket,
    TurboPacket,
    UploadedFile,
)
from mjwatch.prompts.actions import zoom_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.midjourney.packets import CommandRef, Target
    from mjwatch.model import ButtonPress, Job, Modal, UploadedImage


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is POSTed for one job, but for what is known only then."""

    packet: PacketAssembler | ButtonPacket | ModalPacket

    @property
    def command(self) -> str | None:
        """The slash command whose entry of the command index is needed; None for a button or a form."""
        return self.packet.name if isinstance(self.packet, PacketAssembler) else None

    def assemble(self, command: CommandRef | None, target: Target, nonce: str) -> dict[str, Any]:
        """The body of the POST. Raises ValueError if the command is missing or another one's."""
        if not isinstance(self.packet, PacketAssembler):
            return self.packet.assemble(target, nonce)
        if command is None:
            raise ValueError(f"/{self.packet.name} can't be sent without its entry in the command index")
        return self.packet.assemble(command, target, nonce)


def order_for(job: Job) -> JobRequest:
    """What is POSTed for this job. Raises ValueError, in words, if nothing can be made of what it wants."""
    if job.button_press is not None:
        return JobRequest(_pressed(job, job.button_press))
    make = _COMMANDS.get(job.prompt.command)
    if make is None:
        raise ValueError(f"there is no command {job.prompt.command!r}: there are {', '.join(_COMMANDS)}")
    if len(job.uploads) < len(job.prompt.images):
        raise ValueError("its pictures are not uploaded yet")
    return JobRequest(make(job))


def cancel_packet(job: Job, target: Target, nonce: str) -> dict[str, Any]:
    """The body of the POST that presses the job's Cancel Job. Raises ValueError if none was offered."""
    button = job.cancel_button
    if button is None:
        raise ValueError("Midjourney offers no button that would stop it")
    return ButtonPacket(button.custom_id, button.message_id, button.flags).assemble(target, nonce)


def _imagine(job: Job) -> PacketAssembler:
    return ImaginePacket(job.prompt.text, [_link(image) for image in job.uploads])


def _shorten(job: Job) -> PacketAssembler:
    return ShortenPacket(job.prompt.text)


def _describe(job: Job) -> PacketAssembler:
    pictures: list[UploadedFile | str] = [_file(image) for image in job.uploads]
    pictures += job.prompt.text.split()
    if len(pictures) != 1:
        raise ValueError(f"/describe takes one picture, as a file or a link, not {len(pictures)}")
    return DescribePacket(pictures[0])


def _blend(job: Job) -> PacketAssembler:
    text = job.prompt.text.strip()
    shape = _SHAPE.fullmatch(text)
    if text and shape is None:
        raise ValueError("/blend takes pictures and no words, but for --ar 2:3, --ar 1:1 or --ar 3:2")
    return BlendPacket([_file(image) for image in job.uploads], f"--ar {shape[1]}" if shape else None)


_SHAPE = re.compile(r"--(?:ar|aspect) (2:3|1:1|3:2)")


def _show(job: Job) -> PacketAssembler:
    return ShowPacket(job.prompt.text.strip())


def _plain(packet: Callable[[], PacketAssembler]) -> Callable[[Job], PacketAssembler]:
    return lambda job: packet()


def _prefer(what: str) -> Callable[[Job], PacketAssembler]:
    return lambda job: PreferPacket(what, job.prompt.text.strip())


_COMMANDS: dict[str, Callable[[Job], PacketAssembler]] = {
    "imagine": _imagine,
    "blend": _blend,
    "describe": _describe,
    "shorten": _shorten,
    "show": _show,
    "info": _plain(InfoPacket),
    "settings": _plain(SettingsPacket),
    "fast": _plain(FastPacket),
    "relax": _plain(RelaxPacket),
    "turbo": _plain(TurboPacket),
    "public": _plain(PublicPacket),
    "stealth": _plain(StealthPacket),
    **{f"prefer {what}": _prefer(what) for what in PREFERENCES},
}


def _link(image: UploadedImage) -> str:
    if image.url is None:
        raise ValueError(f"the picture {image.filename} has no link that could stand in a prompt")
    return image.url


def _file(image: UploadedImage) -> UploadedFile:
    if image.uploaded_filename is None:
        raise ValueError(f"the picture {image.filename} is not uploaded as a file")
    return UploadedFile(image.filename, image.uploaded_filename)


def _pressed(job: Job, press: ButtonPress) -> ButtonPacket | ModalPacket:
    if job.modal is None:
        return ButtonPacket(press.custom_id, press.message_id, press.flags)
    return ModalPacket(
        job.modal.id, job.modal.custom_id, _filled_in(job.modal, press.words, job.prompt.action)
    )


def _filled_in(modal: Modal, words: str | None, action: str | None) -> tuple[tuple[str, str], ...]:
    """All fields as they are, but for the prompt: new words, if there are any, and how far to zoom."""
    prompt = prompt_field(modal)
    if prompt is None:
        raise ValueError("the form has no field for a prompt")
    factor = zoom_factor(action or "") if "CustomZoom" in modal.custom_id else None
    return tuple(
        (name, _prompt(value, words, factor) if name == prompt else value) for name, value in modal.fields
    )


def _prompt(own: str, words: str | None, factor: float | None) -> str:
    """New parameters alone go behind the words that are there."""
    text = own if words is None else f"{own} {words}" if words.startswith("--") else words
    if factor is None:
        return text
    return f"{_ZOOM.sub('', text).strip()} --zoom {factor:g}"


_ZOOM = re.compile(r"\s*--zoom(?:\s+[\d.]+)?(?=\s|$)")
