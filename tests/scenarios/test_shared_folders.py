"""Inbox and outbox shared by users of one group: the service's, a member, and a member's Syncthing.

The commands of docs/how-to/syncing.md are run word for word, in a machine of their own. Seen to catch: a mode
that is forced whatever the umask is, a published folder with the group of the staging folder, a file that is
taken again after a restart because it could not be removed, Syncthing's modes of the other machine.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.helpers.published import manifest_paths
from tests.scenarios.installed_service import FOLDERS, PROGRAM, ROOT, InstalledService, installed_service
from tests.scenarios.required_programs import program
from tests.scenarios.stage import wait_until
from tests.scenarios.syncthing_pair import Syncthing
from tests.scenarios.test_syncthing import complete_manifest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.scenarios.systemd_machine import Machine

pytestmark = [pytest.mark.real, pytest.mark.start_early]

UNIT = "mjwatch.service"
RECIPE = "### Syncthing and mjwatch as different users"
RSYNC = "### rsync to the system service"
USERS = {"ada": 4242, "bob": 4343}
"""Ada is to share a group with the service; bob stands for another machine."""

SUDO = """\
sudo() {
  if [ "$1" = -u ]; then
    user=$2; shift 2
    runuser -u "$user" -- env HOME="/srv/$user" "$@"
  else
    "$@"
  fi
}
"""
"""The tests are root, and have no sudo."""


REMOTE_SHELL = """\
#!/bin/sh
while [ "$1" != studio ]; do shift; done
shift
umask 0022
exec sh -c "$*"
"""
"""Stands for ssh: it runs what rsync asks for on this machine."""


def recipe(heading: str = RECIPE) -> list[str]:
    """Return the commands of the recipe, as a reader types them."""
    page = (ROOT / "docs" / "how-to" / "syncing.md").read_text("utf-8")
    section = page.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def typed(machine: Machine, line: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell does."""
    return machine.run("sh", "-euc", SUDO + line, check=check)


def by(user: str, line: str, mask: str = "0022") -> str:
    """Return what to type so that a user, with the umask that most users have, runs a line."""
    return f"sudo -u {user} sh -euc 'umask {mask}; {line}'"


@dataclass
class UsersSyncthing(Syncthing):
    """The Syncthing of a user in the machine, who may ask it by ``syncthing cli``."""

    interface: str = ""

    def _mark(self, folder: Path) -> None:
        """Leave the marker to the user."""

    def _add_interface(self, root: ElementTree.Element) -> None:
        gui = ElementTree.SubElement(root, "gui", enabled="true", tls="false")
        ElementTree.SubElement(gui, "address").text = self.interface
        ElementTree.SubElement(gui, "apikey").text = "invented"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledService]:
    """The machine after the recipe, with everything running."""
    program("syncthing")
    with installed_service(tmp_path_factory.mktemp("machine"), "/srv/ada", "/srv/bob") as service:
        machine, config = service.machine, service.config.read_text()
        service.config.write_text(config.replace("[inbox]\n", "[inbox]\nscan_interval = 2\n"))
        machine.run(PROGRAM, "service", "install", "--system")
        for user, uid in USERS.items():
            machine.run("useradd", f"--uid={uid}", f"--home-dir=/srv/{user}", user)
        machine.run("systemctl", "start", UNIT)
        _set_up_syncthing(service)
        for command in recipe():
            wait_until(lambda: _answers(machine), "ada's Syncthing")  # readers are slower than this loop
            typed(machine, command)
        yield service


def _answers(machine: Machine) -> bool:
    return typed(machine, "sudo -u ada syncthing cli show version", check=False).returncode == 0


def _set_up_syncthing(service: InstalledService) -> None:
    """Share inbox and outbox between ada's Syncthing and bob's, in the folders that they use by default."""
    folders = {"ada": FOLDERS, "bob": "/srv/bob"}
    ada, bob = (
        UsersSyncthing(
            service.root / f"srv/{user}/.config/syncthing",
            {name: Path(folders[user]) / name for name in ("inbox", "outbox")},
            interface=f"127.0.0.1:{8384 + number}",
        )
        for number, user in enumerate(USERS)
    )
    for instance in (ada, bob):
        instance.home.mkdir(parents=True)
        instance.generate()
    for instance, other in ((ada, bob), (bob, ada)):
        instance.configure(other)
    machine = service.machine
    machine.run("cp", "/usr/lib/systemd/system/syncthing@.service", "/etc/systemd/system/")
    for user in folders:
        machine.run("chown", "-R", f"{user}:{user}", f"/srv/{user}")
        machine.run("systemctl", "start", f"syncthing@{user}.service")


def ignored(machine: Machine) -> list[str]:
    """Return the lines about files that stay in the inbox, as ada reads them."""
    status = machine.run("runuser", "-u", "ada", "--", PROGRAM, "status", check=False).stdout
    return re.findall(r"ignored: (.*)", status.replace("\n ", " "))


def runs(service: InstalledService, prompt: str) -> int:
    return len(service.executed().get(prompt, []))


def test_what_a_member_makes_closed_is_taken_once_and_removed_after_the_shown_command(
    service: InstalledService,
) -> None:
    machine, folder = service.machine, f"{FOLDERS}/inbox/two words"
    typed(machine, by("ada", f'mkdir "{folder}"; echo a crow on ice >"{folder}/crow.txt"'))
    wait_until(lambda: _pictures(service, "a crow on ice"), "pictures of the crow")
    why = "it was taken, but can't be removed: Permission denied"
    command = f"sudo chmod g+rwx '{folder}'"
    wait_until(lambda: f"two words/crow.txt ({why}; run `{command}`)" in ignored(machine), "the command")
    checked = machine.run(PROGRAM, "check", check=False).stdout
    assert f"run `{command}`" in " ".join(checked.split())
    machine.run("systemctl", "restart", UNIT)
    wait_until(lambda: command in " ".join(ignored(machine)), "the command after a restart")
    machine.run("test", "-e", f"{folder}/crow.txt")
    typed(machine, command)
    wait_until(
        lambda: machine.run("test", "-e", f"{folder}/crow.txt", check=False).returncode != 0, "the removal"
    )
    wait_until(lambda: not ignored(machine), "a status without files that stay")
    assert runs(service, "a crow on ice") == 1


def _pictures(service: InstalledService, prompt: str) -> Path | None:
    """Return the folder with the pictures of this prompt, as a path in the machine."""
    for path in manifest_paths(service.outbox):
        manifest = json.loads(path.read_text())
        if manifest["state"] == "done" and manifest["prompt"]["submitted"] == prompt:
            return Path(FOLDERS, "outbox", path.parent.relative_to(service.outbox))
    return None


def test_a_member_may_delete_pictures_and_put_a_failed_folder_back(service: InstalledService) -> None:
    machine = service.machine
    typed(machine, by("ada", f"echo a newt in may >{FOLDERS}/inbox/newt.txt"))
    folder = wait_until(lambda: _pictures(service, "a newt in may"), "pictures of the newt")
    modes = machine.run("sh", "-c", f"stat -c%A:%U:%G {folder} {folder}/*").stdout.split()
    assert set(modes) == {"drwxrws---:mjwatch:mjwatch", "-rw-rw----:mjwatch:mjwatch"}
    typed(machine, by("ada", f"rm -r {folder}"))
    typed(machine, by("ada", f'echo "prompts = 5" >{FOLDERS}/inbox/toad.toml'))
    failed = wait_until(lambda: list(service.outbox.glob("_failed/toad-*")), "the failed folder")[0].name
    toml = f"{FOLDERS}/inbox/{failed}/toad.toml"
    fix = f"echo prompt = '\\''\"a toad in june\"'\\'' >{FOLDERS}/outbox/_failed/{failed}/toad.toml"
    typed(machine, by("ada", f"{fix}; mv {FOLDERS}/outbox/_failed/{failed} {FOLDERS}/inbox/"))
    wait_until(lambda: _pictures(service, "a toad in june"), "pictures of the toad")
    wait_until(lambda: machine.run("test", "-e", toml, check=False).returncode != 0, "the removal")
    assert runs(service, "a toad in june") == 1
    assert machine.run("stat", "-c%a", "/etc/mjwatch/keys").stdout == "700\n"


def test_another_machine_drops_files_in_new_folders_and_gets_whole_pictures(
    service: InstalledService,
) -> None:
    machine, bobs = service.machine, service.root / "srv/bob"
    typed(machine, by("bob", 'mkdir -p "/srv/bob/inbox/far away/acme"'))
    typed(machine, by("bob", 'echo a heron in the reeds >"/srv/bob/inbox/far away/acme/heron.txt"'))

    def received() -> bool:
        found = map(complete_manifest, bobs.glob("outbox/far away/acme/heron-*/manifest.json"))
        return any(manifest is not None for manifest in found)

    wait_until(received, "all pictures of the heron on the other machine")
    wait_until(lambda: not list(bobs.glob("inbox/**/*.txt")), "an empty inbox on the other machine")
    assert not list(service.inbox.glob("**/*.txt"))
    assert ignored(machine) == []
    assert runs(service, "a heron in the reeds") == 1
    inner = f"{FOLDERS}/inbox/far away/acme"
    assert machine.run("stat", "-c%A:%U:%G", inner).stdout == "drwxrws---:ada:mjwatch\n"


def test_rsync_delivers_into_new_folders_and_fetches_pictures(service: InstalledService) -> None:
    program("rsync")
    machine, (deliver, fetch) = service.machine, recipe(RSYNC)
    (service.root / "srv/ada/ssh").write_text(REMOTE_SHELL)
    machine.run("chmod", "755", "/srv/ada/ssh")
    start = "cd; export RSYNC_RSH=/srv/ada/ssh"
    prompt = "mkdir -p prompts/acme pictures; echo a stork in fog >prompts/acme/stork.txt"
    typed(machine, by("ada", f"{start}; {prompt}; {deliver}"))
    wait_until(lambda: _pictures(service, "a stork in fog"), "pictures of the stork")
    wait_until(lambda: not list(service.inbox.glob("**/stork.txt")), "the removal")
    typed(machine, by("ada", f"{start}; {fetch}".replace("'", "'\\''")))
    assert list((service.root / "srv/ada/pictures").glob("acme/stork-*/manifest.json"))
    assert ignored(machine) == []
    assert runs(service, "a stork in fog") == 1


def test_an_outbox_of_another_group_passes_it_on_after_the_shown_command(service: InstalledService) -> None:
    machine, outbox = service.machine, f"{FOLDERS}/outbox"
    config = service.config.read_text()
    service.config.write_text(config.replace("[outbox]\n", '[outbox]\ngroup = "pictures"\n'))
    checked = machine.run(PROGRAM, "check", check=False).stdout
    assert "run `sudo groupadd pictures`" in checked
    machine.run("groupadd", "pictures")
    assert "run `sudo usermod -aG pictures mjwatch`" in " ".join(
        machine.run(PROGRAM, "check", check=False).stdout.split()
    )
    machine.run(PROGRAM, "service", "install", "--system")
    checked = " ".join(machine.run(PROGRAM, "check", check=False).stdout.split())
    found = re.search(r"`(sudo chgrp -R pictures [^`]*)`", checked)
    assert found is not None, checked
    typed(machine, found[1])
    checked = machine.run(PROGRAM, "check", check=False).stdout
    assert "belongs to the group pictures" in " ".join(checked.split())
    machine.run("systemctl", "restart", UNIT)
    typed(machine, by("ada", f"echo a lynx at dusk >{FOLDERS}/inbox/lynx.txt"))
    folder = wait_until(lambda: _pictures(service, "a lynx at dusk"), "pictures of the lynx")
    shown = machine.run("sh", "-c", f"stat -c%A:%G {folder} {folder}/* {outbox}/status.json").stdout.split()
    assert set(shown) == {"drwxrws---:pictures", "-rw-rw----:pictures"}
