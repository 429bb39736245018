"""The shipped units under a real systemd, against the simulator.

Seen to catch: a state folder that the group cannot open, a missing key that systemd reports in its own
words, a wrong configuration that is retried forever, a start that waits for the gateway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mjwatch.host.service import shipped
from tests.helpers.timeouts import deadline
from tests.scenarios.installed_service import CONFIG, PROGRAM, InstalledService, installed_service
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.start_early]

UNIT = "mjwatch.service"

START_LIMIT = deadline(15.0)
"""Seconds within which a start without waiting must finish."""

STOP_LIMIT = deadline(20.0)
"""Seconds within which a stop must finish."""

WATCHDOG_AND_RESTART = deadline(90.0)
"""Seconds within which a hanging service must be killed and restarted."""


HOME, RUNTIME = "/srv/ada", "/run/user/4242"
AS_ADA = (
    *("setpriv", "--reuid=4242", "--regid=4242", "--init-groups"),
    *("env", f"HOME={HOME}", f"XDG_RUNTIME_DIR={RUNTIME}"),
)
"""A user in the group of the service, who also has her own user service."""
AS_EVE = ("setpriv", "--reuid=4343", "--regid=4343", "--clear-groups")
"""A user outside the group."""

USER_MANAGER = f"""\
[Service]
Type=notify
User=ada
Delegate=yes
Environment=HOME={HOME} XDG_RUNTIME_DIR={RUNTIME}
Environment=SYSTEMD_UNIT_PATH={HOME}/.config/systemd/user:{HOME}/targets SYSTEMD_GENERATOR_PATH=/run/none
ExecStart=/usr/lib/systemd/systemd --user --unit=machine.target
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledService]:
    """The machine after `mjwatch service install`, as root."""
    with installed_service(tmp_path_factory.mktemp("machine"), HOME) as service:
        output = service.machine.run(PROGRAM, "service", "install", "--system").stdout
        assert "systemctl enable --now mjwatch.service" in output.splitlines()[-1]
        service.machine.run("useradd", "--uid=4242", f"--home-dir={HOME}", "--groups=mjwatch", "ada")
        yield service
        service.machine.run(PROGRAM, "service", "uninstall", "--system")
        assert service.machine.run("systemctl", "cat", UNIT, check=False).returncode != 0


@pytest.fixture
def running(service: InstalledService) -> Iterator[InstalledService]:
    """The same, with the service started, and stopped afterwards."""
    service.machine.run("systemctl", "start", UNIT)
    yield service
    service.machine.run("systemctl", "stop", UNIT)
    service.machine.run("systemctl", "reset-failed", UNIT, check=False)


def test_the_shipped_unit_is_installed_unchanged_and_passes_the_checks_of_systemd(
    service: InstalledService,
) -> None:
    path = f"/etc/systemd/system/{UNIT}"
    assert service.machine.run("cat", path).stdout == shipped(UNIT)
    verified = service.machine.run("systemd-analyze", "verify", path)
    assert verified.stdout + verified.stderr == ""
    security = service.machine.run("systemd-analyze", "security", "--offline=true", path).stdout
    exposure = float(security.splitlines()[-1].partition("mjwatch.service: ")[2].split()[0])
    assert exposure <= 1.2
    assert service.machine.run("stat", "-c%U:%G:%a", "/srv/mjwatch/inbox").stdout == "mjwatch:mjwatch:2770\n"


def test_a_prompt_becomes_pictures(running: InstalledService) -> None:
    machine = running.machine
    state, status, account = machine.show(UNIT, "ActiveState", "StatusText", "User")
    assert (state, account) == ("active", "mjwatch")
    assert status == "Nothing to do."
    running.drop("a red kite")
    running.wait_for("a red kite")
    folder = f"/srv/mjwatch/outbox/{running.done()['a red kite'].name}"
    names = machine.run("ls", folder).stdout.split()
    assert sum("a-red-kite_" in name for name in names) == 5
    assert machine.run("stat", "-c%U:%G", f"{folder}/manifest.json").stdout == "mjwatch:mjwatch\n"
    assert running.executed()["a red kite"] == ["done"]


def test_the_token_is_passed_as_a_credential_and_appears_nowhere(running: InstalledService) -> None:
    machine = running.machine
    token = running.token.read_text().strip()
    keys = machine.run(
        "setpriv", "--reuid=mjwatch", "--regid=mjwatch", "--clear-groups", "ls", f"{CONFIG}/keys", check=False
    )
    assert keys.returncode != 0
    credentials = machine.run("ls", f"/run/credentials/{UNIT}").stdout.split()
    assert credentials == ["API_channel_id.key", "API_guild_id.key", "authToken.key"]
    (pid,) = machine.show(UNIT, "MainPID")
    assert token not in machine.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline").stdout
    assert token not in machine.run("systemctl", "status", UNIT, "--no-pager").stdout
    assert token not in json.dumps(machine.journal(UNIT))


def test_journal_entries_have_levels_and_job_ids(running: InstalledService) -> None:
    running.drop("a blue kite")
    running.wait_for("a blue kite")
    job = running.done()["a blue kite"].name.rpartition("-")[2]

    def entries() -> list[dict[str, str]]:
        return [entry for entry in running.machine.journal(UNIT) if entry.get("MJWATCH_JOB") == job]

    # The folder is there before the journal commits the job, and the log entry follows.
    wait_until(lambda: any("published" in entry["MESSAGE"] for entry in entries()), "the last log entry")
    messages = " ".join(entry["MESSAGE"] for entry in entries())
    assert {entry["PRIORITY"] for entry in entries()} == {"6"}
    for step in ("submitting", "submitted", "started", "finished"):
        assert step in messages


def test_a_stop_with_three_jobs_in_flight_is_quick_and_the_next_start_finishes_them(
    running: InstalledService,
) -> None:
    prompts = ("a cat in hats", "a dog in boots", "a hen in socks")
    with running.in_flight(*prompts):
        running.machine.run("systemctl", "stop", UNIT, timeout=STOP_LIMIT)
    result, code = running.machine.show(UNIT, "Result", "ExecMainStatus")
    assert (result, code) == ("success", "0")
    running.machine.run("systemctl", "start", UNIT)
    running.wait_for(*prompts)
    assert [running.executed()[prompt] for prompt in prompts] == [["done"]] * 3


def test_a_crashed_service_is_restarted_and_continues(running: InstalledService) -> None:
    before = _restarts(running)
    with running.in_flight("a fox at sea"):
        running.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait_until(lambda: _restarts(running) > before, "the restart")
    running.wait_for("a fox at sea")
    assert running.executed()["a fox at sea"] == ["done"]


def test_a_hanging_service_is_killed_by_the_watchdog_and_restarted(running: InstalledService) -> None:
    before = _restarts(running)
    with running.in_flight("an owl at noon"):
        running.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT)
    wait_until(lambda: _restarts(running) > before, "the restart", WATCHDOG_AND_RESTART)
    messages = [str(entry["MESSAGE"]) for entry in running.machine.journal(UNIT)]
    assert any("Watchdog timeout" in line for line in messages)
    assert any("Fatal Python error: Aborted" in line for line in messages)
    running.wait_for("an owl at noon")
    assert running.executed()["an owl at noon"] == ["done"]


def test_only_members_of_the_group_may_drop_read_and_control(service: InstalledService) -> None:
    machine = service.machine
    drop = ("sh", "-c", "echo a crow on ice >/srv/mjwatch/inbox/a-crow-on-ice.txt")
    machine.run("systemctl", "start", UNIT)
    assert machine.run(*AS_EVE, *drop, check=False).returncode != 0
    machine.run(*AS_ADA, *drop)
    service.wait_for("a crow on ice")
    manifest = f"/srv/mjwatch/outbox/{service.done()['a crow on ice'].name}/manifest.json"
    machine.run(*AS_ADA, "cat", manifest)
    assert machine.run(*AS_EVE, "cat", manifest, check=False).returncode != 0
    verb = (PROGRAM, "--config", f"{CONFIG}/config.toml")
    machine.run(*AS_ADA, *verb, "pause")
    machine.run("systemctl", "stop", UNIT)
    machine.run(*AS_ADA, *verb, "resume")
    machine.run("systemctl", "start", UNIT)
    assert machine.show(UNIT, "StatusText") == ["Nothing to do."]
    refused = machine.run(*AS_EVE, *verb, "pause", check=False)
    assert 'belongs to user "mjwatch" or group "mjwatch"' in refused.stderr
    machine.run("systemctl", "stop", UNIT)


def test_a_user_service_is_installed_and_run_by_the_systemd_of_the_user(service: InstalledService) -> None:
    machine, home = service.machine, service.root / HOME.lstrip("/")
    units, workspace = f"{HOME}/.config/systemd/user", home / ".config" / "mjwatch"
    service.configure(workspace)
    machine.run("sh", "-c", f"mkdir -p {HOME}/targets {RUNTIME} && cp /run/units/*.target {HOME}/targets/")
    machine.run("chown", "-R", "ada:ada", HOME, RUNTIME)
    manager = f"cat >/etc/systemd/system/user-manager.service <<'END'\n{USER_MANAGER}END"
    machine.run("sh", "-c", manager)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "user-manager.service")
    machine.run(*AS_ADA, PROGRAM, "service", "install", "--now")
    verified = machine.run(*AS_ADA, "systemd-analyze", "--user", "verify", f"{units}/{UNIT}")
    assert verified.stdout + verified.stderr == ""
    (workspace / "inbox/cat.txt").write_text("a cat of ada\n")
    wait_until(lambda: "a cat of ada" in service.done(workspace / "outbox"), "pictures for ada")
    machine.run(*AS_ADA, "systemctl", "--user", "stop", UNIT, timeout=STOP_LIMIT)
    shown = machine.run(
        *AS_ADA, "systemctl", "--user", "show", UNIT, "--property=Result,ExecMainStatus"
    ).stdout
    assert sorted(shown.split()) == ["ExecMainStatus=0", "Result=success"]
    machine.run(*AS_ADA, PROGRAM, "service", "uninstall")
    assert machine.run("ls", units).stdout == ""


def _restarts(service: InstalledService) -> int:
    (number,) = service.machine.show(UNIT, "NRestarts")
    return int(number)


@pytest.mark.parametrize("fault", ["an unknown key", "no token"])
def test_an_error_that_no_restart_can_fix_is_reported_and_not_retried(
    service: InstalledService, fault: str
) -> None:
    config, token = service.config.read_text(), service.token.read_text()
    if fault == "no token":
        service.token.unlink()
        wanted = "there is no Discord token"
    else:
        service.config.write_text(config.replace("[pace]", "[pace]\nmax_in_fligth = 3"))
        wanted = "did you mean max_in_flight?"
    try:
        assert service.machine.run("systemctl", "start", UNIT, check=False).returncode != 0
        state, code, restarts, status = service.machine.show(
            UNIT, "ActiveState", "ExecMainStatus", "NRestarts", "StatusText"
        )
        assert (state, code, restarts) == ("failed", "78", "0")
        assert wanted in status
        reported = [entry for entry in service.machine.journal(UNIT) if wanted in str(entry["MESSAGE"])]
        assert reported[-1]["PRIORITY"] == "3"
    finally:
        service.config.write_text(config)
        service.token.write_text(token)
        service.token.chmod(0o600)
        service.machine.run("systemctl", "reset-failed", UNIT)


def test_a_start_does_not_wait_for_an_unreachable_gateway_but_reports_it(service: InstalledService) -> None:
    service.machine.run("rm", "-rf", "/var/lib/mjwatch")  # the journal has another address for the resume
    config = service.config.read_text()
    service.config.write_text(config.replace(f"ws://{service.address}", "ws://127.0.0.1:9"))
    try:
        service.machine.run("systemctl", "start", UNIT, timeout=START_LIMIT)
        state, status = service.machine.show(UNIT, "ActiveState", "StatusText")
        assert state == "active"
        assert status.startswith("Discord can't be used: no connection to the gateway")
    finally:
        service.config.write_text(config)
        service.machine.run("systemctl", "stop", UNIT, timeout=STOP_LIMIT)
