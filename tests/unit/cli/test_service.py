"""The commands ``init``, ``keys``, ``config`` and ``check``."""

from __future__ import annotations

import io
import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from mjwatch import __main__
from mjwatch.config import Config, load_keys
from mjwatch.diagnostics.checks import CheckResult, CheckState
from mjwatch.diagnostics.config_report import lines_of_settings
from mjwatch.host.lock import daemon_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

GUILD, CHANNEL = "1111000000000000002", "1111000000000000003"
ADDRESS = f"https://discord.com/channels/{GUILD}/{CHANNEL}"
TOKEN = "aaaa.bbbb.cccc"


class Person:
    """Answer the questions of a terminal, one after the other; Ctrl-D after the last answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[str] = []
        self.asked: list[str] = []
        monkeypatch.setattr("typer._click.termui.visible_prompt_func", self._answer)
        monkeypatch.setattr("typer._click.termui.hidden_prompt_func", self._whisper)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    def _answer(self, prompt: str) -> str:
        self.asked.append("shown")
        return self._next()

    def _whisper(self, prompt: str) -> str:
        self.asked.append("hidden")
        return self._next()

    def _next(self) -> str:
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(monkeypatch)


# ---- init


def test_init_asks_nothing_with_yes_and_never_writes_over_anything(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    folder = tmp_path / "new place"
    assert mjwatch("init", "--yes", "--folder", str(folder)).code == 2
    result = mjwatch(
        *("init", "--yes", "--folder", str(folder), "--channel", ADDRESS),
        *("--inbox", str(tmp_path / "drop"), "--outbox", str(folder / "out")),
    )
    assert result.code == 0
    assert f"--config '{folder}/config.toml' check" in result.out
    assert "keys set token" in result.out
    assert (folder / "keys/API_channel_id.key").read_text() == f"{CHANNEL}\n"
    config = Config.load(folder / "config.toml")
    assert (config.inbox.path, config.outbox.path) == (tmp_path / "drop", folder / "out")
    assert (tmp_path / "drop").is_dir()
    assert 'path = "out"' in (folder / "config.toml").read_text()
    result = mjwatch("init", "--folder", str(folder))
    assert (result.code, result.out) == (3, "")


def test_init_is_a_short_conversation_that_asks_again_for_an_address_that_is_none(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, person: Person
) -> None:
    new = tmp_path / "new"
    person.answers = ["y", "http://example.org", ADDRESS, str(tmp_path / "prompts"), "", TOKEN]
    result = mjwatch("init", "--folder", str(new))
    assert result.code == 0
    assert result.out.startswith("mjwatch controls your own Discord account with a program.")
    assert "is not the address of a Discord channel" in result.out + result.err
    assert person.asked == [*["shown"] * 5, "hidden"]
    questions = [
        "Continue? [y/N]:",
        "The channel's address, from the browser's address bar:",
        f"Folder for prompt files [{new}/inbox]:",
        f"Folder for pictures [{new}/outbox]:",
        "The account's token (not shown; leave it empty to set it later):",
    ]
    at = [result.out.index(question) for question in questions]
    assert at == sorted(at)
    config = Config.load(new / "config.toml")
    keys = load_keys(config)
    assert (keys.token.reveal(), keys.guild_id, keys.channel_id) == (TOKEN, GUILD, CHANNEL)
    assert (config.inbox.path, config.outbox.path) == (tmp_path / "prompts", new / "outbox")
    assert TOKEN not in result.out + result.err


@pytest.mark.parametrize("answers", [["n"], [""], [], ["y"], ["y", ADDRESS], ["y", ADDRESS, "", ""]])
def test_without_all_answers_nothing_is_changed(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, person: Person, answers: list[str]
) -> None:
    person.answers = list(answers)
    result = mjwatch("init", "--folder", str(tmp_path / "new"))
    assert result.code == 1
    assert "nothing was" in result.err
    assert not (tmp_path / "new").exists()


# ---- keys


def test_a_token_is_asked_for_without_echo_and_readable_by_its_owner_alone(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, person: Person
) -> None:
    file = tmp_path / "keys/authToken.key"
    for token in (TOKEN, "dddd.eeee.ffff"):
        person.answers = [f'  "{token}" ']
        result = mjwatch("keys", "set", "token")
        assert (result.code, result.out) == (0, f"wrote {file}\n")
        assert result.err == "The account's token (not shown):"
        assert file.read_text() == f"{token}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert person.asked == ["hidden"] * 2
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "text", "files"),
    [
        ("channel", ADDRESS, {"API_channel_id": CHANNEL, "API_guild_id": GUILD}),
        (
            "channel",
            f"discord.com/channels/@me/{CHANNEL}\n",
            {"API_channel_id": CHANNEL, "API_guild_id": "@me"},
        ),
        ("channel", CHANNEL, {"API_channel_id": CHANNEL}),
        ("guild", f" {GUILD}\n", {"API_guild_id": GUILD}),
        ("guild", "@me", {"API_guild_id": "@me"}),
        ("token", f"{TOKEN}\n", {"authToken": TOKEN}),
    ],
)
def test_a_key_comes_from_a_pipe_too(
    mjwatch: Callable[..., CommandResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    files: dict[str, str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert mjwatch("keys", "set", name).code == 0
    assert {path.stem: path.read_text().strip() for path in (tmp_path / "keys").iterdir()} == files


@pytest.mark.parametrize(
    ("name", "text"),
    [("token", ""), ("token", "two words"), ("channel", TOKEN), ("channel", ""), ("guild", TOKEN)],
)
def test_a_text_that_can_not_be_a_key_is_neither_written_nor_repeated(
    mjwatch: Callable[..., CommandResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    result = mjwatch("keys", "set", name)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert TOKEN not in result.err
    assert not list((tmp_path / "keys").glob("*"))


def test_an_unknown_key_name_is_reported_with_a_suggestion(mjwatch: Callable[..., CommandResult]) -> None:
    result = mjwatch("keys", "set", "tokne")
    assert result.code == 2
    assert (
        "keys set: invalid value for NAME: the name must be one of token, channel, guild (did you mean"
        in result.err
    )


def test_a_service_that_runs_reads_the_key_at_its_next_start(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, person: Person
) -> None:
    person.answers = [GUILD]
    with daemon_lock(tmp_path / "state"):
        assert "restart it" in mjwatch("keys", "set", "guild").err


# ---- config


def test_each_setting_says_where_it_comes_from_and_no_secret_is_shown(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, person: Person
) -> None:
    (tmp_path / "config.toml").write_text(
        '[pace]\n\nmax_per_day = 50\n[notify]\nwebhook = "https://example.org/s3cret"\n'
        'apprise = ["json://sam:s3cret@127.0.0.1"]\n[discord]\nproxy = "http://sam:s3cret@proxy.example.org:3128"\n'
    )
    monkeypatch.setenv("MJWATCH_CHANNEL_ID", CHANNEL)
    person.answers = [TOKEN]
    mjwatch("keys", "set", "token")
    (tmp_path / "keys/apprise.key").write_text("json://sam:s3cret@127.0.0.1\n")
    (tmp_path / "keys/apprise.key").chmod(0o600)
    result = mjwatch("config", "show")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines[0] == f"# {tmp_path}/config.toml"
    for line in (
        "max_per_day = 50 # line 3",
        "delay = 4 # default",
        "webhook = (set, not shown) # line 5",
        "apprise = (set, not shown) # line 6",
        "proxy = (set, not shown) # line 8",
        f'path = "{tmp_path}/state" # default',
        f"# token = (set, not shown) # {tmp_path}/keys/authToken.key",
        f"# apprise = (set, not shown) # {tmp_path}/keys/apprise.key",
        "# guild_id = @me # nowhere",
        f"# channel_id = {CHANNEL} # MJWATCH_CHANNEL_ID",
    ):
        assert line in lines
    whole = mjwatch("config", "show", "--json").out
    facts = json.loads(whole)
    assert facts["settings"]["pace"]["max_per_day"] == {"value": 50, "from": f"{tmp_path}/config.toml:3"}
    assert facts["keys"]["token"] == {
        "value": "(set, not shown)",
        "from": str(tmp_path / "keys/authToken.key"),
    }
    for secret in ("s3cret", TOKEN):
        assert secret not in result.out + whole


def test_unusable_keys_are_reported_without_their_values(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "service"))
    assert f'path = "{tmp_path}/service"' in mjwatch("config", "show").out
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/authToken.key").write_text(TOKEN)
    (tmp_path / "keys/authToken.key").chmod(0o644)
    result = mjwatch("config", "show")
    assert result.code == 0
    assert "can be read or changed by others" in result.out
    assert TOKEN not in result.out


def test_the_path_of_the_configuration(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    assert mjwatch("config", "path") == (0, f"{tmp_path}/config.toml\n", "")
    (tmp_path / "config.toml").unlink()
    assert mjwatch("config", "path").code == 3


def test_settings_are_found_however_they_are_written() -> None:
    text = (
        '# [pace]\noutbox.format = "png"\ninbox = { path = "in" }\n\n  [ pace ] # a comment\n'
        '"delay" = 1\n # jitter = 2\nmax_per_day=3\n[notify]\nexec = [\n  "a",\n]\n'
    )
    assert lines_of_settings(text) == {
        ("outbox", "format"): 2,
        ("inbox", ""): 3,
        ("pace", "delay"): 6,
        ("pace", "max_per_day"): 8,
        ("notify", "exec"): 10,
    }


# ---- check


@pytest.mark.usefixtures("terminal")
def test_each_check_is_a_line_with_the_fix_below_it_and_fits_a_terminal(
    mjwatch: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [
        CheckResult("configuration", CheckState.OK, "config.toml"),
        CheckResult("channel", CheckState.FAIL, "a \x1b[2J conversation " + "and more " * 9, "name " * 15),
    ]
    monkeypatch.setattr("mjwatch.diagnostics.check.run_checks", lambda *args, **options: results)
    result = mjwatch("check")
    assert (result.code, result.out.splitlines()) == (
        1,
        [
            "ok      configuration  config.toml",
            "fail    channel        a \\x1b[2J conversation and more and more and more and",
            "                       more and more and more and more and more and more",
            "                       to fix it: name name name name name name name name name",
            "                       name name name name name name",
        ],
    )
    assert json.loads(mjwatch("check", "--json").out)[1]["state"] == "fail"


def test_a_test_goes_through_every_hook(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tests(*arguments: str) -> list[tuple[str, str]]:
        found = json.loads(mjwatch("check", "--notify", *arguments, "--json").out)
        return [(one["state"], one["detail"]) for one in found if one["name"] == "notify-test"]

    assert tests() == [("skipped", "nothing was sent, because of what is to be fixed above")]
    monkeypatch.setenv("MJWATCH_TOKEN", TOKEN)
    monkeypatch.setenv("MJWATCH_CHANNEL_ID", CHANNEL)
    monkeypatch.setattr("mjwatch.diagnostics.check.check_discord", lambda *_: [])
    assert tests() == [("skipped", "[notify] names nobody")]
    heard = tmp_path / "heard"
    script = f'echo "$MJWATCH_EVENT" > {heard}'
    (tmp_path / "config.toml").write_text(
        f'[notify]\non = []\nexec = ["sh", "-c", {json.dumps(script)}]\napprise = ["nosuch://s3cret"]\n'
    )
    unknown = "Apprise address 1 (nosuch://) is not an address that Apprise can use"
    assert tests() == [("ok", "exec: sent"), ("fail", unknown)]
    assert heard.read_text() == "test\n"


def test_another_configuration_is_checked_against_the_one_in_use(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    other = tmp_path / "new.toml"
    other.write_text("[pace]\nmax_per_day = 9\n")
    found = {one["name"]: one for one in json.loads(mjwatch("check", "--config", str(other), "--json").out)}
    assert found["configuration"]["detail"] == str(other)
    assert found["changes"]["detail"] == f"[pace] max_per_day, compared with {tmp_path}/config.toml"
    assert found["token"]["state"] == "skipped"
    (tmp_path / "config.toml").write_text("broken")
    names = [one["name"] for one in json.loads(mjwatch("check", "--config", str(other), "--json").out)]
    assert "changes" not in names


def test_init_writes_the_file_that_the_command_line_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def init(name: str) -> int:
        arguments = [
            "mjwatch",
            "--config",
            str(tmp_path / "here" / name),
            "init",
            "--yes",
            "--channel",
            ADDRESS,
        ]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        return int(ended.value.code or 0)

    assert init("config.toml") == 0
    assert (tmp_path / "here" / "config.toml").is_file()
    assert init("other.toml") == 3
    assert "init writes a config.toml, but --config names other.toml" in capsys.readouterr().err


def test_init_writes_the_file_that_the_environment_names_and_sees_a_token_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def init(name: str) -> int:
        monkeypatch.setenv("MJWATCH_CONFIG", str(tmp_path / name))
        monkeypatch.setattr(sys, "argv", ["mjwatch", "init", "--yes", "--channel", ADDRESS])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        return int(ended.value.code or 0)

    assert init("bare/config.toml") == 0
    assert "The token is still missing." in capsys.readouterr().out
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "token").write_text("an-invented-token\n")
    (tmp_path / "token").chmod(0o444)
    assert init("with-secret/config.toml") == 0
    assert (tmp_path / "with-secret" / "config.toml").is_file()
    assert "token" not in capsys.readouterr().out
    assert init("other.toml") == 3
    assert "init writes a config.toml, but MJWATCH_CONFIG names other.toml" in capsys.readouterr().err
