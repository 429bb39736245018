"""Every error that mjwatch raises, with a message and a hint for the person who reads it.

::

    MjwatchError                 message (what happened) and hint (what to do); the CLI prints both in one
    line
    ├── UsageError               the command line is wrong
    ├── ConfigError              the configuration, a key or a folder can't be used
    ├── PromptFileError          a prompt file can't be read as prompts
    ├── JournalError             the journal can't be opened, read or written
    │   └── NoJournalError       there is no journal yet
    ├── PictureError             the data is not a picture, or not one that mjwatch can process
    │   └── UnsplitGridError     the grid is sound, but can't be split without loss, or in little memory
    ├── OutboxError              a folder could not be published; another try may succeed
    ├── HookError                a program or web address in [notify] could not be notified
    ├── DaemonError              another daemon uses this already, or no daemon runs and one is needed
    │   ├── OwnerError           the inbox belongs to another host
    │   └── PausedError          nothing is sent until a person has acted
    ├── WaitTimeoutError         the time to wait is over; what was sent continues
    ├── LimitedError             a limit lasts too long; the prompt was not sent and was withdrawn
    ├── UnreachableError         Discord could not be reached; the prompt was not sent and was withdrawn
    └── WireError                a request to Discord failed; the subclass says how far it got
        ├── NotReachedError      it did not reach Discord: safe to repeat
        ├── UnansweredError      it may have reached Discord: the outcome is unknown, never repeat it blindly
        ├── AnsweredNoError      Discord refused it: carries the model.Refusal that says what follows
        └── DownloadError        a picture could not be downloaded completely; another try may succeed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mjwatch.model import Refusal


class MjwatchError(Exception):
    """What happened, in one line, and what a person can do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def mend(self) -> str:
        """The hint, under the name that scripts written before the renaming use."""
        return self.hint

    def __str__(self) -> str:
        """Return both parts as one line: ``what happened (what to do)``."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MjwatchError):
    """The command line is wrong: an unknown command or option, or a value that it does not accept."""

    exit_code = 2


class ConfigError(MjwatchError):
    """The configuration, a key or a folder can't be used. ``parts``: each error, if there are several."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", parts: tuple[ConfigError, ...] = ()) -> None:
        super().__init__(message, hint)
        self.parts = parts

    @classmethod
    def together(cls, errors: Sequence[ConfigError]) -> ConfigError:
        """Return one error that lists all of these, a line for each; a single error is returned as it is."""
        return errors[0] if len(errors) == 1 else cls("\n".join(map(str, errors)), parts=tuple(errors))


class PromptFileError(MjwatchError):
    """A file can't be read as prompts; it becomes one rejected job, with this ``command``."""

    command = "imagine"


class JournalError(MjwatchError):
    """The journal can't be opened, read or written."""

    exit_code = 3


class NoJournalError(JournalError):
    """There is no journal yet: the service has not run here, or is creating it at this moment."""


class PictureError(MjwatchError):
    """The data is not a picture, or not one that mjwatch can process."""


class UnsplitGridError(PictureError):
    """The grid is sound, but can't be split without loss, or only in too much memory."""


class OutboxError(MjwatchError):
    """A folder could not be published; nothing of it is visible, and another try may succeed."""


class HookError(MjwatchError):
    """A program or web address in [notify] could not be notified; nothing else depends on it."""


class DaemonError(MjwatchError):
    """Another daemon uses this state, account or inbox, or no daemon runs and one is needed."""

    exit_code = 3


class OwnerError(DaemonError):
    """The inbox belongs to another host, and only a person can know that the other host is gone."""


class PausedError(DaemonError):
    """Sending is paused until a person has acted; ``fate`` says what becomes of the prompt.

    ``jobs``: the ids of the jobs that are kept in the queue.
    """

    exit_code = 4

    def __init__(self, why: str, hint: str = "", fate: str = "", jobs: Sequence[str] = ()) -> None:
        message = f"nothing is sent until a person has acted: {why}"
        super().__init__(f"{message}; {fate}" if fate else message, hint)
        self.why = why
        self.jobs = tuple(jobs)


class WaitTimeoutError(MjwatchError, TimeoutError):
    """The time to wait is over. ``jobs``: the ids of the jobs that continue; their pictures are not lost.

    ``withdrawn``: the ids of the jobs that were not sent, and that were cancelled because no daemon runs.
    """

    def __init__(self, jobs: Sequence[str], withdrawn: Sequence[str] = ()) -> None:
        parts = []
        if jobs:
            parts.append(f"{_jobs(jobs)} not finished and continues")
        if withdrawn:
            parts.append(f"{_jobs(withdrawn)} cancelled before it was sent")
        what = "; ".join(parts) or "no daemon has taken the prompt file yet"
        hint = f"`collect({jobs[0]!r})` waits for its pictures" if jobs else "try again with a longer timeout"
        super().__init__(f"the time to wait is over: {what}", hint)
        self.jobs = tuple(jobs)
        self.withdrawn = tuple(withdrawn)


class UnreachableError(MjwatchError):
    """Discord could not be reached, so a prompt was not sent and was withdrawn."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Discord can't be reached, the prompt was not sent: {why}",
            "check the network and [discord] in the configuration, then try again",
        )


class LimitedError(MjwatchError):
    """A limit lasts too long to wait for it, so a prompt was not sent and was withdrawn."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(
            f"the prompt was not sent: nothing is sent for the next {seconds:.0f} s: {why}",
            "try again after that time; a daemon (`mjwatch run`) keeps prompts and sends them by itself",
        )


class WireError(MjwatchError):
    """A request to Discord failed; the subclass says how far it got."""


class NotReachedError(WireError):
    """The request did not reach Discord (no connection was made): safe to repeat."""


class UnansweredError(WireError):
    """The request may have reached Discord, but no usable answer came: the outcome is unknown."""


class AnsweredNoError(WireError):
    """Discord answered and refused the request. It was not executed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.title or refusal.detail, refusal.detail if refusal.title else "")
        self.refusal = refusal


class DownloadError(WireError):
    """A picture could not be downloaded. ``gone``: the URL is expired, forged or deleted (403, 404)."""

    def __init__(self, message: str, hint: str = "", *, gone: bool = False) -> None:
        super().__init__(message, hint)
        self.gone = gone


def reason_of(error: MjwatchError | OSError) -> str:
    """Return why something failed, without the number and the inner path that a system's error shows."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _jobs(ids: Sequence[str]) -> str:
    return f"job {ids[0]} is" if len(ids) == 1 else f"each of the jobs {', '.join(ids)} is"
