"""Run mjwatch and kill it at a named crash point. mjwatch has no hook for this; it is wrapped from outside.

``python crash_points.py POINT HOST ARGUMENT...``: HOST is the address of the simulator; mjwatch gets the
arguments.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from urllib3.connection import HTTPConnection

import mjwatch.pictures.split
from mjwatch.__main__ import main
from mjwatch.discord import http
from mjwatch.discord.cdn import CDN
from mjwatch.discord.rest import DiscordREST
from mjwatch.discord.session import GatewaySession
from mjwatch.engine.loop import Engine
from mjwatch.events import GatewayDispatch
from mjwatch.filesystem.folder import Folder
from mjwatch.inbox.inbox import Inbox
from mjwatch.inbox.removal import ASIDE_PREFIX
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, State
from mjwatch.outbox.publisher import Outbox
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.events import GatewayEvent

HOST = ""
PROBE_PREFIX = ".mjwatch-probe-"
STAGING_NAMES = {"staging", ".mjwatch-staging"}
EXECUTION_TIMEOUT = deadline(20.0)


@dataclass(frozen=True)
class CrashPoint:
    """Kills the process before or after the nth call of ``owner.name`` for which ``when`` is true.

    ``prepare`` is called just before the kill. With ``before_dispatches`` nothing that the gateway
    dispatches is heard until then, so that the response to a POST comes first.
    """

    owner: Any
    name: str
    when: Callable[..., bool] = lambda *_, **__: True
    nth: int = 1
    after: bool = False
    prepare: Callable[[], None] = lambda: None
    before_dispatches: bool = False

    def arm(self) -> None:
        """Wrap the function."""
        if self.before_dispatches:
            drop_dispatches()
        original, calls = getattr(self.owner, self.name), itertools.count(1)

        @functools.wraps(original)
        def wrapped(*args: Any, **options: Any) -> Any:
            matches = self.when(*args, **options) and next(calls) == self.nth
            if matches and not self.after:
                self.kill_process()
            result = original(*args, **options)
            if matches:
                self.kill_process()
            return result

        setattr(self.owner, self.name, wrapped)

    def kill_process(self) -> NoReturn:
        self.prepare()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(EXECUTION_TIMEOUT)  # this thread does nothing more until the signal arrives
        raise AssertionError("still alive")


def drop_dispatches() -> None:
    """Ignore all dispatches of the gateway: the journal lacks them, so the next start gets them again."""
    original = GatewaySession.events_received

    def events_received(session: GatewaySession) -> list[GatewayEvent]:
        return [event for event in original(session) if not isinstance(event, GatewayDispatch)]

    GatewaySession.events_received = events_received  # type: ignore[assignment, method-assign]


def before_and_after(name: str, point: CrashPoint) -> dict[str, CrashPoint]:
    """Return the crash points before and after a call."""
    return {f"before-{name}": point, f"after-{name}": replace(point, after=True)}


def at_commit(*states: State, condition: Callable[[Job], bool] = lambda job: True) -> CrashPoint:
    """Return the crash point at a commit that brings a job into one of these states."""
    return CrashPoint(Journal, "update", lambda _, job, *__, **___: job.state in states and condition(job))


def has_progress(job: Job) -> bool:
    return job.percent is not None


def is_published(job: Job) -> bool:
    return job.published is not None


def is_unpublished(job: Job) -> bool:
    return job.published is None


def was_sent(job: Job) -> bool:
    return bool(job.nonces)


def has_session(journal: Journal, meta: dict[str, Any]) -> bool:
    return (meta.get("gateway") or {}).get("session_id") is not None


def has_nonce(connection: object, data: bytes) -> bool:
    return b'"nonce"' in data


def wait_until_executed() -> None:
    """Wait until the simulator has executed a command whose response is never read."""
    end = time.monotonic() + EXECUTION_TIMEOUT
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://{HOST}/_sim/state", timeout=EXECUTION_TIMEOUT) as answer:
            if json.load(answer)["interactions"]:
                return
        time.sleep(0.02)


def is_picture(response: Any) -> bool:
    return "/attachments/" in response.url


def is_publication(folder: Folder, name: str, target: Folder, new_name: str) -> bool:
    is_inward = target.path.name in STAGING_NAMES
    return not is_inward and not new_name.startswith((ASIDE_PREFIX, PROBE_PREFIX))


def is_move_aside(folder: Folder, name: str, target: Folder, new_name: str) -> bool:
    return new_name.startswith(ASIDE_PREFIX)


def is_put_aside(folder: Folder, name: str) -> bool:
    return name.startswith(ASIDE_PREFIX)


def is_staged(folder: Folder, *_: object, **__: object) -> bool:
    return folder.path.parent.name in STAGING_NAMES


IN_PROGRESS = (State.SUBMITTED, State.RUNNING, State.COLLECTING)

POINTS: dict[str, CrashPoint] = {
    # the inbox
    **before_and_after("accept", CrashPoint(Journal, "accept")),
    "before-removal": CrashPoint(Inbox, "remove"),
    **before_and_after("put-aside", CrashPoint(Folder, "move", is_move_aside)),
    "after-removal": CrashPoint(Folder, "unlink", is_put_aside, after=True),
    "in-put-back": CrashPoint(os, "link", after=True),
    # the session
    **before_and_after("session", CrashPoint(Journal, "remember", has_session)),
    # sending
    **before_and_after("submitting", at_commit(State.SUBMITTING)),
    **before_and_after("post", CrashPoint(DiscordREST, "interact")),
    "in-request": CrashPoint(HTTPConnection, "send", has_nonce),
    "in-post": CrashPoint(HTTPConnection, "send", has_nonce, after=True, prepare=wait_until_executed),
    **before_and_after("submitted", replace(at_commit(State.SUBMITTED), before_dispatches=True)),
    # a job in doubt
    **before_and_after("doubt", replace(at_commit(State.IN_DOUBT), before_dispatches=True)),
    **before_and_after("found-unsent", at_commit(State.QUEUED, condition=was_sent)),
    **before_and_after("adopted", at_commit(*IN_PROGRESS)),
    # a running job
    **before_and_after("started", at_commit(State.RUNNING)),
    **before_and_after("progress", at_commit(State.RUNNING, condition=has_progress)),
    **before_and_after("finished", at_commit(State.COLLECTING)),
    # downloading and publishing
    **before_and_after("download", CrashPoint(CDN, "fetch")),
    "in-download": CrashPoint(http, "_pieces", is_picture, after=True),
    "in-split": CrashPoint(mjwatch.pictures.split.Grid, "_piece", nth=2),
    "after-split": CrashPoint(mjwatch.pictures.split.Grid, "pieces", after=True),
    "in-staging": CrashPoint(Folder, "create", is_staged, nth=3, after=True),
    **before_and_after("staging", CrashPoint(Folder, "sync", is_staged)),
    **before_and_after("rename", CrashPoint(Folder, "move", is_publication)),
    "after-publish": CrashPoint(Outbox, "publish", after=True),
    **before_and_after("done", at_commit(State.DONE)),
    # the manifest of a refused prompt
    **before_and_after("failed", at_commit(State.FAILED, condition=is_unpublished)),
    **before_and_after("answered", at_commit(State.FAILED, condition=is_published)),
    # the shutdown
    **before_and_after("shutdown", CrashPoint(Engine, "finish")),
}


def crash(point: str, host: str, arguments: list[str]) -> None:
    global HOST
    HOST = host
    POINTS[point].arm()
    sys.argv = ["mjwatch", *arguments]
    main()


if __name__ == "__main__":
    crash(sys.argv[1], sys.argv[2], sys.argv[3:])
