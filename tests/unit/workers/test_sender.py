"""What the sender reads from the channel, and how it uploads pictures."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.discord.rest import HISTORY_PAGE, DiscordREST
from mjwatch.errors import AnsweredNoError, NotReachedError, UnansweredError
from mjwatch.model import ButtonPress, Prompt, Refusal, RefusalClass, UploadedImage
from mjwatch.outbox.manifest import OutboxChannel
from mjwatch.workers.sender import BEFORE_FIRST_MESSAGE, HISTORY_PAGES, Sender
from tests.helpers.job_factory import made_job
from tests.helpers.wire_servers import Answer, Request, answer_json, http_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.discord.cdn import AttachmentUploads
    from mjwatch.errors import WireError
    from mjwatch.model import Job


class FakeREST:
    """A channel with messages that have only ids, from 1 to the newest."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.pages: list[str | None] = []

    def channel(self, _channel_id: str) -> dict[str, Any]:
        return {"last_message_id": str(self.newest) if self.newest else None}

    def history(self, channel_id: str) -> list[Any]:
        return self.page(channel_id)[0]

    def page(self, _channel_id: str, after: str | None = None) -> tuple[list[Any], bool]:
        self.pages.append(after)
        first = max(0, self.newest - HISTORY_PAGE) if after is None else int(after)
        last = min(self.newest, first + HISTORY_PAGE)
        return [{"id": str(number)} for number in range(first + 1, last + 1)], last - first < HISTORY_PAGE

    def message(self, _channel_id: str, message_id: str) -> dict[str, Any] | None:
        return {"id": message_id} if int(message_id) <= self.newest else None


def read(newest: int, effect: ef.ReadHistory) -> tuple[ev.HistoryRead, FakeREST]:
    rest = FakeREST(newest)
    sender = Sender(
        cast("DiscordREST", rest),
        cast("AttachmentUploads", None),
        OutboxChannel("1", "2"),
        "3",
        lambda job_id: {},
    )
    event = sender.read_history(effect)
    assert isinstance(event, ev.HistoryRead)
    return event, rest


def test_the_first_reading_of_a_channel_returns_the_newest_messages() -> None:
    found, rest = read(250, ef.ReadHistory(None))
    assert (found.newest, found.complete) == ("250", True)
    assert [message["id"] for message in found.messages] == [str(number) for number in range(151, 251)]
    assert rest.pages == [None]


def test_a_channel_without_messages_is_read_from_its_beginning() -> None:
    found, rest = read(0, ef.ReadHistory(None))
    assert found == ev.HistoryRead((), BEFORE_FIRST_MESSAGE)
    assert rest.pages == []


def test_a_gap_is_read_page_by_page_to_its_end() -> None:
    found, rest = read(250, ef.ReadHistory("20", ("7", "251")))
    assert (found.newest, found.complete, len(found.messages)) == ("250", True, 230)
    assert rest.pages == ["20", "120", "220"]
    assert found.reread == {"7": {"id": "7"}, "251": None}


def test_a_very_long_gap_is_read_in_parts() -> None:
    found, rest = read(1_000_000, ef.ReadHistory("0"))
    assert (found.newest, found.complete) == (str(HISTORY_PAGE * HISTORY_PAGES), False)
    assert len(rest.pages) == HISTORY_PAGES


ODD_MESSAGES: list[object] = [{"id": None}, {"id": "x"}, {}, None]


@pytest.mark.parametrize("odd", ODD_MESSAGES, ids=str)
@pytest.mark.parametrize("place", [0, 50, 99])
def test_a_full_page_is_not_the_last_one_whatever_is_on_it(odd: object, place: int) -> None:
    def answer(request: Request) -> Answer:
        after = int(parse_qs(urlsplit(request.path).query)["after"][0])
        last = min(150, after + HISTORY_PAGE)
        found: list[object] = [{"id": str(number)} for number in range(after + 1, last + 1)]
        if after == 0:
            found[place] = odd
        return answer_json(found[::-1])

    with http_server(answer) as server, closing(DiscordREST(f"{server.url}/api/v9", "a-token")) as rest:
        sender = Sender(rest, cast("AttachmentUploads", None), OutboxChannel("1", "2"), "3", lambda job: {})
        found = sender.read_history(ef.ReadHistory("0"))
        page = sender.read_page(ef.ReadPage("import", "0"))
    assert isinstance(found, ev.HistoryRead)
    assert (found.newest, found.complete) == ("150", True)
    assert len(found.messages) == (150 if place == 99 else 149)
    assert isinstance(page, ev.PageRead)
    assert (len(page.messages), page.complete) == (99, False)


def test_a_full_page_without_any_id_ends_no_reading() -> None:
    pages = [answer_json([{"id": None}] * HISTORY_PAGE), answer_json([{"id": None}] * 99)]
    with (
        http_server(lambda _request: pages[0]) as server,
        closing(DiscordREST(f"{server.url}/api/v9", "a-token")) as rest,
    ):
        sender = Sender(rest, cast("AttachmentUploads", None), OutboxChannel("1", "2"), "3", lambda job: {})
        assert isinstance(sender.read_history(ef.ReadHistory("0")), ev.HistoryReadFailed)
        assert isinstance(sender.read_page(ef.ReadPage("import", "0")), ev.PageReadFailed)
        pages.pop(0)
        assert sender.read_history(ef.ReadHistory("0")) == ev.HistoryRead((), None)


# ---- local images


class FakeUploads:
    """Returns slots, and links unless ``failure`` is set."""

    def __init__(self) -> None:
        self.uploaded: list[list[str]] = []
        self.posted: list[tuple[list[str], str]] = []
        self.failure: WireError | None = None

    def upload(self, _channel_id: str, images: Mapping[str, bytes]) -> list[UploadedImage]:
        self.uploaded.append(list(images))
        return [UploadedImage(name, f"slot/{name}", None, time.time()) for name in images]

    def link(self, _channel_id: str, uploaded: list[UploadedImage], nonce: str) -> list[UploadedImage]:
        self.posted.append(([image.filename for image in uploaded], nonce))
        if self.failure is not None:
            raise self.failure
        return [replace(image, url=f"https://cdn.example/{image.filename}") for image in uploaded]


def uploading(uploads: FakeUploads, images: Mapping[str, bytes]) -> Sender:
    rest = cast("DiscordREST", FakeREST(1))
    return Sender(
        rest,
        cast("AttachmentUploads", uploads),
        OutboxChannel("1", "2"),
        "3",
        lambda job: {name: images[name] for name in job.prompt.images},
    )


def job_with(*names: str, **changes: Any) -> Job:
    return made_job(prompt=Prompt("a cat", images=names), **changes)


def test_a_picture_that_was_posted_for_one_job_is_not_posted_for_the_next() -> None:
    uploads = FakeUploads()
    sender = uploading(uploads, {"ref.png": b"one", "again.png": b"one"})
    first = sender.upload(job_with("ref.png"))
    second = sender.upload(job_with("again.png", job_id="another2"))
    assert isinstance(first, ev.Uploaded)
    assert isinstance(second, ev.Uploaded)
    assert [(image.filename, image.url) for image in second.images] == [("again.png", first.images[0].url)]
    assert len(uploads.posted) == 1


def test_a_message_is_always_sent_with_its_jobs_own_nonce() -> None:
    uploads = FakeUploads()
    uploads.failure = UnansweredError("an odd answer")
    sender = uploading(uploads, {"ref.png": b"one"})
    found = [sender.upload(job_with("ref.png")) for _ in range(2)]
    assert found == [ev.UploadFailed("an odd answer", posted=True)] * 2
    assert len({nonce for _, nonce in uploads.posted}) == 1
    nonce = uploads.posted[0][1]
    assert len(nonce) <= 25
    assert abs(snowflake_ms(nonce) - made_job().accepted * 1000) < 1, "a nonce is a snowflake of a sane time"
    sender.upload(job_with("ref.png", job_id="another2"))
    assert uploads.posted[-1][1] != nonce


def test_an_upload_that_did_not_reach_discord_was_not_posted() -> None:
    uploads = FakeUploads()
    uploads.failure = NotReachedError("no route")
    found = uploading(uploads, {"ref.png": b"one"}).upload(job_with("ref.png"))
    assert found == ev.UploadFailed("no route")


def test_without_the_right_to_attach_files_only_this_job_fails() -> None:
    uploads = FakeUploads()
    uploads.failure = AnsweredNoError(Refusal(RefusalClass.CONFIG, None, "no right", needs_human=True))
    found = uploading(uploads, {"ref.png": b"one"}).upload(job_with("ref.png"))
    assert isinstance(found, ev.UploadFailed)
    assert found.refusal is not None
    assert not found.refusal.needs_human


def test_an_image_that_is_missing_in_the_journal_is_named() -> None:
    def images_of(job: Job) -> Mapping[str, bytes]:
        raise KeyError("ref.png")

    rest = cast("DiscordREST", FakeREST(1))
    sender = Sender(rest, cast("AttachmentUploads", FakeUploads()), OutboxChannel("1", "2"), "3", images_of)
    found = sender.upload(job_with("ref.png"))
    assert isinstance(found, ev.UploadFailed)
    assert "ref.png is no longer in the journal" in found.reason


@pytest.mark.parametrize(
    ("error", "again", "reason"),
    [
        (NotReachedError("no route"), 10.0, "no route"),
        (AnsweredNoError(Refusal(RefusalClass.RETRY, None, "slow down", retry_after=3.0)), 3.0, "slow down"),
        (AnsweredNoError(Refusal(RefusalClass.TRANSIENT, None, "later")), 10.0, "later"),
        (
            AnsweredNoError(Refusal(RefusalClass.ACCOUNT, None, "a captcha", needs_human=True)),
            0.0,
            "a captcha",
        ),
        (
            AnsweredNoError(Refusal(RefusalClass.USER, None, "the message is gone")),
            None,
            "the message is gone",
        ),
        (UnansweredError("timeout"), None, None),
        (None, None, None),
    ],
)
def test_a_press_of_cancel_job_is_repeated_if_that_may_help(
    error: WireError | None, again: float | None, reason: str | None
) -> None:
    rest = PressedREST(error)
    sender = Sender(
        cast("DiscordREST", rest),
        cast("AttachmentUploads", None),
        OutboxChannel("1", "2"),
        "3",
        lambda job: {},
    )
    button = ButtonPress("600", "MJ::CancelJob::ByJobid::0b7cf2d4-51a5-4b4c-9f0d-6a8f3a2c9e11")
    effect = ef.PressCancel(job_with(cancel_button=button), "77", "session-2")
    pressed = sender.press_cancel(effect)
    assert pressed is not None
    assert (pressed.failure, pressed.again) == (reason, again)
    assert [(body["nonce"], body["session_id"], body["message_id"]) for body in rest.bodies] == [
        ("77", "session-2", "600")
    ]
    sender.stop()
    assert sender.press_cancel(effect) is None


class PressedREST:
    """Accepts a POST and answers with the given error, or with success."""

    def __init__(self, error: WireError | None) -> None:
        self._error = error
        self.bodies: list[dict[str, Any]] = []

    def interact(self, payload: dict[str, Any]) -> None:
        self.bodies.append(payload)
        if self._error is not None:
            raise self._error

    def forget_commands(self, floor: float) -> bool:
        return False
