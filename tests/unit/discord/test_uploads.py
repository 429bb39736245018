"""Uploads: slots, bytes without the token, and a message whose attachments are links."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.discord.cdn import AttachmentUploads
from mjwatch.discord.rest import DiscordREST
from mjwatch.errors import AnsweredNoError, UnansweredError
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import Answer, HttpServer, Request, answer_json, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "an.invented-token_1"
CHANNEL = "1111000000000000003"
IMAGES = {"ref.png": b"\x89PNG one", "other.jpg": b"\xff\xd8 two"}


class Discord:
    """A server that keeps requests and gives the answers that a test sets."""

    def __init__(self) -> None:
        self.puts: list[Request] = []
        self.bodies: list[Any] = []
        self.slots: list[dict[str, Any]] | None = None
        self.put_status = 200
        self.message: dict[str, Any] | None = None
        self.host = ""

    def answer(self, request: Request) -> Answer:
        if request.method == "PUT":
            self.puts.append(request)
            return Answer(self.put_status)
        self.bodies.append(json.loads(request.body))
        if request.path.endswith("/attachments"):
            slots = [
                {
                    "id": file["id"],
                    "upload_url": f"{self.host}/up/{file['id']}",
                    "upload_filename": f"u/{file['id']}",
                }
                for file in reversed(self.bodies[-1]["files"])
            ]
            return answer_json({"attachments": slots if self.slots is None else self.slots})
        named = [
            {"id": "9", "filename": file["filename"], "url": f"https://cdn.example/{file['filename']}?ex=1&"}
            for file in self.bodies[-1]["attachments"]
        ]
        return answer_json(self.message or {"id": "500", "attachments": named})


@pytest.fixture
def discord() -> Discord:
    return Discord()


@pytest.fixture
def server(discord: Discord) -> Iterator[HttpServer]:
    with http_server(discord.answer) as running:
        discord.host = running.url
        yield running


@pytest.fixture
def uploads(server: HttpServer) -> Iterator[AttachmentUploads]:
    rest = DiscordREST(f"{server.url}/api/v9", TOKEN, timeout=(deadline(20), deadline(20)))
    uploads = AttachmentUploads(rest, clock=lambda: 1000.0)
    yield uploads
    uploads.close()
    rest.close()


def test_each_file_goes_into_the_slot_with_its_id_and_the_token_does_not(
    uploads: AttachmentUploads, discord: Discord
) -> None:
    found = uploads.upload(CHANNEL, IMAGES)
    assert [(image.filename, image.uploaded_filename, image.url) for image in found] == [
        ("ref.png", "u/0", None),
        ("other.jpg", "u/1", None),
    ]
    assert [(put.path, put.body) for put in discord.puts] == [
        ("/up/0", b"\x89PNG one"),
        ("/up/1", b"\xff\xd8 two"),
    ]
    assert not any(TOKEN in str(put.headers) for put in discord.puts)
    assert discord.bodies[0]["files"][0] == {"id": "0", "filename": "ref.png", "file_size": 8}


def test_a_link_is_that_of_the_message_with_the_file(uploads: AttachmentUploads, discord: Discord) -> None:
    found = uploads.link(CHANNEL, uploads.upload(CHANNEL, IMAGES), "123456789012345678")
    assert [image.url for image in found] == [
        "https://cdn.example/ref.png?ex=1&",
        "https://cdn.example/other.jpg?ex=1&",
    ]
    assert discord.bodies[-1]["nonce"] == "123456789012345678"
    assert discord.bodies[-1]["attachments"][0]["uploaded_filename"] == "u/0"


@pytest.mark.parametrize("attachments", [None, 1, [], [{"url": 1}], [None]])
def test_a_message_without_the_files_is_an_error(
    uploads: AttachmentUploads, discord: Discord, attachments: object
) -> None:
    uploaded = uploads.upload(CHANNEL, {"ref.png": b"one"})
    discord.message = {"id": "500", "attachments": attachments}
    with pytest.raises(UnansweredError):
        uploads.link(CHANNEL, uploaded, "123456789012345678")


def test_bytes_are_sent_only_to_hosts_of_discord(uploads: AttachmentUploads, discord: Discord) -> None:
    discord.slots = [{"id": "0", "upload_url": "https://elsewhere.example/x", "upload_filename": "u/0"}]
    with pytest.raises(AnsweredNoError, match=r"elsewhere\.example"):
        uploads.upload(CHANNEL, {"ref.png": b"one"})
    assert discord.puts == []


def test_an_upload_that_the_storage_refuses_fails(uploads: AttachmentUploads, discord: Discord) -> None:
    discord.put_status = 403
    with pytest.raises(UnansweredError, match="HTTP 403"):
        uploads.upload(CHANNEL, IMAGES)


@pytest.mark.parametrize("slots", [[], [{"id": "7"}], [{"id": "0", "upload_url": 1, "upload_filename": "x"}]])
def test_an_answer_without_the_requested_slots_is_an_error(
    uploads: AttachmentUploads, discord: Discord, slots: list[dict[str, Any]]
) -> None:
    discord.slots = slots
    with pytest.raises(UnansweredError):
        uploads.upload(CHANNEL, {"ref.png": b"one"})
