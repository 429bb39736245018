"""A workspace without problems, a fake Discord, and the results of ``mjwatch check`` for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mjwatch.diagnostics.check import CheckResult, CheckState, run_checks
from mjwatch.discord.rest import ApplicationCommand
from mjwatch.errors import AnsweredNoError, ConfigError
from mjwatch.model import Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.settings.secrets import Keys

TOKEN = "invented.token-of_a-test"
GUILD = "111111111111111111"
CHANNEL = "222222222222222222"
BOT = "936929561302675456"


class FakeAPI:
    """A Discord without problems, except for the answers that a test replaces by others or by errors."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "me": {"id": "333333333333333333", "username": "sam"},
            "channel": {"id": CHANNEL, "type": 0, "guild_id": GUILD, "name": "pictures"},
            "command": ApplicationCommand("1", "77", "imagine", BOT),
            **answers,
        }
        self.calls: list[tuple[str, ...]] = []
        self.closed = False
        self.server_time: float | None = time.time()

    def me(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._answer("me")
        return answer

    def channel(self, channel_id: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._answer("channel", channel_id)
        return answer

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        answer: ApplicationCommand = self._answer(
            "command", name, application_id, guild_id or "@me", channel_id
        )
        return answer

    def close(self) -> None:
        self.closed = True

    def _answer(self, name: str, *arguments: str) -> Any:
        self.calls.append((name, *arguments))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def make_workspace(tmp_path: Path) -> Path:
    """Make a workspace without problems: config.toml, keys for a guild's channel, folders."""
    for name in ("inbox", "outbox", "state", "keys", "inotify"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys").chmod(0o700)
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    write_keys(tmp_path, authToken=TOKEN, API_guild_id=GUILD, API_channel_id=CHANNEL)
    (tmp_path / "inotify" / "max_user_watches").write_text("65536\n", encoding="ascii")
    return tmp_path


def write_keys(workspace: Path, **keys: str) -> None:
    for stem, text in keys.items():
        path = workspace / "keys" / f"{stem}.key"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def check(workspace: Path, api: FakeAPI | ConfigError | None = None) -> dict[str, CheckResult]:
    """Return the results by name; each problem must say what to do, and none may show the token."""

    def connect(_config: Config, keys: Keys) -> FakeAPI:
        assert keys.token.reveal() == TOKEN
        if isinstance(api, ConfigError):
            raise api
        return api or FakeAPI()

    results = run_checks(
        workspace / "config.toml", connect=connect, environ={}, inotify=workspace / "inotify"
    )
    for result in results:
        assert TOKEN not in repr(result)
        assert bool(result.hint) == (result.state in (CheckState.WARN, CheckState.FAIL))
    if isinstance(api, FakeAPI) and api.calls:
        assert api.closed
    return {result.name: result for result in results}


def states(results: dict[str, CheckResult]) -> dict[str, str]:
    """Return the states that are not ok, without the credential, which only systemd passes."""
    found = {name: str(result.state) for name, result in results.items() if result.state is not CheckState.OK}
    found.pop("credential", None)
    return found


def refusal(kind: RefusalClass, advice: str = "") -> AnsweredNoError:
    return AnsweredNoError(Refusal(kind, None, "Discord says no", advice=advice))
