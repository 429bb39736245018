"""Which job a message of the bot belongs to: decided by ids if there are any, never by a guess.

The order of evidence, and the reason for it:

- **nonce**: ours, repeated in the interaction's events and in the first answer (recorded 2023-03, 2024-12).
- **message**: a change or the deletion of the start message.
- **reference**: the final replies to the start message (recorded 2026-06).
- **job uuid**: in a preview's file name, later in the final's buttons (recorded 2023-09 to 2026-06).
- **interaction**: the id that the gateway gave our nonce.
- **button**: what the message replies to, which action and which picture it names, if that fits only one
  follow-up and no other job could match.
- **text**: the prompt as repeated by the bot, and only for the one job if no other job could match.

An id that both sides know and that differs excludes a job, whatever else agrees. The nonce of a final
excludes nothing: since 2025 finals may have a nonce that is not the client's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.midjourney.matching.evidence import FINALS, compare, could_be_about, not_newer
from mjwatch.midjourney.matching.foreign_jobs import WAITING, ForeignJobs
from mjwatch.midjourney.matching.similarity import normalise
from mjwatch.midjourney.parsing.parsed_message import MessageKind, ParsedMessage
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

_IN_HISTORY = FINALS | {MessageKind.STARTED, MessageKind.PROGRESS}


@dataclass(frozen=True, slots=True)
class Match:
    """The job that a message belongs to, and the evidence for it."""

    job_id: str
    by: str

    @property
    def by_looks(self) -> bool:
        """Whether no id says so, but only that nothing else fits."""
        return self.by in {"text", "button"}


@dataclass(frozen=True, slots=True)
class AmbiguousMatch:
    """More than one job could own the message, or its ids disagree: keep it until more is known."""

    why: str


@dataclass(frozen=True, slots=True)
class HistoryMatches:
    """The messages of a history whose job is known, and those that may be of one of several jobs."""

    matched: list[tuple[Match, ParsedMessage]]
    ambiguous: list[ParsedMessage]


def match(
    message: ParsedMessage,
    jobs: Iterable[Job],
    foreign_jobs: ForeignJobs,
    me: str | None = None,
    *,
    ids_only: bool = False,
) -> Match | AmbiguousMatch | None:
    """Return the job that this message is about, AmbiguousMatch to keep it, or None if it is about none.

    ``me`` is the id of the account that sends: a message that mentions somebody else is not ours.
    ``ids_only``: match by ids only, never by content.
    """
    if me is not None and not may_be_mine(message, me):
        return None
    agreeing: dict[str, str] = {}
    possible: list[Job] = []
    for job in jobs:
        evidence = compare(message, job)
        if any(not agrees for _, agrees in evidence):
            continue
        if evidence:
            agreeing[job.id] = evidence[0][0]
        possible.append(job)
    if len(agreeing) == 1:
        return Match(*next(iter(agreeing.items())))
    if agreeing:
        return AmbiguousMatch(f"its ids point to {len(agreeing)} jobs: {', '.join(sorted(agreeing))}")
    if message.kind in FINALS and foreign_jobs.end_by_ids(message):
        return None
    return None if ids_only else _match_by_content(message, possible, foreign_jobs)


def match_history(
    messages: Sequence[ParsedMessage],
    jobs: Sequence[Job],
    foreign_jobs: ForeignJobs,
    me: str | None = None,
    *,
    by_text: Container[str] | None = None,
    newest: str | None = None,
) -> HistoryMatches:
    """Match the channel's history, which has no nonces and may lack the starts of foreign jobs.

    Ids decide as always. Looks decide only if, of all the bot's jobs that no id gives to anybody, exactly one
    fits exactly one of ours. ``by_text`` are the ids of the jobs that may be found by content (None: all). A
    message newer than ``newest``, the newest message known before, also says something about foreign jobs.
    """
    found: list[tuple[Match, ParsedMessage]] = []
    waiting = {job.id: job for job in jobs}
    rest: list[ParsedMessage] = []
    for message in messages:
        by_ids = match(message, jobs, foreign_jobs, me, ids_only=True)
        if isinstance(by_ids, Match):
            found.append((by_ids, message))
            _update(waiting, by_ids.job_id, message)
        elif _may_be_ours(message, me):
            rest.append(message)
    new = [message for message in rest if not not_newer(message.message_id, newest)]
    # The starts first: they show whose the finals are.
    shown = {message.message_id for message in messages}
    _learn([start for start in new if start.kind not in FINALS], list(waiting.values()), foreign_jobs, shown)
    rest = _one_per_bot_job([message for message in rest if not _is_foreign(message, foreign_jobs)])
    _learn([final for final in new if final in rest], list(waiting.values()), foreign_jobs, shown)
    left = [job for job in waiting.values() if by_text is None or job.id in by_text]
    # A job whose start is found only now is at work: its result may be yet to come.
    at_work = {job.id for job in jobs if waiting.get(job.id, job).message_id != job.message_id}
    by_looks = _match_one_to_one(rest, waiting.values(), foreign_jobs, {job.id for job in left} - at_work)
    taken = [message for _, message in by_looks]
    fitting = [message for message in rest if any(fits(message, job) for job in waiting.values())]
    return HistoryMatches(found + by_looks, [message for message in fitting if message not in taken])


def _update(waiting: dict[str, Job], job_id: str, message: ParsedMessage) -> None:
    """Note what a message says about its job: a result ends the search, a start makes it narrower."""
    if message.kind in FINALS:
        waiting.pop(job_id, None)
    elif job_id in waiting and message.message_id is not None:
        job = waiting[job_id]
        uuid = message.job_uuid or job.job_uuid
        waiting[job_id] = replace(job, message_id=message.message_id, job_uuid=uuid)


def _is_foreign(message: ParsedMessage, foreign_jobs: ForeignJobs) -> bool:
    """Return whether an id says that this is a foreign job's; a final ends that job."""
    known = foreign_jobs.end_by_ids if message.kind in FINALS else foreign_jobs.has_start
    return known(message)


def _may_be_ours(message: ParsedMessage, me: str | None) -> bool:
    return message.kind in _IN_HISTORY and (me is None or may_be_mine(message, me))


def may_be_mine(message: ParsedMessage, me: str | None) -> bool:
    """Return whether this account may have started the job by hand: jobs of other people name them."""
    return {message.user_id, message.invoker_id} <= {None, me}


def _learn(
    messages: Sequence[ParsedMessage],
    jobs: Sequence[Job],
    foreign_jobs: ForeignJobs,
    shown: Container[str | None],
) -> None:
    """Note foreign jobs that began or ended in a gap; a message that may be ours by content is ignored.

    ``shown``: the messages that are there. A final ends no job by content whose start is one of them: the bot
    deletes the start of a job that has ended, and the final may be that of a job whose start is gone.
    """
    for message in sorted(messages, key=lambda message: int(message.message_id or 0)):
        if any(fits(message, job) for job in jobs):
            continue
        if message.kind in FINALS:
            foreign_jobs.end_by_content(message, shown)
        else:
            foreign_jobs.note(message)


def _one_per_bot_job(messages: Sequence[ParsedMessage]) -> list[ParsedMessage]:
    """Return one message for each job of the bot: of a start message and its own final only the final."""
    finals = [message for message in messages if message.kind in FINALS]
    ended = {message.reply_to for message in finals} | {message.job_uuid for message in finals}
    ended.discard(None)
    starts = (message for message in messages if message.kind not in FINALS)
    return finals + [start for start in starts if not {start.message_id, start.job_uuid} & ended]


def is_same_bot_job(left: ParsedMessage, right: ParsedMessage) -> bool:
    """Return whether two messages are known to be about one job of the bot: a start and its own final."""
    if left.message_id == right.message_id or (left.job_uuid is not None and left.job_uuid == right.job_uuid):
        return True
    # A reply to a final is a follow-up.
    replies = (left, right), (right, left)
    return any(start.message_id == reply.reply_to and start.kind not in FINALS for start, reply in replies)


def is_other_bot_job(start: ParsedMessage, final: ParsedMessage) -> bool:
    """Return whether ids say that a prompt's start and a final are of two jobs of the bot."""
    other_uuid = None not in {start.job_uuid, final.job_uuid} and start.job_uuid != final.job_uuid
    return other_uuid or final.reply_to not in {None, start.message_id}


def _match_one_to_one(
    messages: Sequence[ParsedMessage],
    jobs: Iterable[Job],
    foreign_jobs: ForeignJobs,
    findable: Container[str],
) -> list[tuple[Match, ParsedMessage]]:
    """Return the messages of ``findable`` jobs; all jobs are rivals."""
    pairs = [(job, [message for message in messages if fits(message, job)]) for job in jobs]
    found = []
    for job, fitting in pairs:
        rivals = [other for _, other in pairs if any(message in other for message in fitting)]
        is_only_one = job.id in findable and len(fitting) == 1 and len(rivals) == 1
        if is_only_one and not foreign_jobs.may_include(fitting[0], job.id):
            found.append((_by_looks(fitting[0], job), fitting[0]))
    return found


def fits(message: ParsedMessage, job: Job) -> bool:
    """Return whether the job waits for a message like this one, and no id excludes it."""
    return (
        job.state in WAITING
        and all(agrees for _, agrees in compare(message, job))
        and (message.kind in FINALS or job.message_id is None)
        and could_be_about(message, job)
    )


def _by_looks(message: ParsedMessage, job: Job) -> Match:
    """Return the match by what the two have in common besides ids."""
    by_button = job.button_press is not None and message.reply_to == job.button_press.message_id
    return Match(job.id, "button" if by_button else "text")


def _match_by_content(
    message: ParsedMessage, possible: list[Job], foreign_jobs: ForeignJobs
) -> Match | AmbiguousMatch | None:
    if not _may_match_by_looks(message):
        return None
    fitting = _with_whole_prompt(message, [job for job in possible if _is_waiting_for(message, job)])
    if not fitting:
        if message.kind in FINALS:
            foreign_jobs.end_by_content(message)
        return None
    if len(fitting) > 1:
        return AmbiguousMatch(f"{len(fitting)} jobs have this prompt, or have pressed this button")
    if foreign_jobs.may_include(message, fitting[0].id):
        return AmbiguousMatch("a job that somebody else started in this channel looks the same")
    return _by_looks(message, fitting[0])


def _with_whole_prompt(message: ParsedMessage, jobs: list[Job]) -> list[Job]:
    """Return the jobs with exactly this prompt, or all jobs if there are none: the echo may be cut off."""
    prompt = normalise(message.prompt or "")
    whole = [job for job in jobs if job.button_press is not None or normalise(job.prompt.text) == prompt]
    return whole or jobs


def _may_match_by_looks(message: ParsedMessage) -> bool:
    if message.kind in FINALS:
        return True
    # A start or a refusal with a nonce or an interaction names its owner, and no job of ours has these ids.
    return _is_nameless(message) and message.kind in {
        MessageKind.STARTED,
        MessageKind.REFUSED,
        MessageKind.QUEUED,
    }


def is_nameless_start(message: ParsedMessage) -> bool:
    """Return whether this start has no id that names its owner."""
    return message.kind is MessageKind.STARTED and _is_nameless(message)


def _is_nameless(message: ParsedMessage) -> bool:
    return message.nonce is None and message.interaction_id is None


def _is_waiting_for(message: ParsedMessage, job: Job) -> bool:
    if job.state not in WAITING or not could_be_about(message, job):
        return False
    if message.kind is MessageKind.STARTED:
        # The start of a job that the bot had queued has no nonce; any other start of ours has one.
        return job.message_id is None and (job.queued_by_bot or job.state is State.IN_DOUBT)
    return message.kind in FINALS or job.message_id is None
