"""A recording arranged for the checks: findings, and what it says about one command. Pure.

A message counts as a command's for any sign that it has, so that a single sign may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mjwatch.diagnostics.recording import EntryKind
from mjwatch.discord.json_values import id_of, list_of, object_of, objects_of, snowflake_of, text_of
from mjwatch.midjourney.parsing.message_view import MessageView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mjwatch.diagnostics.recording import WireEntry

POST = "POST /interactions"
_MESSAGES = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE"})


@dataclass(frozen=True)
class RecordedMessage(MessageView):
    """A message event of the command, with its place in the recording."""

    position: int
    event: str

    @property
    def id(self) -> str:
        """The message's id."""
        return id_of(self.payload.get("id")) or ""

    @property
    def is_new(self) -> bool:
        """Whether this event creates the message."""
        return self.event == "MESSAGE_CREATE"

    @property
    def is_progress(self) -> bool:
        """Whether it shows a running job: a percentage, or a preview."""
        has_percent = self.echo is not None and self.echo.percent is not None
        return not self.final and (has_percent or bool(self.images))


class Conversation:
    """One command and everything that answers it."""

    def __init__(self, command: str, post: WireEntry, entries: Sequence[WireEntry], user_id: str) -> None:
        self.post = post
        sent = object_of(post.data.get("sent"))
        self._user_id = user_id
        self._bot = id_of(sent.get("application_id"))
        self.nonce = id_of(sent.get("nonce"))
        options = objects_of(object_of(sent.get("data")).get("options"))
        self.prompt = next((text_of(option.get("value")) for option in options), "")
        self.events: list[tuple[int, WireEntry]] = []
        """The interaction events, each with its position."""
        self.messages: list[RecordedMessage] = []
        self.deletions: list[tuple[int, WireEntry]] = []
        self._ids: set[str] = set()
        self._uuids: set[str] = set()
        self._read(entries, _first_position(command, entries))

    @property
    def interaction_id(self) -> str | None:
        """The id that INTERACTION_CREATE, or another interaction event, gives."""
        return next((id_of(entry.data.get("id")) for _, entry in self.events), None)

    def event(self, name: str) -> int | None:
        """Return the position of the first interaction event with this name."""
        return next((position for position, entry in self.events if entry.name == name), None)

    @property
    def first(self) -> RecordedMessage | None:
        """The first message, unless that is already the result."""
        created = next((message for message in self.messages if message.is_new), None)
        return None if created is None or created.final else created

    @property
    def answer(self) -> RecordedMessage | None:
        """The first message, if it shows that it answers the interaction."""
        return self.first if self.first is not None and self.first.answers else None

    @property
    def start(self) -> RecordedMessage | None:
        """The job's first message that is no notice, whether or not the job had to wait in the queue."""
        return next((m for m in self.messages if m.is_new and not m.final and not m.embeds), None)

    @property
    def was_queued(self) -> bool:
        """Whether a notice came before the start: "Job queued"."""
        return self.first is not None and bool(self.first.embeds)

    @property
    def progress(self) -> list[RecordedMessage]:
        """The messages that show a running job."""
        return [message for message in self.messages if message.is_progress]

    @property
    def final(self) -> RecordedMessage | None:
        """The message with the result."""
        return next((message for message in self.messages if message.final), None)

    def deletion_of(self, message_id: str) -> int | None:
        """Return the position of the event that deletes this message."""
        for position, entry in self.deletions:
            data = object_of(entry.data)
            if message_id in (id_of(data.get("id")), *list_of(data.get("ids"))):
                return position
        return None

    def _read(self, entries: Sequence[WireEntry], begin: int) -> None:
        for position, entry in enumerate(entries):
            data = object_of(entry.data)
            if position < begin or entry.kind is not EntryKind.RECEIVED:
                continue
            if entry.name.startswith("INTERACTION_") and self._is_our_event(data):
                self.events.append((position, entry))
            elif entry.name in _MESSAGES:
                self._take_message(RecordedMessage(data, position, entry.name))
            elif entry.name.startswith("MESSAGE_DELETE"):
                self.deletions.append((position, entry))

    def _is_our_event(self, data: Mapping[str, Any]) -> bool:
        return id_of(data.get("nonce")) == self.nonce or id_of(data.get("id")) in self._interaction_ids()

    def _interaction_ids(self) -> set[str]:
        return {found for _, entry in self.events if (found := id_of(entry.data.get("id")))}

    def _take_message(self, message: RecordedMessage) -> None:
        author = id_of(object_of(message.payload.get("author")).get("id"))
        if author in (None, self._bot) and self._is_ours(message):
            self.messages.append(message)
            self._ids.add(message.id)
            if message.job_uuid:
                self._uuids.add(message.job_uuid)

    def _is_ours(self, message: RecordedMessage) -> bool:
        return (
            message.id in self._ids
            or message.reply_to in self._ids
            or (message.job_uuid or "") in self._uuids
            or id_of(message.payload.get("nonce")) == (self.nonce or "")
            or id_of(message.interaction.get("id")) in self._interaction_ids()
            or self._repeats_prompt(message)
        )

    def _repeats_prompt(self, message: RecordedMessage) -> bool:
        created = snowflake_of(self.interaction_id)
        if not self.prompt or (created is not None and int(snowflake_of(message.id) or 0) < int(created)):
            return False  # a result of an earlier check may be edited
        echo, notice = message.echo, message.footer_prompt or ""
        shown = echo.prompt or "" if echo is not None and echo.user_id in (None, self._user_id) else notice
        return shown.startswith(self.prompt)


def _first_position(command: str, entries: Sequence[WireEntry]) -> int:
    steps = [n for n, entry in enumerate(entries) if entry.kind is EntryKind.STEP and entry.name == command]
    return steps[-1] if steps else 0


def conversation(command: str, entries: Sequence[WireEntry]) -> Conversation | None:
    """Return the last conversation that this command began, or None if it was not posted."""
    ready = next((e.data for e in entries if e.kind is EntryKind.RECEIVED and e.name == "READY"), None)
    user_id = id_of(object_of(object_of(ready).get("user")).get("id")) or ""
    for entry in reversed(entries):
        if entry.kind is EntryKind.HTTP and entry.name == POST:
            named = object_of(object_of(entry.data.get("sent")).get("data")).get("name")
            if named == command:
                return Conversation(command, entry, entries, user_id)
    return None


class Verdict(StrEnum):
    """What the recording says about an expectation."""

    EXPECTED = "as expected"
    OTHERWISE = "otherwise"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and the payloads that differ. They are as they were received: redact them before use."""

    verdict: Verdict
    evidence: tuple[Any, ...] = ()


NOT_SEEN = Finding(Verdict.NOT_SEEN)
EXPECTED = Finding(Verdict.EXPECTED)


class WireEvidence:
    """A recording, arranged for the checks."""

    def __init__(self, entries: Sequence[WireEntry]) -> None:
        self.entries = entries

    @cached_property
    def imagine(self) -> Conversation | None:
        """The conversation about the picture."""
        return conversation("imagine", self.entries)

    @cached_property
    def info(self) -> Conversation | None:
        """The conversation about the account."""
        return conversation("info", self.entries)

    @property
    def commands(self) -> list[Conversation]:
        """Both conversations, if they took place."""
        return [found for found in (self.info, self.imagine) if found is not None]

    def received(self, name: str) -> list[Any]:
        """Return the data of all dispatches with this name."""
        return [object_of(e.data) for e in self.entries if e.kind is EntryKind.RECEIVED and e.name == name]

    def exchanges(self, *, ending: str = "") -> list[WireEntry]:
        """Return the HTTP exchanges whose path ends so."""
        return [e for e in self.entries if e.kind is EntryKind.HTTP and e.name.endswith(ending)]


T = TypeVar("T")


def judged(met: object, *payloads: Any) -> Finding:
    """Return the finding; the payloads are its evidence if the expectation is not met."""
    return EXPECTED if met else Finding(Verdict.OTHERWISE, payloads)


def all_met(
    values: Sequence[T], meets: Callable[[T], object], shown: Callable[[T], Any] = lambda value: value
) -> Finding:
    """Return the finding for values that must all meet the expectation; none is "not seen"."""
    wrong = [value for value in values if not meets(value)]
    return judged(not wrong, *map(shown, wrong[:1])) if values else NOT_SEEN
