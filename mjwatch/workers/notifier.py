"""Tells a program and a web address what happened, in a thread of its own, so that nobody waits for it."""

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
from mjwatch.outbox.manifest import FILE_NAME, iso
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from requests import Response

    from mjwatch.effects import SendNotification
    from mjwatch.settings.sections import NotifySettings

log = logging.getLogger("mjwatch.hooks")

MOST_WAITING = 100
"""News that wait for a slow hook; the oldest is dropped for one more."""

PROGRAM_LIMIT = 60.0
"""Seconds after which a program is killed, with all that it has started."""

PAUSES = (1.0, 5.0, 20.0)
"""Seconds between two tries to reach the web address."""

SLICE = 0.5
"""Seconds within which the end of mjwatch ends a program."""

_NOT_PASSED_ON = frozenset(
    {"MJWATCH_TOKEN", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}
)
"""Ways to the token, and to systemd's ear: a program that is told something needs neither."""

_SHOWN = 200


class Notifier:
    """One thread, "hooks", that tells one piece of news after the other. Nothing that fails here is fatal."""

    def __init__(
        self,
        settings: NotifySettings,
        outbox: Path,
        *,
        proxy: str = "",
        environ: Mapping[str, str] = os.environ,
        program_limit: float = PROGRAM_LIMIT,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """``proxy`` as for Discord. ``program_limit`` and ``pauses`` in seconds."""
        self._settings = settings
        self._outbox = outbox
        self._environ = {key: value for key, value in environ.items() if key not in _NOT_PASSED_ON}
        self._limit = program_limit
        self._pauses = pauses
        self._transport = Transport(proxy=proxy, timeout=(10.0, 10.0))
        self._waiting: queue.Queue[SendNotification | None] = queue.Queue(MOST_WAITING)
        self._unreachable = False
        self._stopping = threading.Event()
        self._complaints, self._drops = LogOnce(time.monotonic), LogOnce(time.monotonic)
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, news: SendNotification) -> None:
        """Have it told, if it is to be told at all; from any thread, and returns at once."""
        told = bool(self._settings.exec or self._settings.webhook)
        if told and news.news in self._settings.on:
            self._put(news)

    def stop(self, patience: float) -> None:
        """End the thread after what waits, or after so many seconds; a program that still runs is killed."""
        self._put(None)
        self._thread.join(patience)
        self._stopping.set()
        self._thread.join(2 * SLICE)
        self._transport.close()

    def _put(self, news: SendNotification | None) -> None:
        while True:
            try:
                self._waiting.put_nowait(news)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
                words = f"the hooks are too slow: of more than {MOST_WAITING} pieces of news the oldest go"
                if self._drops.is_due(words):
                    log.warning("%s", words)
            else:
                return

    def _run(self) -> None:
        while (news := self._waiting.get()) is not None and not self._stopping.is_set():
            try:
                self._tell(news)
            except Exception:  # a thread's top: news that trips us must not keep back what comes after it
                log.exception("a hook could not be run in an unforeseen way")

    def _tell(self, news: SendNotification) -> None:
        errors = []
        if self._settings.exec:
            errors += _error_of(lambda: self._run_program(news))
        if self._settings.webhook:
            errors += _error_of(lambda: self._post(news))
        for words in errors:
            if self._complaints.is_due(words):
                log.warning("%s", words)
        if not errors:
            self._complaints.reset()

    # ---- the program

    def _run_program(self, news: SendNotification) -> None:
        name = self._settings.exec[0]
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    self._settings.exec,
                    env=self._environ | _environment(news, self._outbox),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise HookError(f"the hook {name} can't be run: {error.strerror}") from None
            with process:
                code = self._wait(process)
            if code is None:
                raise HookError(f"the hook {name} was stopped after {self._limit:.0f} s")
            if code != 0:
                raise HookError(f"the hook {name} ended with code {code}{_last_line(said)}")

    def _wait(self, process: subprocess.Popen[bytes]) -> int | None:
        """Its exit code; None where it took too long or mjwatch ends, and was killed."""
        end = time.monotonic() + self._limit
        while not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(left, SLICE))
        _kill(process)
        return None

    # ---- the web address

    def _post(self, news: SendNotification) -> None:
        """Try it a few times where another try may help; once only after all of that was in vain."""
        for pause in (*(() if self._unreachable else self._pauses), None):
            try:
                self._post_once(news)
            except _TryAgainError as error:
                if pause is None or self._stopping.wait(pause):
                    self._unreachable = True
                    raise HookError(error.message) from None
            else:
                self._unreachable = False
                return

    def _post_once(self, news: SendNotification) -> None:
        host = host_of(self._settings.webhook)
        body = json.dumps(payload(news)).encode()
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
    """It did not work now, but may soon."""


def payload(news: SendNotification) -> dict[str, Any]:
    """What the web address gets, as JSON. ``folder`` is relative to the outbox; ``at`` as in the manifest."""
    job = news.job
    return {
        "event": str(news.news),
        "job": job.id if job else None,
        "state": str(job.state) if job else None,
        "prompt": job.prompt.text if job else None,
        "folder": job.folder if job else None,
        "reason": news.reason or None,
        "at": iso(news.at),
        "version": __version__,
    }


def _environment(news: SendNotification, outbox: Path) -> dict[str, str]:
    """What a program gets; empty where it does not apply. The folder is absolute."""
    facts = payload(news)
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
    """Without what an environment can't hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _error_of(tell: Callable[[], None]) -> list[str]:
    try:
        tell()
    except HookError as error:
        return [str(error)]
    except OSError as error:  # no room for what it says
        return [f"a hook can't be run: {error.strerror}"]
    return []


def _check_answer(response: Response, host: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    words = f"the webhook at {host} answers HTTP {status}"
    raise _TryAgainError(words) if status == 429 or status >= 500 else HookError(words)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The program and what it has started, which is of one process group (not on Windows)."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _last_line(said: IO[bytes]) -> str:
    """The last thing that a program wrote to standard error, for the log."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 4096))
    lines = said.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:_SHOWN]}" if last else ""
