"""What a bundle says about the wire: reading it, and the ids that stand for others when it is played."""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, GUILD_ID, NIJI_ID, USER_ID, Json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = "mjwatch/wire/1"
PART = "wire.json"
"""The part of a bundle's zip file."""
LARGEST = 32 * 1024 * 1024
"""Bytes."""

_SNOWFLAKE = re.compile(r"(?<![0-9])[0-9]{17,20}(?![0-9])")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ReplayError(ValueError):
    """The bundle can't be played."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that the wire said, ``at`` seconds after the first; see mjwatch's bundle for the kinds."""

    at: float
    kind: str
    name: str
    data: Json


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that the wire said to one job. ``account`` has the ids of user, channel and guild."""

    account: dict[str, str]
    job: Json
    lines: tuple[Line, ...]
    end: Json = field(default_factory=dict)
    """How the recorded job stood, as mjwatch's bundle says it."""

    def __str__(self) -> str:
        """Return a line about what is played, for the terminal."""
        refusal, pause = self.end.get("refusal") or {}, self.end.get("pause")
        facts = [str(self.end.get("state", "unknown")), refusal.get("title") or refusal.get("class") or ""]
        facts += [f"sending paused ({pause})" if pause else ""]
        return f"{len(self.lines)} lines of a job that was: {', '.join(fact for fact in facts if fact)}"

    @property
    def prompt_file(self) -> tuple[str, str] | None:
        """Suffix and text of a prompt file that asks for the same job; None if only a button can."""
        command, prompt = self.job.get("command", "imagine"), str(self.job.get("prompt", ""))
        if follow_ups := self.job.get("then"):
            # A string of JSON, and a list of them, is one of TOML, too.
            text, names = (json.dumps(value, ensure_ascii=False) for value in (prompt, follow_ups))
            return ".toml", f"prompt = {text}\nthen = {names}\n"
        if self.job.get("action"):
            return None
        return ".txt", f"{prompt}\n" if command == "imagine" else f"/{command} {prompt}".rstrip() + "\n"

    def history_by_line(self) -> dict[int, list[Json]]:
        """Return the messages of the history, by the number of the line before which it has them.

        That is the line that made the client read them, or one before it: they were there by then.
        """
        found: dict[int, list[Json]] = {}
        cause = 0
        for number, line in enumerate(self.lines):
            if line.kind in ("dispatch", "session", "closed"):
                cause = number
            elif line.kind == "http" and line.data.get("status") == 200:
                body = line.data.get("body")
                found.setdefault(cause, []).extend(body if isinstance(body, list) else [])
        return found


def read_script(path: Path) -> Script:
    """Read ``wire.json``, or a bundle that contains it. Raise ReplayError or OSError."""
    try:
        document = json.loads(_wire_part(path))
        if document["format"] != FORMAT:
            raise ReplayError(f"{path} has the format {document['format']}, not {FORMAT}")
        account = {key: str(value) for key, value in document["account"].items() if value}
        lines = tuple(
            Line(float(line["at"]), str(line["kind"]), str(line["name"]), line["data"] or {})
            for line in document["lines"]
        )
    except ReplayError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ReplayError(f"{path} is no bundle with a recording of the wire") from error
    return Script(account, dict(document["job"]), lines, dict(document.get("end") or {}))


def _wire_part(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as bundle:
        for part in bundle.infolist():
            if part.filename.rpartition("/")[2] == PART and part.file_size <= LARGEST:
                return bundle.read(part).decode()
    raise ReplayError(f"{path} has no {PART}: nothing of the job was recorded")


@dataclass(slots=True)
class Substitution:
    """The ids of this world in place of the recorded ones; another id gets a new one at first sight."""

    account: dict[str, str]
    new_id: Callable[[], str]
    _ids: dict[str, str] = field(default_factory=dict)
    _uuids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {"user_id": USER_ID, "channel_id": CHANNEL_ID, "guild_id": GUILD_ID}
        self._ids = {self.account[key]: value for key, value in own.items() if key in self.account}
        self._ids |= {bot: bot for bot in (BOT_ID, NIJI_ID)}

    def learn(self, recorded: object, actual: object) -> None:
        """Use the client's nonce from now on where the recorded one is."""
        if isinstance(recorded, str | int) and isinstance(actual, str | int):
            self._ids[str(recorded)] = str(actual)

    def applied(self, value: Any) -> Any:
        """Return JSON with the ids of this world. Unknown ids get new ones in their recorded order."""
        text = json.dumps(value)
        for old in sorted({int(found) for found in _SNOWFLAKE.findall(text)}):
            if str(old) not in self._ids:
                self._ids[str(old)] = self.new_id()
        text = _SNOWFLAKE.sub(lambda found: self._ids[found[0]], text)
        return json.loads(_UUID.sub(self._new_uuid, text))

    def _new_uuid(self, found: re.Match[str]) -> str:
        return self._uuids.setdefault(found[0].lower(), str(uuid.uuid4()))
