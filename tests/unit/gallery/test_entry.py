"""What the gallery's page gets: nothing in a manifest is trusted, and no text of it becomes markup or code.

Seen to catch: a file name that leads out of the folder; a parameter that becomes the object's prototype; the
two line separators that end a line of a script; a chunk that was cut short, taken for a whole one.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.gallery.entry import (
    chunk_lines,
    chunk_script,
    entry_of,
    index_script,
    literal,
    printable_path,
    read_entry,
    read_index,
    status_script,
)
from mjwatch.gallery.gallery import CHUNK_ENTRIES, INDEX, Chunks
from mjwatch.jobs.status_text import ADVICE
from mjwatch.model import Prompt, RefusalClass, Source
from mjwatch.outbox.manifest import OutboxChannel, build_manifest, dump_manifest
from tests.helpers.job_factory import REFUSAL, made_job, wild_jobs
from tests.helpers.outbox_factory import a_job, some_pictures

if TYPE_CHECKING:
    from pathlib import Path

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def manifest_of(number: int = 1, **changes: Any) -> dict[str, Any]:
    job = a_job(number, **changes)
    return build_manifest(
        job, OutboxChannel("1", "2"), some_pictures("note", number, job), {"note.txt": b"x"}, 1.8e9
    )


def entry(manifest: dict[str, Any], folder: str = "clients/note-1") -> dict[str, Any]:
    found = entry_of(manifest, folder, "stamp")
    assert found is not None
    return found


# ---- entries


def test_an_entry_has_what_a_panel_shows() -> None:
    prompt = Prompt("a cat --seed 42 --ar 3:2 --tile", label="spring", action="U2")
    found = entry(manifest_of(prompt=prompt, parent="00000azz", job_uuid="u-1", started=1_770_000_005.0))
    assert found["id"] == "000001zz"
    assert found["prompt"] == "a cat --seed 42 --ar 3:2 --tile"
    assert (found["label"], found["action"], found["parent"]) == ("spring", "U2", "00000azz")
    assert (found["state"], found["folder"], found["stamp"]) == ("done", "clients/note-1", "stamp")
    assert [picture[0] for picture in found["pictures"]] == [f"note_{n}.webp" for n in range(1, 5)]
    assert found["pictures"][0][1:] == [24, 16]
    assert (found["grid"], found["files"]) == ("note_grid.webp", ["note.txt"])
    assert found["source"] == "clients/acme/note1.txt"
    assert list(found["times"]) == ["accepted", "submitted", "started", "finished", "published"]
    assert "error" not in found
    assert "command" not in found


def test_what_was_imported_has_its_place_where_it_was_made() -> None:
    manifest = manifest_of()
    for kind, shown in (("inbox", True), ([], True), ("channel", False), ("folder", False)):
        found = entry({**manifest, "source": {**manifest["source"], "kind": kind}})
        assert ("published" in found["times"]) is shown
    assert "published" in manifest["times"]


def test_parameters_and_seed_are_those_that_midjourney_repeated() -> None:
    manifest = manifest_of(prompt=Prompt("a cat", parameters={"ar": "1:1"}))
    manifest["prompt"]["echoed"] = "a cat --ar 16:9 --seed 7 --raw"
    found = entry(manifest)
    assert found["parameters"] == [["ar", "16:9"], ["seed", "7"], ["raw", ""]]
    assert (found["seed"], found["echoed"]) == ("7", "a cat --ar 16:9 --seed 7 --raw")


def test_where_the_text_has_none_the_files_own_parameters_are_shown() -> None:
    manifest = manifest_of(prompt=Prompt("a cat", parameters={"ar": "1:1", "tile": True}))
    manifest["prompt"]["echoed"] = None
    assert entry(manifest)["parameters"] == [["ar", "1:1"], ["tile", ""]]


def test_a_failure_says_why() -> None:
    job = made_job(state="failed", refusal=REFUSAL)
    manifest = build_manifest(job, OutboxChannel(None, "2"), [], {}, 1.8e9)
    assert entry(manifest)["error"] == {
        "class": "moderation",
        "title": "Banned prompt",
        "detail": "The word is not allowed",
        "advice": ADVICE[RefusalClass.MODERATION],
    }


@pytest.mark.parametrize(
    ("state", "error", "advice"),
    [
        ("failed", {"class": "plan", "title": "x"}, ADVICE[RefusalClass.PLAN]),  # an older version's
        ("failed", {"class": "plan", "advice": "Ask `Ann`."}, "Ask `Ann`."),
        ("rejected", {"class": "of the future"}, ADVICE[None]),
        ("failed", {"class": ["x"], "advice": 7}, ADVICE[None]),
        ("failed", None, ADVICE[None]),
        ("cancelled", None, None),  # as ERROR.md
    ],
)
def test_a_failure_says_what_to_do(state: str, error: object, advice: str | None) -> None:
    found = entry(manifest_of() | {"state": state, "error": error})
    assert found.get("error", {}).get("advice") == advice


UUID = "0c5f1d3e-1111-4222-8333-444455556666"
GRID = [
    *({"label": f"U{n}", "custom_id": f"MJ::JOB::upsample::{n}::{UUID}"} for n in (1, 2)),
    {"label": None, "custom_id": f"MJ::JOB::reroll::0::{UUID}::SOLO"},
]
SINGLE = [
    {"label": "Vary (Strong)", "custom_id": f"MJ::JOB::high_variation::1::{UUID}::SOLO"},
    {"label": "Zoom Out 2x", "custom_id": f"MJ::Outpaint::50::1::{UUID}::SOLO"},
    {"label": "Custom Zoom", "custom_id": f"MJ::CustomZoom::{UUID}"},
    {"label": None, "custom_id": f"MJ::JOB::pan_left::1::{UUID}::SOLO"},
    {"label": None, "custom_id": f"MJ::BOOKMARK::{UUID}"},
    {"label": "x", "custom_id": 7},
    "nothing",
]


def test_an_entry_names_the_follow_ups_that_the_message_offers() -> None:
    assert entry(manifest_of() | {"buttons": GRID + GRID})["actions"] == ["U1", "U2", "reroll"]
    assert entry(manifest_of() | {"buttons": SINGLE})["actions"] == ["vary strong", "zoom 2x", "pan left"]
    assert "actions" not in entry(manifest_of() | {"buttons": [], "state": "done"})
    assert "actions" not in entry(manifest_of() | {"buttons": GRID, "state": "failed"})


@pytest.mark.parametrize(
    ("label", "is_favourite"),
    [
        ("favourite", True),
        ("Spring, FAVORITES", True),
        ("favouritism", False),
        ("spring", False),
        (None, False),
    ],
)
def test_a_label_can_mark_a_favourite(label: str | None, is_favourite: bool) -> None:
    assert entry(manifest_of() | {"label": label}).get("favourite", False) == is_favourite


def test_a_follow_up_without_words_has_those_that_were_repeated() -> None:
    manifest = manifest_of(prompt=Prompt("", action="U1"))
    manifest["prompt"]["echoed"] = "a cat"
    found = entry(manifest)
    assert found["prompt"] == "a cat"
    assert "echoed" not in found


@pytest.mark.parametrize(
    "name", ["../secret", "a/b.png", "a\\b.png", "..", ".", "", "\0", None, 7, ["x"], {"file": "x"}]
)
def test_a_file_that_is_not_in_the_folder_is_left_out(name: object) -> None:
    manifest = manifest_of()
    manifest["images"] = [{"file": name, "width": 1, "height": 1}, {"file": "good.png"}]
    manifest["grid"] = {"file": name}
    manifest["files"] = [{"file": name}]
    found = entry(manifest)
    assert found["pictures"] == [["good.png", 0, 0]]
    assert "grid" not in found
    assert "files" not in found


@pytest.mark.parametrize("job", [None, 7, "", "../../x", "a b", "a/b", "x" * 65, "ä", "<b>"])
def test_what_has_no_id_of_a_job_is_no_job(job: object) -> None:
    assert entry_of(manifest_of() | {"job": job}, "x", "") is None


@pytest.mark.parametrize(
    ("command", "path", "has_card"),
    [
        ("info", "info.txt", False),  # the verb and the question for the fast hours
        ("info", None, False),
        ("info", "daily/info.toml", True),
        ("info", "info.json", True),  # its manifest was dropped into the inbox
        ("shorten", "shorten.txt", True),
    ],
)
def test_only_an_info_that_a_file_asks_for_has_a_card(command: str, path: str | None, has_card: bool) -> None:
    source = None if path is None else Source(path, "0" * 64, 0.0)
    manifest = manifest_of(prompt=Prompt("", command=command), source=source)
    assert (entry_of(manifest, "x", "s") is not None) == has_card


@given(changes=st.dictionaries(st.sampled_from(sorted(manifest_of())), json_values, max_size=4))
def test_whatever_a_manifest_holds_the_entry_can_be_written_and_read(changes: dict[str, Any]) -> None:
    found = entry_of(manifest_of() | changes, "x", "s")
    if found is not None:
        assert read_entry(literal(found)) == found


@given(wild_jobs)
def test_every_manifest_with_a_valid_job_id_gives_an_entry(job: Any) -> None:
    manifest = json.loads(dump_manifest(build_manifest(job, OutboxChannel(None, "1"), [], {}, 0.0)))
    found = entry_of(manifest | {"job": "7k3f9a2m", "command": "imagine"}, "x", "s")
    assert found is not None
    assert read_entry(literal(found)) == found


def test_a_path_that_is_no_utf_8_can_be_shown() -> None:
    assert printable_path("caf\udce9/x") == "caf\\udce9/x"
    assert printable_path("café/x") == "café/x"


def test_a_parameter_can_not_become_a_prototype() -> None:
    manifest = manifest_of(prompt=Prompt("a cat"))
    manifest["prompt"]["echoed"] = None
    manifest["parameters"] = {"__proto__": "x", "ar": {"y": 1}}
    assert entry(manifest)["parameters"] == [["__proto__", "x"]]


# ---- scripts


HOSTILE = "</script><script>alert(1)</script><!-- & \u2028\u2029 \udc80 ]]> \" ' ` \\ \0"


def test_no_text_can_end_a_script_or_begin_markup() -> None:
    text = literal({"prompt": HOSTILE})
    assert json.loads(text) == {"prompt": HOSTILE}
    assert not set("<>&\u2028\u2029\n\r\0") & set(text)
    assert text.isascii()


@given(json_values)
def test_a_literal_is_its_value_in_one_line_of_harmless_ascii(value: Any) -> None:
    text = literal(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&\n\r") & set(text)


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        literal(math.nan)


def test_the_status_is_a_script_of_its_own() -> None:
    script = status_script({"paused": "<b>"})
    assert script == b'gallery.status({"paused":"\\u003cb\\u003e"})\n'
    assert status_script(None) == b"gallery.status(null)\n"


@given(st.lists(json_values.map(lambda value: literal({"x": value})), max_size=5), st.integers(1, 9999))
def test_a_chunks_lines_come_back(lines: list[str], number: int) -> None:
    assert chunk_lines(chunk_script(number, lines)) == lines


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_chunk_that_was_cut_short_is_recognized(cut: int) -> None:
    whole = chunk_script(1, ['{"id":"a"}', '{"id":"b"}'])
    with pytest.raises(ValueError, match="not a chunk"):
        chunk_lines(whole[:-cut])


@pytest.mark.parametrize("data", [b"", b"\xff\n\n\n", b"gallery.jobs(1, [\n", b"alert(1)\n])\n", b"\0" * 500])
def test_anything_else_is_no_chunk(data: bytes) -> None:
    with pytest.raises(ValueError):
        chunk_lines(data)


def test_the_index_is_read_again() -> None:
    assert read_index(index_script(51)) == 51
    for data in (b"", b"gallery.index({})", index_script(3) + b"alert(1)"):
        with pytest.raises(ValueError, match="not the index"):
            read_index(data)


@pytest.mark.parametrize("line", ["7", "{}", '{"id": 1, "folder": "x", "stamp": "s"}', "{", ""])
def test_anything_else_is_no_entry(line: str) -> None:
    with pytest.raises(ValueError):
        read_entry(line)


# ---- chunks


def lines_of(*numbers: int) -> list[str]:
    return [literal({"id": str(number), "folder": "x", "stamp": "s"}) for number in numbers]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "_gallery").iterdir())}


def test_only_the_last_chunk_changes(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    chunks.append(lines_of(*range(2 * CHUNK_ENTRIES + 5)))
    before = files(tmp_path)
    assert sorted(before) == [INDEX, "jobs-0001.js", "jobs-0002.js", "jobs-0003.js"]
    chunks.append(lines_of(9999))
    changed = {name for name, data in files(tmp_path).items() if before.get(name) != data}
    assert changed == {"jobs-0003.js"}
    assert chunks.read(3) == lines_of(*range(2 * CHUNK_ENTRIES, 2 * CHUNK_ENTRIES + 5), 9999)


def test_one_by_one_or_all_at_once_is_the_same(tmp_path: Path) -> None:
    for name in ("one", "all"):
        (tmp_path / name).mkdir()
    for number in range(CHUNK_ENTRIES + 3):
        Chunks(tmp_path / "one").append(lines_of(number))
    Chunks(tmp_path / "all").append(lines_of(*range(CHUNK_ENTRIES + 3)))
    assert files(tmp_path / "one") == files(tmp_path / "all")


@pytest.mark.parametrize("data", [b"", b"garbage", None])
def test_a_damaged_last_chunk_is_left_and_a_new_one_begun(tmp_path: Path, data: bytes | None) -> None:
    chunks = Chunks(tmp_path)
    chunks.append(lines_of(1))
    chunk = tmp_path / "_gallery/jobs-0001.js"
    chunk.unlink() if data is None else chunk.write_bytes(data)
    chunks.append(lines_of(2))
    assert chunks.count() == 2
    assert chunks.read(2) == lines_of(2)


def test_replacing_touches_only_what_is_different_and_removes_the_rest(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    chunks.append(lines_of(*range(2 * CHUNK_ENTRIES + 1)))
    same = (tmp_path / "_gallery/jobs-0001.js").stat().st_ino
    chunks.replace([lines_of(*range(CHUNK_ENTRIES)), lines_of(7)])
    assert (tmp_path / "_gallery/jobs-0001.js").stat().st_ino == same
    assert (chunks.count(), chunks.read(2)) == (2, lines_of(7))
    assert not (tmp_path / "_gallery/jobs-0003.js").exists()
    chunks.replace([])
    assert (chunks.count(), sorted(files(tmp_path))) == (0, [INDEX])
