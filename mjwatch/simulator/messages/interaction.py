"""An accepted interaction: a command, a press of a button or select, or a modal that was filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL
from mjwatch.simulator.http.validation import objects
from mjwatch.simulator.world import BOT_ID, USER_ID, Channel

if TYPE_CHECKING:
    from mjwatch.simulator.messages.modals import OpenModal


@dataclass(frozen=True, slots=True)
class Interaction:
    """An accepted interaction, before the bot hears of it."""

    nonce: str | int | None
    session_id: str
    channel: Channel
    application_id: str = BOT_ID
    command: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    """(name, value); the value of an attachment is the CDN path of what was uploaded, of a sub-command its
    own options."""
    target_id: str | None = None
    """The message that a message command is for."""
    custom_id: str | None = None
    """Of the button or select that was pressed, or of the modal that was filled in."""
    message_id: str | None = None
    """The message that has the button; for a modal, the one whose button opened it."""
    whispered: bool = False
    """That message is ephemeral."""
    values: tuple[str, ...] = ()
    """What was chosen of a select."""
    modal: OpenModal | None = None
    words: str | None = None
    """What was written into the modal's field."""
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
        """The command with its sub-commands, `prefer remix`: so it is called in what answers it."""
        names, options = [self.command or ""], self.options
        while options and isinstance(options[0][1], tuple):
            names.append(options[0][0])
            options = options[0][1]
        return " ".join(names) or None

    @property
    def prompt(self) -> str | None:
        """The prompt that was given with it."""
        return self.words if self.modal is not None else self.option("prompt")

    @property
    def text(self) -> str:
        """What faults are matched with."""
        given = [value for _, value in self.options if isinstance(value, str)]
        return " ".join(part for part in (self.command, *given, self.words, self.custom_id) if part)

    def option(self, name: str) -> str | None:
        """The text of this option."""
        value = dict(self.options).get(name)
        return value if isinstance(value, str) else None


def nonce_of(body: object) -> object:
    """The nonce in a request body, whatever it is."""
    return body.get("nonce") if isinstance(body, dict) else None


def text_of(body: object) -> str:
    """What faults are matched with, in a body that may be malformed: its name, and every text given."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return ""
    rows = objects(data.get("components"))
    fields = [field for row in rows for field in objects(row.get("components"))]
    given = [*objects(data.get("options")), *fields]
    values = [data.get("name"), data.get("custom_id"), *(one.get("value") for one in given)]
    return " ".join(value for value in values if isinstance(value, str))
