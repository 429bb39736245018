"""What ``mjwatch check`` reports about configuration, keys and Discord."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.config import Config
from mjwatch.diagnostics.check import CheckResult, CheckState, run_checks
from mjwatch.diagnostics.checks import ONLINE_CHECKS
from mjwatch.errors import ConfigError, NotReachedError, UnansweredError
from mjwatch.model import RefusalClass
from tests.helpers.check_workspace import (
    BOT,
    CHANNEL,
    GUILD,
    FakeAPI,
    check,
    make_workspace,
    refusal,
    states,
    write_keys,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path)


def test_a_workspace_without_problems_passes_every_check(workspace: Path) -> None:
    api = FakeAPI()
    results = check(workspace, api)
    assert states(results) == {}
    assert list(results) == [
        *("configuration", "keys", "credential"),
        *("inbox", "outbox", "state", "staging", "owner", "journal", "inotify"),
        *("proxy", "token", "clock", "guild", "channel", "command"),
    ]
    assert "sam" in results["token"].detail
    assert api.calls == [("me",), ("channel", CHANNEL), ("command", "imagine", BOT, GUILD, CHANNEL)]


def test_the_probes_leave_no_files(workspace: Path) -> None:
    check(workspace)
    assert [list((workspace / name).iterdir()) for name in ("inbox", "outbox", "state")] == [[], [], []]


def test_a_broken_configuration_is_reported_line_by_line_and_the_rest_is_skipped(workspace: Path) -> None:
    (workspace / "config.toml").write_text("[pace]\ndelay = -1\n[odd]\n", encoding="utf-8")
    results = run_checks(workspace / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    assert [r.detail.split(": ")[1] for r in results if r.state is CheckState.FAIL] == [
        'unknown section "odd"',
        "[pace] delay is -1, but must be a number from 0 to 3600",
    ]
    assert {r.state for r in results if r.name != "configuration"} == {CheckState.SKIPPED}


def test_missing_keys_skip_the_checks_that_need_them_but_not_the_folders(workspace: Path) -> None:
    for path in (workspace / "keys").iterdir():
        path.unlink()
    results = check(workspace)
    assert states(results) == {"keys": "fail"} | dict.fromkeys(ONLINE_CHECKS, "skipped")
    assert results["inbox"].state is CheckState.OK


def test_each_key_that_is_missing_or_open_to_others_has_its_own_line(workspace: Path) -> None:
    (workspace / "keys/authToken.key").chmod(0o644)
    (workspace / "keys/API_channel_id.key").unlink()
    results = run_checks(workspace / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    lines = [result for result in results if result.name == "keys"]
    assert [line.state for line in lines] == [CheckState.FAIL, CheckState.FAIL]
    assert lines[0].hint == f"chmod 600 {workspace / 'keys/authToken.key'}"
    assert "discord.com/channels/" in lines[1].hint


def test_a_key_folder_that_others_may_change_is_a_warning(workspace: Path) -> None:
    (workspace / "keys").chmod(0o777)
    results = check(workspace)
    assert states(results) == {"keys": "warn"}
    assert results["keys"].hint == f"chmod 700 {workspace / 'keys'}"


@pytest.mark.parametrize(
    "error", [NotReachedError("no connection to h"), UnansweredError("h did not answer in time")]
)
def test_an_unreachable_api_is_one_failure_and_the_rest_is_skipped(workspace: Path, error: Exception) -> None:
    results = check(workspace, FakeAPI(me=error))
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE_CHECKS[3:], "skipped")
    assert "can't be reached at https://discord.com/api/v9" in results["token"].detail


def test_an_address_that_must_not_receive_the_token_fails_without_a_request(workspace: Path) -> None:
    results = check(workspace, ConfigError("the token may not be sent to example.org", "see allow_hosts"))
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE_CHECKS[2:], "skipped")
    assert results["token"].hint == "see allow_hosts"


def test_a_refused_token_ends_the_requests(workspace: Path) -> None:
    api = FakeAPI(me=refusal(RefusalClass.ACCOUNT))
    results = check(workspace, api)
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE_CHECKS[3:], "skipped")
    assert "`mjwatch keys set token`" in results["token"].hint
    assert api.calls == [("me",)]


def test_a_rate_limit_is_a_warning_a_server_problem_a_failure_and_advice_is_shown(
    workspace: Path,
) -> None:
    assert states(check(workspace, FakeAPI(command=refusal(RefusalClass.RETRY)))) == {"command": "warn"}
    trouble = check(workspace, FakeAPI(command=refusal(RefusalClass.TRANSIENT)))
    assert states(trouble) == {"command": "fail"}
    assert trouble["command"].hint == "try again in a few minutes"
    advised = check(workspace, FakeAPI(channel=refusal(RefusalClass.CONFIG, "join the guild")))
    assert states(advised) == {"channel": "fail"}
    assert advised["channel"].hint == "join the guild"


def test_a_command_that_is_not_available_fails(workspace: Path) -> None:
    results = check(workspace, FakeAPI(command=refusal(RefusalClass.CONFIG)))
    assert states(results) == {"command": "fail"}
    assert "/imagine" in results["command"].hint


@pytest.mark.parametrize(
    ("guild", "channel", "hint"),
    [
        (GUILD, {"guild_id": "444444444444444444"}, "write 444444444444444444 into API_guild_id.key"),
        ("", {"guild_id": GUILD}, f"write {GUILD} into API_guild_id.key"),
        (GUILD, {"type": 1, "recipients": [{"id": BOT}]}, "remove API_guild_id.key"),
    ],
)
def test_a_channel_elsewhere_than_the_keys_say_fails_with_a_hint(
    workspace: Path, guild: str, channel: dict[str, Any], hint: str
) -> None:
    write_keys(workspace, API_guild_id=guild)
    results = check(workspace, FakeAPI(channel={"id": CHANNEL, **channel}))
    assert states(results) == {"guild": "fail", "channel": "skipped"}
    assert hint in results["guild"].hint


@pytest.mark.parametrize(
    "channel",
    [
        {"type": 1, "recipients": [{"id": "5", "username": "kim"}]},
        {"type": 3, "recipients": [{"id": BOT}, {"id": "5"}]},
        {"type": 1},
    ],
)
def test_a_conversation_with_others_than_the_bot_fails_with_a_hint(
    workspace: Path, channel: dict[str, Any]
) -> None:
    write_keys(workspace, API_guild_id="")
    results = check(workspace, FakeAPI(channel={"id": CHANNEL, **channel}))
    assert states(results) == {"channel": "fail"}
    assert "address from the browser" in results["channel"].hint


@pytest.mark.parametrize(("ahead", "text"), [(3600.0, "60 minutes ahead of"), (-90.0, r"[3-9]\d s behind")])
def test_a_clock_that_is_wrong_is_a_warning(workspace: Path, ahead: float, text: str) -> None:
    api = FakeAPI()
    api.server_time = time.time() - ahead
    results = check(workspace, api)
    assert states(results) == {"clock": "warn"}
    assert re.search(text, results["clock"].detail)


def test_a_clock_that_is_right_or_unknown_is_no_problem(workspace: Path) -> None:
    api = FakeAPI()
    api.server_time = time.time() - 2
    assert states(check(workspace, api)) == {}
    api.server_time = None
    assert states(check(workspace, api)) == {"clock": "skipped"}


def test_the_proxy_is_shown_without_its_password(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "config.toml").write_text('[discord]\nproxy = "http://sam:s3cret@proxy.example.org:3128"\n')
    assert check(workspace)["proxy"].detail == "proxy.example.org:3128, from [discord] proxy"
    (workspace / "config.toml").write_text("")
    monkeypatch.setenv("https_proxy", "http://other.example.org:8080")
    assert check(workspace)["proxy"].detail == "other.example.org:8080, from the environment"
    monkeypatch.setenv("https_proxy", "socks5://other.example.org:1080")
    results = check(workspace)
    assert states(results) == {"proxy": "fail"} | dict.fromkeys(ONLINE_CHECKS[1:], "skipped")


def test_direct_messages_with_the_bot_need_no_guild(workspace: Path) -> None:
    write_keys(workspace, API_guild_id="")
    recipients = [{"id": BOT, "username": "Midjourney Bot"}]
    api = FakeAPI(channel={"id": CHANNEL, "type": 1, "recipients": recipients})
    results = check(workspace, api)
    assert states(results) == {}
    assert results["channel"].detail == "direct messages with Midjourney Bot"
    assert api.calls[-1] == ("command", "imagine", BOT, "@me", CHANNEL)


# ---- another configuration


def test_changes_by_another_configuration_are_shown_without_values(workspace: Path) -> None:
    running = Config.load(workspace / "config.toml")
    other = workspace / "new.toml"
    other.write_text('[pace]\nmax_per_day = 9\n[notify]\nwebhook = "https://example.org/s3cret"\n')

    def changes() -> CheckResult:
        results = run_checks(other, connect=lambda _config, _keys: FakeAPI(), environ={}, running=running)
        assert "s3cret" not in repr(results)
        return next(result for result in results if result.name == "changes")

    assert changes().detail == f"[pace] max_per_day, [notify] webhook, compared with {workspace}/config.toml"
    other.write_text('[state]\npath = "elsewhere"\n')
    assert changes().state is CheckState.WARN
    other.write_text("")
    assert changes().detail.startswith("none, ")


# ---- notifications


def test_a_missing_hook_is_reported_before_it_is_needed(workspace: Path) -> None:
    (workspace / "tell.sh").write_text("#!/bin/sh\n")
    (workspace / "config.toml").write_text('[notify]\nexec = ["./tell.sh", "x"]\n')
    assert states(check(workspace)) == {"notify": "fail"}
    (workspace / "tell.sh").chmod(0o755)
    result = check(workspace)["notify"]
    assert result.state is CheckState.OK
    events = "done, failed, needs_person, trouble, resolved"
    assert result.detail == f"{events} will be reported to {workspace / 'tell.sh'}"


def test_of_a_webhook_only_the_host_is_shown(workspace: Path) -> None:
    (workspace / "config.toml").write_text(
        '[notify]\nwebhook = "https://hooks.example.org/s3cret"\non = []\n'
    )
    assert check(workspace)["notify"].detail == "nothing will be reported to hooks.example.org"


def test_of_apprises_addresses_only_the_number_is_shown(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "config.toml").write_text('[notify]\napprise = ["json://s3cret"]\non = ["done"]\n')
    assert check(workspace)["notify"].detail == "done will be reported to 1 address of Apprise's"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = check(workspace)["notify"]
    assert result.state is CheckState.FAIL
    assert "install apprise" in result.hint


def test_the_metrics_need_their_library_and_a_folder_to_write_to(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "config.toml").write_text('[metrics]\ntextfile = "exporter/mjwatch.prom"\n')
    assert "it does not exist" in check(workspace)["metrics"].detail
    (workspace / "exporter").mkdir()
    result = check(workspace)["metrics"]
    assert (result.state, result.detail) == (CheckState.OK, str(workspace / "exporter" / "mjwatch.prom"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = check(workspace)["metrics"]
    assert result.state is CheckState.FAIL
    assert "prometheus_client, which is not installed" in result.detail
    assert "install prometheus_client" in result.hint
