"""Notifications through Apprise: one message to each address, by a program of our own with a time limit."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.effects import Notification, SendNotification
from mjwatch.errors import HookError, OutboxError
from mjwatch.filesystem.files import read_file
from mjwatch.outbox.manifest import FILE_NAME, LARGEST_MANIFEST, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mjwatch.model import Job
    from mjwatch.settings.secrets import Secret
    from mjwatch.workers.programs import Ended

COMMAND = (sys.executable, "-P", "-m", "mjwatch.workers.apprise_delivery")
"""-P: a file in the current folder, which others may write to, is not imported."""

_LARGEST_PICTURE = 64 << 20
_MOST_PROMPT = 1000
"""Characters of a prompt in a message."""

_SCHEME = re.compile(r"[a-z0-9]{1,20}(?=://)")
_TITLES = {
    Notification.DONE: ("mjwatch: done", "success"),
    Notification.FAILED: ("mjwatch: failed", "failure"),
    Notification.NEEDS_PERSON: ("mjwatch needs you", "warning"),
    Notification.TROUBLE: ("mjwatch: trouble", "warning"),
    Notification.RESOLVED: ("mjwatch: resolved", "success"),
    Notification.TEST: ("mjwatch: a test", "info"),
}
"""Each event's title, and its kind in Apprise's words."""

_TEMPORARY = {
    "failed": "did not take the notification, or can't be reached",
    "stopped": "took too long",
    "ended": "was not tried: Apprise ended with an error",
}


class TryAgainError(HookError):
    """The delivery failed, but may succeed soon."""


class AppriseDelivery:
    """One notification on its way to all addresses; those that have it don't get it again."""

    def __init__(
        self,
        urls: Sequence[Secret],
        notification: SendNotification,
        outbox: Path,
        run: Callable[[Sequence[str], bytes], Ended],
        *,
        attach: bool,
    ) -> None:
        """``run`` runs a command with this standard input; ``attach``: also send the first picture."""
        self._pending = dict(enumerate(urls, 1))
        self._notification = notification
        self._outbox = outbox
        self._run = run
        self._attach = attach
        self._errors: list[str] = []

    def attempt(self) -> None:
        """Send it to each address that may still take it.

        Raise TryAgainError if one did not take it now, HookError if one never will.
        """
        with tempfile.TemporaryDirectory(prefix="mjwatch-") as folder:
            ended = self._run(COMMAND, json.dumps(self._order(Path(folder))).encode())
        outcomes = dict(re.findall(r"^(\d+) (.+)$", ended.output, re.MULTILINE))
        temporary: list[str] = []
        for index, (number, url) in enumerate(list(self._pending.items())):
            outcome = outcomes.get(str(index), "stopped" if ended.code is None else "ended")
            error, is_final = _error(outcome)
            if is_final:
                del self._pending[number]
            if error:
                line = f"Apprise address {number} ({_scheme(url)}) {error}"
                (self._errors if is_final else temporary).append(line)
        message = "; ".join([*self._errors, *temporary])
        if temporary:
            raise TryAgainError(message)
        if message:
            raise HookError(message)

    def _order(self, folder: Path) -> dict[str, Any]:
        title, kind = _TITLES[self._notification.news]
        return {
            "urls": [url.reveal() for url in self._pending.values()],
            "title": title,
            "body": _body(self._notification),
            "type": kind,
            "attach": self._picture(folder) if self._attach else None,
        }

    def _picture(self, folder: Path) -> str | None:
        """Return the path of a copy of the job's first picture; None without one.

        A copy that was read without following links: others may write to the outbox.
        """
        job = self._notification.job
        if self._notification.news is not Notification.DONE or job is None or job.folder is None:
            return None
        try:
            path = f"{job.folder}/{FILE_NAME}"
            manifest = parse_manifest(read_file(self._outbox, path, LARGEST_MANIFEST), Path(path))
            name = str(manifest["images"][0]["file"])
            data = read_file(self._outbox, f"{job.folder}/{name}", _LARGEST_PICTURE)
        except (OSError, OutboxError, LookupError, TypeError):
            return None
        copy = folder / f"picture{Path(name).suffix[:5]}"
        copy.write_bytes(data)
        return str(copy)


def _body(notification: SendNotification) -> str:
    job = notification.job
    trouble = notification.trouble
    is_over = notification.news is Notification.RESOLVED
    remedy = trouble.remedy if trouble and not is_over else ""
    lines = [notification.reason, remedy, *(_about(job) if job else ())]
    text = "\n".join(line for line in lines if line) or "This is a test."
    return text.encode("utf-8", "replace").decode()


def _about(job: Job) -> list[str]:
    prompt = job.prompt.text
    prompt = prompt if len(prompt) <= _MOST_PROMPT else prompt[: _MOST_PROMPT - 1] + "…"
    return [prompt, f"job {job.id}" + (f" in {job.folder}" if job.folder else "")]


def _error(outcome: str) -> tuple[str, bool]:
    """Return what went wrong ("" if nothing did), and whether trying again is no use."""
    word, _, status = outcome.partition(" ")
    if word == "delivered":
        return "", True
    if word == "unknown":
        return "is not an address that Apprise can use", True
    if status:
        return f"answered HTTP {status}", status != "429" and status < "500"
    return _TEMPORARY[word], False


def _scheme(url: Secret) -> str:
    found = _SCHEME.match(url.reveal().lower())
    return f"{found[0]}://" if found else "without a scheme"
