"""Bad prompt files are rejected. Whatever else is in the inbox stays there and is counted."""

from __future__ import annotations

import json
import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

from mjwatch.inbox.filenames import OWNER_FILE
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)

REJECTED = {
    "empty.txt": (b"", "the prompt is empty"),
    "blank.txt": (b" \n\n", "the prompt is empty"),
    "binary.txt": (bytes(range(256)), "the file is not text"),
    "large.txt": (b"cat " * 2_500_000, "at most 65,536"),
    "list that is none.txt": (b"a cat --ar 1:1\na dog --ar 2:1\n", "looks like a list of prompts"),
    "broken.toml": (b'prompt = "a cat\n', "not valid TOML"),
    "deep.toml": (b"a = " + b"[" * 30_000 + b"\n", "not valid TOML"),
    "outside.toml": (
        b'prompt = "a"\nimages = ["../../etc/passwd"]\n',
        "outside the prompt file's own folder",
    ),
    "missing.toml": (b'prompt = "a"\nimages = ["nothing.png"]\n', "was not found"),
    "linked.toml": (b'prompt = "a"\nimages = ["link.png"]\n', "was not found"),
    "no picture.toml": (b'prompt = "a"\nimages = ["fake.png"]\n', "is not a picture"),
    "huge picture.toml": (b'prompt = "a"\nimages = ["huge.png"]\n', "10,485,760 at most"),
    "no wildcard.txt": (b"a __nothing__ cat\n", "nothing"),
    "too many.txt": (b"{1,2,3,4,5,6,7,8,9,0} " * 4 + b"cats\n", "10,000"),
    "orphan.toml": (b'parent = "nobody"\naction = "U1"\n', "nobody"),
}
"""Contents by file name, and a part of the reason that must be reported."""

GOOD = {
    "utf-16.txt": "a sixteenth cat\r\n".encode("utf-16"),
    "bom.txt": b"\xef\xbb\xbfa marked cat\r\n",
    os.fsdecode(b"caf\xe9.txt"): b"a cat in a caf\xc3\xa9\n",
    "x" * 251 + ".txt": b"a cat with a long name\n",
    'a<b>c:d"e|f?g*.txt': b"a cat whose name Windows forbids\n",
    "CON.txt": b"a cat for a console\n",
    "folder.txt/inside.txt": b"a cat in a folder\n",
}

LEFT = {
    "secret.txt": "a link; links are not followed",
    "linked": "a link; links are not followed",
    "pipe.txt": "not a regular file",
    "socket.txt": "not a regular file",
    "device.toml": "not a regular file",
    "_failed/": 'its name begins with "_"',
    "_draft.txt": 'its name begins with "_"',
    "cat (conflicted copy).txt": "a conflict copy: a sync tool found two versions",
    "large.txt": "it is too large, and was not read whole",
}


def write(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def fill(stage: Stage) -> None:
    inbox = stage.inbox
    secret = stage.folder / "secret"
    write(secret, "secret.txt", b"my secret\n")
    (inbox / "secret.txt").symlink_to(secret / "secret.txt")
    (inbox / "linked").symlink_to(secret)
    (inbox / "link.png").symlink_to(secret / "secret.txt")
    os.mkfifo(inbox / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(inbox / "socket.txt"))
    if os.getuid() == 0:
        os.mknod(inbox / "device.toml", 0o20600, os.makedev(1, 5))
    write(inbox, "_failed/dog-1234abcd/dog.txt", b"a dog\n")
    write(inbox, "_draft.txt", b"a draft\n")
    write(inbox, "cat (conflicted copy).txt", b"a cat\n")
    write(inbox, "package.json", b'{"name": "not ours"}')
    write(inbox, "fake.png", b"no picture\n")
    with (inbox / "huge.png").open("wb") as file:
        file.write(PNG)
        file.truncate(10 * 1024 * 1024 + 1)
    for name, (data, _) in REJECTED.items():
        write(inbox, name, data)
    for name, data in GOOD.items():
        write(inbox, name, data)


def reason(manifest: dict[str, Any]) -> str:
    assert manifest["state"] == "rejected", manifest
    return f"{manifest['error']['title']} {manifest['error']['detail']}"


def by_source(stage: Stage) -> dict[str, dict[str, Any]]:
    return {manifest["source"]["path"]: manifest for manifest in stage.manifests()}


def test_each_bad_file_is_rejected_or_counted_and_good_files_still_run(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.1") as stage:
        stage.set_config("inbox", settle=0.2, settle_incomplete=0.2, scan_interval=0.5)
        stage.inbox.mkdir(parents=True, exist_ok=True)
        fill(stage)
        daemon = stage.start_ready()
        wait_until(lambda: len(stage.manifests()) == len(REJECTED) + len(GOOD), "a manifest for each")
        found = by_source(stage)
        reasons = {name: reason(found[name]) for name in REJECTED}
        assert {name: why for name, why in reasons.items() if REJECTED[name][1] not in why} == {}
        done = [manifest for manifest in found.values() if manifest["state"] == "done"]
        assert len(done) == len(stage.simulator_state()["posts"]) == len(GOOD)
        expected = {
            data.decode("utf-16" if name == "utf-16.txt" else "utf-8-sig").strip()
            for name, data in GOOD.items()
        }
        assert {manifest["prompt"]["submitted"] for manifest in done} == expected
        check_left_files(stage)
        check_failed_folder_put_back(stage)
        assert stage.stop(daemon) == 0
        assert "Traceback" not in stage.log
        assert "my secret" not in json.dumps(stage.manifests()) + json.dumps(stage.simulator_state()["posts"])
        stage.check_simulator_record()


def check_left_files(stage: Stage) -> None:
    expected = dict(LEFT) if os.getuid() == 0 else {n: w for n, w in LEFT.items() if n != "device.toml"}

    def left() -> dict[str, str]:
        found = json.loads(stage.run("status", "--json").stdout)["left"]
        return {entry["path"]: entry["why"] for entry in found["some"]}

    wait_until(lambda: left().keys() == expected.keys(), "the files that are left")  # by the next scan
    assert left() == expected
    names = {path.name for path in stage.inbox.iterdir()}
    left_names = {name.rstrip("/") for name in expected}
    others = {OWNER_FILE, "package.json", "fake.png", "huge.png", "link.png", "folder.txt"}
    assert names == left_names | others


def check_failed_folder_put_back(stage: Stage) -> None:
    """Correct the prompt file of a folder in ``_failed``, and move the folder into the inbox."""
    before = len(stage.manifests())
    [folder] = [path.parent for path in stage.outbox.glob("_failed/*/missing.toml")]
    assert {path.name for path in folder.iterdir()} == {"missing.toml", "manifest.json", "ERROR.md"}
    (folder / "missing.toml").write_text('prompt = "a corrected cat"\n')
    target = stage.inbox / folder.name
    shutil.move(folder, target)
    wait_until(lambda: not list(target.iterdir()), "an empty folder")
    wait_until(lambda: len(stage.manifests()) == before, "the one manifest of the new job")
    assert by_source(stage)[f"{folder.name}/missing.toml"]["prompt"]["submitted"] == "a corrected cat"
    assert len(stage.simulator_state()["posts"]) == len(GOOD) + 1
