"""The recipe in CONTRIBUTING holds: a row in the table and a packet class make a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.midjourney.packets import PACKETS, PacketAssembler, PlainPacket
from mjwatch.midjourney.requests import request_for
from mjwatch.prompts.commands import COMMANDS, Answer, CommandRule, TextUse, answer_to, ask_commands
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.interaction_schemas import GUILD, NONCE, Command
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from mjwatch.model import Job

FILE = b'command = "tune"\nprompt = "a red kite"\n'


@pytest.fixture
def tune() -> Iterator[None]:
    """A command that Midjourney has and mjwatch has not, while a test runs."""
    COMMANDS["tune"] = CommandRule(
        TextUse.REQUIRED, range(1), Answer.ACKNOWLEDGEMENT, 'command = "tune" with prompt = "…"'
    )

    class TunePacket(PacketAssembler):
        name = "tune"

        def __init__(self, prompt: str) -> None:
            self.prompt = prompt

        @classmethod
        def for_job(cls, job: Job) -> Self:
            return cls(job.prompt.text)

        def options(self) -> list[dict[str, Any]]:
            return [{"type": 3, "name": "prompt", "value": self.prompt}]

    yield
    del COMMANDS["tune"], PACKETS["tune"]


def test_without_its_row_a_command_is_refused_and_the_others_are_named() -> None:
    with pytest.raises(PromptFileError) as caught:
        read_prompt_file(FILE, "a.toml")
    assert "tune" in str(caught.value)


@pytest.mark.usefixtures("tune")
def test_with_a_row_and_a_class_a_command_is_read_asked_for_and_sent() -> None:
    (prompt,) = read_prompt_file(FILE, "a.toml").prompts
    assert (prompt.command, prompt.text) == ("tune", "a red kite")
    assert "tune" in ask_commands()
    assert answer_to("tune") is Answer.ACKNOWLEDGEMENT
    request = request_for(a_job(prompt=prompt))
    assert request.command == "tune"
    body = request.assemble(Command("tune"), GUILD, NONCE)
    assert body["data"]["options"] == [{"type": 3, "name": "prompt", "value": "a red kite"}]


@pytest.mark.usefixtures("tune")
def test_the_row_says_what_the_command_takes() -> None:
    with pytest.raises(PromptFileError):
        read_prompt_file(b'command = "tune"\n', "a.toml")


def test_every_row_has_its_class() -> None:
    assert {name.partition(" ")[0] for name in COMMANDS} == set(PACKETS)
    assert issubclass(PACKETS["info"], PlainPacket)
