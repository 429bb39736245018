"""Which jobs could take each other's results while no id tells them apart. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.midjourney.custom_ids import read_custom_id
from mjwatch.midjourney.echo import normalise

if TYPE_CHECKING:
    from mjwatch.model import Job, Press


def twin_of(job: Job) -> str:
    """The key that this job shares with all those that could be taken for it; unique if there are none.

    - An imagine shares it with every equal prompt, as far as the bot leaves prompts alone.
    - A blend's echo is nothing but links, so all blends are alike, and an imagine of links alone is too.
    - Two follow-ups are alike if they do the same kind of thing to one message; U1 and U2 are not, since
      their results name the picture.
    - Two /show of one job bring the same uuid.
    - All other commands answer in the message that names their nonce.

    All but those of prompts begin with a line break, which no prompt's has.
    """
    if job.press is not None:
        return f"\n{job.press.message_id} {_kind(job.press)}"
    match job.prompt.command:
        case "imagine" if job.prompt.action is None:
            return normalise(job.prompt.text)
        case "blend":
            return ""
        case "show":
            return f"\nshow {job.prompt.text.strip().lower()}"
        case command:
            return f"\n{command} {job.id}"


def _kind(press: Press) -> str:
    found = read_custom_id(press.custom_id)
    if found is None or found.action is None:
        return press.custom_id
    return f"upscale {found.image_index}" if found.verb == "upsample" and not found.solo else found.action
