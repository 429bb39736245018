"""The incident bundle: everything about one job, and no secret in any part."""

from __future__ import annotations

import json
import stat
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from mjwatch.config import Config
from mjwatch.diagnostics.bundle import make_bundle
from mjwatch.diagnostics.wire_log import WireLog
from mjwatch.discord.rest import HttpExchange
from mjwatch.errors import MjwatchError
from mjwatch.journal.maintenance import rows_of
from mjwatch.journal.reader import JOURNAL_FILE, TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import ButtonPress, Note, Prompt, State
from tests.helpers.job_factory import RESULT, made_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

TOKEN = 'inv"ented.token-of+a/test'
WEBHOOK = "https://hooks.example.org/my/s3cret-key"
PROXY = "http://sam:pa55word@proxy.example.org:3128"
APPRISE = "ntfys://sam:apprise-pass@ntfy.example.org/topic", "json://sam:2nd-pass@127.0.0.1:9/"
SECRETS = (
    *APPRISE,
    "apprise-pass",
    "2nd-pass",
    TOKEN,
    WEBHOOK,
    PROXY,
    "s3cret-key",
    "pa55word",
    "sig=1",
    quote(TOKEN, safe=""),
    json.dumps(TOKEN)[1:-1],
)

JOB = made_job(
    "jobaaaaa",
    prompt=Prompt(f"a cat {TOKEN}"),
    state=State.DONE,
    nonces=("1500000000000000007",),
    message_id="1400000000000000007",
    result=RESULT,
    folder="cat-jobaaaaa",
    published=2.0,
    parent="jobparen",
    history=(
        Note(1.0, f"accepted {WEBHOOK} and {PROXY}, {APPRISE}, apprise-pass, 2nd-pass"),
        Note(2.0, "published"),
    ),
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A workspace with this job, an unrelated job, and secrets in every place that may have some."""
    (tmp_path / "config.toml").write_text(
        f'[notify]\nwebhook = "{WEBHOOK}"\napprise = ["{APPRISE[0]}"]\n[discord]\nproxy = "{PROXY}"\n'
    )
    for stem, text in (
        ("authToken", TOKEN),
        ("apprise", APPRISE[1]),
        ("API_channel_id", "222222222222222222"),
    ):
        (tmp_path / "keys").mkdir(exist_ok=True)
        (tmp_path / f"keys/{stem}.key").write_text(text)
        (tmp_path / f"keys/{stem}.key").chmod(0o600)
    (tmp_path / "outbox/cat-jobaaaaa").mkdir(parents=True)
    (tmp_path / "outbox/cat-jobaaaaa/manifest.json").write_text(json.dumps({"job": JOB.id, "prompt": TOKEN}))
    (tmp_path / "log").write_text(
        f"12:00 INFO    jobaaaaa submitted, nonce 1500000000000000007 {quote(TOKEN, safe='')}\n"
        "12:01 INFO    jobbbbbb submitted\n"
        f"12:02 ERROR   jobaaaaa could not be handled\n    Traceback: {TOKEN}\n"
        "    a caf\\xe9\n12:03 INFO    gateway: ready\n    nobody's\n"
    )
    with closing(Journal(tmp_path / "state" / JOURNAL_FILE)) as journal:
        other = made_job("jobbbbbb", prompt=Prompt("a dog"))
        parent = made_job("jobparen", prompt=Prompt("a cat"))
        journal.accept(TakenFile("dog.txt", "1" * 64, 1.0, b"a dog"), [(other, ""), (parent, "")], 1.0)
        file = TakenFile(
            "cat.txt", "0" * 64, 1.0, f"a caf\xe9 {TOKEN}".encode("latin-1"), {"a.png": b"x" * 9}
        )
        journal.accept(file, [(JOB, "")], 1.0)
        journal.update(JOB, attempt_at=1.0)
        journal.remember({"paused": {"reason": TOKEN, "kind": "token"}, "strangers": ["somebody else's"]})
    return Config.load(tmp_path / "config.toml")


def contents(target: Path) -> dict[str, str]:
    with zipfile.ZipFile(target) as made:
        return {name.partition("/")[2]: made.read(name).decode() for name in made.namelist()}


def test_a_bundle_has_what_the_wire_said_without_secrets_and_ids(config: Config, tmp_path: Path) -> None:
    nonce = JOB.nonces[-1]
    url = f"https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&sig=1&hm={TOKEN}"
    message = {"id": "1500000000000000009", "nonce": nonce, "content": f"{TOKEN} {WEBHOOK}", "url": url}
    with closing(WireLog(tmp_path / "state", "222222222222222222", lambda: 1.5)) as wire:
        sent = {"nonce": nonce, "channel_id": "222222222222222222", "session_id": "0123456789abcdef"}
        wire.http(HttpExchange("POST", "/interactions", sent, 204, {}, lambda: None, True))
        seen = {**message, "channel_id": "222222222222222222"}
        wire.gateway("received", {"op": 0, "t": "MESSAGE_CREATE", "d": seen})
    names = make_bundle(config, JOB, tmp_path / "bundle.zip", log=tmp_path / "log", environ={})
    assert "wire.json" in names
    text = contents(tmp_path / "bundle.zip")["wire.json"]
    for secret in (*SECRETS, nonce, "222222222222222222", "0123456789abcdef"):
        assert secret not in text, secret
    found = json.loads(text)
    assert [line["name"] for line in found["lines"]] == ["POST /interactions", "MESSAGE_CREATE"]
    assert found["end"] == {"state": "done", "refusal": None, "pause": "token", "attempts": 1}


@pytest.mark.parametrize(
    ("parent", "words", "then"),
    [
        (Prompt("a cat"), None, ["U1", "vary subtle"]),
        (Prompt("a cat"), "a dog", []),
        (Prompt("a cat", action="U4", parent="jobxxxxx"), None, []),
        (Prompt("", command="blend"), None, []),
    ],
)
def test_a_follow_up_that_a_prompt_file_can_ask_for_is_replayed_with_its_parent_and_what_else_was_sent(
    config: Config, tmp_path: Path, parent: Prompt, words: str | None, then: list[str]
) -> None:
    press = ButtonPress("1500000000000000001", "MJ::JOB::variation", words=words)
    jobs = [
        made_job("jobpppaa", prompt=parent, nonces=("1500000000000000101",), accepted=0.5),
        *(
            made_job(
                f"jobccc{number}",
                prompt=Prompt("a cat", action=action, parent="jobpppaa"),
                parent="jobpppaa",
                nonces=nonces,
                button_press=press,
                accepted=1.0,
            )
            for number, (action, nonces) in enumerate(
                [("U1", ("1500000000000000102",)), ("U2", ()), ("vary subtle", ("1500000000000000103",))]
            )
        ),
    ]
    with closing(Journal(tmp_path / "state" / JOURNAL_FILE)) as journal:
        journal.accept(None, [(job, job.id) for job in jobs], 1.0)
    with closing(WireLog(tmp_path / "state", "222222222222222222", lambda: 1.5)) as wire:
        for nonce in (nonce for job in jobs for nonce in job.nonces):
            sent = {"nonce": nonce, "channel_id": "222222222222222222"}
            wire.http(HttpExchange("POST", "/interactions", sent, 204, {}, lambda: None, True))
    make_bundle(config, jobs[-1], tmp_path / "bundle.zip", log=tmp_path / "log", environ={})
    found = json.loads(contents(tmp_path / "bundle.zip")["wire.json"])
    assert found["job"]["then"] == then
    assert len(found["lines"]) == (3 if then else 1)


def test_a_bundle_has_everything_about_the_job_and_no_secret_in_any_form(
    config: Config, tmp_path: Path
) -> None:
    target = tmp_path / "bundle.zip"
    names = make_bundle(config, JOB, target, log=tmp_path / "log", environ={})
    parts = contents(target)
    assert names == list(parts)
    assert set(parts) == {
        *("README.txt", "job.json", "journal.json", "manifest.json", "log.txt", "config.json"),
        "versions.json",
    }
    for name, text in parts.items():
        for secret in SECRETS:
            assert secret not in text, (name, secret)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    job: dict[str, Any] = json.loads(parts["job.json"])
    assert (job["id"], job["message_id"], job["nonces"]) == (JOB.id, JOB.message_id, list(JOB.nonces))
    assert job["result"]["pictures"][0]["url"] == "https://cdn.example/grid.png?***"
    rows = json.loads(parts["journal.json"])
    assert [row["nonce"] for row in rows["attempts"]] == ["1500000000000000007"]
    assert rows["files"][0]["content"] == "a caf\\xe9 ***"
    assert rows["images"] == [{"name": "a.png", "bytes": 9}]
    assert [row["id"] for row in rows["relatives"]] == ["jobparen"]
    assert "somebody" not in parts["journal.json"]
    assert parts["log.txt"].splitlines() == [
        "12:00 INFO    jobaaaaa submitted, nonce 1500000000000000007 ***",
        "12:02 ERROR   jobaaaaa could not be handled",
        "    Traceback: ***",
        "    a caf\\xe9",
    ]
    assert json.loads(parts["config.json"])["keys"]["channel_id"]["value"] == "222222222222222222"
    assert {"mjwatch", "python", "requests"} <= set(json.loads(parts["versions.json"]))
    assert "a dog" not in "".join(parts.values())


def test_an_unusable_token_is_left_out_too(config: Config, tmp_path: Path) -> None:
    (tmp_path / "keys/API_channel_id.key").unlink()
    make_bundle(config, JOB, tmp_path / "one.zip", environ={})
    (tmp_path / "keys/authToken.key").chmod(0o644)
    make_bundle(config, JOB, tmp_path / "two.zip", environ={})
    (tmp_path / "keys/authToken.key").unlink()
    make_bundle(config, JOB, tmp_path / "three.zip", environ={"MJWATCH_TOKEN": f" {TOKEN}\n"})
    for name in ("one", "two", "three"):
        text = "".join(contents(tmp_path / f"{name}.zip").values())
        assert [secret for secret in (TOKEN, "apprise-pass", "2nd-pass") if secret in text] == []


def test_nothing_is_overwritten_and_a_missing_log_is_reported(config: Config, tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"
    target.write_text("mine")
    with pytest.raises(MjwatchError, match="File exists"):
        make_bundle(config, JOB, target, environ={})
    assert target.read_text() == "mine"
    with pytest.raises(MjwatchError, match="can't be read"):
        make_bundle(config, JOB, tmp_path / "new.zip", log=tmp_path / "none", environ={})
    assert not (tmp_path / "new.zip").exists()


def test_systemds_journal_is_read_if_there_is_one(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "journalctl"
    (tmp_path / "said").write_text(TOKEN)
    program.write_text(f'#!/bin/sh\necho "$@" "$(cat {tmp_path}/said)"\n')
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    make_bundle(config, JOB, tmp_path / "one.zip", environ={})
    assert contents(tmp_path / "one.zip")["log.txt"].endswith("MJWATCH_JOB=jobaaaaa ***\n")
    program.write_text("#!/bin/sh\nexit 1\n")
    make_bundle(config, JOB, tmp_path / "two.zip", environ={})
    assert "log.txt" not in contents(tmp_path / "two.zip")


def test_an_unknown_job_has_no_rows(config: Config) -> None:
    rows = rows_of(config.state.path / JOURNAL_FILE, "nobody")
    assert {table for table, found in rows.items() if found} == {"meta"}


def test_the_command_writes_a_file_here_or_at_the_given_path(
    mjwatch: Callable[..., CommandResult],
    journal: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mjwatch("bundle", "job").code == 1
    journal(made_job("jobaaaaa"))
    told = mjwatch("bundle", "joba")
    assert (told.code, told.out) == (0, "mjwatch-jobaaaaa.zip\n")
    assert "look through it" in told.err
    told = mjwatch("bundle", "joba", "--out", "there.zip", "--json")
    assert json.loads(told.out)["file"] == "there.zip"
    assert (tmp_path / "there.zip").exists()
    assert mjwatch("bundle", "joba").code == 1
