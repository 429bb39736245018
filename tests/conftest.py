"""What all tests share: only loopback is reached, and no configuration of this machine is read."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("MJWATCH_CONFIG", "MJWATCH_TOKEN", "MJWATCH_GUILD_ID", "MJWATCH_CHANNEL_ID"):
        monkeypatch.delenv(name, raising=False)
