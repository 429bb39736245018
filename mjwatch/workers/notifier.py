"""Notifications to a program and a web address, in a thread of their own, so that no job waits."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from mjwatch.discord.allowed_hosts import host_of
from mjwatch.discord.http import Transport
from mjwatch.errors import ConfigError, HookError, WireError
from mjwatch.host.log import LogOnce
from mjwatch.host.redaction import Redaction
from mjwatch.outbox.manifest import FILE_NAME, iso
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from requests import Response

    from mjwatch.effects import SendNotification
    from mjwatch.settings.sections import NotifySettings

log = logging.getLogger("mjwatch.hooks")

QUEUE_LIMIT = 100
"""Notifications that wait for a slow hook; a new one replaces the oldest."""

PROGRAM_LIMIT = 60.0
"""Seconds after which a program is killed, with all processes that it has started."""

WEBHOOK_LIMIT = 30.0
"""Seconds for one request to the web address."""

RETRY_DELAYS = (1.0, 5.0, 20.0)
"""Seconds between the attempts to reach the web address."""

STOP_INTERVAL = 0.5
"""Seconds within which a running program ends when mjwatch ends."""

_HIDDEN_VARIABLES = frozenset(
    {"MJWATCH_TOKEN", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}
)
"""Variables that lead to the token or to systemd's socket; a notified program needs neither."""

_MOST_ERROR_TEXT = 200
"""Characters of a program's error message in the log."""


class Notifier:
    """The thread "hooks", which delivers one notification after the other. No failure here is fatal."""

    def __init__(
        self,
        settings: NotifySettings,
        outbox: Path,
        *,
        proxy: str = "",
        redaction: Redaction | None = None,
        environ: Mapping[str, str] = os.environ,
        program_limit: float = PROGRAM_LIMIT,
        pauses: tuple[float, ...] = RETRY_DELAYS,
    ) -> None:
        """``proxy`` is as for Discord; ``program_limit`` and ``pauses`` are in seconds."""
        self._settings = settings
        self._outbox = outbox
        self._redaction = redaction or Redaction(())
        self._environ = {key: value for key, value in environ.items() if key not in _HIDDEN_VARIABLES}
        self._limit = program_limit
        self._pauses = pauses
        self._transport = Transport(proxy=proxy, timeout=(10.0, 10.0), deadline=WEBHOOK_LIMIT)
        self._waiting: queue.Queue[SendNotification | None] = queue.Queue(QUEUE_LIMIT)
        self._unreachable = False
        self._stopping = threading.Event()
        self._failures, self._drops = LogOnce(time.monotonic), LogOnce(time.monotonic)
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, notification: SendNotification) -> None:
        """Queue a notification, if it is enabled, and return at once; any thread may call it."""
        has_hook = bool(self._settings.exec or self._settings.webhook)
        if has_hook and notification.news in self._settings.on:
            self._put(notification)

    def stop(self, patience: float) -> None:
        """End the thread after the waiting notifications, or after ``patience`` seconds; kill a program."""
        self._put(None)
        self._thread.join(patience)
        self._stopping.set()
        self._thread.join(2 * STOP_INTERVAL)
        self._transport.close()

    def _put(self, notification: SendNotification | None) -> None:
        while True:
            try:
                self._waiting.put_nowait(notification)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
                message = (
                    f"the hooks are too slow: more than {QUEUE_LIMIT} notifications; dropping the oldest"
                )
                if self._drops.is_due(message):
                    log.warning("%s", message)
            else:
                return

    def _run(self) -> None:
        while (notification := self._waiting.get()) is not None and not self._stopping.is_set():
            try:
                self._deliver(notification)
            except Exception:  # the top of a thread: one failure must not keep back later notifications
                log.exception("a hook failed with an unexpected error")

    def _deliver(self, notification: SendNotification) -> None:
        errors = []
        if self._settings.exec:
            errors += _error_of(lambda: self._run_program(notification))
        if self._settings.webhook:
            errors += _error_of(lambda: self._post(notification))
        for error in errors:
            if self._failures.is_due(error):
                log.warning("%s", error)
        if not errors:
            self._failures.reset()

    # ---- the program

    def _run_program(self, notification: SendNotification) -> None:
        name = self._settings.exec[0]
        with tempfile.TemporaryFile() as stderr:
            try:
                process = subprocess.Popen(
                    self._settings.exec,
                    env=self._environ | _environment(notification, self._outbox),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise HookError(f"the hook {name} can't be run: {error.strerror}") from None
            with process:
                code = self._wait(process)
            if code is None:
                raise HookError(f"the hook {name} was stopped after {self._limit:.0f} s")
            if code != 0:
                raise HookError(f"the hook {name} ended with code {code}{self._last_line(stderr)}")

    def _wait(self, process: subprocess.Popen[bytes]) -> int | None:
        """Return the exit code; None if the program was killed, at the time limit or mjwatch's end."""
        end = time.monotonic() + self._limit
        while not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(left, STOP_INTERVAL))
        _kill(process)
        return None

    def _last_line(self, stderr: IO[bytes]) -> str:
        """Return the last line that a program wrote to standard error, for the log."""
        size = stderr.seek(0, os.SEEK_END)
        stderr.seek(max(0, size - 4096))
        lines = stderr.read().decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {self._redaction.redacted(last)[:_MOST_ERROR_TEXT]}" if last else ""

    # ---- the web address

    def _post(self, notification: SendNotification) -> None:
        """Try a few times if that may help; after a series of failures only once for each notification."""
        for pause in (*(() if self._unreachable else self._pauses), None):
            try:
                self._post_once(notification)
            except _TryAgainError as error:
                if pause is None or self._stopping.wait(pause):
                    self._unreachable = True
                    raise HookError(error.message) from None
            else:
                self._unreachable = False
                return

    def _post_once(self, notification: SendNotification) -> None:
        host = host_of(self._settings.webhook)
        body = json.dumps(payload(notification)).encode()
        headers = {"Content-Type": "application/json"}
        try:
            response = self._transport.send("POST", self._settings.webhook, data=body, headers=headers)
        except WireError as error:
            raise _TryAgainError(f"the webhook can't be reached: {error.message}") from None
        except ConfigError as error:
            raise HookError(f"the webhook can't be reached: {error}") from None
        with response:
            _check_answer(response, host)


class _TryAgainError(HookError):
    """The request failed, but may succeed soon."""


def payload(notification: SendNotification) -> dict[str, Any]:
    """Return the JSON for the web address: ``folder`` relative to the outbox, ``at`` as in the manifest."""
    job = notification.job
    return {
        "event": str(notification.news),
        "job": job.id if job else None,
        "state": str(job.state) if job else None,
        "prompt": job.prompt.text if job else None,
        "folder": job.folder if job else None,
        "reason": notification.reason or None,
        "at": iso(notification.at),
        "version": __version__,
    }


def _environment(notification: SendNotification, outbox: Path) -> dict[str, str]:
    """Return a program's variables; one that does not apply is empty. The folder is absolute."""
    facts = payload(notification)
    folder = str(outbox.absolute() / facts["folder"]) if facts["folder"] else ""
    return {
        "MJWATCH_EVENT": facts["event"],
        "MJWATCH_JOB": facts["job"] or "",
        "MJWATCH_STATE": facts["state"] or "",
        "MJWATCH_PROMPT": _plain(facts["prompt"] or ""),
        "MJWATCH_FOLDER": folder,
        "MJWATCH_REASON": _plain(facts["reason"] or ""),
        "MJWATCH_MANIFEST": os.path.join(folder, FILE_NAME) if folder else "",  # noqa: PTH118
    }


def _plain(text: str) -> str:
    """Return the text without what an environment can't contain: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _error_of(deliver: Callable[[], None]) -> list[str]:
    try:
        deliver()
    except HookError as error:
        return [str(error)]
    except OSError as error:  # no space for its output
        return [f"a hook can't be run: {error.strerror}"]
    return []


def _check_answer(response: Response, host: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    message = f"the webhook at {host} answered HTTP {status}"
    raise _TryAgainError(message) if status == 429 or status >= 500 else HookError(message)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and the processes that it has started, its process group (not on Windows)."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
