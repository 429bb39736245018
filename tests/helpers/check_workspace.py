"""A workspace in which all is right, a Discord that says so, and what ``mjwatch check`` makes of both."""

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
    """Discord as it is meant to be, but for the answers that a test changes to others or to errors."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "me": {"id": "333333333333333333", "username": "sam"},
            "channel": {"id": CHANNEL, "type": 0, "guild_id": GUILD, "name": "pictures"},
            "command": ApplicationCommand("1", "77", "imagine", BOT),
            **answers,
        }
        self.asked: list[tuple[str, ...]] = []
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
        self.asked.append((name, *arguments))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def furnished(tmp_path: Path) -> Path:
    """A workspace in which everything is right: config.toml, keys for a guild's channel, folders."""
    for name in ("inbox", "outbox", "state", "keys", "inotify"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys").chmod(0o700)
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    write_keys(tmp_path, authToken=TOKEN, API_guild_id=GUILD, API_channel_id=CHANNEL)
    (tmp_path / "inotify" / "max_user_watches").write_text("65536\n", encoding="ascii")
    return tmp_path


def write_keys(place: Path, **keys: str) -> None:
    for stem, text in keys.items():
        path = place / "keys" / f"{stem}.key"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def check(place: Path, api: FakeAPI | ConfigError | None = None) -> dict[str, CheckResult]:
    """The results by name; every one that is not fine must say what to do, and none may show the token."""

    def connect(_config: Config, keys: Keys) -> FakeAPI:
        assert keys.token.reveal() == TOKEN
        if isinstance(api, ConfigError):
            raise api
        return api or FakeAPI()

    results = run_checks(place / "config.toml", connect=connect, environ={}, inotify=place / "inotify")
    for result in results:
        assert TOKEN not in repr(result)
        assert bool(result.hint) == (result.state in (CheckState.WARN, CheckState.FAIL))
    if isinstance(api, FakeAPI) and api.asked:
        assert api.closed
    return {result.name: result for result in results}


def states(results: dict[str, CheckResult]) -> dict[str, str]:
    """All that are not fine; that systemd hands over nothing here is."""
    found = {name: str(one.state) for name, one in results.items() if one.state is not CheckState.OK}
    found.pop("credential", None)
    return found


def refusal(cls: RefusalClass, advice: str = "") -> AnsweredNoError:
    return AnsweredNoError(Refusal(cls, None, "Discord says no", advice=advice))
