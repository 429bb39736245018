"""Jobs in the channel that are not ours, and messages that may be about more than one job of ours. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import id_of, number_of, objects_of, text_of
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.midjourney.matching.evidence import FINALS, could_be_about, not_newer
from mjwatch.midjourney.matching.similarity import could_be_same
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence


WAITING = IN_FLIGHT | {State.IN_DOUBT}
"""States of a job of ours that may still get its start or its result."""

ENDED_JOB = "ended "
"""Stands before the nonce of an attempt of ours whose start is not known, in place of that message."""

MAX_FOREIGN_JOBS = 200
MAX_UNMATCHED = 200

_RUNNING = frozenset({MessageKind.STARTED, MessageKind.PROGRESS})
_ACTIONS_OF_A_PROMPT = frozenset({None, Action.IMAGINE, Action.BLEND, Action.VIDEO})
_LONGEST_JOB_MS = 24 * 60 * 60 * 1000
"""No job of Midjourney's takes a day: a job whose end was missed must not keep its prompt for ever."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """A job in the channel that is not ours: started by hand, or by another program.

    ``since`` is a message older than its result; ``result_id`` is the result, when it is known. ``pressed``:
    the message with the button that started it, to which its result replies too. ``picture``: the number of
    the picture that its start names. ``queued``: the bot lets it wait; ``message_id`` is that of the notice,
    and its start is another message, as far as is known without the ``nonce``. ``uncertain``: it may be a job
    of ours, so that its ids prove nothing, and a result that fits both is held. ``owner``: the job of ours of
    which this is an earlier attempt; either attempt's pictures are right for that job, but for no other one.
    """

    message_id: str
    prompt: str
    job_uuid: str | None = None
    since: str | None = None
    result_id: str | None = None
    pressed: str | None = None
    picture: int | None = None
    queued: bool = False
    nonce: str | None = None
    uncertain: bool = False
    owner: str | None = None

    def may_match(self, message: ParsedMessage) -> bool:
        """Return whether this message may be about this job, by its content and its ids."""
        if self._is_older(message) or not self._fits_content(message):
            return False
        same_uuid = None in {self.job_uuid, message.job_uuid} or self.job_uuid == message.job_uuid
        # The result of a prompt replies to its start, if it replies to anything.
        knows_start = self.pressed is None and not self.queued and self.message_id.isdecimal()
        to_other = knows_start and message.reply_to not in {None, self.message_id}
        # The start of a queued job is newer than the notice.
        to_other = to_other or (self.queued and not_newer(message.reply_to, self.since))
        return same_uuid and not (to_other and message.kind in FINALS)

    def may_rival(self, message: ParsedMessage) -> bool:
        """Return whether this job keeps a job of ours from taking this message by its looks.

        Where this may itself be the job of ours, a message that is not about it, such as an older result,
        belongs to somebody else.
        """
        return self._fits_content(message) if self.uncertain else self.may_match(message)

    def _is_older(self, message: ParsedMessage) -> bool:
        return message.kind in FINALS and not_newer(message.message_id, self.since)

    def _fits_content(self, message: ParsedMessage) -> bool:
        if self.result_id is not None or _a_day_apart(self.since, message.message_id):
            return False
        if self.pressed is not None:
            other_picture = (
                None not in {self.picture, message.image_index} and self.picture != message.image_index
            )
            return message.reply_to == self.pressed and not other_picture
        of_a_prompt = message.action in _ACTIONS_OF_A_PROMPT and message.kind is not MessageKind.SINGLE
        return of_a_prompt and could_be_same(self.prompt, message.prompt or "")

    def is_started_by(self, message: ParsedMessage) -> bool:
        """Return whether this start may be the one of this job, which waits in the bot's queue."""
        nameless = message.nonce is None and message.interaction_id is None
        if not self.queued or message.kind not in _RUNNING or not (nameless or message.nonce == self.nonce):
            return False
        return not not_newer(message.message_id, self.since) and self.may_match(message)

    def matches_ids(self, message: ParsedMessage) -> bool:
        """Return whether an id says that this final belongs to this job."""
        if message.message_id is not None and message.message_id == self.result_id:
            return True
        if self.uncertain:
            return False
        by_uuid = self.job_uuid is not None and message.job_uuid == self.job_uuid
        return by_uuid or message.reply_to == self.message_id


class ForeignJobs:
    """The foreign jobs of the channel, without the oldest if there are too many.

    An ended job is kept for its ids, because its result may be read once more in the history of a gap.
    """

    def __init__(self) -> None:
        self._by_message: OrderedDict[str, ForeignJob] = OrderedDict()
        self.version = 0
        """A number that grows with every change."""

    def load(self, stored: object) -> None:
        """Load what ``stored`` gave to the journal; anything of another shape is ignored."""
        self._by_message.clear()
        for fields in objects_of(stored):
            message_id = id_of(fields.get("message_id"))
            if message_id is not None:
                self.add(
                    ForeignJob(
                        message_id,
                        text_of(fields.get("prompt")),
                        id_of(fields.get("job_uuid")),
                        id_of(fields.get("since")),
                        id_of(fields.get("result_id")),
                        id_of(fields.get("pressed")),
                        number_of(fields.get("picture")),
                        fields.get("queued") is True,
                        id_of(fields.get("nonce")),
                        fields.get("uncertain") is True,
                        id_of(fields.get("owner")),
                    )
                )

    def stored(self) -> list[dict[str, Any]]:
        """Return all as JSON for the journal, so that none looks like ours after a restart."""
        return [asdict(job) for job in self._by_message.values()]

    def prompts(self) -> Iterator[str]:
        """Yield the prompts of those that have not ended."""
        yield from (job.prompt for job in self._by_message.values())

    def note(self, message: ParsedMessage, waiting: Iterable[Job] = (), *, uncertain: bool = False) -> None:
        """Learn from a message that is about no job of ours, or ``uncertain``, that may be about none.

        Progress without a known start belongs to no foreign job if it may be about one of our ``waiting``
        jobs.
        """
        if message.message_id is None or message.kind not in _RUNNING | {MessageKind.QUEUED}:
            return
        known = self._by_message.get(message.message_id)
        if known is None and message.kind is MessageKind.PROGRESS and may_start_any_of(message, waiting):
            return
        if known is None:
            known = replace(self._begun(message, message.message_id), uncertain=uncertain)
        self.add(replace(known, job_uuid=message.job_uuid or known.job_uuid))

    def _begun(self, message: ParsedMessage, message_id: str) -> ForeignJob:
        """Return the job that this message begins or queues; a start ends the waiting of its queued job."""
        queued = message.kind is MessageKind.QUEUED
        waited = next((job for job in self._by_message.values() if job.is_started_by(message)), None)
        if waited is not None:
            self._by_message.pop(waited.message_id)
        return ForeignJob(
            message_id,
            message.prompt or "",
            since=message_id,
            pressed=message.reply_to,
            picture=message.image_index,
            queued=queued,
            nonce=message.nonce if queued else None,
            owner=None if waited is None else waited.owner,
        )

    def add(self, job: ForeignJob) -> None:
        """Remember a job, and forget the oldest if there are too many."""
        if self._by_message.get(job.message_id) == job:
            return
        self.version += 1
        self._by_message[job.message_id] = job
        if len(self._by_message) > MAX_FOREIGN_JOBS:
            self._by_message.popitem(last=False)

    def end_by_content(self, final: ParsedMessage, running: Container[str | None] = ()) -> None:
        """End a foreign job that fits this final by content; no job of ours waits for it.

        If more than one fits, those stay that keep more results from being taken for ours: an earlier attempt
        of ours ends before a job by hand, because it is no rival of its own job, and the oldest ends last.
        ``running``: the start messages of jobs that stay, because they may still run. So may a queued one,
        whose start was not seen.
        """
        fitting = [job for job in self._by_message.values() if job.may_match(final) and not job.queued]
        fitting = [job for job in fitting if job.owner is not None] or fitting
        ended = next((job for job in reversed(fitting) if job.message_id not in running), None)
        if ended is not None:
            self._end(ended, final)

    def end_by_ids(self, final: ParsedMessage) -> bool:
        """End the foreign job to which this final belongs by its ids; return whether there is one."""
        ended = next((job for job in self._by_message.values() if job.matches_ids(final)), None)
        if ended is None:
            return False
        self._end(ended, final)
        return True

    def _end(self, job: ForeignJob, final: ParsedMessage) -> None:
        uuid, result_id = job.job_uuid or final.job_uuid, job.result_id or final.message_id
        self.add(replace(job, prompt="", job_uuid=uuid, result_id=result_id))

    def has_final(self, final: ParsedMessage) -> bool:
        """Return whether an id says that this final belongs to a foreign job, running or ended."""
        return any(job.matches_ids(final) for job in self._by_message.values())

    def is_uncertain(self, message_id: str | None) -> bool:
        """Return whether this is the start message of a job that may be ours."""
        job = self._by_message.get(message_id or "")
        return job is not None and job.uncertain

    def may_be_elsewhere(self, start: ParsedMessage) -> bool:
        """Return whether this may be the start of a job that is known by another message, or is foreign."""
        known = self._by_message.get(start.message_id or "")
        others = (job for job in self._by_message.values() if job is not known or not job.uncertain)
        return any(job.may_rival(start) for job in others)

    def forget_uncertain(self, message_id: str | None) -> None:
        """Forget the job that started in this message, because ids show that it is ours."""
        if message_id is not None and self.is_uncertain(message_id):
            del self._by_message[message_id]
            self.version += 1

    def may_continue(self, ours: Job) -> bool:
        """Return whether a newer message than its start may be about our job, so that it may still run."""
        return any(
            job.uncertain
            and job.result_id is None
            and not not_newer(job.since, ours.message_id)
            and could_be_same(job.prompt, ours.prompt.text)
            for job in self._by_message.values()
        )

    def has_start(self, message: ParsedMessage) -> bool:
        """Return whether this is the start message of a job that is certainly foreign."""
        job = self._by_message.get(message.message_id or "")
        return job is not None and not job.uncertain

    def may_include(self, message: ParsedMessage, job_id: str | None = None) -> bool:
        """Return whether this message may be about a foreign job, by its content.

        ``job_id``: a job of ours whose own earlier attempts don't count.
        """
        possible = (job for job in self._by_message.values() if job.owner is None or job.owner != job_id)
        return any(job.may_rival(message) for job in possible)

    def is_result(self, message_id: str) -> bool:
        """Return whether this message is known to be a foreign job's result."""
        return any(job.result_id == message_id for job in self._by_message.values())

    def is_nobodys_result(self, message_id: str) -> bool:
        """Return whether this message is known to be the result of no job and of no attempt of ours."""
        return any(job.result_id == message_id and job.owner is None for job in self._by_message.values())

    def possible_owners(self, message: ParsedMessage) -> list[str]:
        """Return the jobs of ours without a result whose earlier attempts this message may be about."""
        jobs = self._by_message.values()
        return [job.owner for job in jobs if job.owner is not None and job.may_rival(message)]

    def job_finished(self, job_id: str) -> None:
        """Note that a job of ours has its result: what its other attempts make is nobody's."""
        for job in tuple(self._by_message.values()):
            if job.owner == job_id:
                self.add(replace(job, owner=None))

    def dismiss(self, final: ParsedMessage, others: Sequence[ParsedMessage] = ()) -> None:
        """Note that this final is no job's of ours; it ends the one that has started and that it fits.

        ``others``: results that are held. If one of them fits that job, too, either may be what ended it.
        """
        fitting = [job for job in self._by_message.values() if job.may_match(final)]
        if not self.end_by_ids(final) and len(fitting) == 1 and not fitting[0].queued:
            (job,) = fitting
            if not any(job.may_match(other) for other in others):
                self._end(job, final)
        if not self.has_final(final):
            message_id = final.message_id or ""
            self.add(ForeignJob(message_id, "", final.job_uuid, since=message_id, result_id=message_id))

    def __len__(self) -> int:
        return len(self._by_message)


def may_start_any_of(message: ParsedMessage, jobs: Iterable[Job]) -> bool:
    """Return whether this may be the start of one of these jobs, if no start of that job is known."""
    return any(
        job.state in WAITING and job.message_id is None and could_be_about(message, job) for job in jobs
    )


def _a_day_apart(earlier: str | None, later: str | None) -> bool:
    if earlier is None or later is None or not (earlier.isdecimal() and later.isdecimal()):
        return False
    return snowflake_ms(later) - snowflake_ms(earlier) > _LONGEST_JOB_MS


@dataclass(frozen=True, slots=True)
class UnmatchedMessage:
    """A message that may be about more than one job. ``seq`` counts its dispatch in the present session.

    ``seq`` is None if the message came from elsewhere.
    """

    message: ParsedMessage
    seq: int | None


class UnmatchedMessages:
    """The unmatched messages, oldest first; the oldest is dropped if there are too many."""

    def __init__(self) -> None:
        self.messages: list[UnmatchedMessage] = []

    def __iter__(self) -> Iterator[UnmatchedMessage]:
        return iter(tuple(self.messages))

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, message: ParsedMessage, seq: int | None) -> None:
        """Keep a message until its job is known; a message that is kept already is not kept twice."""
        if any(kept.message.message_id == message.message_id for kept in self.messages):
            return
        self.messages.append(UnmatchedMessage(message, seq))
        if len(self.messages) > MAX_UNMATCHED:
            self.messages.pop(0)

    def remove(self, matched: UnmatchedMessage) -> None:
        """Remove a message after its job is known and that is committed."""
        self.messages = [kept for kept in self.messages if kept is not matched]

    def new_session(self) -> None:
        """Forget the ``seq`` of all messages, because a new session counts its dispatches from one."""
        self.messages = [replace(kept, seq=None) for kept in self.messages]

    def has_result_for(self, job: Job) -> bool:
        """Return whether a kept message may be the result of this job."""
        results = [kept.message for kept in self.messages if kept.message.kind in FINALS]
        return any(could_be_about(message, job) for message in results)

    def safe_seq(self, seq: int) -> int:
        """Return the seq from which a resumed session must replay so that no kept message is lost."""
        return min([seq, *(kept.seq - 1 for kept in self.messages if kept.seq is not None)])

    def safe_newest(self, newest: str | None) -> str | None:
        """Return the message after which a history must be read so that no kept message is lost."""
        ids = [int(kept.message.message_id or 0) for kept in self.messages]
        if newest is None or not ids:
            return newest
        return str(min(int(newest), min(ids) - 1))
