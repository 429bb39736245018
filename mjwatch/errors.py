"""Every error that mjwatch raises itself, with plain data and a line for the person who reads it.

::

    MjwatchError                 message (what is wrong) and mend (what to do); becomes one line in the CLI
    ├── UsageError               the command line was not typed right
    ├── ConfigError              config, keys or folders are not usable
    ├── PromptFileError          a prompt file can't be read as prompts
    ├── JournalError             the journal can't be opened, read or committed
    ├── PictureError             bytes that are no picture we can work with
    ├── OutboxError              a folder could not be published; worth another try
    ├── HookError                a program or web address in [notify] could not be told
    ├── DaemonError              another daemon works with this, or none runs where one is needed
    │   ├── OwnerError           the inbox belongs to another host
    │   └── PausedError          nothing is sent until a person has acted
    ├── UnreachableError         Discord could not be reached; the prompt was not sent and is taken back
    └── WireError                talking to Discord failed; the subclass says how far the request got
        ├── NotReachedError      it did not reach Discord: safe to repeat
        ├── UnansweredError      it may have reached Discord: its fate is unknown, never repeat blindly
        ├── AnsweredNoError      Discord answered no: carries the model.Refusal that says what follows
        └── DownloadError        a picture could not be fetched whole; worth another try
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mjwatch.model import Refusal


class MjwatchError(Exception):
    """What is wrong in one line, and what a person can do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def mend(self) -> str:
        """The hint, under the name that it had before 0.2."""
        return self.hint

    def __str__(self) -> str:
        """Both halves as one line: ``what is wrong: what to do``."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MjwatchError):
    """The command line was not typed right: an unknown verb or option, a value that it does not take."""

    exit_code = 2


class ConfigError(MjwatchError):
    """The configuration, a key or a folder is not usable. ``parts``: each error, where there are several."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", parts: tuple[ConfigError, ...] = ()) -> None:
        super().__init__(message, hint)
        self.parts = parts

    @classmethod
    def together(cls, errors: Sequence[ConfigError]) -> ConfigError:
        """One error that tells all of these, a line for each; a single one is itself."""
        return errors[0] if len(errors) == 1 else cls("\n".join(map(str, errors)), parts=tuple(errors))


class PromptFileError(MjwatchError):
    """A file that can't be read as prompts; it becomes one rejected job."""


class JournalError(MjwatchError):
    """The journal can't be opened, read or committed."""

    exit_code = 3


class NoJournalError(JournalError):
    """Nothing has run here yet, or the journal is being made just now."""


class PictureError(MjwatchError):
    """Bytes that are not a picture, or not one that can be worked with."""


class OutboxError(MjwatchError):
    """A folder could not be published; nothing of it is visible, and it is worth another try."""


class HookError(MjwatchError):
    """A program or web address in [notify] could not be told; nothing else hangs on it."""


class DaemonError(MjwatchError):
    """Another daemon works with this state, account or inbox, or none runs where one is needed."""

    exit_code = 3


class OwnerError(DaemonError):
    """The inbox belongs to another host, and only a person can know that that one is gone."""


class PausedError(DaemonError):
    """Sending is paused until a person has acted."""

    exit_code = 4

    def __init__(self, why: str) -> None:
        super().__init__(
            f"nothing is sent until a person has acted: {why}", "see to that, then run `mjwatch resume`"
        )


class UnreachableError(MjwatchError):
    """Discord could not be reached, so a prompt was taken back: it was not sent."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Discord can't be reached, the prompt was not sent: {why}",
            "check the network and [discord] in the configuration, then try again",
        )


class WireError(MjwatchError):
    """Talking to Discord failed; the subclass says how far the request got."""


class NotReachedError(WireError):
    """The request did not reach Discord (no connection was made): safe to repeat."""


class UnansweredError(WireError):
    """The request may have reached Discord, but no usable answer came: its fate is unknown."""


class AnsweredNoError(WireError):
    """Discord answered, and the answer was no. The request was not executed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.title or refusal.detail, refusal.detail if refusal.title else "")
        self.refusal = refusal


class DownloadError(WireError):
    """A picture could not be fetched whole. ``gone``: the URL is expired, forged or deleted (403, 404)."""

    def __init__(self, message: str, hint: str = "", *, gone: bool = False) -> None:
        super().__init__(message, hint)
        self.gone = gone
