"""The values that all packages share: ids, prompts, pictures, refusals, jobs. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Snowflake = str
"""A Discord id: a 64-bit number, always handled as a decimal string, as JSON carries it."""

ParameterValue = str | int | float | bool

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime of a file, the times in nanoseconds."""

MANIFEST_SCHEMA = "mjwatch/manifest/1"
"""The name and version of the format of ``manifest.json``."""

ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""The letters and digits of job ids; those that people confuse (l and 1, o and 0) are left out."""


class RefusalClass(StrEnum):
    """The kind of a refusal. It decides what happens to the job and whether other jobs are sent."""

    RETRY = "retry"
    """Not executed, and waiting is enough: a rate limit, a full queue."""
    USER = "user"
    """The prompt is wrong: a bad parameter, an empty prompt, a bad link."""
    MODERATION = "moderation"
    """Midjourney or Discord objects to the content of the job."""
    ACCOUNT = "account"
    """The account can do nothing until a person acts: token, captcha, block, terms, pending notice."""
    PLAN = "plan"
    """The subscription does not allow the job or is used up."""
    TRANSIENT = "transient"
    """Something failed at Discord or Midjourney; the same job may succeed later."""
    STALE_VERSION = "stale_version"
    """The command's version is out of date: read the command index again and send the job again."""
    CONFIG = "config"
    """Guild, channel, application or permissions are wrong: a person must fix the configuration."""


class LimitScope(StrEnum):
    """What a limit applies to (discord-api-docs, "Rate Limits": header ``X-RateLimit-Scope``).

    A limit holds all requests of its kind, not only the job that met it.
    """

    ROUTE = "route"
    """Requests like the refused one: other calls of the API are still accepted."""
    GLOBAL = "global"
    """Every request of the account."""
    ADDRESS = "address"
    """Every request from this machine's address; Cloudflare answers before Discord's API sees it."""
    QUEUE = "queue"
    """Midjourney's own queue is full."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of a job, from an HTTP answer or from a message of the bot.

    ``kind`` is None if the message does not show it (an unknown red embed). ``needs_human``: nothing can be
    submitted until a person has acted. ``retry_after``: seconds to wait, if the answer names them.
    ``advice``: what the person can do, in plain words; may be empty. ``token``: Discord does not accept the
    token. ``stopped``: somebody has stopped the running job. ``scope``: what a limit applies to; None if the
    refusal is about this job only. ``http_error``: status and code of the HTTP answer, if it was one.
    """

    kind: RefusalClass | None
    title: str | None
    detail: str
    needs_human: bool = False
    retry_after: float | None = None
    advice: str = ""
    token: bool = False
    stopped: bool = False
    scope: LimitScope | None = None
    http_error: str | None = None


class PauseKind(StrEnum):
    """The kind of cause for which sending is paused."""

    TOKEN = "token"
    """Discord did not accept the token."""
    GATEWAY = "gateway"
    """The gateway rejects us for another reason."""
    ACCOUNT = "account"
    """A captcha, a notice, a block: something that the account's owner must resolve in Discord."""
    PLAN = "plan"
    """The subscription is used up or has ended."""
    CONFIG = "config"
    """Guild, channel, application or permissions are wrong."""
    PERSON = "person"
    """A person ran ``mjwatch pause``."""


ENDED_BY_CONNECTING = frozenset({PauseKind.TOKEN, PauseKind.GATEWAY})
"""Pause kinds that end by themselves once the gateway accepts a connection: it checks the token each time."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent: the reason as text, and its kind."""

    reason: str
    kind: PauseKind


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A picture in a message. ``url`` includes its signature; sizes are in pixels and bytes."""

    filename: str
    url: str
    width: int | None = None
    height: int | None = None
    size: int | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a message that triggers an action. Link buttons have no custom_id and are left out."""

    custom_id: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one job asks for, as accepted from a prompt file, the CLI or Python.

    ``text`` is the whole string that is submitted: image URLs first, then words, then parameters.
    ``parameters``: the table of parameters in the file, as written there, for the manifest. ``images``:
    local files to be uploaded before the prompt is sent, by their names relative to the prompt file.
    ``action``: the name of a follow-up (``U1``, ``vary strong``) on the job ``parent``; then ``text`` is
    its new prompt, or empty to keep the old one. ``then``: the follow-ups to make when the job is done.
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
    """The files that a prompt file refers to, as they were when it was read.

    ``defaults``: every ``_defaults.toml`` that applies to the prompt file, as path and content, the
    outermost first. ``wildcards``: the content of ``_wildcards/<name>.txt`` by name, from the folder
    nearest to the prompt file; ``wildcard_names``: the names of all that are there. ``images``: the local
    images by the names in the prompt file. Files that do not exist are absent. ``unusable``: images that
    exist but can't be used, by name, with the reason as text. ``unreadable``: the same for defaults and
    wildcards, by path.
    """

    defaults: tuple[tuple[str, bytes], ...] = ()
    wildcards: Mapping[str, bytes] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    wildcard_names: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class IgnoredFile:
    """A file in the inbox that is ignored, and the reason as text."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """The button that a follow-up presses, and the message with that button and its ``flags``.

    ``form``: the button always opens a form, so the press alone runs nothing. ``words``: the new prompt for
    the form; None to keep the prompt that the form contains.
    """

    message_id: Snowflake
    custom_id: str
    flags: int = 0
    form: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A person's request to stop a job that was already sent. Times are seconds since 1970.

    ``next_action_at``: when Midjourney's Cancel Job may be pressed, once it is offered; None: not (again).
    ``nonce`` and ``pressed``: nonce and time of the last press. ``answered``: the result of that press is
    known, as far as it can be.
    """

    asked: float
    next_action_at: float | None
    nonce: str | None = None
    pressed: float = 0.0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Modal:
    """A form that the bot opened after a button press; ``fields``: its text inputs and their values."""

    id: Snowflake
    custom_id: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A local image that was uploaded to Discord as ``uploaded_filename``; ``url``: its link, if it has one.

    ``at``: the time of the upload, in seconds since 1970; name and link stay valid for some hours.
    """

    filename: str
    uploaded_filename: str | None
    url: str | None
    at: float


class State(StrEnum):
    """The state of a job; jobs/state_machine.py has the table of transitions."""

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
"""The final states; a job in one of them is closed once its folder is published."""

IN_FLIGHT = frozenset({State.SUBMITTING, State.SUBMITTED, State.RUNNING})
"""The states in which a job occupies one of Midjourney's slots."""


class SourceKind(StrEnum):
    """Where a job comes from."""

    INBOX = "inbox"
    """A prompt file, or a prompt from the CLI or Python."""
    CHANNEL = "channel"
    """Made in the channel by hand or by another program; mjwatch has only fetched it."""
    FOLDER = "folder"
    """Pictures that lay in a folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file in the inbox from which a job comes; a prompt from the CLI or Python may have none.

    ``path`` is relative to the inbox, with slashes; ``mtime`` is in seconds since 1970; ``index`` counts the
    jobs of one file from 0. For another ``kind`` than the inbox, ``path`` is the file that it could have come
    from, ``sha256`` that of its prompt or of its first picture, and ``mtime`` when the pictures were made.
    """

    path: str
    sha256: str
    mtime: float
    index: int = 0
    kind: SourceKind = SourceKind.INBOX


class ResultKind(StrEnum):
    """What the final message of a job contains."""

    GRID = "grid"
    """Four pictures: usually in one, which will be split, or else as separate pictures."""
    SINGLE = "single"
    """One picture."""
    VIDEO = "video"
    TEXT = "text"
    """A text, and no picture that is a result."""


@dataclass(frozen=True, slots=True)
class Result:
    """The bot's final message for a job, and by which evidence it was matched to the job.

    ``kind``: what the pictures are. ``text``: the answer of describe, shorten and info. ``flags``: those of
    the message.
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
    """One line of a job's history: the time (seconds since 1970) and what happened, as text.

    ``retry_in``: after how many seconds it is tried again, if it is.
    """

    at: float
    event: str
    retry_in: float | None = None

    @property
    def text(self) -> str:
        """The event and, if it is tried again, when: ``not sent: no network; next try in 60 s``."""
        return self.event if self.retry_in is None else f"{self.event}; next try in {self.retry_in:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One prompt on its way to one folder in the outbox. All times are seconds since 1970.

    ``next_action_at``: when the event loop must act on the job again. A queued job is not sent before that
    time; for a job in flight it is the time limit; for a job that could not be saved it is the next try.
    ``failed_tries``: the number of failed tries of the current step. ``nonces``: the nonces of all
    attempts, the current one last. ``session_generation``: which session that is, because two may have the
    same ``session_id``. ``start_by_looks``: no id says that ``message_id`` is its start message, but nothing
    else fitted. ``start_deleted_at``: when that message was deleted while there was no final message.
    ``in_doubt_since``: since when it is unknown whether its POST was executed. ``doubt``: why the job is in
    doubt, or was the last time.
    ``parent``: the job of which this job is a follow-up, and ``button_press``: the button for it.
    ``modal``: the form that the button opened and that is filled in next. ``uploads``: its local images,
    once they are uploaded. ``cancel_button``: Midjourney's Cancel Job button, once it is offered.
    ``cancel_request``: a person wants the job stopped.
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
    session_generation: int = 0
    anchor: Snowflake | None = None
    interaction_id: Snowflake | None = None
    message_id: Snowflake | None = None
    job_uuid: str | None = None
    percent: int | None = None
    queued_by_bot: bool = False
    start_by_looks: bool = False
    start_deleted_at: float | None = None
    in_doubt_since: float | None = None
    doubt: str | None = None
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
        """The nonce of the current attempt, or None."""
        return self.nonces[-1] if self.nonces else None

    @property
    def open(self) -> bool:
        """Whether anything is left to do for the job."""
        return self.state not in ENDED or self.published is None

    @property
    def made_elsewhere(self) -> bool:
        """Whether mjwatch has only fetched its result, and never sent it."""
        is_imported = self.source is not None and self.source.kind is not SourceKind.INBOX
        return is_imported and self.result is not None and not self.nonces  # a follow-up of it has nonces

    @property
    def awaits_form(self) -> bool:
        """Whether its button was pressed and must open a form; nothing runs before the form is sent."""
        opens = self.button_press is not None and self.button_press.form
        return opens and self.modal is None and self.started is None

    def __repr__(self) -> str:
        """Return a line for logs and errors: ``<Job 7k3f9a2m running 46% attempt 1>``."""
        percent = f" {self.percent}%" if self.percent is not None else ""
        return f"<Job {self.id} {self.state}{percent} attempt {len(self.nonces)}>"
