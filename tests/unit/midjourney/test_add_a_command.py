"""The recipe for a new command: after its row in the table and its packet class, everything else knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pytest

from mjwatch.cli.shell.commands import completions
from mjwatch.errors import PromptFileError
from mjwatch.midjourney.matching.evidence import compare, expected_of
from mjwatch.midjourney.packets import PACKETS, PacketAssembler, UploadedFile
from mjwatch.midjourney.parsing.parsed_message import MessageKind, ParsedMessage
from mjwatch.midjourney.requests import request_for
from mjwatch.model import References, UploadedImage
from mjwatch.prompts.commands import COMMANDS, Answer, CommandRule, TextUse, ask_help, slash_name
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.interaction_schemas import GUILD, NONCE, Command
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.model import Job
    from tests.helpers.command_result import CommandResult

CAPTION = CommandRule(
    TextUse.REQUIRED,
    range(1, 2),
    Answer.DESCRIPTION,
    'command = "caption" with prompt = "…" and images = ["a.png"]',
)
FILE = b'command = "caption"\nprompt = "in one line"\nimages = ["a.png"]\n'
PICTURE = References(images={"a.png": b"\x89PNG\r\n\x1a\n"})


@pytest.fixture
def caption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add an invented command by the two steps of the recipe."""
    monkeypatch.setitem(COMMANDS, "caption", CAPTION)
    monkeypatch.setitem(PACKETS, "caption", PacketAssembler)  # so that the class is forgotten after the test

    class CaptionPacket(PacketAssembler):
        name = "caption"

        def __init__(self, text: str, picture: UploadedFile) -> None:
            self.text, self.picture = text, picture

        @classmethod
        def for_job(cls, job: Job) -> Self:
            (image,) = job.uploads
            return cls(job.prompt.text, UploadedFile(image.filename, image.uploaded_filename or ""))

        def options(self) -> list[dict[str, Any]]:
            return [
                {"type": 3, "name": "text", "value": self.text},
                {"type": 11, "name": "image", "value": 0},
            ]

        def attachments(self) -> list[UploadedFile]:
            return [self.picture]


def job_of(file: bytes) -> Job:
    (prompt,) = read_prompt_file(file, "a.toml", references=PICTURE).prompts
    return a_job(prompt=prompt, uploads=(UploadedImage("a.png", "up/a.png", None, 1.0),))


def test_a_prompt_file_may_ask_for_it_and_is_checked_by_its_row(caption: None) -> None:
    assert job_of(FILE).prompt.command == "caption"
    with pytest.raises(PromptFileError, match="caption takes one picture, not 0"):
        read_prompt_file(b'command = "caption"\nprompt = "x"\n', "a.toml")
    with pytest.raises(PromptFileError, match="caption needs a prompt"):
        read_prompt_file(
            b'command = "caption"\nimages = ["a.png"]\nprompt = ""\n', "a.toml", references=PICTURE
        )
    with pytest.raises(PromptFileError, match="caption makes no pictures"):
        read_prompt_file(FILE + b'then = "U1"\n', "a.toml", references=PICTURE)


def test_a_job_becomes_the_body_of_its_post(caption: None) -> None:
    request = request_for(job_of(FILE))
    assert request.command == "caption"
    body = request.assemble(Command("caption"), GUILD, NONCE)
    assert body["data"]["name"] == "caption"
    assert [option["value"] for option in body["data"]["options"]] == ["in one line", 0]
    assert body["data"]["attachments"] == [{"id": "0", "filename": "a.png", "uploaded_filename": "up/a.png"}]


@pytest.mark.parametrize(("kind", "is_answer"), [(MessageKind.DESCRIBE, True), (MessageKind.SHORTEN, False)])
def test_a_job_waits_for_the_answer_that_the_row_names(
    caption: None, kind: MessageKind, is_answer: bool
) -> None:
    job = job_of(FILE)
    assert expected_of(job).finals == {MessageKind.DESCRIBE}
    answer = ParsedMessage(
        event="MESSAGE_CREATE", kind=kind, command="caption", message_id=str(1 << 62), text="…"
    )
    assert (("place", False) not in compare(answer, job)) is is_answer


def test_the_shell_completes_it_and_the_help_of_ask_lists_it(caption: None) -> None:
    assert [offer.text for offer in completions(":ask cap", list)] == ["caption"]
    assert "caption" in ask_help()


def test_the_help_of_ask_has_every_command_without_a_verb_of_its_own(
    mjwatch: Callable[..., CommandResult],
) -> None:
    shown = " ".join(mjwatch("ask", "--help").out.replace("│", " ").split())
    assert [name for name, rule in COMMANDS.items() if not rule.has_verb and name not in shown] == []


def test_every_row_has_a_packet_class_and_every_packet_class_a_row() -> None:
    assert {slash_name(command) for command in COMMANDS} == PACKETS.keys()
