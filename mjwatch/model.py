"""The values that all rooms share: ids, prompts, remote pictures, refusals. No I/O, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Snowflake = str
"""A Discord id: a 64-bit number, always handled as the decimal string that JSON carries."""

ParameterValue = str | int | float | bool

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime of a file, the times in nanoseconds."""

MANIFEST_SCHEMA = "mjwatch/manifest/1"
"""The name and version of the format of ``manifest.json``."""

ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits of job ids: none that a person could take for another one."""


class RefusalClass(StrEnum):
    """What kind of no it is; decides what happens to the job and to the sending of others."""

    RETRY = "retry"
    """Not executed, and waiting is enough: rate limits, a full queue."""
    USER = "user"
    """The prompt itself is wrong: a bad parameter, an empty prompt, a bad link."""
    MODERATION = "moderation"
    """Midjourney or Discord objects to the content of this job."""
    ACCOUNT = "account"
    """The account can't go on until a person acts: token, captcha, block, terms, pending notice."""
    PLAN = "plan"
    """The subscription does not allow it or is used up."""
    TRANSIENT = "transient"
    """Something broke on the other side; the same job may succeed later."""
    STALE_VERSION = "stale_version"
    """The command's version is out of date: read the command index again, send once more."""
    CONFIG = "config"
    """Guild, channel, application or rights are wrong: a person must mend the configuration."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no, from an HTTP answer or from a message of the bot.

    ``kind`` is None where the message leaves it open (an unknown red embed). ``needs_human``: nothing more
    can be submitted until a person has done something. ``retry_after``: seconds to wait, if the answer
    said so. ``advice``: what the person can do, in plain words; may be empty. ``token``: it is the token
    that is not accepted. ``stopped``: somebody has stopped the job at work.
    """

    kind: RefusalClass | None
    title: str | None
    detail: str
    needs_human: bool = False
    retry_after: float | None = None
    advice: str = ""
    token: bool = False
    stopped: bool = False


class PauseKind(StrEnum):
    """What kind of thing stopped the sending."""

    TOKEN = "token"
    """Discord did not accept the token."""
    GATEWAY = "gateway"
    """The gateway won't let us in for another reason."""
    ACCOUNT = "account"
    """A captcha, a notice, a block: something that the account's owner must see to in Discord."""
    PLAN = "plan"
    """The subscription is used up or ended."""
    CONFIG = "config"
    """Guild, channel, application or rights are wrong."""
    PERSON = "person"
    """A person said ``mjwatch pause``."""


ENDED_BY_ENTRY = frozenset({PauseKind.TOKEN, PauseKind.GATEWAY})
"""Causes that are shown to be gone when the gateway lets us in: it asks for the token each time."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent, in words, and of what kind that is."""

    reason: str
    kind: PauseKind


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A picture as a message offers it. ``url`` is complete with its signature; sizes in pixels and bytes."""

    filename: str
    url: str
    width: int | None = None
    height: int | None = None
    size: int | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a message that does something (link buttons have no custom_id and don't count)."""

    custom_id: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one job asks for, as accepted from a prompt file, the CLI or Python.

    ``text`` is the whole string that is submitted: image URLs first, then words, then parameters.
    ``parameters`` are those that the file gave as a table, as written there, for the manifest. ``images``
    are local files, by their names relative to the prompt file, to be uploaded before it is sent.
    ``action`` is a follow-up by name (``U1``, ``vary strong``) on the job ``parent``; then ``text`` is new
    words for it, or empty for those that it had. ``then`` are the follow-ups for when the job is done.
    ``priority``: higher is sent first. ``not_before`` is in seconds since 1970. ``application`` is ``niji``
    for the other bot.
    """

    text: str
    command: str = "imagine"
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    label: str | None = None
    images: tuple[str, ...] = ()
    action: str | None = None
    parent: str | None = None
    then: tuple[str, ...] = ()
    priority: int = 0
    not_before: float | None = None
    application: str | None = None


@dataclass(frozen=True, slots=True)
class References:
    """What a prompt file refers to, as it lay around it when it was read.

    ``defaults``: every ``_defaults.toml`` that counts for it, as path and content, the outermost first.
    ``wildcards``: the content of ``_wildcards/<name>.txt`` by name, the nearest to the file. ``images``: the
    local images by the name under which the file has them. What was looked for and is not there is absent.
    ``unusable``: images that are there but can't be had, by name, and why, in words. ``unreadable``: the same
    of defaults and wildcards, by path.
    """

    defaults: tuple[tuple[str, bytes], ...] = ()
    wildcards: Mapping[str, bytes] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IgnoredFile:
    """Something in the inbox that is left alone, and why, in words."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """The button that a follow-up presses, and the message that it is on; ``flags`` are that message's.

    ``form``: it opens a form, always; nothing is run by the press alone. ``words``: new ones for the form;
    None for those that stand in it.
    """

    message_id: Snowflake
    custom_id: str
    flags: int = 0
    form: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A person's wish to have a job stopped that is sent. Times are seconds since 1970.

    ``next_action_at``: when Midjourney's Cancel Job may be pressed, once it is offered; None: not (again).
    ``nonce`` and ``pressed``: of the last press; ``answered``: what became of it is known, as far as it ever
    will be.
    """

    asked: float
    next_action_at: float | None
    nonce: str | None = None
    pressed: float = 0.0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Modal:
    """A form that the bot opened for a pressed button; ``fields`` are its text inputs and their values."""

    id: Snowflake
    custom_id: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A local image that Discord has, under ``uploaded_filename``; ``url`` is its link where it has one.

    ``at``: when it was uploaded, in seconds since 1970; both are good for some hours.
    """

    filename: str
    uploaded_filename: str | None
    url: str | None
    at: float


class State(StrEnum):
    """Where a job is in its life; jobs/state_machine.py has the table of what leads where."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    RUNNING = "running"
    COLLECTING = "collecting"
    DONE = "done"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ENDED = frozenset({State.DONE, State.FAILED, State.REJECTED, State.CANCELLED})
"""States that are an answer; a job in one of them is closed once its folder is published."""

IN_FLIGHT = frozenset({State.SUBMITTING, State.SUBMITTED, State.RUNNING})
"""States in which a job holds one of Midjourney's slots."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a job came from: a file in the inbox, or None of it for a prompt given by CLI or Python.

    ``path`` is relative to the inbox, with slashes; ``mtime`` in seconds since 1970; ``index`` counts the
    jobs of one file from 0.
    """

    path: str
    sha256: str
    mtime: float
    index: int = 0


class ResultKind(StrEnum):
    """What the final message of a job holds."""

    GRID = "grid"
    """Four pictures in one, to be split."""
    SINGLE = "single"
    """One picture."""
    VIDEO = "video"
    TEXT = "text"
    """No picture that counts: words."""


@dataclass(frozen=True, slots=True)
class Result:
    """The bot's final message for a job, and by which evidence it was taken for this job's.

    ``kind`` says how the pictures are meant; ``text`` is the answer of describe, shorten and info. ``flags``
    are the message's.
    """

    message_id: Snowflake
    matched_by: str
    job_uuid: str | None
    echoed: str | None
    pictures: tuple[RemotePicture, ...]
    buttons: tuple[Button, ...] = ()
    kind: ResultKind = ResultKind.GRID
    text: str | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """One line of a job's history: when (seconds since 1970) and what, in words."""

    at: float
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One prompt on its way to one folder. All times are seconds since 1970.

    ``next_action_at`` is when the loop must look at the job again: not before it for a queued one, a time
    limit for one in flight, the next try for one that could not be saved. ``failed_tries`` counts failed
    tries of the present step. ``nonces`` are those of all attempts, the present one last.
    ``start_deleted_at``: when its start message was deleted while no final had come. ``in_doubt_since``:
    since when it is unknown whether its POST was executed. ``parent``: the job that it is a follow-up of, and
    ``button_press`` the button for it; ``modal``: the form that the button opened, to be filled in next.
    ``uploads``: its local images, once Discord has them. ``cancel_button``: Midjourney's own, once it is
    offered; ``cancel_request``: a person wants it stopped.
    """

    id: str
    prompt: Prompt
    accepted: float
    state: State = State.QUEUED
    source: Source | None = None
    parent: str | None = None
    button_press: ButtonPress | None = None
    modal: Modal | None = None
    uploads: tuple[UploadedImage, ...] = ()
    next_action_at: float | None = None
    failed_tries: int = 0
    nonces: tuple[str, ...] = ()
    session_id: str | None = None
    anchor: Snowflake | None = None
    interaction_id: Snowflake | None = None
    message_id: Snowflake | None = None
    job_uuid: str | None = None
    percent: int | None = None
    queued_by_bot: bool = False
    start_deleted_at: float | None = None
    in_doubt_since: float | None = None
    cancel_button: ButtonPress | None = None
    cancel_request: CancelRequest | None = None
    submitted: float | None = None
    started: float | None = None
    finished: float | None = None
    published: float | None = None
    folder: str | None = None
    result: Result | None = None
    refusal: Refusal | None = None
    history: tuple[Note, ...] = ()

    @property
    def nonce(self) -> str | None:
        """The nonce of the present attempt."""
        return self.nonces[-1] if self.nonces else None

    @property
    def open(self) -> bool:
        """Whether anything is left to do for it."""
        return self.state not in ENDED or self.published is None

    @property
    def awaits_form(self) -> bool:
        """Whether its button was pressed for a form, without which nothing runs."""
        opens = self.button_press is not None and self.button_press.form
        return opens and self.modal is None and self.started is None

    def __repr__(self) -> str:
        """A status line: ``<Job 7k3f9a2m running 46% attempt 1>``."""
        percent = f" {self.percent}%" if self.percent is not None else ""
        return f"<Job {self.id} {self.state}{percent} attempt {len(self.nonces)}>"
