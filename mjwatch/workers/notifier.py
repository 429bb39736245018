"""Notifications to a program, a web address and Apprise, in a thread of their own, so that no job waits."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.config import config_option, with_option
from mjwatch.discord.allowed_hosts import host_of
from mjwatch.discord.http import Transport
from mjwatch.effects import Notification, SendNotification
from mjwatch.errors import ConfigError, HookError, WireError
from mjwatch.host.log import LogOnce
from mjwatch.host.platform import require_library
from mjwatch.host.redaction import Redaction
from mjwatch.outbox.manifest import FILE_NAME, iso
from mjwatch.version import __version__
from mjwatch.workers.apprise_hook import AppriseDelivery, TryAgainError
from mjwatch.workers.programs import STOP_INTERVAL, Ended, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from requests import Response

    from mjwatch.config import Config
    from mjwatch.settings.secrets import Keys, Secret
    from mjwatch.settings.sections import NotifySettings

log = logging.getLogger("mjwatch.hooks")

QUEUE_LIMIT = 100
"""Notifications that wait for a slow hook; a new one replaces the oldest."""

PROGRAM_LIMIT = 60.0
"""Seconds after which a program is killed, with all processes that it has started."""

WEBHOOK_LIMIT = 30.0
"""Seconds for one request to the web address."""

RETRY_DELAYS = (1.0, 5.0, 20.0)
"""Seconds between the attempts to reach the web address, or an address of Apprise's."""

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
        apprise: Sequence[Secret] = (),
        proxy: str = "",
        redaction: Redaction | None = None,
        option: str = "",
        environ: Mapping[str, str] = os.environ,
        program_limit: float = PROGRAM_LIMIT,
        pauses: tuple[float, ...] = RETRY_DELAYS,
    ) -> None:
        """``proxy`` is as for Discord; ``program_limit`` and ``pauses`` are in seconds. Raise ConfigError.

        ``option``: what the commands in texts must name, as ``config_option`` returns it.
        """
        if apprise:
            require_library("apprise", "apprise", "[notify] apprise")
        self._settings = settings
        self._apprise = apprise
        self._proxy = proxy
        self._outbox = outbox
        self._redaction = redaction or Redaction(())
        self._option = option
        self._environ = {key: value for key, value in environ.items() if key not in _HIDDEN_VARIABLES}
        self._limit = program_limit
        self._pauses = pauses
        self._transport = Transport(proxy=proxy, timeout=(10.0, 10.0), deadline=WEBHOOK_LIMIT)
        self._waiting: queue.Queue[SendNotification | None] = queue.Queue(QUEUE_LIMIT)
        self._unreachable: set[str] = set()
        self._stopping = threading.Event()
        self._failures, self._drops = LogOnce(time.monotonic), LogOnce(time.monotonic)
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, notification: SendNotification) -> None:
        """Queue a notification, if it is enabled, and return at once; any thread may call it."""
        if any(self._hooks(notification)) and notification.news in self._settings.on:
            self._put(_with_option(notification, self._option))

    def test(self) -> dict[str, str]:
        """Send a test once through every hook, in this thread, instead of ``start``.

        Return what went wrong by hook, "" if nothing.
        """
        notification = SendNotification(Notification.TEST, time.time(), "This is a test.")
        self._pauses = ()
        with contextlib.closing(self._transport):
            return {name: _error_of(deliver) for name, deliver in self._hooks(notification)}

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

    def _hooks(self, notification: SendNotification) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the name of each hook, and what delivers the notification by it or raises an error."""
        if self._settings.exec:
            yield "exec", lambda: self._run_hook(notification)
        if self._settings.webhook:
            yield "webhook", lambda: self._try("webhook", lambda: self._post(notification))
        if self._apprise:
            attach = self._settings.attach
            delivery = AppriseDelivery(
                self._apprise, notification, self._outbox, self._run_apprise, attach=attach
            )
            yield "apprise", lambda: self._try("apprise", delivery.attempt)

    def _deliver(self, notification: SendNotification) -> None:
        errors = [error for _, deliver in self._hooks(notification) if (error := _error_of(deliver))]
        for error in errors:
            if self._failures.is_due(error):
                log.warning("%s", error)
        if not errors:
            self._failures.reset()

    def _try(self, hook: str, attempt: Callable[[], None]) -> None:
        """Try a few times if that may help; after a series of failures only once for each notification."""
        for pause in (*(() if hook in self._unreachable else self._pauses), None):
            try:
                attempt()
            except TryAgainError as error:
                if pause is None or self._stopping.wait(pause):
                    self._unreachable.add(hook)
                    raise HookError(error.message) from None
            else:
                self._unreachable.discard(hook)
                return

    # ---- the program

    def _run_hook(self, notification: SendNotification) -> None:
        name = self._settings.exec[0]
        environ = self._environ | _environment(notification, self._outbox)
        try:
            ended = run_program(self._settings.exec, environ, limit=self._limit, stopping=self._stopping)
        except OSError as error:
            raise HookError(f"the hook {name} can't be run: {error.strerror}") from None
        if ended.code is None:
            raise HookError(f"the hook {name} was stopped after {self._limit:.0f} s")
        if ended.code != 0:
            raise HookError(f"the hook {name} ended with code {ended.code}{self._last_line(ended.output)}")

    def _last_line(self, text: str) -> str:
        """Return the last line that a program wrote to standard error, for the log."""
        last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")
        return f": {self._redaction.redacted(last)[:_MOST_ERROR_TEXT]}" if last else ""

    def _run_apprise(self, command: Sequence[str], order: bytes) -> Ended:
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), self._proxy) if self._proxy else {}
        environ = self._environ | proxies
        return run_program(command, environ, limit=self._limit, stopping=self._stopping, stdin=order)

    # ---- the web address

    def _post(self, notification: SendNotification) -> None:
        host = host_of(self._settings.webhook)
        body = json.dumps(payload(notification)).encode()
        headers = {"Content-Type": "application/json"}
        try:
            response = self._transport.send("POST", self._settings.webhook, data=body, headers=headers)
        except WireError as error:
            raise TryAgainError(f"the webhook can't be reached: {error.message}") from None
        except ConfigError as error:
            raise HookError(f"the webhook can't be reached: {error}") from None
        with response:
            _check_answer(response, host)


def notifier_of(config: Config, keys: Keys) -> Notifier:
    """Return the notifier of this configuration. Raise ConfigError if a library for it is missing."""
    return Notifier(
        config.notify,
        config.outbox.path,
        apprise=keys.apprise,
        proxy=config.discord.proxy,
        redaction=Redaction([*keys.secrets(), config.notify.webhook]),
        option=config_option(config.source),
    )


def _with_option(notification: SendNotification, option: str) -> SendNotification:
    """Let the commands in the texts name the configuration, so that they work when they are copied."""
    trouble = notification.trouble
    if trouble is not None:
        trouble = replace(trouble, remedy=with_option(trouble.remedy, option))
    return replace(notification, reason=with_option(notification.reason, option), trouble=trouble)


def payload(notification: SendNotification) -> dict[str, Any]:
    """Return the JSON for the web address: ``folder`` relative to the outbox, ``at`` as in the manifest."""
    job, trouble = notification.job, notification.trouble
    remedy = trouble.remedy if trouble and notification.news is not Notification.RESOLVED else ""
    return {
        "event": str(notification.news),
        "job": job.id if job else None,
        "state": str(job.state) if job else None,
        "prompt": job.prompt.text if job else None,
        "folder": job.folder if job else None,
        "reason": notification.reason or None,
        "trouble": str(trouble.kind) if trouble else None,
        "remedy": remedy or None,
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
        "MJWATCH_TROUBLE": facts["trouble"] or "",
        "MJWATCH_REMEDY": _plain(facts["remedy"] or ""),
        "MJWATCH_MANIFEST": os.path.join(folder, FILE_NAME) if folder else "",  # noqa: PTH118
    }


def _plain(text: str) -> str:
    """Return the text without what an environment can't contain: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _error_of(deliver: Callable[[], None]) -> str:
    try:
        deliver()
    except HookError as error:
        return str(error)
    except OSError as error:  # no space for its output
        return f"a hook can't be run: {error.strerror}"
    return ""


def _check_answer(response: Response, host: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    message = f"the webhook at {host} answered HTTP {status}"
    raise TryAgainError(message) if status == 429 or status >= 500 else HookError(message)
