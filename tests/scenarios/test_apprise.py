"""Notifications through Apprise, in real processes: the picture arrives, the password shows nowhere."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

from tests.scenarios.stage import open_stage, wait_until
from tests.unit.workers.test_notifier import listening

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "Pa55-w0rd-invented"


def test_the_first_picture_arrives_and_the_password_is_nowhere(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage, listening() as server:
        key = stage.folder / "keys" / "apprise.key"
        key.write_text(f"json://me:{PASSWORD}@127.0.0.1:{server.server_port}/\n")
        key.chmod(0o600)
        with stage.config.open("a") as config:
            config.write("[notify]\nattach = true\n")
        daemon = stage.start_ready()
        stage.drop("cat.txt", "a cat\n")
        wait_until(lambda: server.received, "the notification")
        shown = [stage.run(*command.split()).stdout for command in ("config show", "check")]
        assert stage.stop(daemon) == 0
        ((_, headers, body),) = server.received
        (attachment,) = json.loads(body)["attachments"]
        (manifest,) = stage.manifests()
        (folder,) = stage.folders().values()
        assert base64.b64decode(attachment["base64"]) == (folder / manifest["images"][0]["file"]).read_bytes()
        assert base64.b64encode(f"me:{PASSWORD}".encode()).decode() in headers["Authorization"]
        assert "1 address of Apprise's" in shown[1]
        files = [path for path in stage.folder.rglob("*") if path.is_file() and path != key]
        texts = [*shown, *(os.fsdecode(path.read_bytes()) for path in files)]
        assert len(files) > 10
        assert not any(PASSWORD in text for text in texts)
