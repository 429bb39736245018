"""Whatever lies where mjwatch has its files: nothing hangs or crashes, and what is in the way is named.

Seen to catch: a pipe that is waited for; a manifest that is a folder, or JSON of 100,000 levels; a number of
chunks that is never counted to its end; a file of a terabyte that is read; a folder behind a link that is
emptied.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from mjwatch.cli.shell.shell import HISTORY_FILE, open_history
from mjwatch.client.import_folder import FolderImport
from mjwatch.config import Config
from mjwatch.errors import MjwatchError
from mjwatch.gallery.gallery import Gallery
from mjwatch.host.lock import daemon_lock
from mjwatch.host.running import WakeupListener, daemon_runs, wake_daemon
from mjwatch.inbox.ownership import Owner, Ownership, OwnershipFacts, owner_of
from mjwatch.inbox.references import preview
from mjwatch.inbox.removal import ASIDE_PREFIX, restore_aside
from mjwatch.inbox.scanner import InboxScanner
from mjwatch.jobs.imported import STAGING_FOLDER
from mjwatch.journal.database import check_integrity, mark_clean_close, was_closed_cleanly
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import ask
from mjwatch.journal.writer import Journal
from mjwatch.outbox.manifest import FILE_NAME, load_manifest
from mjwatch.outbox.publisher import Outbox
from mjwatch.outbox.status_file import StatusFile, read_status
from mjwatch.settings.secrets import read_keys
from tests.helpers.job_factory import made_job
from tests.helpers.odd_files import CONTENTS, KINDS, put_odd
from tests.helpers.outbox_factory import an_outbox
from tests.helpers.timeouts import deadline
from tests.unit.gallery.test_gallery import bring_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOB = made_job("7k3f9a2m", "cat.txt")
FILES = {"cat_1.png": b"picture", FILE_NAME: json.dumps({"job": JOB.id}).encode()}
GALLERY_JOB = "clients/acme/note-000001zz"
"""The first folder of ``an_outbox``; its thumbnail has the job's id."""


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Turn a call that waits for ever into a failure."""

    def fail(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, deadline(20.0))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def use_outbox(root: Path) -> None:
    """Publish a failure, its retry and the success, as a running service does; a fault would be no error."""
    outbox = Outbox(root / "outbox", root / "state")
    outbox.sweep()
    for failed in (True, True, False, False):
        outbox.publish(JOB, FILES, failed=failed)


def use_status(root: Path) -> None:
    read_status(root / "outbox")
    StatusFile(root / "outbox", dict, clock=lambda: 0.0)._write(running=True)


def use_manifest(root: Path) -> None:
    load_manifest(root / "outbox" / FILE_NAME)


def use_gallery(root: Path) -> None:
    gallery = Gallery(root / "outbox", root / "state")
    bring_up(gallery)
    gallery.tidy()
    gallery.show_status({})


def use_ownership(root: Path) -> None:
    owner_of(root / "inbox")
    for take_over in (True, False):
        facts = OwnershipFacts(take_over=take_over)
        ownership = Ownership(root / "inbox", Owner("here", "machine", "journal"), facts)
        ownership.claim()
        ownership.check(InboxScanner(root / "inbox").scan(0.0))


def use_references(root: Path) -> None:
    prompt = root / "inbox/clients/cat.txt"
    prompt.parent.mkdir(exist_ok=True)
    prompt.write_text("a __colour__ cat\n")
    preview(prompt, root / "inbox", 100)


def use_lock(root: Path) -> None:
    daemon_runs(root / "state")
    with daemon_lock(root / "state"):
        daemon_runs(root / "state")


def use_wakeups(root: Path) -> None:
    wake_daemon(root / "state")
    listener = WakeupListener(root / "state", lambda: None)
    listener.start()
    listener.stop()


def use_journal(root: Path) -> None:
    path = root / "state" / JOURNAL_FILE
    for read in (
        check_integrity,
        lambda path: JournalReader(path).close(),
        lambda path: ask(path, "x", {}, 0),
    ):
        with suppress(MjwatchError):
            read(path)
    was_closed_cleanly(path)
    with closing(Journal(path)) as journal:
        journal.identity()
    mark_clean_close(path)


def use_history(root: Path) -> None:
    open_history(root / "state" / HISTORY_FILE)


def use_import(root: Path) -> None:
    (root / "pictures").mkdir(exist_ok=True)
    config = root / "config.toml"
    config.write_text("[inbox]\npath='inbox'\n[outbox]\npath='outbox'\n[state]\npath='state'\n")
    with closing(Journal(root / "state" / JOURNAL_FILE)):
        found = FolderImport(Config.load(config), root / "pictures", lambda count: None)
        found._make_staging()
        found._sweep()


def use_keys(root: Path) -> None:
    read_keys(root / "keys", {"MJWATCH_TOKEN": "a" * 70, "MJWATCH_CHANNEL_ID": "1" * 18})


KNOWN: dict[str, Callable[[Path], None]] = {
    f"outbox/cat-{JOB.id}/{FILE_NAME}": use_outbox,
    f"outbox/cat-{JOB.id}": use_outbox,
    f"outbox/_failed/cat-{JOB.id}/{FILE_NAME}": use_outbox,
    f"outbox/_failed/cat-{JOB.id}": use_outbox,
    "outbox/_failed": use_outbox,
    "outbox/.mjwatch-staging": use_outbox,
    "outbox/.mjwatch-staging/left": use_outbox,
    "state/staging": use_outbox,
    "outbox/status.json": use_status,
    "outbox/~syncthing~status.json.tmp": use_status,
    f"outbox/{FILE_NAME}": use_manifest,
    "outbox/index.html": use_gallery,
    "outbox/_gallery": use_gallery,
    **{
        f"outbox/_gallery/{name}": use_gallery
        for name in ("index.js", "jobs-0001.js", "jobs-0007.js", "status.js", "gallery.css", "gallery.js")
    },
    "outbox/_gallery/thumbs": use_gallery,
    "outbox/_gallery/thumbs/0": use_gallery,
    "outbox/_gallery/thumbs/0/000000zz.webp": use_gallery,
    "outbox/_gallery/thumbs/0/another": use_gallery,
    f"outbox/{GALLERY_JOB}/{FILE_NAME}": use_gallery,
    f"outbox/{GALLERY_JOB}/note_1.webp": use_gallery,
    "state/gallery.lock": use_gallery,
    "inbox/.mjwatch-owner": use_ownership,
    "inbox/.~mjwatch-owner.tmp": use_ownership,
    f"inbox/{ASIDE_PREFIX}00000000-.": lambda root: restore_aside(root / "inbox"),
    f"inbox/{ASIDE_PREFIX}00000000-cat.txt": lambda root: restore_aside(root / "inbox"),
    "inbox/_defaults.toml": use_references,
    "inbox/clients/_defaults.toml": use_references,
    "inbox/_wildcards": use_references,
    "inbox/_wildcards/colour.txt": use_references,
    "state/daemon.lock": use_lock,
    "state/poke.sock": use_wakeups,
    "state/shell_history": use_history,
    f"state/{STAGING_FOLDER}": use_import,
    f"state/{STAGING_FOLDER}/left": use_import,
    **{f"state/{JOURNAL_FILE}{ending}": use_journal for ending in ("", "-wal", "-shm", "-seal", "-journal")},
    **{f"keys/{name}.key": use_keys for name in ("authToken", "API_guild_id", "API_channel_id")},
}


READ = {
    *(
        name
        for name in KNOWN
        if name.endswith((FILE_NAME, "index.js", "jobs-0001.js", "status.json", ".key"))
    ),
    *("inbox/.mjwatch-owner", "inbox/clients/_defaults.toml", "inbox/_wildcards/colour.txt"),
    *(f"state/{JOURNAL_FILE}{ending}" for ending in ("", "-wal", "-seal")),
    "outbox/_gallery/thumbs/0/000000zz.webp",
}
"""Those whose content mjwatch believes, or parses."""


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_hangs_or_crashes_and_what_is_in_the_way_is_named(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.gallery.page._render_in_subprocess", str.encode)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody cuts the power here
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "inner").touch()
    monkeypatch.setitem(KINDS, "a link to a folder", lambda path: path.symlink_to(elsewhere))
    for kind in (*KINDS, *(CONTENTS if name in READ else ())):
        root = tmp_path / kind
        for folder in ("outbox", "inbox", "state", "keys"):
            (root / folder).mkdir(parents=True)
        if KNOWN[name] is use_gallery:
            an_outbox(root / "outbox", 1)
        try:
            put_odd(root / name, kind)
        except PermissionError:
            continue  # only root can make a device
        for _ in range(2):  # what is in the way stays there
            try:
                KNOWN[name](root)
            except (MjwatchError, OSError) as error:
                assert kind in CONTENTS or name.rpartition("/")[2] in str(error), kind
            except Exception as error:
                error.add_note(f"with {kind}")
                raise
    assert [path.name for path in elsewhere.iterdir()] == ["inner"]  # no link was followed
