"""Runs mjwatch and kills it at a named point. The product has no hook for that: it is wrapped from outside.

``python crash_points.py POINT HOST ARGUMENT...``: HOST is the simulator's, the arguments are those of mjwatch.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from urllib3.connection import HTTPConnection

import mjwatch.outbox.publisher
import mjwatch.pictures.split
from mjwatch.__main__ import main
from mjwatch.discord import http
from mjwatch.discord.cdn import CDN
from mjwatch.discord.rest import DiscordREST
from mjwatch.discord.session import GatewaySession
from mjwatch.engine.loop import Engine
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
WITNESS_PATIENCE = deadline(20.0)


@dataclass(frozen=True)
class Kill:
    """Dies before or after the nth call of ``owner.name`` that ``when`` picks, once ``first`` is done.

    ``late``: seconds by which all that the gateway says is late, so that the answer to a POST comes first.
    """

    owner: Any
    name: str
    when: Callable[..., bool] = lambda *_, **__: True
    nth: int = 1
    after: bool = False
    first: Callable[[], None] = lambda: None
    late: float = 0.0

    def arm(self) -> None:
        if self.late:
            hear_late(self.late)
        original, calls = getattr(self.owner, self.name), itertools.count(1)

        @functools.wraps(original)
        def wrapped(*args: Any, **options: Any) -> Any:
            meant = self.when(*args, **options) and next(calls) == self.nth
            if meant and not self.after:
                self.die()
            result = original(*args, **options)
            if meant:
                self.die()
            return result

        setattr(self.owner, self.name, wrapped)

    def die(self) -> NoReturn:
        self.first()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(WITNESS_PATIENCE)  # this thread does nothing more, however long the signal takes
        raise AssertionError("still alive")


def hear_late(seconds: float) -> None:
    hear = GatewaySession.events_received

    def events_received(session: GatewaySession) -> list[GatewayEvent]:
        events = hear(session)
        if events:
            time.sleep(seconds)
        return events

    GatewaySession.events_received = events_received  # type: ignore[assignment, method-assign]


def both(name: str, kill: Kill) -> dict[str, Kill]:
    """The moments before and after a call."""
    return {f"before-{name}": kill, f"after-{name}": replace(kill, after=True)}


def commit(*states: State, also: Callable[[Job], bool] = lambda job: True) -> Kill:
    """A commit that brings a job into one of these states."""
    return Kill(Journal, "update", lambda _, job, *__, **___: job.state in states and also(job))


def has_begun(job: Job) -> bool:
    return bool(job.percent)


def is_answered(job: Job) -> bool:
    return job.published is not None


def is_unanswered(job: Job) -> bool:
    return job.published is None


def was_sent(job: Job) -> bool:
    return bool(job.nonces)


def is_session(journal: Journal, meta: dict[str, Any]) -> bool:
    return meta.get("gateway") is not None


def holds_nonce(connection: object, data: bytes) -> bool:
    return b'"nonce"' in data


def until_executed() -> None:
    """Wait for the simulator to execute a command whose answer nobody will read."""
    end = time.monotonic() + WITNESS_PATIENCE
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://{HOST}/_sim/state", timeout=WITNESS_PATIENCE) as answer:
            if json.load(answer)["interactions"]:
                return
        time.sleep(0.02)


def is_picture(response: Any) -> bool:
    return "/attachments/" in response.url


def into_outbox(path: Path, target: Path) -> bool:
    return not Path(target).name.startswith((ASIDE_PREFIX, PROBE_PREFIX))


def is_put_aside(path: Path, target: Path) -> bool:
    return Path(target).name.startswith(ASIDE_PREFIX)


def is_aside(path: Path, *_: object, **__: object) -> bool:
    return path.name.startswith(ASIDE_PREFIX)


def is_staged(folder: Path) -> bool:
    return folder.parent.name in {"staging", ".mjwatch-staging"}


AT_WORK = (State.SUBMITTED, State.RUNNING, State.COLLECTING)

POINTS: dict[str, Kill] = {
    # the inbox
    **both("accept", Kill(Journal, "accept")),
    "before-removal": Kill(Inbox, "remove"),
    **both("put-aside", Kill(Path, "rename", is_put_aside)),
    "after-removal": Kill(Path, "unlink", is_aside, after=True),
    "in-put-back": Kill(os, "link", after=True),
    # the session
    **both("session", Kill(Journal, "remember", is_session)),
    # sending
    **both("submitting", commit(State.SUBMITTING)),
    **both("post", Kill(DiscordREST, "interact")),
    "in-request": Kill(HTTPConnection, "send", holds_nonce),
    "in-post": Kill(HTTPConnection, "send", holds_nonce, after=True, first=until_executed),
    **both("submitted", replace(commit(State.SUBMITTED), late=0.5)),
    # doubt
    **both("doubt", replace(commit(State.IN_DOUBT), late=0.5)),
    **both("found-unsent", commit(State.QUEUED, also=was_sent)),
    **both("adopted", commit(*AT_WORK)),
    # at work
    **both("started", commit(State.RUNNING)),
    **both("progress", commit(State.RUNNING, also=has_begun)),
    **both("finished", commit(State.COLLECTING)),
    # saving
    **both("download", Kill(CDN, "fetch")),
    "in-download": Kill(http, "_next_piece", is_picture, after=True),
    "in-split": Kill(mjwatch.pictures.split, "_encode", nth=2),
    "after-split": Kill(mjwatch.pictures.split.Grid, "pieces", after=True),
    "in-staging": Kill(mjwatch.outbox.publisher, "durable_copy", nth=3, after=True),
    **both("staging", Kill(mjwatch.outbox.publisher, "fsync_folder", is_staged)),
    **both("rename", Kill(Path, "rename", into_outbox)),
    "after-publish": Kill(Outbox, "publish", after=True),
    **both("done", commit(State.DONE)),
    # the answer to a prompt that was refused
    **both("failed", commit(State.FAILED, also=is_unanswered)),
    **both("answered", commit(State.FAILED, also=is_answered)),
    # the end of the program
    **both("farewell", Kill(Engine, "finish")),
}


def crash(point: str, host: str, arguments: list[str]) -> None:
    global HOST
    HOST = host
    POINTS[point].arm()
    sys.argv = ["mjwatch", *arguments]
    main()


if __name__ == "__main__":
    crash(sys.argv[1], sys.argv[2], sys.argv[3:])
