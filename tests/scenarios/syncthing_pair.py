"""Two Syncthing instances on loopback that share folders and contact nobody else."""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_OPTIONS = {
    **dict.fromkeys(("globalAnnounceEnabled", "localAnnounceEnabled", "announceLANAddresses"), "false"),
    **dict.fromkeys(("relaysEnabled", "natEnabled", "crashReportingEnabled", "startBrowser"), "false"),
    "urAccepted": "-1",
    "autoUpgradeIntervalH": "0",
    "stunKeepaliveStartS": "0",
    "reconnectionIntervalS": "1",
    "progressUpdateIntervalS": "-1",
    "setLowPriority": "false",
}


@dataclass
class Syncthing:
    """One of the two instances. ``folders`` are shared with the other instance under their names."""

    home: Path
    folders: Mapping[str, Path]
    address: str = field(default_factory=lambda: f"tcp://{_own_address()}:22000")
    device: str = ""
    process: subprocess.Popen[bytes] | None = None

    def generate(self) -> None:
        """Generate the key, from which Syncthing derives the device id."""
        command = [program("syncthing"), "generate", "--home", str(self.home)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=HANG, check=False, env=self._environment()
        )
        assert done.returncode == 0, done.stderr
        device = ElementTree.parse(self.home / "config.xml").find("device")
        assert device is not None
        self.device = device.attrib["id"]

    def configure(self, other: Syncthing) -> None:
        """Replace the configuration that ``generate`` has written."""
        path = self.home / "config.xml"
        config = ElementTree.parse(path)
        root = config.getroot()
        for element in [*root.findall("folder"), *root.findall("device"), *root.findall("gui")]:
            root.remove(element)
        options = root.find("options")
        assert options is not None
        for name, value in (_OPTIONS | {"listenAddress": self.address}).items():
            for element in options.findall(name):
                options.remove(element)
            ElementTree.SubElement(options, name).text = value
        for instance in (self, other):
            device = ElementTree.SubElement(root, "device", id=instance.device, name=instance.home.name)
            ElementTree.SubElement(device, "address").text = instance.address
        for name, folder in self.folders.items():
            self._share(root, name, folder, other)
        self._add_interface(root)
        config.write(path)

    def _add_interface(self, root: ElementTree.Element) -> None:
        ElementTree.SubElement(root, "gui", enabled="false")

    def _mark(self, folder: Path) -> None:
        (folder / ".stfolder").mkdir(parents=True, exist_ok=True)

    def _share(self, root: ElementTree.Element, name: str, folder: Path, other: Syncthing) -> None:
        self._mark(folder)
        defaults = root.find("defaults/folder")
        assert defaults is not None
        shared = deepcopy(defaults)
        shared.attrib |= {"id": name, "label": name, "path": str(folder), "type": "sendreceive"}
        shared.attrib |= {"rescanIntervalS": "60", "fsWatcherEnabled": "true", "fsWatcherDelayS": "1"}
        for device in shared.findall("device"):
            shared.remove(device)
        for instance in (self, other):
            ElementTree.SubElement(shared, "device", id=instance.device)
        root.append(shared)

    def start(self) -> None:
        with (self.home / "log.txt").open("a") as log:
            self.process = subprocess.Popen(
                [program("syncthing"), "serve", "--home", str(self.home), "--no-browser"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=HANG)
            self.process = None

    def _environment(self) -> dict[str, str]:
        variables = {"HOME": str(self.home), "STNODEFAULTFOLDER": "1", "STNOUPGRADE": "1", "STNORESTART": "1"}
        kept = {key: value for key, value in environment().items() if key != "XDG_CONFIG_HOME"}
        return kept | variables | {"GOMAXPROCS": str(min(2, os.cpu_count() or 1))}


@contextmanager
def syncthing_pair(
    folder: Path, local: Mapping[str, Path], remote: Mapping[str, Path]
) -> Iterator[tuple[Syncthing, Syncthing]]:
    """Run two connected instances until the end of the block."""
    both = Syncthing(folder / "local", local), Syncthing(folder / "remote", remote)
    for instance in both:
        instance.home.mkdir(parents=True)
        instance.generate()
    with ExitStack() as stack:
        for instance, other in (both, both[::-1]):
            instance.configure(other)
            stack.callback(instance.stop)
            instance.start()
        yield both


def _own_address() -> str:
    """Return a loopback address that nobody else uses: a free port of the common one may soon be taken."""
    return ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
