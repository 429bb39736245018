"""Checks of rights: whether the service's user may remove prompt files, and which group pictures get."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mjwatch.diagnostics.checks import CheckResult, fail, ok, warn
from mjwatch.filesystem.permissions import (
    command_for_all,
    group_command,
    group_id,
    may_use,
    passes_on_group,
    write_command,
)
from mjwatch.host.accounts import acting_as
from mjwatch.inbox.filenames import may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.host.accounts import Account

MOST_FOLDERS = 100_000
"""Folders of the inbox that are looked at."""


def check_inbox_rights(config: Config, account: Account) -> Iterator[CheckResult]:
    """Check whether the account may remove prompt files from every folder below the inbox."""
    inbox = config.inbox.path
    if config.inbox.after == "keep" or not inbox.is_dir():
        return
    with acting_as(account):
        closed = [folder for folder in _folders(inbox) if not may_use(folder)]
        if not closed:
            return
        is_single = len(closed) == 1
        command = write_command(closed[0], inbox) if is_single else command_for_all(inbox)
    subject = f"{closed[0]} is" if is_single else f"{len(closed)} folders, such as {closed[0]}, are"
    detail = f"{subject} not writable for {account.name}: taken prompt files stay there"
    yield warn("rights", detail, f"run `{command}`")


def check_group(config: Config, account: Account) -> Iterator[CheckResult]:
    """Check the group of ``[outbox] group``, if there is one."""
    name, outbox = config.outbox.group, config.outbox.path
    if not name:
        return
    group = group_id(name)
    if group is None:
        yield fail("group", f"[outbox] group: there is no group {name}", f"run `sudo groupadd {name}`")
    elif account.uid != 0 and group not in account.groups:
        join = f"sudo usermod -aG {name} {account.name}"
        yield fail(
            "group", f"{account.name} is not in the group {name}", f"run `{join}`, then restart the service"
        )
    elif outbox.is_dir() and not passes_on_group(outbox, group):
        detail = f"{outbox} does not pass the group {name} on to what is published in it"
        yield warn("group", detail, f"run `{group_command(outbox, name)}`")
    else:
        yield ok("group", f"what is published belongs to the group {name}")


def _folders(inbox: Path) -> Iterator[Path]:
    """Yield the folders below the inbox that may hold prompts."""
    waiting, count = [inbox], 0
    while waiting and count < MOST_FOLDERS:
        try:
            with os.scandir(waiting.pop()) as entries:
                inner = [inbox / e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # it is not open either, and reported
        inner = [folder for folder in inner if may_hold_prompts(folder.name)]
        waiting += inner
        count += len(inner)
        yield from inner
