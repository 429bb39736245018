"""Jobs of the same channel that are not ours: started by hand, or by another program. Pure.

Messages that could be more than one job's, kept until it is clear whose they are. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import id_of, number_of, objects_of, text_of
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.midjourney.matching.evidence import FINALS, could_be_about, could_be_same
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job


WAITING = IN_FLIGHT | {State.IN_DOUBT}
"""States of a job of ours that may yet get its start or its result."""

STRANGERS_KEPT = 200

_AT_WORK = frozenset({MessageKind.STARTED, MessageKind.PROGRESS})
_OF_A_PROMPT = frozenset({None, Action.IMAGINE, Action.BLEND, Action.VIDEO})
_LONGEST_MS = 24 * 60 * 60 * 1000
"""No job of Midjourney's takes a day: one whose end was missed must not keep its prompt for ever."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """One such job. ``since`` is a message older than its result; ``result_id`` is that, once it is known.

    ``pressed``: the message with the button that began it, to which its result replies too; ``picture``: the
    number of the picture that its start names.
    """

    message_id: str
    prompt: str
    job_uuid: str | None = None
    since: str | None = None
    result_id: str | None = None
    pressed: str | None = None
    picture: int | None = None

    def could_own(self, reading: ParsedMessage) -> bool:
        """Whether it may be behind this message, by its looks."""
        if self.result_id is not None or _a_day_apart(self.since, reading.message_id):
            return False
        same_uuid = None in {self.job_uuid, reading.job_uuid} or self.job_uuid == reading.job_uuid
        if self.pressed is not None:
            other_one = (
                None not in {self.picture, reading.image_index} and self.picture != reading.image_index
            )
            return same_uuid and reading.reply_to == self.pressed and not other_one
        plain = reading.action in _OF_A_PROMPT and reading.kind is not MessageKind.SINGLE
        return same_uuid and plain and could_be_same(self.prompt, reading.prompt or "")

    def owns(self, reading: ParsedMessage) -> bool:
        """Whether an id says that this final is its own."""
        if reading.message_id is not None and reading.message_id == self.result_id:
            return True
        by_uuid = self.job_uuid is not None and reading.job_uuid == self.job_uuid
        return by_uuid or reading.reply_to == self.message_id


class ForeignJobs:
    """The strangers' jobs, the oldest forgotten first.

    One that has ended is kept for its ids: its result may be read once more, in the history of a gap.
    """

    def __init__(self) -> None:
        self._by_message: OrderedDict[str, ForeignJob] = OrderedDict()
        self.version = 0
        """Changes whenever one of them does."""

    def load(self, stored: object) -> None:
        """Take up what ``stored`` gave to the journal; what is in another shape is passed over."""
        self._by_message.clear()
        for fields in objects_of(stored):
            message_id = id_of(fields.get("message_id"))
            if message_id is not None:
                ids = {key: id_of(fields.get(key)) for key in ("job_uuid", "since", "result_id", "pressed")}
                prompt, picture = text_of(fields.get("prompt")), number_of(fields.get("picture"))
                self.add(ForeignJob(message_id, prompt, **ids, picture=picture))

    def stored(self) -> list[dict[str, Any]]:
        """For the journal, so that none looks like ours after a restart."""
        return [asdict(stranger) for stranger in self._by_message.values()]

    def note(self, reading: ParsedMessage, waiting: Iterable[Job] = ()) -> None:
        """Learn from a message that is nobody's of ours.

        Progress whose start we did not see is no stranger's if one of our ``waiting`` jobs may be behind it.
        """
        if reading.message_id is None or reading.kind not in _AT_WORK:
            return
        known = self._by_message.get(reading.message_id)
        if known is None and reading.kind is MessageKind.PROGRESS and may_be_one_of(reading, waiting):
            return
        if known is None:
            place, prompt = reading.message_id, reading.prompt or ""
            pressed, picture = reading.reply_to, reading.image_index
            known = ForeignJob(place, prompt, since=place, pressed=pressed, picture=picture)
        self.add(replace(known, job_uuid=reading.job_uuid or known.job_uuid))

    def add(self, stranger: ForeignJob) -> None:
        """Remember one; the oldest is forgotten when there are too many."""
        if self._by_message.get(stranger.message_id) == stranger:
            return
        self.version += 1
        self._by_message[stranger.message_id] = stranger
        if len(self._by_message) > STRANGERS_KEPT:
            self._by_message.popitem(last=False)

    def end_by_looks(self, reading: ParsedMessage) -> None:
        """A final that none of our jobs waits for ends the oldest stranger that looks like it."""
        ended = next((one for one in self._by_message.values() if one.could_own(reading)), None)
        if ended is not None:
            self._end(ended, reading)

    def end(self, reading: ParsedMessage) -> bool:
        """Whether this final is a stranger's by its ids; that stranger is done then."""
        ended = next((one for one in self._by_message.values() if one.owns(reading)), None)
        if ended is None:
            return False
        self._end(ended, reading)
        return True

    def _end(self, stranger: ForeignJob, final: ParsedMessage) -> None:
        uuid, result_id = stranger.job_uuid or final.job_uuid, stranger.result_id or final.message_id
        self.add(replace(stranger, prompt="", job_uuid=uuid, result_id=result_id))

    def own(self, reading: ParsedMessage) -> bool:
        """Whether an id says that this final is a stranger's, at work or ended."""
        return any(stranger.owns(reading) for stranger in self._by_message.values())

    def could_own(self, reading: ParsedMessage) -> bool:
        """Whether a stranger's job may be behind this message, by its looks."""
        return any(stranger.could_own(reading) for stranger in self._by_message.values())

    def __len__(self) -> int:
        return len(self._by_message)


def may_be_one_of(reading: ParsedMessage, jobs: Iterable[Job]) -> bool:
    """Whether this may be the start of one of these jobs, of which we have not seen any yet."""
    return any(
        job.state in WAITING and job.message_id is None and could_be_about(reading, job) for job in jobs
    )


def _a_day_apart(earlier: str | None, later: str | None) -> bool:
    if earlier is None or later is None or not (earlier.isdecimal() and later.isdecimal()):
        return False
    return snowflake_ms(later) - snowflake_ms(earlier) > _LONGEST_MS


HELD_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class UnmatchedMessage:
    """One such message. ``seq`` is its dispatch's in the present session, None if it is of no use there."""

    reading: ParsedMessage
    seq: int | None


class UnmatchedMessages:
    """The held messages, oldest first; when there are too many, the oldest is given up."""

    def __init__(self) -> None:
        self.messages: list[UnmatchedMessage] = []

    def __iter__(self) -> Iterator[UnmatchedMessage]:
        return iter(tuple(self.messages))

    def __len__(self) -> int:
        return len(self.messages)

    def hold(self, reading: ParsedMessage, seq: int | None) -> None:
        """Keep it; a message that is held already is not kept twice."""
        if any(held.reading.message_id == reading.message_id for held in self.messages):
            return
        self.messages.append(UnmatchedMessage(reading, seq))
        if len(self.messages) > HELD_AT_MOST:
            self.messages.pop(0)

    def release(self, held: UnmatchedMessage) -> None:
        """It is clear whose it is, and that is committed."""
        self.messages = [one for one in self.messages if one is not held]

    def new_session(self) -> None:
        """Another session counts its dispatches anew."""
        self.messages = [replace(held, seq=None) for held in self.messages]

    def has_result_for(self, job: Job) -> bool:
        """Whether a result is held that may belong to this job."""
        results = [held.reading for held in self.messages if held.reading.kind in FINALS]
        return any(could_be_about(reading, job) for reading in results)

    def safe_seq(self, seq: int) -> int:
        """The place from which a resumed session must replay so that nothing held gets lost."""
        return min([seq, *(held.seq - 1 for held in self.messages if held.seq is not None)])

    def safe_newest(self, newest: str | None) -> str | None:
        """The message after which a history must be read so that nothing held gets lost."""
        ids = [int(held.reading.message_id or 0) for held in self.messages]
        if newest is None or not ids:
            return newest
        return str(min(int(newest), min(ids) - 1))
