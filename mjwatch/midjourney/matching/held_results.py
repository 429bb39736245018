"""Results that may belong to more than one job: held until that is clear, or until a person settles it. Pure.

The journal keeps them, so that neither a restart nor the end of their jobs loses what was paid for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import list_of, object_of, objects_of, text_of
from mjwatch.midjourney.matching.evidence import FINALS, compare, could_be_about, expected_of, not_newer
from mjwatch.midjourney.matching.foreign_jobs import WAITING
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import Button, RemotePicture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
    from mjwatch.model import Job

MAX_HELD = 200

_PLAIN_FIELDS = (
    *("message_id", "channel_id", "author_id", "timestamp", "flags", "nonce", "interaction_id", "command"),
    *("invoker_id", "reply_to", "prompt", "user_id", "image_index", "job_uuid"),
)
_WHAT_KINDS_SHOW = {
    MessageKind.RESULT: "a grid of four pictures",
    MessageKind.SINGLE: "a single picture",
    MessageKind.VIDEO: "a video",
}
_MISMATCHES = {
    "nonce": "its nonce is that of another attempt",
    "message": "it is not the message in which the job runs",
    "reference": "it replies to a message that is not the job's",
    "job uuid": "its job uuid is not the job's",
    "interaction": "its interaction is not the job's",
}


@dataclass(frozen=True, slots=True)
class HeldResult:
    """A final message and the jobs without a result that it may belong to, by their ids.

    ``link``: the message's address. ``by_ids``: it was read in a history, where the prompt alone proves
    nothing, so that only ids settle it.
    """

    message: ParsedMessage
    link: str
    candidates: tuple[str, ...]
    by_ids: bool = False

    @property
    def message_id(self) -> str:
        """The message's id."""
        return self.message.message_id or ""


class HeldResults:
    """All results that are held, oldest first.

    ``owner_of`` as in MessageTracker; ``channel_address`` is the channel's address on the web.
    """

    def __init__(
        self, owner_of: Callable[..., str | None], foreign_jobs: ForeignJobs, channel_address: str
    ) -> None:
        self._owner_of = owner_of
        self._foreign_jobs = foreign_jobs
        self._channel_address = channel_address
        self._held: dict[str, HeldResult] = {}
        self._new: list[HeldResult] = []
        self.version = 0
        """A number that grows with every change."""

    def __iter__(self) -> Iterator[HeldResult]:
        return iter(tuple(self._held.values()))

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._held

    def get(self, message_id: str) -> HeldResult | None:
        """Return the held result with this message id, or None."""
        return self._held.get(message_id)

    def hold(self, message: ParsedMessage, jobs: Iterable[Job], *, by_ids: bool = False) -> bool:
        """Hold a final that may be a job's, and drop the oldest if there are too many.

        Return whether it is held.
        """
        message_id = message.message_id
        if message_id is None or message.kind not in FINALS or message_id in self._held:
            return message_id in self._held
        waiting = candidates(message, jobs)
        if not waiting or self.owner(message_id) or self._foreign_jobs.has_final(message):
            return False
        found = tuple(dict.fromkeys([*waiting, *self._foreign_jobs.possible_owners(message)]))
        self._add(HeldResult(message, f"{self._channel_address}/{message_id}", found, by_ids))
        return True

    def owner(self, message_id: str) -> str | None:
        """Return the job that has this message as its result, or None."""
        return self._owner_of(job_uuid=None, message_id=message_id, start_id=None)

    def _add(self, held: HeldResult) -> None:
        self._held[held.message_id] = held
        self._new.append(held)
        self.version += 1
        if len(self._held) > MAX_HELD:
            del self._held[next(iter(self._held))]

    def remove(self, message_id: str) -> None:
        """Forget a result whose job is known."""
        if self._held.pop(message_id, None) is not None:
            self.version += 1

    def take_new(self) -> list[HeldResult]:
        """Return the results that are held since the last call."""
        new, self._new = [held for held in self._new if held.message_id in self._held], []
        return new

    def job_finished(self, job_id: str) -> None:
        """Note that a job has its result, so that no other result is its own."""
        self._foreign_jobs.job_finished(job_id)
        for held in self:
            if job_id in held.candidates:
                others = tuple(candidate for candidate in held.candidates if candidate != job_id)
                self._held[held.message_id] = replace(held, candidates=others)
                self.version += 1

    def may_be_of(self, job: Job) -> bool:
        """Return whether a held result may be this job's."""
        return any(job.id in held.candidates for held in self)

    def dismiss(self, message: ParsedMessage) -> None:
        """Note that a final is no job's of ours."""
        self.remove(message.message_id or "")
        self._foreign_jobs.dismiss(message, [held.message for held in self])

    def objection(self, message: ParsedMessage, job: Job) -> str | None:
        """Return why this message can't be the job's result, whatever a person says; None if it can be."""
        owner = self.owner(message.message_id or "")
        if owner is None and expected_of(job).job_uuid is None:
            # What is made of pictures may have the uuid of its parent's.
            owner = self._owner_of(job_uuid=message.job_uuid, message_id=None, start_id=message.reply_to)
            owner = None if owner == job.parent else owner
        return objection(message, job) if owner in {None, job.id} else f"it is the result of job {owner}"

    def load(self, stored: object) -> None:
        """Load what ``stored`` gave to the journal, but for results that a job has got since.

        Anything of another shape is ignored.
        """
        self._held.clear()
        for fields in objects_of(stored):
            message = _load_message(object_of(fields.get("fields")))
            if message is None or message.message_id is None or self.owner(message.message_id):
                continue
            jobs = tuple(job for job in list_of(fields.get("jobs")) if isinstance(job, str))
            held = HeldResult(message, text_of(fields.get("link")), jobs, fields.get("by_ids") is True)
            self._held[held.message_id] = held

    def stored(self) -> list[dict[str, Any]]:
        """Return all as JSON for the journal; the first four keys are for those who show them."""
        return [
            {
                "message": held.message_id,
                "link": held.link,
                "prompt": held.message.prompt,
                "jobs": list(held.candidates),
                "by_ids": held.by_ids,
                "fields": _stored_message(held.message),
            }
            for held in self
        ]


def _stored_message(message: ParsedMessage) -> dict[str, Any]:
    return {
        **{name: getattr(message, name) for name in _PLAIN_FIELDS},
        "kind": message.kind,
        "action": message.action,
        "images": [asdict(image) for image in message.images],
        "buttons": [asdict(button) for button in message.buttons],
    }


def _load_message(fields: Any) -> ParsedMessage | None:
    try:
        return ParsedMessage(
            event="REST",
            kind=MessageKind(fields["kind"]),
            action=Action(fields["action"]) if fields["action"] else None,
            images=tuple(RemotePicture(**image) for image in fields["images"]),
            buttons=tuple(Button(**button) for button in fields["buttons"]),
            final=True,
            **{name: fields[name] for name in _PLAIN_FIELDS},
        )
    except (KeyError, TypeError, ValueError):
        return None


def candidates(message: ParsedMessage, jobs: Iterable[Job]) -> list[str]:
    """Return the jobs that this final may belong to: those that its ids name, or else those that fit."""
    evidence = [(job, compare(message, job)) for job in jobs]
    possible = [(job, found) for job, found in evidence if all(agrees for _, agrees in found)]
    named = [job.id for job, found in possible if found]
    return named or [job.id for job, _ in possible if job.state in WAITING and could_be_about(message, job)]


def contradicts(message: ParsedMessage, job: Job) -> bool:
    """Return whether an id says that this final is not the result of the job's only attempt."""
    mismatch = any(not agrees and by in _MISMATCHES for by, agrees in compare(message, job))
    return mismatch and len(job.nonces) == 1


def objection(message: ParsedMessage, job: Job) -> str | None:
    """Return why this message can't be the job's result, whatever a person says; None if it can be.

    A prompt that differs is no reason: the bot may have changed it. An id that contradicts is one.
    """
    if message.kind not in FINALS or not message.images:
        return "it does not show the pictures of a finished job"
    for by, agrees in compare(message, job):
        if not agrees and by in _MISMATCHES:
            return _MISMATCHES[by]
    if _is_older(message, job):
        return "it is older than the job"
    if message.kind not in expected_of(job).finals:
        return f"it shows {_WHAT_KINDS_SHOW[message.kind]}, which this job does not make"
    return None


def _is_older(message: ParsedMessage, job: Job) -> bool:
    """Return whether the message is older than the job's only attempt; earlier ones may have run, too."""
    older = not_newer(message.message_id, job.anchor) or not_newer(message.message_id, job.interaction_id)
    return older and len(job.nonces) == 1
