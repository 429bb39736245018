"""A simple script for comparison: it does the same work sequentially, without the promises of mjwatch.

``python -m bench.bare_script WORKSPACE``: waits for files that are renamed into the inbox, and processes one
after another. It logs the steps in a text file, synced six times per job, and renames the folder into the
outbox.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import struct
import sys
import time
import tomllib
import uuid
from pathlib import Path
from typing import Any

import requests
from websocket import create_connection

from mjwatch.pictures.split import split_grid

IN_MOVED_TO, IN_CLOSE_WRITE = 0x80, 0x08


class StepLog:
    """The text file with the steps."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def add(self, step: str, **facts: Any) -> None:
        """Append a line, and sync the file."""
        self._file.write(json.dumps({"step": step, "at": time.time(), **facts}).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


class Script:
    """A run of the script."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        config = tomllib.loads((workspace / "config.toml").read_text(encoding="utf-8"))
        self.api = config["discord"]["api_url"]
        self.application = config["midjourney"]["application_id"]
        self.token, self.guild, self.channel = (
            (workspace / "keys" / f"{name}.key").read_text(encoding="utf-8").strip()
            for name in ("authToken", "API_guild_id", "API_channel_id")
        )
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = self.token
        self.cdn = requests.Session()
        self.cdn.trust_env = False
        self.steps = StepLog(workspace / "steps.jsonl")
        self.socket = create_connection(
            f"{config['discord']['gateway_url']}/?v=9&encoding=json", skip_utf8_validation=True
        )
        self.session = self._identify()
        self.command = self._command()

    def _identify(self) -> str:
        identity = {"token": self.token, "capabilities": 0, "properties": {"os": "Linux"}}
        self.socket.send(json.dumps({"op": 2, "d": identity}))
        return str(self._dispatch("READY")["session_id"])

    def _dispatch(self, *names: str) -> dict[str, Any]:
        """Return the next dispatch with one of these names."""
        while True:
            payload = json.loads(self.socket.recv())
            if payload.get("t") in names:
                return dict(payload["d"])

    def _command(self) -> dict[str, Any]:
        index = self.http.get(f"{self.api}/guilds/{self.guild}/application-command-index", timeout=30).json()
        commands = index["application_commands"]
        found = next(
            each
            for each in commands
            if each["name"] == "imagine" and each["application_id"] == self.application
        )
        return {key: found[key] for key in ("id", "version", "name", "type")}

    def run(self) -> None:
        """Process prompt files until the script is killed."""
        inbox = self.workspace / "inbox"
        libc = ctypes.CDLL(None, use_errno=True)
        inotify = libc.inotify_init1(0)
        libc.inotify_add_watch(inotify, os.fsencode(inbox), IN_MOVED_TO | IN_CLOSE_WRITE)
        print("ready", flush=True)
        while True:
            for name in _names(os.read(inotify, 65536)):
                if name.endswith(".txt"):
                    self.process(inbox / name)

    def process(self, file: Path) -> None:
        """Process a prompt file until its folder is in the outbox."""
        prompt, job = file.read_text(encoding="utf-8").strip(), uuid.uuid4().hex[:8]
        nonce = str((time.time_ns() // 1_000_000 - 1_420_070_400_000) << 22)
        self.steps.add("accepted", job=job, prompt=prompt)
        self.steps.add("submitting", job=job, nonce=nonce)
        self.http.post(
            f"{self.api}/interactions", json=self._body(prompt, nonce), timeout=30
        ).raise_for_status()
        self.steps.add("submitted", job=job)
        started = self._message(lambda message: message.get("nonce") == nonce)
        self.steps.add("started", job=job, message=started["id"])
        final = self._message(lambda message: message["attachments"] and message.get("components"))
        self.steps.add("finished", job=job, message=final["id"])
        grid = self.cdn.get(final["attachments"][0]["url"], timeout=60).content
        self._publish(file, job, [*split_grid(grid), grid])
        self.steps.add("published", job=job)
        file.unlink()

    def _body(self, prompt: str, nonce: str) -> dict[str, Any]:
        option = {"type": 3, "name": "prompt", "value": prompt}
        return {
            "type": 2,
            "application_id": self.application,
            "guild_id": self.guild,
            "channel_id": self.channel,
            "session_id": self.session,
            "nonce": nonce,
            "data": {**self.command, "options": [option], "attachments": []},
        }

    def _message(self, matches: Any) -> dict[str, Any]:
        while True:
            message = self._dispatch("MESSAGE_CREATE")
            if matches(message):
                return message

    def _publish(self, file: Path, job: str, pictures: list[bytes]) -> None:
        staged = self.workspace / "state" / job
        staged.mkdir()
        for number, data in enumerate([*pictures, file.read_bytes()]):
            with (staged / f"{number}").open("wb") as copy:
                copy.write(data)
                copy.flush()
                os.fsync(copy.fileno())
        _sync(staged)
        staged.rename(self.workspace / "outbox" / f"{file.stem}-{job}")
        _sync(self.workspace / "outbox")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _names(events: bytes) -> list[str]:
    names, at = [], 0
    while at < len(events):
        length = struct.unpack_from("=iIII", events, at)[3]
        names.append(events[at + 16 : at + 16 + length].rstrip(b"\0").decode())
        at += 16 + length
    return names


if __name__ == "__main__":
    shutil.rmtree(Path(sys.argv[1]) / "state", ignore_errors=True)
    (Path(sys.argv[1]) / "state").mkdir()
    Script(Path(sys.argv[1])).run()
