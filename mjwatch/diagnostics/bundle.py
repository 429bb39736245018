"""The incident bundle: everything about one job, in a zip file for a bug report."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from mjwatch.config import load_keys
from mjwatch.diagnostics.config_report import keys_of, settings_of
from mjwatch.diagnostics.wire_bundle import wire_of
from mjwatch.diagnostics.wire_log import read_wire
from mjwatch.errors import ConfigError, MjwatchError
from mjwatch.host.redaction import Redaction
from mjwatch.journal.maintenance import rows_of
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.outbox.manifest import FILE_NAME
from mjwatch.settings.secrets import APPRISE_FILE, passwords_in
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.model import Job

README = """\
What mjwatch knows about job {job}, for people who look for the cause of a problem.

  journal.json     the job's rows in the journal: what was sent when, and the answers
  job.json         the job itself, with its history
  manifest.json    the manifest in the job's folder of the outbox, if it has one
  log.txt          the lines of the log about the job, if a log was found
  config.json      the settings, and where each comes from
  wire.json        what Discord and Midjourney said about the job, for `mjwatch simulate --replay`
  versions.json    the versions of mjwatch, its libraries and the system

The bundle does not contain the account's token and other secrets, and no signatures of
picture addresses. It does contain the prompt file, the ids of account, channel and
messages, and the names of folders: read it before you share it. wire.json alone is enough
to replay the job: of what is private it contains the prompt, but invented ids and names.
"""

WIRE_PART = "wire.json"
BEFORE_ATTEMPT = 600.0
"""Seconds before the first attempt for which the recording is read: the session began earlier."""
JOURNALCTL_TIMEOUT = 20.0
LOG_TAIL = 64 << 20
"""Bytes at the end of a log file that are searched."""

_SIGNED = re.compile(r"(https?://[^\s?\"\\]+)\?[^\s\"\\]+")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9._-]+")


def make_bundle(
    config: Config,
    job: Job,
    target: Path,
    *,
    log: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Write the bundle to a file that must not exist yet, with mode 0600, and return its parts' names.

    ``log`` is a file with the service's log; without it, systemd's journal is read. Raise MjwatchError.
    """
    redaction = Redaction(_secrets(config, environ))
    parts = {name: _redacted(text, redaction) for name, text in _parts(config, job, log, environ)}
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in parts.items():
                bundle.writestr(f"mjwatch-{job.id}/{name}", text)
    except OSError as error:
        raise MjwatchError(f"{target} can't be written: {error.strerror}", "choose another --out") from error
    return list(parts)


def _parts(
    config: Config, job: Job, log: Path | None, environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    rows = rows_of(config.state.path / JOURNAL_FILE, job.id)
    yield "README.txt", README.format(job=job.id)
    yield "job.json", _json(json.loads(rows["jobs"][0].pop("body")))
    yield "journal.json", _json(rows)
    if job.folder is not None and (manifest := _read(config.outbox.path / job.folder / FILE_NAME)):
        yield "manifest.json", manifest
    if lines := (_lines_about(job.id, log) if log else _from_systemd(job.id)):
        yield "log.txt", lines
    if wire := _wire(config, job, rows["attempts"]):
        yield WIRE_PART, _json(wire)
    facts = {"source": config.source, "settings": settings_of(config, environ)}
    yield "config.json", _json(facts | {"keys": keys_of(config, environ)})
    yield "versions.json", _json(_versions())


def _wire(config: Config, job: Job, attempts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what was recorded about the job since its first attempt."""
    began = min((attempt["at"] for attempt in attempts), default=job.accepted)
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        pause, family = reader.paused(), _family(job, reader)
    since = min([began, *(one.accepted for one in family[:1])]) - BEFORE_ATTEMPT
    return wire_of(job, pause, list(read_wire(config.state.path, since)), family)


def _family(job: Job, reader: JournalReader) -> list[Job]:
    """Return the job whose button this one presses, and then all follow-ups that were sent for it.

    It is empty if no prompt file asks for the same: for a follow-up of a follow-up, or with new words.
    """
    parent = reader.job(job.parent) if job.parent is not None else None
    if parent is None or parent.prompt.action is not None or parent.prompt.command != "imagine":
        return []
    sent = [child for child in reader.children_of(parent.id) if child.nonces]
    has_words = any(child.button_press is not None and child.button_press.words for child in sent)
    return [] if has_words else [parent, *sent]


def _secrets(config: Config, environ: Mapping[str, str]) -> list[str]:
    """Return all values that must not be in the bundle."""
    urls = list(config.notify.apprise)
    found = [config.notify.webhook, config.discord.proxy, environ.get("MJWATCH_TOKEN", "").strip()]
    try:
        found += load_keys(config, environ).secrets()
    except ConfigError:
        urls += _read(config.keys.path / APPRISE_FILE).split()
        found += [*urls, *(word for url in urls for word in passwords_in(url))]
        found += [text.strip() for file in config.keys.path.glob("*oken*.key") if (text := _read(file))]
    return [secret for secret in found if secret]


def _redacted(text: str, redaction: Redaction) -> str:
    return redaction.redacted(_SIGNED.sub(r"\1?***", text))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _lines_about(job_id: str, log: Path) -> str:
    """Return the lines of a log file that name the job, with the indented lines below them."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        raise MjwatchError(f"{log} can't be read: {error.strerror}", "check the file's name") from error
    lines, is_about_job = [], False
    for line in text.splitlines(keepends=True):
        is_about_job = job_id in line or (is_about_job and line.startswith("    "))
        if is_about_job:
            lines.append(line)
    return "".join(lines)


def _from_systemd(job_id: str) -> str:
    """Return the job's lines in systemd's journal that this user may see; "" if there are none."""
    program = shutil.which("journalctl")
    if program is None:
        return ""
    command = [program, "--no-pager", "--quiet", "--output=short-iso-precise", f"MJWATCH_JOB={job_id}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=JOURNALCTL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _versions() -> dict[str, str]:
    own = {"mjwatch": __version__, "python": sys.version, "sqlite": sqlite3.sqlite_version}
    own["system"] = platform.platform()
    return own | {name: found for name in _libraries() if (found := _version(name))}


def _libraries() -> list[str]:
    """Return the names of the libraries that mjwatch needs, from its package's metadata."""
    try:
        requirements = requires("mjwatch") or []
    except PackageNotFoundError:
        return []
    needed = (line for line in requirements if "extra ==" not in line)
    return [found[0] for line in needed if (found := _DISTRIBUTION.match(line))]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
