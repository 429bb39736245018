"""A small pure model of Discord and Midjourney in one channel: what is executed, and what is said about it.

Written from what is recorded of both, not from mjwatch: jobs run and wait, messages appear, change and go,
a gateway session hears of them while it lives, and the history shows what is left. Whose picture a message
has is known only here (``World.truth``); no message says it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.helpers.message_shapes import CHANNEL, ME, message, progress, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

DISCORD_EPOCH = 1_420_070_400
START_OF_TIME = 1_790_000_000.0

Dispatch = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Year:
    """What the bot's messages show; it has changed several times, and not all of it is recorded."""

    reference_on_final: bool
    uuid_in_preview: bool
    previews: bool
    interaction_on_start: bool
    nonce_on_start: bool
    nonce_on_final: bool
    hand_nonce_shown: bool
    hand_notice_shown: bool
    delete: str
    """When the start message is deleted: before or after the final, or never."""
    suffix: str
    """What the account's settings add to each prompt."""
    slots: int
    slow: float
    """The share of jobs that the bot begins late."""
    reuses_session_ids: bool
    """Whether each new session has the id of the last one: nothing promises that it is another one."""

    @classmethod
    def drawn(cls, rng: Random) -> Year:
        return cls(
            reference_on_final=rng.random() < 0.4,
            uuid_in_preview=rng.random() < 0.5,
            previews=rng.random() < 0.7,
            interaction_on_start=rng.random() < 0.8,
            nonce_on_start=rng.random() < 0.9,
            nonce_on_final=rng.random() < 0.2,
            hand_nonce_shown=rng.random() < 0.7,
            hand_notice_shown=rng.random() < 0.4,
            delete=rng.choice(["before", "after", "after", "never"]),
            suffix=rng.choice(["", "", " --s 250", " --v 7.0"]),
            slots=rng.choice([1, 1, 2, 3]),
            slow=rng.choice([0.0, 0.0, 0.0, 0.4]),
            reuses_session_ids=rng.random() < 0.2,
        )


def echoed(prompt: str, year: Year) -> str:
    """Return the prompt as the bot repeats it: one blank, ``--v 7.0`` for 7, and the account's suffix."""
    words = " ".join(prompt.split()).replace("\u2014", "--").replace("--v 7 ", "--v 7.0 ")
    words = words.removesuffix("--v 7") + "--v 7.0" if words.endswith("--v 7") else words
    return words + year.suffix


def meaning(prompt: str) -> str:
    """Return what of a prompt survives every recorded rewriting: prompts with one meaning look alike."""
    parts = " ".join(prompt.split()).replace("\u2014", "--").split(" --")
    kept = sorted(part for part in parts[1:] if part.startswith(("ar ", "no ")))
    return " --".join([parts[0], *kept])


@dataclass
class BotJob:
    """One job of Midjourney's. ``owner``: the nonce of our POST, or None if a person ran it by hand."""

    number: int
    owner: str | None
    prompt: str
    echo: str
    nonce: str
    interaction_id: str
    pressed: str | None = None
    start_id: str | None = None
    final_id: str | None = None
    shown: set[str] = field(default_factory=set)
    """What mjwatch has been given of it: its start, its final, its name (a nonce, or the notice with one)."""
    steps: deque[tuple[str, Callable[[], None]]] = field(default_factory=deque)
    fate: str = "done"
    begins_at: float = 0.0
    """The bot is slow with some jobs: it begins no earlier."""
    waits: bool = False
    runs: bool = False

    @property
    def uuid(self) -> str:
        return f"aaaaaaaa-0000-4000-8000-{self.number:012}"

    def __str__(self) -> str:
        return f"#{self.number} {'own' if self.owner else 'by hand'} {self.echo!r}"


@dataclass
class Session:
    """A gateway session: all that was said to it. It hears while it lives, also if nobody is connected."""

    id: str
    log: list[Dispatch] = field(default_factory=list)
    """Dispatches by seq: the first has seq 2, because READY has 1."""

    @property
    def seq(self) -> int:
        return len(self.log) + 1


class World:
    """Discord's channel and Midjourney's bot. ``now`` is in seconds since 1970."""

    def __init__(self, rng: Random, year: Year) -> None:
        self.rng = rng
        self.year = year
        self.now = START_OF_TIME
        self.jobs: list[BotJob] = []
        self.messages: dict[str, dict[str, Any]] = {}
        """What the history shows, by message id, oldest first; without nonces and ephemeral messages."""
        self.truth: dict[str, BotJob] = {}
        self.session: Session | None = None
        self.hears: Callable[[], None] = lambda: None
        """Called after each dispatch."""
        self.deaf = False
        """Whether the gateway sends nothing of the channel's messages; events of interactions still come."""
        self.owners: dict[str, BotJob] = {}
        self._last_id = 0

    def new_id(self) -> str:
        """Return a snowflake that is newer than all before."""
        self._last_id = max(self._last_id + 1, int((self.now - DISCORD_EPOCH) * 1000) << 22)
        return str(self._last_id)

    def new_session(self, session_id: str) -> Session:
        self.session = Session(session_id)
        return self.session

    # ---- what is asked of the bot

    def execute(self, prompt: str, nonce: str, *, own: bool, pressed: str | None = None) -> BotJob:
        """Run a command: ours with ``own``, else one that the account's owner gives by hand."""
        job = BotJob(
            len(self.jobs) + 1,
            nonce if own else None,
            prompt,
            echoed(prompt, self.year),
            nonce,
            self.new_id(),
            pressed,
        )
        self.jobs.append(job)
        if own:
            self.owners[nonce] = job
        job.fate = self._fate(own=own)
        if self.rng.random() < self.year.slow:
            job.begins_at = self.now + self.rng.uniform(5.0, 100.0)
        steps = [("interaction", lambda: self._interaction(job))] if own else []
        if job.fate == "refused":
            steps.append(("refusal", lambda: self._notice(job, "Queue full", 16711680)))
        else:
            steps += self._life(job)
        job.steps.extend(steps)
        return job

    def _fate(self, *, own: bool) -> str:
        """Most jobs end; few are refused, moderated, or end twice."""
        drawn = self.rng.random()
        if drawn < 0.06:
            return "moderated"
        if drawn < 0.14:
            return "twice"
        return "refused" if drawn < 0.18 and own else "done"

    def _life(self, job: BotJob) -> list[tuple[str, Callable[[], None]]]:
        steps: list[tuple[str, Callable[[], None]]] = [("begin", lambda: self._begin(job))]
        steps += [("progress", lambda: self._progress(job))] * (self.rng.randint(0, 2))
        delete = ("delete", lambda: self._delete(job))
        final = ("final", lambda: self._final(job))
        if job.fate == "moderated":
            return [*steps, delete]
        finals = [final, final] if job.fate == "twice" else [final]
        if self.year.delete == "before":
            return [*steps, delete, *finals]
        return [*steps, *finals, delete] if self.year.delete == "after" else [*steps, *finals]

    # ---- what the bot does

    def advance(self, job: BotJob) -> str | None:
        """Let the bot do the next thing for this job; return what it was, or None if it has to wait."""
        if not job.steps:
            return None
        name, act = job.steps[0]
        if name == "begin" and self.now < job.begins_at:
            return None
        if name == "begin" and self._running() >= self.year.slots:
            if job.waits:
                return None
            job.waits = True
            self._notice(job, "Job queued", 16239475)
            return "queue notice"
        job.steps.popleft()
        act()
        if name == "delete" and job.steps:
            job.steps.popleft()[1]()  # the final follows at once
        if not job.steps or (name == "final" and all(step[0] == "delete" for step in job.steps)):
            job.runs = False
        return name

    def _running(self) -> int:
        return sum(job.runs for job in self.jobs)

    def _interaction(self, job: BotJob) -> None:
        data = {"id": job.interaction_id, "nonce": job.nonce}
        self.say("INTERACTION_CREATE", data)
        self.say("INTERACTION_SUCCESS", data)

    def fail(self, job: BotJob) -> None:
        """Say that the bot was too slow for Discord; it runs the job all the same."""
        self.say("INTERACTION_FAILURE", {"id": job.interaction_id, "nonce": job.nonce, "reason_code": 2})

    def _notice(self, job: BotJob, title: str, color: int) -> None:
        if job.owner is None and not self.year.hand_notice_shown:
            return
        embed = {"type": "rich", "title": title, "description": "…", "color": color}
        embed |= {"footer": {"text": f"/imagine {job.prompt}"}}
        data = message(self.new_id(), "", flags=64, embeds=[embed], nonce=job.nonce, **_interaction_of(job))
        self.truth[data["id"]] = job
        self.say("MESSAGE_CREATE", data)

    def _begin(self, job: BotJob) -> None:
        job.runs = True
        job.start_id = self.new_id()
        lead = "Rerolling " if job.pressed else ""
        fields: dict[str, Any] = {}
        if job.pressed:
            fields |= {"type": 19, "message_reference": {"channel_id": CHANNEL, "message_id": job.pressed}}
        answers = not job.waits
        if answers and self.year.interaction_on_start:
            fields |= _interaction_of(job)
        data = message(job.start_id, f"{lead}**{job.echo}** - <@{ME}> (Waiting to start)", **fields)
        shows_nonce = self.year.nonce_on_start if job.owner else self.year.hand_nonce_shown
        self._post(job, data, nonce=job.nonce if answers and shows_nonce else None)

    def _progress(self, job: BotJob) -> None:
        if job.start_id not in self.messages:
            return
        before = self.messages[job.start_id]
        shows_uuid = self.year.previews and self.year.uuid_in_preview
        data = progress(job.start_id, job.echo, job.uuid if shows_uuid else None)
        if not self.year.previews:
            data["attachments"] = []
        kept = {key: before[key] for key in ("message_reference", "interaction", "type") if key in before}
        self.messages[job.start_id] = data | kept
        self.say("MESSAGE_UPDATE", data | kept)

    def _final(self, job: BotJob) -> None:
        reference = job.start_id if self.year.reference_on_final else None
        data = result(self.new_id(), job.echo, job.uuid, reply_to=job.pressed or reference)
        job.final_id = job.final_id or data["id"]
        nonce = str(9000 + job.number) if self.year.nonce_on_final else None
        self._post(job, data, nonce=nonce)

    def _delete(self, job: BotJob) -> None:
        if job.start_id is not None and self.messages.pop(job.start_id, None) is not None:
            self.say("MESSAGE_DELETE", {"id": job.start_id, "channel_id": CHANNEL})

    def _post(self, job: BotJob, data: dict[str, Any], nonce: str | None) -> None:
        self.truth[data["id"]] = job
        self.messages[data["id"]] = data
        self.say("MESSAGE_CREATE", data if nonce is None else data | {"nonce": nonce})

    def say(self, name: str, data: dict[str, Any]) -> None:
        """Dispatch to the session, if one lives."""
        if self.session is not None and not (self.deaf and name.startswith("MESSAGE_")):
            self.session.log.append((name, data))
            self.hears()

    # ---- what can be read

    def history(self, after: str | None) -> list[dict[str, Any]]:
        """Return the messages after this one, oldest first."""
        return [data for id_, data in self.messages.items() if after is None or int(id_) > int(after)]

    def note_given(self, data: dict[str, Any]) -> None:
        """Note that mjwatch has been given this message: what it knows of the job, no more is asked of it."""
        job = self.truth.get(data["id"])
        if job is None:
            return
        if data["embeds"]:
            job.shown.add("name")
            return
        job.shown.add("start" if data["id"] == job.start_id else "final")
        if data.get("nonce") == job.nonce:
            job.shown.add("name")

    def pending(self) -> list[BotJob]:
        """Return the jobs for which the bot has something left to do."""
        return [job for job in self.jobs if job.steps]


def _interaction_of(job: BotJob) -> dict[str, Any]:
    return {"interaction": {"id": job.interaction_id, "type": 2, "name": "imagine", "user": {"id": ME}}}
