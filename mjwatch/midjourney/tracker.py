"""Turns what the gateway and the channel's history say into events for jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.discord.json_values import id_of, object_of, snowflake_of
from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID
from mjwatch.midjourney.buttons import cancel_of
from mjwatch.midjourney.interactions import INTERACTION_EVENTS, read_interaction
from mjwatch.midjourney.matching.evidence import FINALS, could_be_about, expected_of
from mjwatch.midjourney.matching.foreign_jobs import (
    WAITING,
    ForeignJob,
    ForeignJobs,
    UnmatchedMessage,
    UnmatchedMessages,
)
from mjwatch.midjourney.matching.matcher import AmbiguousMatch, Match, match, match_history
from mjwatch.midjourney.parsing.messages import BOTS, read_message
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import Job, Result, ResultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

MESSAGE_EVENTS = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"})
PASSIVE_EVENTS = {
    "PASSIVE_UPDATE_V1": "channels",
    "PASSIVE_UPDATE_V2": "updated_channels",
    "CHANNEL_UNREAD_UPDATE": "channel_unread_updates",
}
"""What a session that is not subscribed to a guild gets in place of messages, and where the channels are
listed in it (discord-userdoccers, gateway events)."""

_WORTH_HOLDING = FINALS | {MessageKind.STARTED}

_RESULTS = {
    MessageKind.RESULT: ResultKind.GRID,
    MessageKind.SINGLE: ResultKind.SINGLE,
    MessageKind.VIDEO: ResultKind.VIDEO,
}

JobEvents = list[tuple[str | None, ev.JobEvent]]
"""Events with the job they are for; None for a refusal that concerns the account and no job of ours."""


class MessageTracker:
    """Follows one channel. ``owner_of(job_uuid=, message_id=, start_id=)`` names a job, also a closed one.

    ``application_id``: the application that is spoken to, if it is neither Midjourney's nor niji's own.
    """

    def __init__(
        self, channel_id: str, owner_of: Callable[..., str | None], application_id: str | None = None
    ) -> None:
        self._channel_id = channel_id
        self._bots = BOTS if application_id is None else BOTS | {application_id}
        self._owner_of = owner_of
        self.strangers = ForeignJobs()
        self.holding = UnmatchedMessages()
        self._press_answers: dict[str, str] = {}  # messages that answer a press, and the job it was for
        self.me: str | None = None
        self.newest: str | None = None
        self.references_seen = False
        """Whether a final was seen to reply to its own start message: then ids tell equal prompts apart."""
        self.on_notice: Callable[[str, str], None] = lambda job_id, words: None
        """Told what Midjourney says to a job where that changes nothing: the job's id, and the words."""
        self.caught_up = True
        """False while a gap's history is unread: then only ids decide, and what they leave open waits."""

    def wanted(self, name: str, data: Mapping[str, Any]) -> bool:
        """Whether this dispatch concerns us; all others need not leave the gateway's thread."""
        if name in INTERACTION_EVENTS or name in PASSIVE_EVENTS:
            return True
        return name in MESSAGE_EVENTS and id_of(data.get("channel_id")) == self._channel_id

    def dispatch(self, event: ev.GatewayDispatch, jobs: Mapping[str, Job]) -> JobEvents:
        """What this dispatch means for which job."""
        if event.name in INTERACTION_EVENTS:
            return read_interaction(event, jobs.values())
        if event.name in PASSIVE_EVENTS:
            return []
        pairs: JobEvents = []
        for reading in self._readings(event, jobs):
            if event.name == "MESSAGE_CREATE":
                self.see(reading.message_id)
            pairs += self._assign(reading, event.seq, jobs)
        return pairs

    def _read(self, event: str, payload: Mapping[str, Any]) -> ParsedMessage:
        """A final without its pictures is only a part of it, from which nobody may be served."""
        reading = read_message(event, payload, self._bots)
        part = reading.kind in FINALS and not reading.images
        return replace(reading, kind=MessageKind.NOTICE) if part else reading

    def _readings(self, event: ev.GatewayDispatch, jobs: Mapping[str, Job]) -> list[ParsedMessage]:
        """The dispatch as read: one reading, but for a deletion in bulk, in which jobs must not rival."""
        reading = self._read(event.name, event.data)
        if reading.kind is MessageKind.DELETED:
            return [replace(reading, message_id=one, deleted_ids=(one,)) for one in reading.deleted_ids]
        if event.name != "MESSAGE_UPDATE" or not _is_start(_id_of(event), jobs.values()):
            return [reading]
        if reading.kind is MessageKind.BUTTON_USED:
            return [self._read("REST", event.data)]  # a job that ends in the message in which it began
        if reading.kind is MessageKind.OTHER and not object_of(event.data.get("author")):
            # A part of a start message of ours, too small to tell whose it is.
            return [self._read(event.name, {**event.data, "webhook_id": MIDJOURNEY_APPLICATION_ID})]
        return [reading]

    def see(self, message_id: str | None) -> None:
        """Remember the newest message of the channel ("0": there is none): the anchor of the next attempt."""
        if message_id is None or not message_id.isdecimal():
            return
        if self.newest is None or int(message_id) > int(self.newest):
            self.newest = message_id

    def missed_something(self, event: ev.GatewayDispatch) -> bool:
        """Whether a passive update shows a newer message in the channel than any that came."""
        channels = event.data.get(PASSIVE_EVENTS.get(event.name, ""), ())
        for channel in channels if isinstance(channels, list | tuple) else ():
            if isinstance(channel, dict) and id_of(channel.get("id")) == self._channel_id:
                return int(snowflake_of(channel.get("last_message_id")) or 0) > int(self.newest or 0)
        return False

    def reread(self, messages: Mapping[str, Mapping[str, Any] | None], jobs: Mapping[str, Job]) -> JobEvents:
        """What has become of start messages, read again after a gap.

        A missing one was deleted only if another one shows that the history can be read at all.
        """
        pairs: JobEvents = []
        readable = any(message is not None for message in messages.values())
        for message_id, message in messages.items():
            if message is not None:
                pairs += self._assign(self._read("REST", message), None, jobs)
            elif readable:
                gone = {"id": message_id, "channel_id": self._channel_id}
                pairs += self._assign(self._read("MESSAGE_DELETE", gone), None, jobs)
        return pairs

    def history(
        self,
        messages: Sequence[Mapping[str, Any]],
        jobs: Mapping[str, Job],
        by_text: Container[str] | None = None,
    ) -> JobEvents:
        """What a stretch of the channel's history, read after a gap, means for which job.

        ``by_text``: the ids of the jobs that may be found by their prompt; None means all.
        """
        readings = [self._completed(self._read("REST", message), jobs) for message in messages]
        fresh = [reading for reading in readings if self._closed_owner(reading, jobs) is None]
        found = match_history(
            fresh, list(jobs.values()), self.strangers, self.me, by_text=by_text, newest=self.newest
        )
        for reading in readings:
            self.see(reading.message_id)
        return [pair for match_, reading in found for pair in self._events(match_, reading, jobs)]

    def held_again(self, jobs: Mapping[str, Job]) -> tuple[UnmatchedMessage, JobEvents] | None:
        """The first held message of which it has become clear whose it is; None if there is none.

        It stays held until ``holding.release`` is told: its events may fail to be committed.
        """
        for held in self.holding:
            pairs = self._find(held.reading, jobs)
            if pairs is not None:
                return held, pairs
        return None

    def new_session(self) -> None:
        """A session began anew: there is a gap before it, and its dispatches are counted from one."""
        self.caught_up = False
        self.holding.new_session()

    def remember_ended(self, job: Job) -> None:
        """A job that was given up may have run: no other job may take its pictures by their looks."""
        self.strangers.add(
            ForeignJob(
                job.message_id or f"ended {job.id}",
                job.prompt.text,
                job.job_uuid,
                since=job.message_id or job.anchor,
                pressed=job.button_press.message_id if job.button_press else None,
                picture=expected_of(job).picture,
            )
        )

    def _assign(self, reading: ParsedMessage, seq: int | None, jobs: Mapping[str, Job]) -> JobEvents:
        reading = self._completed(reading, jobs)
        pairs = self._answer_to_press(reading, jobs)
        if pairs is None:
            pairs = self._find(reading, jobs)
        if pairs is None:
            self.holding.hold(reading, seq)
            pairs = []
        mine = self._may_be_mine(reading)
        if mine and not pairs and reading.error is not None and reading.error.needs_human:
            return [(None, ev.Refused(reading.error))]
        return pairs

    def _answer_to_press(self, reading: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents | None:
        """What a message of its own says to a pressed Cancel Job; later parts of it may lack the nonce.

        None if it is no such message.
        """
        message_id = reading.message_id or ""
        for job in jobs.values() if reading.nonce is not None else ():
            pressed = job.cancel_request is not None and job.cancel_request.nonce == reading.nonce
            if pressed and message_id != job.message_id and reading.kind not in FINALS:
                self._press_answers[message_id] = job.id
        job_id = self._press_answers.get(message_id)
        if job_id not in jobs:
            return None
        if reading.error is None:
            return []
        if reading.error.stopped:
            return [(job_id, ev.Refused(reading.error))]
        again = 0.0 if reading.error.needs_human else None
        return [(job_id, ev.CancelPressed(reading.error.title or reading.error.detail, reading.error, again))]

    def _find(self, reading: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents | None:
        """The events of this message, none if it is nobody's; None: it must be held."""
        owner = self._closed_owner(reading, jobs)
        if owner is not None:
            return [(owner, _finished(reading, "job uuid"))]
        found = match(reading, jobs.values(), self.strangers, self.me, ids_only=not self.caught_up)
        if isinstance(found, Match):
            return self._events(found, reading, jobs)
        mine = self._may_be_mine(reading)
        if mine and (isinstance(found, AmbiguousMatch) or not self.caught_up):
            return None if reading.kind in _WORTH_HOLDING else []
        if found is None and mine:
            self.strangers.note(reading, jobs.values())
        return []

    def _may_be_mine(self, reading: ParsedMessage) -> bool:
        """Whether this account may have started it by hand: other people's jobs name them instead."""
        return all(who in {None, self.me} for who in (reading.user_id, reading.invoker_id))

    def _completed(self, reading: ParsedMessage, jobs: Mapping[str, Job]) -> ParsedMessage:
        """An answer without a label is a reroll if it replies to a finished picture, which we may know."""
        if reading.reply_to is None or reading.action not in {None, Action.IMAGINE, Action.BLEND}:
            return reading
        if reading.kind not in FINALS or not self._is_result(reading.reply_to, jobs):
            return reading
        return replace(reading, action=Action.REROLL)

    def _is_result(self, message_id: str, jobs: Mapping[str, Job]) -> bool:
        if any(job.result is not None and job.result.message_id == message_id for job in jobs.values()):
            return True
        return self._owner_of(job_uuid=None, message_id=message_id, start_id=None) is not None

    def _closed_owner(self, reading: ParsedMessage, jobs: Mapping[str, Job]) -> str | None:
        """The job that has this result already, or had ended before it came."""
        if reading.kind not in FINALS:
            return None
        owner = self._owner_of(job_uuid=None, message_id=reading.message_id, start_id=None)
        if owner is None:
            owner = self._owner_of(job_uuid=reading.job_uuid, message_id=None, start_id=reading.reply_to)
            if owner is not None and any(_goes_on_from(owner, reading, job) for job in jobs.values()):
                return None
        return None if owner in jobs else owner

    def _events(self, found: Match, reading: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents:
        job = jobs[found.job_id]
        if reading.kind in FINALS and reading.reply_to is not None and reading.reply_to == job.message_id:
            self.references_seen = True
        pairs: JobEvents = [(job.id, event) for event in _job_events(reading, job, found.by)]
        if not pairs and reading.kind is MessageKind.NOTICE and reading.text:
            self.on_notice(job.id, reading.text)
        return pairs


def _id_of(event: ev.GatewayDispatch) -> str | None:
    return snowflake_of(event.data.get("id"))


def _is_start(message_id: str | None, jobs: Iterable[Job]) -> bool:
    return message_id is not None and any(
        job.message_id == message_id and job.state in WAITING for job in jobs
    )


def _goes_on_from(owner: str, reading: ParsedMessage, job: Job) -> bool:
    """Whether this job waits for another message under the uuid of one that has ended: by /show, for one."""
    if job.state not in WAITING:
        return False
    if expected_of(job).job_uuid is not None:
        return expected_of(job).job_uuid == reading.job_uuid
    return job.parent == owner and could_be_about(reading, job)


def _job_events(reading: ParsedMessage, job: Job, by: str) -> Iterable[ev.JobEvent]:
    match reading.kind:
        case MessageKind.STARTED if reading.message_id:
            yield ev.Started(reading.message_id, reading.interaction_id, reading.job_uuid, cancel_of(reading))
        case MessageKind.PROGRESS:
            if job.message_id is None and reading.message_id:
                yield ev.Started(reading.message_id, reading.interaction_id, reading.job_uuid)
            yield ev.Progressed(reading.percent, reading.job_uuid, cancel_of(reading))
        case MessageKind.QUEUED if _of_present_attempt(reading, job):
            yield ev.QueuedByBot()
        case MessageKind.REFUSED if reading.error is not None and _of_present_attempt(reading, job):
            yield ev.Refused(reading.error)
        case MessageKind.DELETED:
            yield ev.StartMessageDeleted()
        case kind if kind in FINALS or (kind in expected_of(job).finals and reading.text):
            yield _finished(reading, by)
        case MessageKind.NOTICE if reading.job_uuid and reading.message_id == job.message_id:
            yield ev.Progressed(None, reading.job_uuid, cancel_of(reading))  # a part of its progress
        case _:
            pass


def _of_present_attempt(reading: ParsedMessage, job: Job) -> bool:
    """A refusal that comes late for an earlier attempt says nothing of the present one."""
    pressed = job.cancel_request.nonce if job.cancel_request is not None else None
    return reading.nonce in {None, job.nonce, pressed}


def _finished(reading: ParsedMessage, by: str) -> ev.Finished:
    result = Result(
        message_id=reading.message_id or "",
        matched_by=by,
        job_uuid=reading.job_uuid,
        echoed=reading.prompt,
        pictures=reading.images,
        buttons=reading.buttons,
        kind=_RESULTS.get(reading.kind, ResultKind.TEXT),
        text=reading.text,
        flags=reading.flags,
    )
    return ev.Finished(result)
