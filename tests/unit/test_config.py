"""Finding, reading and writing the configuration file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.config import (
    SECTIONS,
    Config,
    InboxSettings,
    KeysSettings,
    OutboxSettings,
    StateSettings,
    config_option,
    config_template,
    find_config,
    with_option,
)
from mjwatch.errors import ConfigError
from mjwatch.settings.values import kinds
from tests.helpers.timeouts import deadline

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path, environ={"HOME": str(tmp_path / "home"), **environ})


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def uncommented(template: str) -> str:
    """Return the template with its commented keys enabled; comment lines begin with "# "."""
    return "\n".join(
        line.removeprefix("#") if not line.startswith("# ") else line for line in template.splitlines()
    )


def test_an_empty_file_gives_the_defaults_beside_it(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert config.source == tmp_path / "config.toml"
    assert config.inbox == InboxSettings(
        path=tmp_path / "inbox", settle=2.0, settle_incomplete=10.0, scan_interval=30.0
    )
    assert config.outbox == OutboxSettings(path=tmp_path / "outbox", format="auto", keep_grid=True)
    assert config.state.path == tmp_path / "state"
    assert config.keys.path == tmp_path / "keys"
    assert config.discord.cdn_hosts == ("cdn.discordapp.com", "media.discordapp.net")
    assert config.pace.max_in_flight == 3
    assert config.pace.max_per_day == 200


def test_values_of_the_file_win_over_defaults(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [discord]
        api_url = "http://127.0.0.1:8080/api/v9/"
        cdn_hosts = ["Pictures.Example.org", "127.0.0.1:8080"]
        [pace]
        delay = 0
        max_in_flight = 15
        [midjourney]
        application_id = 1022952195194359889
        """,
    )
    assert config.discord.api_url == "http://127.0.0.1:8080/api/v9"
    assert config.discord.cdn_hosts == ("pictures.example.org", "127.0.0.1:8080")
    assert config.pace.delay == 0.0
    assert isinstance(config.pace.delay, float)
    assert config.pace.max_in_flight == 15
    assert config.midjourney.application_id == "1022952195194359889"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("there", "{base}/there"),
        ("../beside", "{base}/../beside"),
        ("/srv/mj", "/srv/mj"),
        ("~/mj", "{base}/home/mj"),
        ("~", "{base}/home"),
        ("./~odd", "{base}/~odd"),
    ],
)
def test_a_path_is_relative_to_the_file_or_to_the_home(tmp_path: Path, written: str, meant: str) -> None:
    config = load(tmp_path, f'[inbox]\npath = "{written}"')
    assert config.inbox.path == Path(meant.format(base=tmp_path))


def test_a_relative_file_name_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("", encoding="utf-8")
    assert Config.load(Path("mine.toml"), environ={}).inbox.path == tmp_path / "inbox"


def test_systemds_state_directory_is_the_default_but_the_file_wins(tmp_path: Path) -> None:
    assert load(tmp_path, "", STATE_DIRECTORY="/var/lib/mjwatch:/var/lib/other").state == StateSettings(
        path=Path("/var/lib/mjwatch")
    )
    assert load(tmp_path, '[state]\npath = "here"', STATE_DIRECTORY="/var/lib/mjwatch").state.path == (
        tmp_path / "here"
    )


def test_the_file_is_looked_for_in_order_and_never_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "config.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "cwd")
    system = tmp_path / "etc.toml"
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", system)
    environ = {"HOME": str(tmp_path / "home")}
    with pytest.raises(ConfigError, match="mjwatch init"):
        find_config(None, environ)
    wanted = [system, tmp_path / "home/.config/mjwatch/config.toml", tmp_path / "xdg/mjwatch/config.toml"]
    for path in wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    assert find_config(None, {**environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == wanted[2]
    assert find_config(None, {**environ, "XDG_CONFIG_HOME": "xdg"}) == wanted[1]
    assert find_config(None, {**environ, "XDG_CONFIG_HOME": "", "MJWATCH_CONFIG": ""}) == wanted[1]
    wanted[1].unlink()
    assert find_config(None, environ) == system
    named = {**environ, "MJWATCH_CONFIG": str(wanted[2])}
    assert find_config(None, named) == wanted[2]
    assert find_config(system, named) == system


def test_a_missing_named_file_is_reported_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*gone\.toml"):
        Config.load(None, environ={"MJWATCH_CONFIG": str(tmp_path / "gone.toml")})
    with pytest.raises(ConfigError) as found:
        Config.load(tmp_path / "new place" / "config.toml", environ={})
    assert found.value.hint == f"create one: `mjwatch --config '{tmp_path}/new place/config.toml' init`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[inbox]\nsettel = 2", '[inbox] unknown key "settel" (did you mean settle?)'),
        ("[inbx]\n", 'unknown section "inbx" (did you mean inbox?)'),
        ("max_per_day = 2", '"max_per_day" (it belongs in [pace])'),
        ("[discord]\ndelay = 2", '[discord] unknown key "delay" (it belongs in [pace])'),
        ('[discord]\ntoken = "not-shown"', "authToken.key"),
        ('[inbox]\nsettle = "2"', '[inbox] settle is "2", but must be a number from 0 to 3600'),
        ("[inbox]\nsettle = true", "settle is true"),
        ("[inbox]\nsettle = -1", "settle is -1"),
        ("[pace]\ndelay = nan", "delay is NaN"),
        ("[pace]\ndelay = inf", "delay is Infinity"),
        ("[pace]\nmax_in_flight = 16", "a whole number from 1 to 15"),
        ("[pace]\nmax_in_flight = 2.0", "max_in_flight is 2.0"),
        ("[pace]\nmax_in_flight = true", "max_in_flight is true"),
        ("[pace]\nmax_per_day = 2026-01-01", 'max_per_day is "2026-01-01"'),
        ('[outbox]\nformat = "gif"', 'one of "auto", "png", "webp", "jpeg"'),
        ('[outbox]\nformat = ["png"]', 'format is ["png"]'),
        (
            '[pace]\nrun_between = "22-7"',
            'run_between is "22-7", but must be spans of the day such as "22:00-',
        ),
        ('[pace]\nrun_between = ["07:00-07:00"]', 'run_between is ["07:00-07:00"], but must be spans'),
        ('[pace]\nrun_between = ["07:00-24:30"]', "run_between"),
        ("[pace]\nrun_between = [7]", "run_between is [7], but must be"),
        ('[pace]\nurgent_priority = "high"', 'urgent_priority is "high", but must be a whole number'),
        ("[outbox]\nheartbeat = -1", "heartbeat is -1, but must be a whole number from 0 to 1440"),
        ("[outbox]\nkeep_grid = 1", "keep_grid is 1, but must be true or false"),
        ('[outbox]\npath = ""', "path is"),
        ('[outbox]\npath = "~else/x"', "path is"),
        ('[outbox]\npath = "a\\u0000b"', "path is"),
        ("[outbox]\npath = 5", "path is 5"),
        ('[discord]\napi_url = "discord.com/api"', "starts with http:// or https://"),
        ('[discord]\napi_url = "https://"', "api_url is"),
        ('[discord]\napi_url = "https://host:99999"', "api_url is"),
        ('[discord]\napi_url = ""', "api_url is"),
        ('[notify]\nexec = "notify-send mjwatch"', "a program and its arguments"),
        ("[notify]\nexec = [1]", "exec is [1]"),
        ('[notify]\nexec = [""]', 'exec is [""]'),
        ('[notify]\nexec = ["a\\u0000b"]', "exec is"),
        ('[notify]\non = ["ready"]', 'a list of some of "done", "failed", "needs_person"'),
        ('[notify]\non = "done"', 'on is "done"'),
        ("[notify]\non = [[]]", "on is [[]]"),
        ('[discord]\ngateway_url = "https://gateway.discord.gg"', "starts with ws:// or wss://"),
        ('[discord]\ncdn_hosts = "cdn.example.org"', "a list of host names"),
        ('[discord]\ncdn_hosts = ["https://cdn.example.org"]', "without https://"),
        ("[discord]\nallow_hosts = [5]", "allow_hosts is [5]"),
        ('[midjourney]\napplication_id = "bot"', "a Discord id"),
        ("[midjourney]\napplication_id = 0", "a Discord id"),
        ("inbox = 5", "inbox is 5, but must be a section: [inbox]"),
        ("[[inbox]]\n", "must be a section: [inbox]"),
    ],
)
def test_a_wrong_value_is_reported_with_what_was_found_and_what_is_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    line = problem(tmp_path, text)
    assert message in line
    assert line.startswith(str(tmp_path / "config.toml") + ": ")
    assert "\n" not in line
    assert "not-shown" not in line


def test_all_problems_are_reported_together_one_per_line(tmp_path: Path) -> None:
    lines = problem(tmp_path, "[pace]\ndelay = -1\njitter = -1\nspeed = 3\n[odd]\n").splitlines()
    assert len(lines) == 4
    assert all("config.toml: " in line for line in lines)


def test_broken_toml_is_reported_with_its_line_and_column(tmp_path: Path) -> None:
    assert "line 2, column 10" in problem(tmp_path, "[inbox]\nsettle = \n")


def test_a_deeply_nested_file_and_one_that_is_not_text_are_reported(tmp_path: Path) -> None:
    assert "not valid TOML" in problem(tmp_path, "a = " + "[" * 10_000)
    (tmp_path / "config.toml").write_bytes(b"[inbox]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        Config.load(tmp_path / "config.toml", environ={})
    with pytest.raises(ConfigError, match="is a folder"):
        Config.load(tmp_path, environ={})


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff[pace]\nmax_in_flight = 2").pace.max_in_flight == 2


def test_a_proxys_password_is_never_shown(tmp_path: Path) -> None:
    assert "hunter2" not in problem(tmp_path, '[discord]\nproxy = "socks5://me:hunter2@proxy.example.org"')
    config = load(tmp_path, '[discord]\nproxy = "http://me:hunter2@proxy.example.org:3128"')
    assert config.discord.proxy == "http://me:hunter2@proxy.example.org:3128"
    assert "hunter2" not in repr(config)


def test_nobody_is_notified_by_default(tmp_path: Path) -> None:
    notify = load(tmp_path, "").notify
    assert (notify.exec, notify.webhook) == ((), "")
    assert notify.on == ("done", "failed", "needs_person", "trouble", "resolved")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("notify-send", "notify-send"),
        ("./tell.sh", "{base}/tell.sh"),
        ("hooks/tell.sh", "{base}/hooks/tell.sh"),
        ("~/tell.sh", "{base}/home/tell.sh"),
        ("/opt/tell", "/opt/tell"),
    ],
)
def test_a_program_to_run_is_a_path_of_the_file_or_looked_for_in_path(
    tmp_path: Path, written: str, meant: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "config.toml").write_text(f'[notify]\nexec = ["{written}", "a b", "x/y"]\n')
    config = Config.load(tmp_path / "config.toml", environ={"HOME": str(tmp_path / "home")})
    program, *arguments = config.notify.exec
    assert Path(program) == Path(meant.format(base=tmp_path))
    assert arguments == ["a b", "x/y"]


@pytest.mark.parametrize("mode", ["", "0700", "750", "0777"])
@pytest.mark.parametrize("group", ["", "pictures", "_www", "my-group", "61001", "machine$"])
def test_mode_and_group_of_the_outbox(tmp_path: Path, mode: str, group: str) -> None:
    outbox = load(tmp_path, f'[outbox]\nmode = "{mode}"\ngroup = "{group}"').outbox
    assert (outbox.mode, outbox.group) == (mode, group)


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        *(
            (f"mode = {value}", '"0700" to "0777"')
            for value in ('"0644"', '"2770"', '"rwx"', '"0770 "', "770")
        ),
        *((f"group = {value}", "the name of a group") for value in ('"a b"', '"-x"', '"a:b"', '"a/b"', "5")),
    ],
)
def test_a_mode_or_group_that_can_not_be_is_refused(tmp_path: Path, setting: str, wanted: str) -> None:
    assert wanted in problem(tmp_path, f"[outbox]\n{setting}")


@pytest.mark.parametrize(
    "url", ["https://hooks.example.org/key/abc?x=1", "http://127.0.0.1:8080/hook/", "http://[::1]/", ""]
)
def test_a_webhook_may_be_anywhere_by_https_and_on_this_machine(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, f'[notify]\nwebhook = "{url}"').notify.webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/s3cret",
        "http://localhost.example.org/s3cret",
        "https://me:s3cret@hooks.example.org",
        "ftp://127.0.0.1/s3cret",
        "https:///s3cret",
        "https://host:99999/s3cret",
        "s3cret",
    ],
)
def test_an_unusable_webhook_is_reported_without_its_address(tmp_path: Path, url: str) -> None:
    words = problem(tmp_path, f'[notify]\nwebhook = "{url}"')
    assert "[notify] webhook is not usable, but must be an address that starts with https://" in words
    assert "s3cret" not in words


def test_a_webhooks_address_shows_in_no_repr(tmp_path: Path) -> None:
    assert "s3cret" not in repr(load(tmp_path, '[notify]\nwebhook = "https://hooks.example.org/s3cret"'))


def test_the_metrics_file_is_relative_to_the_configuration_and_has_the_collectors_ending(
    tmp_path: Path,
) -> None:
    assert load(tmp_path, "").metrics.textfile == ""
    found = load(tmp_path, '[metrics]\ntextfile = "exporter/mjwatch.prom"').metrics.textfile
    assert Path(found) == tmp_path / "exporter" / "mjwatch.prom"
    assert "must be a path in quotes that ends in .prom" in problem(tmp_path, '[metrics]\ntextfile = "m.txt"')


@pytest.mark.parametrize("folder", ["inbox", "outbox"])
def test_a_metrics_file_in_inbox_or_outbox_is_a_problem(tmp_path: Path, folder: str) -> None:
    (line,) = load(tmp_path, f'[metrics]\ntextfile = "{folder}/m.prom"').folder_problems()
    assert line.startswith("the metrics file ")
    assert f"must not be inside the {folder} " in line


@given(st.text(max_size=200))
def test_any_text_gives_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert Config.load(path, environ={}).source == path
    except ConfigError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("inbox", "outbox", "state", "keys", "count"),
    [
        ("in", "out", "state", "keys", 0),
        ("in", "out", "out-state", "in-keys", 0),
        ("in", "in", "state", "keys", 1),
        ("in", "in/out", "state", "keys", 1),
        ("out/in", "out", "state", "keys", 1),
        ("in", "out", "in/state", "keys", 1),
        ("in", "out", "out", "out/keys", 2),
        ("in", "in/../in/./out", "state", "keys", 1),
        ("in", "link/out", "state", "keys", 1),
    ],
)
def test_folders_inside_each_other_are_reported(
    tmp_path: Path, inbox: str, outbox: str, state: str, keys: str, count: int
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    config = Config(
        inbox=InboxSettings(path=tmp_path / inbox),
        outbox=OutboxSettings(path=tmp_path / outbox),
        state=StateSettings(path=tmp_path / state),
        keys=KeysSettings(path=tmp_path / keys),
    )
    assert len(config.folder_problems()) == count


def test_the_example_file_is_the_template() -> None:
    written = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    assert written == config_template(), (
        "write it again: python -c 'from mjwatch.config import config_template as t; print(t(), end=\"\")'"
        " > config.example.toml"
    )


def test_the_example_file_names_every_key_with_its_default(tmp_path: Path) -> None:
    text = uncommented((ROOT / "config.example.toml").read_text(encoding="utf-8"))
    assert {name: set(table) for name, table in tomli.loads(text).items()} == {
        name: set(kinds(kind)) for name, kind in SECTIONS.items()
    }
    assert load(tmp_path, text) == load(tmp_path, "")


def test_every_section_of_the_config_can_be_written_in_the_file() -> None:
    assert {part.name for part in fields(Config)} - {"source"} == set(SECTIONS)


def test_a_template_with_values_reads_back_as_these_values(tmp_path: Path) -> None:
    odd = 'a "quoted" \\ folder ä \x7f'
    with pytest.raises(ConfigError):
        load(tmp_path, config_template({"inbox": {"path": odd}}))
    odd = odd.replace("\x7f", "")
    config = load(
        tmp_path,
        config_template(
            {
                "inbox": {"path": Path(odd)},
                "pace": {"delay": 0.5, "max_per_day": 0},
                "outbox": {"keep_grid": False},
            }
        ),
    )
    assert config.inbox.path == tmp_path / odd
    assert (config.pace.delay, config.pace.max_per_day, config.outbox.keep_grid) == (0.5, 0, False)


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ('"22:00-07:00"', ("22:00-07:00",)),
        ('["9:30 - 12:00", "20:00-24:00"]', ("09:30-12:00", "20:00-24:00")),
        ("[]", ()),
    ],
)
def test_hours_are_one_span_or_several(tmp_path: Path, value: str, spans: tuple[str, ...]) -> None:
    config = load(tmp_path, f'[pace]\nrun_between = {value}\nurgent_priority = ""\n')
    assert (config.pace.run_between, config.pace.urgent_priority) == (spans, None)
    assert load(tmp_path, "[pace]\nurgent_priority = 5\n").pace.urgent_priority == 5


def test_importing_the_config_loads_nothing_heavy() -> None:
    heavy = ("requests", "PIL", "typer", "rich", "watchdog", "sqlite3", "websocket")
    code = f"import sys, mjwatch.config; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=deadline(30), check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "my folder"
    folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        Config.load(folder)
    assert caught.value.message == f"{folder} is a folder, and not a configuration file"
    assert caught.value.hint == f"name the file in it: '{folder}/config.toml'"


@pytest.mark.parametrize("path", [r"C:\Users\me", r"c:\new", r"\\nas\pictures"])
def test_a_windows_path_in_double_quotes_gets_a_hint(tmp_path: Path, path: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[inbox]\npath = "{path}"\nx')
    with pytest.raises(ConfigError) as caught:
        Config.load(file)
    assert "single quotes" in caught.value.hint


# ---- commands in messages


def test_a_command_names_the_configuration_unless_it_is_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", tmp_path / "etc.toml")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    own = tmp_path / "it's mine.toml"
    assert config_option(own, environ) == f"--config {shlex.quote(str(own))}"
    (tmp_path / "etc.toml").write_text("")
    assert config_option(tmp_path / "etc.toml", environ) == ""
    user = tmp_path / "xdg/mjwatch/config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("")
    assert config_option(user, environ | {"MJWATCH_CONFIG": str(own)}) == ""
    assert config_option(tmp_path / "etc.toml", environ) != ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("then run `mjwatch resume`", "then run `mjwatch --config x resume`"),
        (
            "`mjwatch retry 7k3f9a2m` or `mjwatch cancel 7k3f9a2m`",
            "`mjwatch --config x retry 7k3f9a2m` or `mjwatch --config x cancel 7k3f9a2m`",
        ),
        ("`mjwatch --config y init`", "`mjwatch --config y init`"),
        ("`mjwatch show --help` shows the usage", "`mjwatch show --help` shows the usage"),
        ("the daemon mjwatch runs", "the daemon mjwatch runs"),
    ],
)
def test_every_command_in_a_message_gets_the_option_once(text: str, named: str) -> None:
    assert with_option(text, "--config x") == named
    assert with_option(named, "--config x") == named
    assert with_option(text, "") == text
