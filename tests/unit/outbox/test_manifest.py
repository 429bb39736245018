from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given

from mjwatch.errors import OutboxError
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.outbox.manifest import (
    FILE_NAME,
    OutboxChannel,
    PictureFile,
    build_manifest,
    dump_manifest,
    iso,
    load_manifest,
    manifest_schema,
    may_retry,
)
from mjwatch.prompts.source_text import sha256
from tests.helpers.job_factory import REFUSAL, RESULT, made_job, wild_jobs

if TYPE_CHECKING:
    from pathlib import Path

GUILD = OutboxChannel("111111111111111111", "222222222222222222")
DIRECT = OutboxChannel(None, "222222222222222222")
PICTURES = [PictureFile(f"cat_{n}.png", b"\x89PNG" * n, n, 32, 24, "png") for n in (1, 2, 3, 4)]
GRID = PictureFile("cat_grid.webp", b"RIFF", 0, 64, 48, "webp")

DONE = made_job(
    state=State.COLLECTING,
    nonces=("1299999999999999999", "1300000000000000001"),
    interaction_id="1300000000000000002",
    message_id="1300000000000000003",
    job_uuid=RESULT.job_uuid,
    submitted=1_770_000_001.0,
    started=1_770_000_002.0,
    finished=1_770_000_060.0,
    result=RESULT,
    history=(Note(1_770_000_000.0, "accepted"), Note(1_770_000_060.0, "finished")),
)
FAILED = made_job(state=State.FAILED, refusal=REFUSAL, nonces=("1300000000000000001",), finished=1.0)
REJECTED = made_job(
    state=State.REJECTED, prompt=Prompt(""), refusal=Refusal(RefusalClass.USER, "no", "yes"), finished=1.0
)
CANCELLED = made_job(state=State.CANCELLED, finished=1.0)


def schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        manifest_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def build(
    job: Job, place: OutboxChannel = GUILD, pictures: list[PictureFile] | None = None
) -> dict[str, Any]:
    manifest = build_manifest(job, place, pictures or [], {"cat.txt": b"a cat\n"}, 1_770_000_061.5)
    written: dict[str, Any] = json.loads(dump_manifest(manifest))
    return written


def test_the_schema_itself_is_valid_and_describes_what_it_holds() -> None:
    found = manifest_schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["properties"]["schema"]["const"] == "mjwatch/manifest/1"
    assert set(found["required"]) == set(found["properties"])
    for name, part in objects_of(found, "manifest"):
        assert part["additionalProperties"] is False or name == "parameters"
        assert set(part.get("required", part.get("properties", ()))) == set(part.get("properties", ()))
    described = [name for name, part in found["properties"].items() if "description" in part]
    assert set(found["properties"]) - set(described) <= {"prompt", "times"}


def objects_of(part: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        return [found for item in part for found in objects_of(item, name)]
    if not isinstance(part, dict):
        return []
    own = [(name, part)] if part.get("type") == "object" else []
    return own + [found for key, value in part.items() for found in objects_of(value, key)]


@pytest.mark.parametrize(
    ("job", "place", "pictures", "state"),
    [
        pytest.param(DONE, GUILD, [*PICTURES, GRID], "done", id="done"),
        pytest.param(DONE, DIRECT, PICTURES, "done", id="done in direct messages, grid not kept"),
        pytest.param(FAILED, GUILD, [], "failed", id="failed"),
        pytest.param(REJECTED, GUILD, [], "rejected", id="rejected"),
        pytest.param(CANCELLED, GUILD, [], "cancelled", id="cancelled"),
        pytest.param(made_job(path=None, state=State.FAILED), GUILD, [], "failed", id="without a file"),
    ],
)
def test_the_manifest_of_every_answer_fits_the_schema(
    job: Job, place: OutboxChannel, pictures: list[PictureFile], state: str
) -> None:
    manifest = build(job, place, pictures)
    schema().validate(manifest)
    assert manifest["state"] == state


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("extra", 1),
        ("state", "running"),
        ("schema", "mjwatch/manifest/2"),
        ("error", {"class": "user"}),
        ("images", [{"file": "../cat.png", "index": 1}]),
        ("times", {"accepted": "yesterday"}),
        ("job", "../x"),
        ("parameters", {"ar": [1]}),
    ],
)
def test_the_schema_is_strict(change: str, value: object) -> None:
    manifest = build(DONE, pictures=PICTURES) | {change: value}
    assert not schema().is_valid(manifest)


@pytest.mark.parametrize("key", sorted(manifest_schema()["required"]))
def test_no_key_may_be_missing(key: str) -> None:
    manifest = build(FAILED)
    del manifest[key]
    assert not schema().is_valid(manifest)


def test_a_failure_has_no_pictures_and_a_success_no_error() -> None:
    assert not schema().is_valid(build(FAILED, pictures=PICTURES))
    assert not schema().is_valid(build(DONE) | {"error": build(FAILED)["error"]})


def test_it_says_all_that_is_known_of_a_job_that_is_done() -> None:
    manifest = build(DONE, pictures=[*PICTURES, GRID])
    assert manifest["discord"] == {
        "guild_id": GUILD.guild_id,
        "channel_id": GUILD.channel_id,
        "nonce": "1300000000000000001",
        "interaction_id": "1300000000000000002",
        "message_id": "1300000000000000009",
        "job_uuid": RESULT.job_uuid,
        "matched_by": "nonce",
    }
    assert manifest["prompt"] == {"submitted": "a cat --ar 3:2", "echoed": "a cat --ar 3:2"}
    assert manifest["source"] == {
        "kind": "inbox",
        "path": "clients/acme/cat.txt",
        "sha256": sha256(b"a cat\n"),
        "mtime": "2026-02-02T02:39:59.500Z",
        "index": 0,
    }
    assert [image["file"] for image in manifest["images"]] == [picture.name for picture in PICTURES]
    assert [image["index"] for image in manifest["images"]] == [1, 2, 3, 4]
    assert manifest["grid"]["sha256"] == sha256(b"RIFF")
    assert manifest["files"] == [{"file": "cat.txt", "bytes": 6, "sha256": sha256(b"a cat\n")}]
    assert manifest["times"]["finished"] == "2026-02-02T02:41:00.000Z"
    assert manifest["error"] is None


def test_a_failure_says_why_and_whether_another_try_can_help() -> None:
    assert build(FAILED)["error"] == {
        "class": "moderation",
        "title": "Banned prompt",
        "detail": "The word is not allowed",
        "needs_human": False,
        "retry": False,
        "advice": "Change the text or the pictures, then drop the file into the inbox again.",
    }
    assert may_retry(Refusal(RefusalClass.TRANSIENT, None, ""))
    assert may_retry(Refusal(None, None, ""))


def test_a_path_that_is_not_utf_8_is_written_readably() -> None:
    manifest = build(made_job(path="caf\udce9/cat.txt", state=State.FAILED))
    assert manifest["source"]["path"] == "caf\\udce9/cat.txt"


@given(job=wild_jobs)
def test_whatever_a_job_holds_its_manifest_can_be_written_and_read(job: Job) -> None:
    manifest = build_manifest(job, GUILD, [], {}, 0.0)
    json.loads(dump_manifest(manifest).decode(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_770_000_000.9999, "2026-02-02T02:40:00.999Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (1e20, "9999-12-31T23:59:59.000Z"),
        (-1e20, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_in_utc_with_milliseconds_whatever_a_file_system_says(
    time: float | None, text: str | None
) -> None:
    assert iso(time) == text


def test_a_file_from_beyond_the_calendar_gets_its_manifest() -> None:
    job = made_job(state=State.FAILED, source=Source("cat.txt", sha256(b""), 1e15))
    schema().validate(build(job))


def test_a_manifest_is_read_by_file_or_folder(tmp_path: Path) -> None:
    manifest = build(DONE, pictures=PICTURES)
    (tmp_path / FILE_NAME).write_bytes(dump_manifest(manifest))
    assert load_manifest(tmp_path) == load_manifest(tmp_path / FILE_NAME) == manifest


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"schema": "other/1"}', b"[" * 100_000, b"null"], ids=range(7)
)
def test_a_manifest_of_another_program_is_refused_with_a_message(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(OutboxError, match="manifest"):
        load_manifest(tmp_path)


def test_a_missing_manifest_is_refused_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="can't be read"):
        load_manifest(tmp_path / "nothing")
