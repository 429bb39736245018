"""Drop prompt files into a folder, get Midjourney pictures and a manifest in another.

Each name in ``__all__`` is loaded when it is first used, so that importing the package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mjwatch.version import __version__ as __version__

if TYPE_CHECKING:
    from mjwatch.api import Dropped, MidjourneyAPI
    from mjwatch.client.results import JobFailedError, Pictures, PromptResult
    from mjwatch.client.submit import StoppedError
    from mjwatch.config import Config
    from mjwatch.errors import (
        AnsweredNoError,
        ConfigError,
        DaemonError,
        DownloadError,
        HookError,
        JournalError,
        LimitedError,
        MjwatchError,
        NoJournalError,
        NotReachedError,
        OutboxError,
        OwnerError,
        PausedError,
        PictureError,
        PromptFileError,
        UnansweredError,
        UnreachableError,
        UnsplitGridError,
        UsageError,
        WaitTimeoutError,
        WireError,
    )
    from mjwatch.journal.requests import Outcome
    from mjwatch.model import Job, State
    from mjwatch.outbox.manifest import load_manifest
    from mjwatch.pictures.split import split_grid
    from mjwatch.prompts.promptfile import read_prompt_file

__all__ = [
    "AnsweredNoError",
    "Config",
    "ConfigError",
    "DaemonError",
    "DownloadError",
    "Dropped",
    "HookError",
    "Job",
    "JobFailedError",
    "JournalError",
    "LimitedError",
    "MidjourneyAPI",
    "MjwatchError",
    "NoJournalError",
    "NotReachedError",
    "OutboxError",
    "Outcome",
    "OwnerError",
    "PausedError",
    "PictureError",
    "Pictures",
    "PromptFileError",
    "PromptResult",
    "State",
    "StoppedError",
    "UnansweredError",
    "UnreachableError",
    "UnsplitGridError",
    "UsageError",
    "WaitTimeoutError",
    "WireError",
    "load_manifest",
    "read_prompt_file",
    "split_grid",
]

_MODULES = {
    "PromptResult": "mjwatch.client.results",
    "Config": "mjwatch.config",
    "Dropped": "mjwatch.api",
    "Job": "mjwatch.model",
    "JobFailedError": "mjwatch.client.results",
    "MidjourneyAPI": "mjwatch.api",
    "Outcome": "mjwatch.journal.requests",
    "Pictures": "mjwatch.client.results",
    "State": "mjwatch.model",
    "StoppedError": "mjwatch.client.submit",
    "load_manifest": "mjwatch.outbox.manifest",
    "read_prompt_file": "mjwatch.prompts.promptfile",
    "split_grid": "mjwatch.pictures.split",
}
"""Where each name comes from; all others are errors."""

if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES.get(name, "mjwatch.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
