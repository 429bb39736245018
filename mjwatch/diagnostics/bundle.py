"""An incident bundle: all that is known of one job in a zip file that can be given to others."""

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
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from mjwatch.config import load_keys
from mjwatch.diagnostics.config_report import keys_of, settings_of
from mjwatch.errors import ConfigError, MjwatchError
from mjwatch.host.log import Redaction
from mjwatch.journal.maintenance import rows_of
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.outbox.manifest import FILE_NAME
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.model import Job

README = """\
What mjwatch knows of job {job}, for those who look into what went wrong with it.

  journal.json     its rows in the journal: what was sent when, and what came of it
  job.json         the job itself, with its history
  manifest.json    what stands in its folder of the outbox, if it has one
  log.txt          lines of the log about it, where a log was found
  config.json      the settings, and where each comes from
  versions.json    mjwatch, the libraries below it, the system

The account's token and other secrets are not in it, nor the signatures of picture
addresses. The prompt file, the ids of account, channel and messages, and the names of
folders are: look it over before you give it away.
"""

JOURNALCTL_PATIENCE = 20.0
LOG_TAIL = 64 << 20
"""Bytes of a log file's end that are looked through."""

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
    """Write the bundle to a file that must not exist yet, mode 0600; the names of what is in it.

    ``log``: a file that the service's log was written to; else systemd's journal is asked. Raises
    MjwatchError.
    """
    redaction = Redaction(_secrets(config, environ))
    parts = {name: _redacted(text, redaction) for name, text in _parts(config, job, log, environ)}
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in parts.items():
                bundle.writestr(f"mjwatch-{job.id}/{name}", text)
    except OSError as error:
        raise MjwatchError(f"{target} can't be written: {error.strerror}", "give another --out") from error
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
    facts = {"source": config.source, "settings": settings_of(config, environ)}
    yield "config.json", _json(facts | {"keys": keys_of(config, environ)})
    yield "versions.json", _json(_versions())


def _secrets(config: Config, environ: Mapping[str, str]) -> list[str]:
    """All that must not be in it, by value."""
    found = [config.notify.webhook, config.discord.proxy, environ.get("MJWATCH_TOKEN", "").strip()]
    try:
        found.append(load_keys(config, environ).token.reveal())
    except ConfigError:
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
    """The lines of a log file that name the job, with what is indented below them."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        raise MjwatchError(f"{log} can't be read: {error.strerror}", "check its name") from error
    lines, about = [], False
    for line in text.splitlines(keepends=True):
        about = job_id in line or (about and line.startswith("    "))
        if about:
            lines.append(line)
    return "".join(lines)


def _from_systemd(job_id: str) -> str:
    """What systemd's journal has of the job, for this user to see; nothing where there is none."""
    program = shutil.which("journalctl")
    if program is None:
        return ""
    command = [program, "--no-pager", "--quiet", "--output=short-iso-precise", f"MJWATCH_JOB={job_id}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=JOURNALCTL_PATIENCE,
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
    """What the program needs, by the names of its package's metadata."""
    try:
        wanted = requires("mjwatch") or []
    except PackageNotFoundError:
        return []
    needed = (line for line in wanted if "extra ==" not in line)
    return [found[0] for line in needed if (found := _DISTRIBUTION.match(line))]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
