"""Two Syncthings on loopback that share folders: nobody else is asked or told anything."""

from __future__ import annotations

import os
import socket
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
    """One of the two; ``folders`` are shared with the other one under their names."""

    home: Path
    folders: Mapping[str, Path]
    address: str = field(default_factory=lambda: f"tcp://127.0.0.1:{_free_port()}")
    device: str = ""
    process: subprocess.Popen[bytes] | None = None

    def generate(self) -> None:
        """Let it make its key, and with that its id."""
        command = [program("syncthing"), "generate", "--home", str(self.home)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=HANG, check=False, env=self._environment()
        )
        assert done.returncode == 0, done.stderr
        device = ElementTree.parse(self.home / "config.xml").find("device")
        assert device is not None
        self.device = device.attrib["id"]

    def configure(self, other: Syncthing) -> None:
        """Replace what ``generate`` has put into the configuration."""
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
        for one in (self, other):
            device = ElementTree.SubElement(root, "device", id=one.device, name=one.home.name)
            ElementTree.SubElement(device, "address").text = one.address
        for name, folder in self.folders.items():
            self._share(root, name, folder, other)
        ElementTree.SubElement(root, "gui", enabled="false")
        config.write(path)

    def _share(self, root: ElementTree.Element, name: str, folder: Path, other: Syncthing) -> None:
        (folder / ".stfolder").mkdir(parents=True, exist_ok=True)
        defaults = root.find("defaults/folder")
        assert defaults is not None
        shared = deepcopy(defaults)
        shared.attrib |= {"id": name, "label": name, "path": str(folder), "type": "sendreceive"}
        shared.attrib |= {"rescanIntervalS": "60", "fsWatcherEnabled": "true", "fsWatcherDelayS": "1"}
        for device in shared.findall("device"):
            shared.remove(device)
        for one in (self, other):
            ElementTree.SubElement(shared, "device", id=one.device)
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
        own = {"HOME": str(self.home), "STNODEFAULTFOLDER": "1", "STNOUPGRADE": "1", "STNORESTART": "1"}
        kept = {key: value for key, value in environment().items() if key != "XDG_CONFIG_HOME"}
        return kept | own | {"GOMAXPROCS": str(min(2, os.cpu_count() or 1))}


@contextmanager
def pair(
    folder: Path, near: Mapping[str, Path], far: Mapping[str, Path]
) -> Iterator[tuple[Syncthing, Syncthing]]:
    """Two that run and know each other, for as long as the block lasts."""
    both = Syncthing(folder / "near", near), Syncthing(folder / "far", far)
    for one in both:
        one.home.mkdir(parents=True)
        one.generate()
    with ExitStack() as stack:
        for one, other in (both, both[::-1]):
            one.configure(other)
            stack.callback(one.stop)
            one.start()
        yield both


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
