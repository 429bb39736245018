"""Checks of what lies on this machine: folders, journal, the inbox's owner, what the kernel allows."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from mjwatch.diagnostics.check_result import CheckResult, fail, ok, skipped, warn
from mjwatch.errors import JournalError
from mjwatch.filesystem import probe
from mjwatch.filesystem.mounts import remote_type
from mjwatch.host.platform import machine_id
from mjwatch.inbox.ownership import owner_of
from mjwatch.jobs.status_text import to_go_on
from mjwatch.journal.database import look_over, newest_version
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.config import Config

LEAST_FREE = 1 << 30
"""Bytes on the disks of state and outbox: room for some thirty jobs."""


def check_folders(config: Config, inotify: Path) -> Iterator[CheckResult]:
    """All of them; ``inotify`` is where the kernel tells its limits."""
    nested = config.folder_problems()
    for problem in nested:
        yield fail("folders", problem, f"give them other places in {config.source}")
    for name, folder in (
        ("inbox", config.inbox.path),
        ("outbox", config.outbox.path),
        ("state", config.state.path),
    ):
        yield _folder(name, folder)
    if not nested:
        yield _staging(config.state.path, config.outbox.path)
    yield _owner(config.inbox.path)
    yield _journal(config)
    yield from _pause(config)
    yield _inotify(config, inotify)


def _folder(name: str, folder: Path) -> CheckResult:
    obstacle = probe.writable(folder)
    if obstacle:
        return fail(name, f"{folder}: {obstacle}", f"make it a folder that {user()} may write to")
    if name == "state" and (kind := remote_type(folder)):
        return warn(
            name, f"{folder} is on a network file system ({kind})", "[state] path belongs on a local disk"
        )
    free = probe.free_space(folder)
    if name != "inbox" and free is not None and free < LEAST_FREE:
        return warn(name, f"{folder}: only {free >> 20} MiB are free", "make room: a job takes some 30 MiB")
    return ok(name, str(folder) if folder.exists() else f"{folder} will be made")


def _staging(state: Path, outbox: Path) -> CheckResult:
    fits = probe.renames_into(state, outbox)
    if fits is None:
        return skipped("staging", "the folders of state and outbox are not there yet, or not writable")
    if fits:
        return ok("staging", "a folder made in state can be renamed into the outbox")
    return warn(
        "staging",
        "state and outbox are on different file systems, so results are put together inside the outbox",
        "if the outbox is synced, let the sync tool ignore .mjwatch-staging",
    )


def _owner(inbox: Path) -> CheckResult:
    """Whose the inbox is: two hosts that share one would each run all of it."""
    owner = owner_of(inbox)
    if owner is None:
        return ok("owner", "the inbox is nobody's yet; the first start makes it this machine's")
    if owner.machine == machine_id():
        return ok("owner", "the inbox is this machine's")
    who = f'"{owner.host}"' if owner.host else "a host that can't be read in its marker"
    mend = "stop mjwatch there for good, then start it here once by `mjwatch run --take-over`"
    return fail("owner", f"the inbox belongs to mjwatch on {who}", mend)


def _journal(config: Config) -> CheckResult:
    """Whether every page of the journal is sound; beside a daemon too, and without changing it."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return ok("journal", "there is none yet; the first start makes it")
        version = look_over(path)
    except JournalError as error:
        return fail("journal", error.message, error.mend or _journal_mend())
    except OSError as error:
        return fail("journal", f"{path} can't be read: {error.strerror}", _journal_mend())
    if version < newest_version():
        return ok("journal", f"sound; the next start brings it from version {version} to {newest_version()}")
    return ok("journal", f"sound, {max(1, path.stat().st_size >> 10)} KiB")


def _journal_mend() -> str:
    return f"{user()} must be able to read and write it; ask as the user that the service runs as"


def _pause(config: Config) -> Iterator[CheckResult]:
    """Whether a person is waited for, where the journal can tell."""
    path = config.state.path / JOURNAL_FILE
    try:
        if not path.exists():
            return
        with closing(JournalReader(path)) as reader:
            pause = reader.paused()
            doubtful = sum(1 for job in reader.live_jobs() if job.state is State.IN_DOUBT)
    except (JournalError, OSError):
        return  # told already
    if pause is not None:
        yield warn("sending", f"paused: {pause.reason}", to_go_on(pause))
    elif doubtful:
        jobs = "1 job is" if doubtful == 1 else f"{doubtful} jobs are"
        yield warn("sending", f"{jobs} in doubt", "`mjwatch list --state in_doubt`, then retry or cancel")
    else:
        yield ok("sending", "nothing waits for a person")


def _inotify(config: Config, root: Path) -> CheckResult:
    watches = probe.inotify_limit("max_user_watches", root)
    if watches is None:
        return skipped("inotify", "this system has none; the inbox is found by scanning")
    obstacle = probe.inotify_obstacle()
    if obstacle:
        return warn(
            "inotify",
            f"no watch can be begun: {obstacle}",
            "sysctl fs.inotify.max_user_instances=512; meanwhile scans find all",
        )
    folders = probe.count_folders(config.inbox.path)
    detail = f"{folders} {'folder' if folders == 1 else 'folders'} to watch, {watches} watches allowed"
    if folders > watches // 2:
        more = max(65536, folders * 4)
        return warn("inotify", detail, f"sysctl fs.inotify.max_user_watches={more}; meanwhile scans find all")
    return ok("inotify", detail)


def user() -> str:
    """Who asks."""
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
