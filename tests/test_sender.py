"""What the sender reads from the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.folders.manifest import Place
from mjwatch.sender import BEGINNING, HISTORY_PAGE, HISTORY_PAGES, Sender

if TYPE_CHECKING:
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.discord.uploads import Uploads


class FakeREST:
    """A channel whose messages are nothing but ids, from 1 up to the newest."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.pages: list[str | None] = []

    def channel(self, _channel_id: str) -> dict[str, Any]:
        return {"last_message_id": str(self.newest) if self.newest else None}

    def history(self, _channel_id: str, after: str | None = None, limit: int = HISTORY_PAGE) -> list[Any]:
        self.pages.append(after)
        first = max(0, self.newest - limit) if after is None else int(after)
        return [{"id": str(number)} for number in range(first + 1, min(self.newest, first + limit) + 1)]

    def message(self, _channel_id: str, message_id: str) -> dict[str, Any] | None:
        return {"id": message_id} if int(message_id) <= self.newest else None


def read(newest: int, effect: ef.ReadHistory) -> tuple[ev.HistoryRead, FakeREST]:
    rest = FakeREST(newest)
    sender = Sender(cast("DiscordREST", rest), cast("Uploads", None), Place("1", "2"), "3", lambda job_id: {})
    found = sender.read_history(effect)
    assert isinstance(found, ev.HistoryRead)
    return found, rest


def test_the_first_look_at_a_channel_tells_where_it_stands_and_what_was_said_last() -> None:
    found, rest = read(250, ef.ReadHistory(None))
    assert (found.newest, found.complete) == ("250", True)
    assert [message["id"] for message in found.messages] == [str(number) for number in range(151, 251)]
    assert rest.pages == [None]


def test_a_channel_without_messages_stands_at_its_beginning() -> None:
    found, rest = read(0, ef.ReadHistory(None))
    assert found == ev.HistoryRead((), BEGINNING)
    assert rest.pages == []


def test_a_gap_is_read_page_by_page_to_its_end() -> None:
    found, rest = read(250, ef.ReadHistory("20", ("7", "251")))
    assert (found.newest, found.complete, len(found.messages)) == ("250", True, 230)
    assert rest.pages == ["20", "120", "220"]
    assert found.reread == {"7": {"id": "7"}, "251": None}


def test_a_very_long_gap_is_read_in_stretches() -> None:
    found, rest = read(1_000_000, ef.ReadHistory("0"))
    assert (found.newest, found.complete) == (str(HISTORY_PAGE * HISTORY_PAGES), False)
    assert len(rest.pages) == HISTORY_PAGES
