"""Containerfile, compose file and their page agree with the program: versions, paths, secrets, the stop."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from mjwatch.cli.setup import standard_places
from mjwatch.config import SYSTEM_CONFIG
from mjwatch.host.systemd import STOP_LIMIT
from mjwatch.settings.secrets import read_keys

ROOT = Path(__file__).parents[3]
CONTAINERFILE = (ROOT / "container" / "Containerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "container" / "compose.yaml").read_text("utf-8"))
SERVICE = COMPOSE["services"]["mjwatch"]
PAGE = (ROOT / "docs" / "how-to" / "container.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def variables() -> dict[str, str]:
    """Return the environment of the image."""
    found = re.search(r"(?m)^ENV ((?:.*\\\n)*.*)", CONTAINERFILE)
    assert found
    return dict(word.split("=", 1) for word in found[1].replace("\\\n", "").split())


def defaults() -> dict[str, str]:
    """Return the build arguments with their defaults."""
    return dict(re.findall(r"(?m)^ARG (\w+)=(.*)$", CONTAINERFILE))


def mounted() -> dict[Path, str]:
    """Return the folders beside the compose file, by their path in the container."""
    parts = [volume.split(":") for volume in SERVICE["volumes"]]
    return {Path(target): source for source, target, _ in parts}


def test_the_base_has_the_newest_python_that_is_supported_and_the_extras_exist() -> None:
    versions = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert f"python:{max(versions, key=lambda text: int(text[2:]))}-slim" in defaults()["BASE"]
    assert set(defaults()["EXTRAS"].split(",")) < set(PROJECT["optional-dependencies"])
    for name, value in defaults().items():
        assert re.search(rf"(?m)^\| `{name}` \| {f'`{value}`' if value else 'empty'}", PAGE), name


def test_the_compose_file_mounts_what_init_proposes_and_nothing_else() -> None:
    folder = Path(variables()["MJWATCH_CONFIG"]).parent
    assert folder == SYSTEM_CONFIG.parent
    assert set(mounted()) == {folder, *standard_places(folder).values()}
    assert {source.removeprefix("./") for source in mounted().values()} <= set(
        re.findall(r"(?m)^    mkdir (config .*)$", PAGE)[0].split()
    )
    for target, source in mounted().items():
        assert f"`{target}`" in PAGE
        assert f"--volume {source}:{target}:" in PAGE


def test_the_secret_is_read_whatever_its_mode(tmp_path: Path) -> None:
    assert variables()["CREDENTIALS_DIRECTORY"] == "/run/secrets"
    for name, secret in COMPOSE["secrets"].items():
        (tmp_path / name).write_text("an-invented-token\n")
        (tmp_path / name).chmod(0o444)
        assert f"{secret['file'].removeprefix('./')}" in PAGE
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "MJWATCH_CHANNEL_ID": "1111000000000000003"}
    assert read_keys(tmp_path / "keys", environ).token.reveal() == "an-invented-token"


def test_engines_wait_for_the_stop_and_ask_for_the_health_that_the_program_reports() -> None:
    grace = float(SERVICE["stop_grace_period"].removesuffix("s"))
    assert grace > STOP_LIMIT
    assert f"--stop-timeout {grace:.0f}" in PAGE
    assert f"within {STOP_LIMIT:.0f} seconds" in PAGE
    assert "\nSTOPSIGNAL SIGTERM\n" in CONTAINERFILE
    assert 'CMD ["mjwatch", "status", "--health"]' in CONTAINERFILE
    assert re.search(r"(?m)^USER \d+:\d+$", CONTAINERFILE)


def test_no_registry_is_asked_for_the_image() -> None:
    """A name on a public registry need not be this program."""
    assert (SERVICE["image"], SERVICE["pull_policy"]) == ("localhost/mjwatch", "never")
    assert set(re.findall(r"--tag (\S+)", PAGE)) == {"localhost/mjwatch"}
