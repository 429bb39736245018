from __future__ import annotations

import json
import os
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.config import Config
from mjwatch.discord.commands import ApplicationCommand
from mjwatch.errors import AnsweredNoError, ConfigError, NotReachedError, UnansweredError
from mjwatch.host import probe
from mjwatch.host.check import CheckResult, CheckState, run_checks
from mjwatch.host.check_discord import ONLINE
from mjwatch.host.machine import machine_id
from mjwatch.jobs import schema
from mjwatch.jobs.journal import Journal
from mjwatch.jobs.reader import JOURNAL_FILE
from mjwatch.model import Refusal, RefusalClass, State
from tests.made_jobs import made_job
from tests.unprivileged import unprivileged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mjwatch.keys import Keys

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


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return furnished(tmp_path)


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
        assert bool(result.mend) == (result.state in (CheckState.WARN, CheckState.FAIL))
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


def test_a_workspace_that_is_right_passes_every_check(place: Path) -> None:
    api = FakeAPI()
    results = check(place, api)
    assert states(results) == {}
    assert list(results) == [
        *("configuration", "keys", "credential"),
        *("inbox", "outbox", "state", "staging", "owner", "journal", "inotify"),
        *("proxy", "token", "clock", "guild", "channel", "command"),
    ]
    assert "sam" in results["token"].detail
    assert api.asked == [("me",), ("channel", CHANNEL), ("command", "imagine", BOT, GUILD, CHANNEL)]


def test_nothing_is_left_behind_by_the_probes(place: Path) -> None:
    check(place)
    assert [list((place / name).iterdir()) for name in ("inbox", "outbox", "state")] == [[], [], []]


def test_a_broken_configuration_is_told_line_by_line_and_the_rest_is_skipped(place: Path) -> None:
    (place / "config.toml").write_text("[pace]\ndelay = -1\n[odd]\n", encoding="utf-8")
    results = run_checks(place / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    assert [r.detail.split(": ")[1] for r in results if r.state is CheckState.FAIL] == [
        'unknown section "odd"',
        "[pace] delay is -1, but must be a number from 0 to 3600",
    ]
    assert {r.state for r in results if r.name != "configuration"} == {CheckState.SKIPPED}


def test_missing_keys_skip_what_needs_them_but_not_the_folders(place: Path) -> None:
    for path in (place / "keys").iterdir():
        path.unlink()
    results = check(place)
    assert states(results) == {"keys": "fail"} | dict.fromkeys(ONLINE, "skipped")
    assert results["inbox"].state is CheckState.OK


def test_each_key_that_is_missing_or_open_to_others_has_its_own_line(place: Path) -> None:
    (place / "keys/authToken.key").chmod(0o644)
    (place / "keys/API_channel_id.key").unlink()
    results = run_checks(place / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    lines = [result for result in results if result.name == "keys"]
    assert [line.state for line in lines] == [CheckState.FAIL, CheckState.FAIL]
    assert lines[0].mend == f"chmod 600 {place / 'keys/authToken.key'}"
    assert "discord.com/channels/" in lines[1].mend


def test_a_key_folder_that_others_may_change_is_a_warning(place: Path) -> None:
    (place / "keys").chmod(0o777)
    results = check(place)
    assert states(results) == {"keys": "warn"}
    assert results["keys"].mend == f"chmod 700 {place / 'keys'}"


def test_folders_that_are_not_there_yet_will_be_made(place: Path) -> None:
    (place / "config.toml").write_text('[outbox]\npath = "a/b/outbox"\n', encoding="utf-8")
    results = check(place)
    assert states(results) == {"staging": "skipped"}
    assert results["outbox"].detail.endswith("will be made")
    assert not (place / "a").exists()


def test_a_file_where_a_folder_should_be_fails(place: Path) -> None:
    (place / "outbox").rmdir()
    (place / "outbox").write_text("", encoding="utf-8")
    results = check(place)
    assert states(results) == {"outbox": "fail", "staging": "skipped"}
    assert "not a folder" in results["outbox"].detail


def test_folders_within_each_other_fail(place: Path) -> None:
    (place / "config.toml").write_text(
        '[outbox]\npath = "inbox/out"\n[state]\npath = "inbox/s"\n', encoding="utf-8"
    )
    results = run_checks(place / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    lines = [result for result in results if result.name == "folders"]
    assert [line.state for line in lines] == [CheckState.FAIL, CheckState.FAIL]
    assert all("config.toml" in line.mend for line in lines)


def test_a_folder_that_may_not_be_written_to_fails() -> None:
    with unprivileged() as folder:
        place = furnished(folder)
        (place / "inbox").chmod(0o500)
        assert states(check(place)) == {"inbox": "fail"}


def test_a_write_that_the_system_refuses_is_told_in_its_words(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    results = check(place)
    assert states(results) == {"inbox": "fail", "outbox": "fail", "state": "fail"}
    assert results["inbox"].detail.endswith("Permission denied")


def test_a_file_that_can_be_made_but_not_renamed_is_removed_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    assert probe.writable(place / "inbox") == "Operation not permitted"
    assert list((place / "inbox").iterdir()) == []


def test_state_on_another_file_system_is_a_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        if path.parent != target.parent:
            raise OSError(18, "Invalid cross-device link")
        os.rename(path, target)  # noqa: PTH104  the method itself is what is replaced

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    results = check(place)
    assert states(results) == {"staging": "warn"}
    assert ".mjwatch-staging" in results["staging"].mend
    assert list((place / "state").iterdir()) == []


def test_an_inbox_with_more_folders_than_watches_is_a_warning(place: Path) -> None:
    (place / "inotify/max_user_watches").write_text("4", encoding="ascii")
    (place / "inbox/a/b").mkdir(parents=True)
    results = check(place)
    assert states(results) == {"inotify": "warn"}
    assert results["inotify"].detail == "3 folders to watch, 4 watches allowed"


def test_a_system_without_inotify_skips_that_check(place: Path) -> None:
    (place / "inotify/max_user_watches").unlink()
    assert states(check(place)) == {"inotify": "skipped"}


@pytest.mark.parametrize(
    "error", [NotReachedError("no connection to h"), UnansweredError("h did not answer in time")]
)
def test_an_unreachable_api_is_one_failure_and_the_rest_is_skipped(place: Path, error: Exception) -> None:
    results = check(place, FakeAPI(me=error))
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE[3:], "skipped")
    assert "can't be reached at https://discord.com/api/v9" in results["token"].detail


def test_an_address_that_must_not_see_the_token_fails_without_a_request(place: Path) -> None:
    results = check(place, ConfigError("the token may not be sent to example.org", "see allow_hosts"))
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE[2:], "skipped")
    assert results["token"].mend == "see allow_hosts"


def test_a_token_that_discord_refuses_ends_the_asking(place: Path) -> None:
    api = FakeAPI(me=refusal(RefusalClass.ACCOUNT))
    results = check(place, api)
    assert states(results) == {"token": "fail"} | dict.fromkeys(ONLINE[3:], "skipped")
    assert "`mjwatch keys set token`" in results["token"].mend
    assert api.asked == [("me",)]


def test_a_rate_limit_is_a_warning_a_discord_in_trouble_a_failure_and_advice_is_handed_on(
    place: Path,
) -> None:
    assert states(check(place, FakeAPI(command=refusal(RefusalClass.RETRY)))) == {"command": "warn"}
    trouble = check(place, FakeAPI(command=refusal(RefusalClass.TRANSIENT)))
    assert states(trouble) == {"command": "fail"}
    assert trouble["command"].mend == "try again in a few minutes"
    told = check(place, FakeAPI(channel=refusal(RefusalClass.CONFIG, "join the guild")))
    assert states(told) == {"channel": "fail"}
    assert told["channel"].mend == "join the guild"


def test_a_command_that_is_not_offered_fails(place: Path) -> None:
    results = check(place, FakeAPI(command=refusal(RefusalClass.CONFIG)))
    assert states(results) == {"command": "fail"}
    assert "/imagine" in results["command"].mend


@pytest.mark.parametrize(
    ("guild", "channel", "told"),
    [
        (GUILD, {"guild_id": "444444444444444444"}, "write 444444444444444444 into API_guild_id.key"),
        ("", {"guild_id": GUILD}, f"write {GUILD} into API_guild_id.key"),
        (GUILD, {"type": 1, "recipients": [{"id": BOT}]}, "remove API_guild_id.key"),
    ],
)
def test_a_channel_in_another_place_than_the_keys_say_fails_with_the_cure(
    place: Path, guild: str, channel: dict[str, Any], told: str
) -> None:
    write_keys(place, API_guild_id=guild)
    results = check(place, FakeAPI(channel={"id": CHANNEL, **channel}))
    assert states(results) == {"guild": "fail", "channel": "skipped"}
    assert told in results["guild"].mend


@pytest.mark.parametrize(
    "channel",
    [
        {"type": 1, "recipients": [{"id": "5", "username": "kim"}]},
        {"type": 3, "recipients": [{"id": BOT}, {"id": "5"}]},
        {"type": 1},
    ],
)
def test_a_conversation_with_others_than_the_bot_fails_with_the_cure(
    place: Path, channel: dict[str, Any]
) -> None:
    write_keys(place, API_guild_id="")
    results = check(place, FakeAPI(channel={"id": CHANNEL, **channel}))
    assert states(results) == {"channel": "fail"}
    assert "address from the browser" in results["channel"].mend


@pytest.mark.parametrize(("ahead", "words"), [(3600.0, "3600 s ahead of"), (-90.0, "90 s behind")])
def test_a_clock_that_is_wrong_is_a_warning(place: Path, ahead: float, words: str) -> None:
    api = FakeAPI()
    api.server_time = time.time() - ahead
    results = check(place, api)
    assert states(results) == {"clock": "warn"}
    assert words in results["clock"].detail or words.replace("3600", "3601") in results["clock"].detail


def test_a_clock_that_is_right_or_unknown_is_no_matter(place: Path) -> None:
    api = FakeAPI()
    api.server_time = time.time() - 2
    assert states(check(place, api)) == {}
    api.server_time = None
    assert states(check(place, api)) == {"clock": "skipped"}


def test_the_way_through_a_proxy_is_told_without_its_password(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "config.toml").write_text('[discord]\nproxy = "http://sam:s3cret@proxy.example.org:3128"\n')
    assert check(place)["proxy"].detail == "proxy.example.org:3128, from [discord] proxy"
    (place / "config.toml").write_text("")
    monkeypatch.setenv("https_proxy", "http://other.example.org:8080")
    assert check(place)["proxy"].detail == "other.example.org:8080, from the environment"
    monkeypatch.setenv("https_proxy", "socks5://other.example.org:1080")
    found = check(place)
    assert states(found) == {"proxy": "fail"} | dict.fromkeys(ONLINE[1:], "skipped")


def test_the_direct_messages_with_the_bot_are_fine_without_a_guild(place: Path) -> None:
    write_keys(place, API_guild_id="")
    recipients = [{"id": BOT, "username": "Midjourney Bot"}]
    api = FakeAPI(channel={"id": CHANNEL, "type": 1, "recipients": recipients})
    results = check(place, api)
    assert states(results) == {}
    assert results["channel"].detail == "direct messages with Midjourney Bot"
    assert api.asked[-1] == ("command", "imagine", BOT, "@me", CHANNEL)


# ---- the machine


def test_the_inbox_of_another_host_fails_and_ones_own_is_fine(place: Path) -> None:
    marker = place / "inbox/.mjwatch-owner"
    marker.write_text(json.dumps({"host": "attic", "machine": "another", "journal": "x"}))
    found = check(place)
    assert states(found) == {"owner": "fail"}
    assert '"attic"' in found["owner"].detail
    assert "--take-over" in found["owner"].mend
    marker.write_text("garbage")
    assert states(check(place)) == {"owner": "fail"}
    marker.write_text(json.dumps({"host": "here", "machine": machine_id(), "journal": "x"}))
    assert states(check(place)) == {}


def test_little_room_and_a_state_folder_on_a_network_are_warnings(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.host.probe.free_space", lambda folder: 300 << 20)
    found = check(place)
    assert states(found) == {"outbox": "warn", "state": "warn"}
    assert found["outbox"].detail.endswith("only 300 MiB are free")
    monkeypatch.undo()
    monkeypatch.setattr("mjwatch.host.check_folders.remote_type", lambda folder: "nfs4")
    assert "(nfs4)" in check(place)["state"].detail


def test_room_is_measured_where_a_folder_will_be_made(tmp_path: Path) -> None:
    assert (probe.free_space(tmp_path / "a/b") or 0) > 0


def test_a_kernel_that_lets_no_watch_begin_is_a_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.inotify_obstacle() is None
    monkeypatch.setattr("mjwatch.host.probe.inotify_obstacle", lambda: "Too many open files")
    found = check(place)
    assert states(found) == {"inotify": "warn"}
    assert "max_user_instances" in found["inotify"].mend


def test_what_systemd_hands_over_is_told(place: Path, tmp_path: Path) -> None:
    handed = tmp_path / "handed"
    handed.mkdir()
    (handed / "API_guild_id.key").write_text(GUILD)

    def credential() -> CheckResult:
        results = run_checks(
            place / "config.toml",
            connect=lambda _config, _keys: FakeAPI(),
            environ={"CREDENTIALS_DIRECTORY": str(handed)},
            inotify=place / "inotify",
        )
        return next(one for one in results if one.name == "credential")

    assert credential().state is CheckState.WARN
    (handed / "authToken.key").write_text(TOKEN)
    assert credential().detail == "systemd hands over token, guild_id"


def test_a_key_file_that_others_may_change_is_a_warning(place: Path) -> None:
    (place / "keys/API_channel_id.key").chmod(0o666)
    found = check(place)
    assert states(found) == {"keys": "warn"}
    assert found["keys"].mend == f"chmod 600 {place}/keys/API_channel_id.key"


def test_what_waits_for_a_person_is_a_warning(place: Path) -> None:
    with closing(Journal(place / "state" / JOURNAL_FILE)) as journal:
        assert check(place)["sending"].state is CheckState.OK
        journal.accept(None, [(made_job(state=State.IN_DOUBT), "")], 1.0)
        assert check(place)["sending"].detail == "1 job is in doubt"
        journal.remember({"paused": {"reason": "Discord asks for a captcha", "kind": "account"}})
    found = check(place)
    assert states(found) == {"sending": "warn"}
    assert "mjwatch resume" in found["sending"].mend


# ---- another configuration


def test_what_a_restart_with_another_configuration_changes_is_told_without_values(place: Path) -> None:
    running = Config.load(place / "config.toml")
    other = place / "new.toml"
    other.write_text('[pace]\nmax_per_day = 9\n[notify]\nwebhook = "https://example.org/s3cret"\n')

    def changes() -> CheckResult:
        results = run_checks(other, connect=lambda _config, _keys: FakeAPI(), environ={}, running=running)
        assert "s3cret" not in repr(results)
        return next(one for one in results if one.name == "changes")

    assert changes().detail == f"[pace] max_per_day, [notify] webhook, against {place}/config.toml"
    other.write_text('[state]\npath = "elsewhere"\n')
    assert changes().state is CheckState.WARN
    other.write_text("")
    assert changes().detail.startswith("none, ")


# ---- the journal


def journal_of(place: Path, *, damaged: bool = False) -> Path:
    path = place / "state" / JOURNAL_FILE
    with closing(Journal(path)) as journal:
        for number in range(200):
            journal.accept(None, [(made_job(f"job{number}"), "")], 1.0)
    if damaged:
        data = path.read_bytes()
        path.write_bytes(data[:8192] + b"\xff" * 4096 + data[12288:])
    return path


def test_a_sound_journal_passes_with_a_daemon_and_without(place: Path) -> None:
    assert check(place)["journal"] == CheckResult(
        "journal", CheckState.OK, "there is none yet; the first start makes it"
    )
    path = journal_of(place)
    before = path.read_bytes()
    assert check(place)["journal"].detail.startswith("sound, ")
    assert path.read_bytes() == before
    with closing(Journal(path)) as journal:
        journal.remember({"newest": "1"})
        assert states(check(place)) == {}


def test_a_damaged_copy_of_the_journal_fails_with_what_to_do_and_is_left_as_it_is(place: Path) -> None:
    path = journal_of(place, damaged=True)
    before = path.read_bytes()
    found = check(place)["journal"]
    assert found.state is CheckState.FAIL
    assert "restore a copy" in found.mend
    assert path.read_bytes() == before


def test_a_journal_of_a_newer_version_fails_and_an_older_one_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal_of(place)
    newest = max(schema.MIGRATIONS)
    monkeypatch.setitem(schema.MIGRATIONS, newest + 1, ())
    assert f"from version {newest} to {newest + 1}" in check(place)["journal"].detail
    Journal(path).close()
    monkeypatch.delitem(schema.MIGRATIONS, newest + 1)
    assert "written by a newer mjwatch" in check(place)["journal"].detail
    assert states(check(place)) == {"journal": "fail"}


def test_a_journal_that_may_not_be_read_is_told() -> None:
    with unprivileged() as folder:
        place = furnished(folder)
        journal_of(place).chmod(0)
        found = check(place)["journal"]
        assert found.state is CheckState.FAIL
        assert "as the user that the service runs as" in found.mend


# ---- who is told


def test_a_hook_that_is_not_there_is_told_before_it_is_needed(place: Path) -> None:
    (place / "tell.sh").write_text("#!/bin/sh\n")
    (place / "config.toml").write_text('[notify]\nexec = ["./tell.sh", "x"]\n')
    assert states(check(place)) == {"notify": "fail"}
    (place / "tell.sh").chmod(0o755)
    found = check(place)["notify"]
    assert found.state is CheckState.OK
    assert found.detail == f"done, failed, needs_person will be told to {place / 'tell.sh'}"


def test_of_a_webhook_only_the_host_is_shown(place: Path) -> None:
    (place / "config.toml").write_text('[notify]\nwebhook = "https://hooks.example.org/s3cret"\non = []\n')
    assert check(place)["notify"].detail == "nothing will be told to hooks.example.org"
