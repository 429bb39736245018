"""Whether a start message that is read again shows anything new: only that is a sign of life. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.midjourney.buttons import cancel_button_of

if TYPE_CHECKING:
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job

Shown = tuple[str, str | None, tuple[str, ...], tuple[str, ...]]
"""Content, time of the last edit, addresses of the pictures without their signatures, and buttons."""


class ShownMessages:
    """What the start messages of running jobs showed last, by job.

    It is not stored: after a restart a message is compared with what the job knows.
    """

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}

    def note(self, message: ParsedMessage, job_id: str) -> None:
        """Note what the job's start message shows now."""
        self._shown[job_id] = _shown(message)

    def forget(self, job_id: str) -> None:
        """Forget a job that is closed."""
        self._shown.pop(job_id, None)

    def has_news(self, message: ParsedMessage, job: Job) -> bool:
        """Return whether this message shows something that is new about the job."""
        if message.message_id != job.message_id or _differs(message, job):
            return True
        return job.id in self._shown and self._shown[job.id] != _shown(message)


def _shown(message: ParsedMessage) -> Shown:
    pictures = tuple(image.url.partition("?")[0] for image in message.images)
    return message.content, message.edited_at, pictures, tuple(button.custom_id for button in message.buttons)


def _differs(message: ParsedMessage, job: Job) -> bool:
    """Return whether the message shows a fact that the job does not have."""
    if message.percent not in {None, job.percent}:
        return True
    offers_cancel = job.cancel_button is None and cancel_button_of(message) is not None
    return offers_cancel or (job.job_uuid is None and message.job_uuid is not None)
