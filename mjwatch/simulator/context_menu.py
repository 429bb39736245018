"""What a person does to a message without its buttons: the commands of its menu, and reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.button_plans import uuid_in
from mjwatch.simulator.identity import CHANNELS, DM_CHANNEL_ID, USER_ID
from mjwatch.simulator.notices import UNKNOWN_JOB
from mjwatch.simulator.refusing import refuse, whisper

if TYPE_CHECKING:
    from mjwatch.simulator.history import History
    from mjwatch.simulator.identity import Json
    from mjwatch.simulator.interactions import Interaction
    from mjwatch.simulator.jobs import Studio
    from mjwatch.simulator.witness import Executed
    from mjwatch.simulator.workshop import Workshop

ENVELOPE, CROSS = "\u2709", "\u274c"


class ContextMenu:
    """Answers message commands and reactions."""

    def __init__(self, studio: Studio, workshop: Workshop, history: History) -> None:
        self._studio = studio
        self._workshop = workshop
        self._history = history

    async def cancel_job(self, interaction: Interaction, executed: Executed) -> None:
        """Cancel Job: stops the job whose progress message this is (the words are not recorded)."""
        job_uuid = self._workshop.job_of(interaction.target_id or "")
        if job_uuid is None or not self._workshop.cancel(job_uuid):
            executed.outcome = "refused"
            refuse(self._studio, interaction, UNKNOWN_JOB)
            return
        whisper(self._studio, interaction, "Done! The job has been cancelled.")
        executed.outcome = "done"

    async def dm_results(self, interaction: Interaction, executed: Executed) -> None:
        """DM Results: the result once more, in the direct messages."""
        message = self._history.of(interaction.channel.id).get(int(interaction.target_id or 0))
        if message is None or not message["attachments"]:
            executed.outcome = "refused"
            refuse(self._studio, interaction, UNKNOWN_JOB)
            return
        self._send_directly(message["content"], message["attachments"])
        whisper(self._studio, interaction, "Done! Check your direct messages.")
        executed.outcome = "done"

    def reacted(self, message: Json, emoji: str) -> None:
        """An envelope asks for a job's seed, a cross takes one's message away (other clients' code)."""
        emoji = emoji.removesuffix("\ufe0f")
        if not any(person["id"] == USER_ID for person in message["mentions"]):
            return
        if emoji == CROSS:
            self._take_away(message)
        elif emoji == ENVELOPE and message["attachments"] and message["components"]:
            self._tell_seed(message)

    def _take_away(self, message: Json) -> None:
        job_uuid = self._workshop.job_of(message["id"])
        if job_uuid is not None:
            self._workshop.cancel(job_uuid)
        self._studio.delivery.delete(message)

    def _tell_seed(self, message: Json) -> None:
        job_uuid = next(uuid for name in _names(message) if (uuid := uuid_in(name)))
        prompt = message["content"].rpartition("** - ")[0].removeprefix("**")
        lines = [f"**{prompt}**", f"**Job ID**: {job_uuid}", f"**seed** {int(job_uuid[:8], 16)}"]
        self._send_directly("\n".join(lines), message["attachments"])

    def _send_directly(self, content: str, attachments: list[Json]) -> None:
        post = self._studio.forms.post(CHANNELS[DM_CHANNEL_ID], content)
        self._studio.delivery.create({**post, "attachments": attachments})


def _names(message: Json) -> list[str]:
    return [attachment["filename"] for attachment in message["attachments"]]
