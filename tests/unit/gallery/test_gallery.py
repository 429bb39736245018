"""The gallery on disk: what is added one by one is what a rebuild makes, and a crash anywhere is repaired.

Seen to catch: an index written before its chunk; an entry without its thumbnail; entries of folders that were
taken away; a folder that can't be read, taken for an empty one; a page of another version left there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mjwatch.errors import OutboxError
from mjwatch.filesystem.files import replace_file
from mjwatch.gallery import gallery as gallery_module
from mjwatch.gallery import page as page_module
from mjwatch.gallery.entry import read_entry
from mjwatch.gallery.gallery import Gallery, scan_outbox
from mjwatch.model import Prompt, Source, State
from mjwatch.pictures.split import image_facts, thumbnail_of
from tests.helpers.gallery_page import in_subprocess
from tests.helpers.outbox_factory import a_folder, a_job, an_outbox
from tests.helpers.timeouts import deadline
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def gallery(outbox: Path, tmp_path: Path) -> Gallery:
    return Gallery(outbox, tmp_path / "state")


def entries(outbox: Path) -> dict[str, dict[str, Any]]:
    """What the page shows, by folder, as its script would read the chunks."""
    chunks = gallery_module.Chunks(outbox)
    found = [read_entry(line) for n in range(1, chunks.count() + 1) for line in chunks.read(n)]
    return {entry["folder"]: entry for entry in found}


def files(outbox: Path) -> dict[str, bytes]:
    """All that the gallery consists of."""
    ours = [outbox / "index.html", *(outbox / "_gallery").rglob("*")]
    return {path.relative_to(outbox).as_posix(): path.read_bytes() for path in ours if path.is_file()}


def bring_up(gallery: Gallery) -> None:
    """What a start does."""
    gallery.install()
    gallery.add(gallery.repair())
    gallery.tidy()


def test_one_by_one_is_the_same_as_rebuilt(
    gallery: Gallery, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_module, "CHUNK_ENTRIES", 5)
    gallery.install()
    for number in range(17):
        gallery.add([a_folder(outbox, a_job(number), picture=number % 3)])
    incremental = files(outbox)
    gallery.clear()
    bring_up(gallery)
    assert files(outbox) == incremental
    shutil.rmtree(outbox / "_gallery")
    (outbox / "index.html").unlink()
    bring_up(Gallery(outbox, tmp_path / "another state"))
    assert files(outbox) == incremental
    assert len(entries(outbox)) == 17


def test_a_start_where_nothing_has_changed_writes_nothing(gallery: Gallery, outbox: Path) -> None:
    an_outbox(outbox, 5)
    bring_up(gallery)
    before = {path: path.stat().st_mtime_ns for path in (outbox / "_gallery").rglob("*")}
    bring_up(gallery)
    assert {path: path.stat().st_mtime_ns for path in (outbox / "_gallery").rglob("*")} == before


def test_a_thumbnail_shows_the_grid_small_and_is_made_once(gallery: Gallery, outbox: Path) -> None:
    folder = a_folder(outbox, a_job(2), picture=2)
    gallery.add([folder])
    path = outbox / "_gallery/thumbs/0/000002zz.webp"
    with Image.open(path) as image:
        assert [*image.size] == entries(outbox)[folder]["thumb"] == [64, 36]
    inode = path.stat().st_ino
    gallery.clear()
    bring_up(gallery)
    assert path.stat().st_ino == inode


def test_a_thumbnail_that_comes_with_the_folder_is_kept_as_it_is(gallery: Gallery, outbox: Path) -> None:
    folder = a_folder(outbox, a_job(2), picture=2)
    made = thumbnail_of(Image.new("RGB", (32, 16), "red")) or b""
    gallery.add([folder], {folder: made})
    assert (outbox / "_gallery/thumbs/0/000002zz.webp").read_bytes() == made
    assert entries(outbox)[folder]["thumb"] == [32, 16]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_any_picture_in_hand_has_a_thumbnail_or_none(mode: str) -> None:
    made = thumbnail_of(Image.new(mode, (640, 480)))
    if made is not None:
        assert image_facts(made) == ("webp", 462, 346)
    assert made is not None or mode in {"I;16", "F"}


def test_a_failure_has_an_entry_and_no_thumbnail(gallery: Gallery, outbox: Path) -> None:
    folder = a_folder(outbox, a_job(7))
    gallery.add([folder])
    assert folder.startswith("_failed/")
    assert entries(outbox)[folder]["error"]["title"] == "Banned prompt detected"
    assert "thumb" not in entries(outbox)[folder]


def test_pictures_that_can_not_be_shown_small_are_entered_all_the_same(
    gallery: Gallery, outbox: Path
) -> None:
    for number, data in enumerate([b"no picture", b""]):
        folder = a_folder(outbox, a_job(number))
        (outbox / folder / "note_grid.webp").write_bytes(data)
    third = a_folder(outbox, a_job(2))
    (outbox / third / "note_grid.webp").unlink()
    (outbox / third / "note_grid.webp").symlink_to("/dev/zero")
    bring_up(gallery)
    assert ["thumb" in entry for entry in entries(outbox).values()] == [False] * 3


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"job": "7k3f9a2m", "state": "done"}', b"\xff" * 100])
def test_what_is_no_manifest_of_ours_is_not_shown(gallery: Gallery, outbox: Path, data: bytes) -> None:
    (outbox / "somebody's").mkdir(parents=True)
    (outbox / "somebody's/manifest.json").write_bytes(data)
    folder = a_folder(outbox, a_job(1))
    bring_up(gallery)
    assert list(entries(outbox)) == [folder]


# ---- what people do to the folders


def test_what_was_taken_away_goes_and_what_was_moved_is_found(gallery: Gallery, outbox: Path) -> None:
    folders = an_outbox(outbox, 6)
    bring_up(gallery)
    shutil.rmtree(outbox / folders[0])
    (outbox / "elsewhere").mkdir()
    (outbox / folders[1]).rename(outbox / "elsewhere" / "moved")
    bring_up(gallery)
    assert sorted(entries(outbox)) == sorted(["elsewhere/moved", *folders[2:]])
    thumbs = {path.stem for path in (outbox / "_gallery/thumbs").rglob("*.webp")}
    assert thumbs == {entry["id"] for entry in entries(outbox).values()}


def test_a_file_marks_a_favourite_until_it_is_gone(gallery: Gallery, outbox: Path) -> None:
    an_outbox(outbox, 3)
    bring_up(gallery)
    folder = outbox / next(path for path in entries(outbox) if not path.startswith("_failed"))
    for name in ("favourite", "Favorite.txt"):
        (folder / name).touch()
        assert gallery.repair() == [folder.relative_to(outbox).as_posix()]
        bring_up(gallery)
        assert [path for path, entry in entries(outbox).items() if entry.get("favourite")] == [
            folder.relative_to(outbox).as_posix()
        ]
        assert gallery.repair() == []
        (folder / name).unlink()
        bring_up(gallery)
        assert not any(entry.get("favourite") for entry in entries(outbox).values())


def test_a_folder_that_was_replaced_is_read_again(gallery: Gallery, outbox: Path) -> None:
    folder = a_folder(outbox, a_job(7))
    bring_up(gallery)
    shutil.rmtree(outbox / folder)
    refusal = a_job(7).refusal
    assert refusal is not None
    a_folder(outbox, a_job(7, finished=1_790_000_000.0, state=State.CANCELLED, refusal=None))
    bring_up(gallery)
    assert entries(outbox)[folder]["state"] == "cancelled"
    assert len(entries(outbox)) == 1


def test_a_failure_that_has_pictures_in_the_end_is_shown_once(gallery: Gallery, outbox: Path) -> None:
    failed = a_folder(outbox, a_job(7))
    gallery.add([failed])
    shutil.rmtree(outbox / failed)
    done = a_folder(outbox, a_job(7, state=State.DONE, refusal=None, result=a_job(1).result))
    gallery.add([done])
    assert list(entries(outbox))[-1] == done  # the page takes the later entry of an id
    bring_up(gallery)
    assert list(entries(outbox)) == [done]


def test_what_was_entered_twice_is_there_once_after_the_next_start(gallery: Gallery, outbox: Path) -> None:
    folders = an_outbox(outbox, 3)
    bring_up(gallery)
    before = files(outbox)
    gallery.add(folders[:2])  # published while an earlier run's were being looked for
    bring_up(gallery)
    assert files(outbox) == before


def test_folders_that_are_not_the_services_own_are_not_scanned(
    gallery: Gallery, outbox: Path, tmp_path: Path
) -> None:
    folder = a_folder(outbox, a_job(1))
    for hidden in (".mjwatch-staging/half", ".stversions/note", "_gallery/note"):
        shutil.copytree(outbox / folder, outbox / hidden)
    (outbox / "link").symlink_to(outbox / folder)
    (outbox / "round").symlink_to(outbox)
    shutil.copy(outbox / folder / "manifest.json", outbox / "manifest.json")
    assert list(scan_outbox(outbox).stamps) == [folder]


def test_a_folder_that_can_not_be_read_loses_none_of_its_jobs() -> None:
    page_module.render("0", "0")  # loads what the user without rights may not be able to load
    with unprivileged() as place:
        outbox = place / "outbox"
        an_outbox(outbox, 4)
        gallery = Gallery(outbox, place / "state")
        bring_up(gallery)
        before = entries(outbox)
        (outbox / "clients").chmod(0)
        bring_up(gallery)
        assert entries(outbox) == before
        (outbox / "clients").chmod(0o755)
        shutil.rmtree(outbox / "clients")
        bring_up(gallery)
        assert len(entries(outbox)) == 2


def test_an_outbox_that_can_not_be_read_empties_no_gallery(gallery: Gallery, outbox: Path) -> None:
    an_outbox(outbox, 2)
    bring_up(gallery)
    before = files(outbox)
    with pytest.MonkeyPatch.context() as patch:

        def scandir(_path: object) -> None:
            raise PermissionError(13, "Permission denied")

        patch.setattr(os, "scandir", scandir)
        with pytest.raises(PermissionError):
            gallery.repair()
    assert files(outbox) == before


# ---- crashes


class Crash(BaseException):
    """The power goes."""


def crash_after(patch: pytest.MonkeyPatch, writes: int) -> None:
    """Let the so-manyth write of the gallery be the last that arrives."""
    left = [writes]
    original = replace_file

    def replace(outbox: Path, name: str, data: bytes, *, durable: bool = True) -> None:
        if left[0] == 0:
            path = outbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f"~syncthing~{path.name}.tmp").write_bytes(data[: len(data) // 2])
            raise Crash
        left[0] -= 1
        original(outbox, name, data, durable=durable)

    for module in (page_module, gallery_module):
        patch.setattr(module, "replace_file", replace)


@pytest.mark.parametrize("writes", range(22))
def test_a_crash_at_any_write_leaves_a_gallery_that_the_next_start_repairs(
    outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(gallery_module, "CHUNK_ENTRIES", 3)
    an_outbox(outbox, 8)
    bring_up(Gallery(outbox, tmp_path / "state"))
    whole = files(outbox)
    shutil.rmtree(outbox / "_gallery")
    (outbox / "index.html").unlink()
    with monkeypatch.context() as patch:
        crash_after(patch, writes)
        with suppress(Crash):
            gallery = Gallery(outbox, tmp_path / "state")
            gallery.install()
            for folder in gallery.repair():
                gallery.add([folder])
    if (outbox / "_gallery/index.js").exists():
        entries(outbox)  # what the index names is there
    bring_up(Gallery(outbox, tmp_path / "state"))
    assert entries(outbox).keys() == {read["folder"] for read in entries(outbox).values()}
    found = {name: data for name, data in files(outbox).items() if "~syncthing~" not in name}
    assert {name for name in found if "jobs" not in name} == {name for name in whole if "jobs" not in name}
    assert len(entries(outbox)) == 8
    bring_up(Gallery(outbox, tmp_path / "state"))
    assert {name: data for name, data in files(outbox).items() if "~syncthing~" not in name} == found


def test_a_new_job_waits_for_no_disk_and_a_power_cut_that_empties_its_files_is_repaired(
    outbox: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up(gallery)
    a_folder(outbox, a_job(0), picture=0)
    gallery.add([a_folder(outbox, a_job(1), picture=1)])  # makes the folders of thumbnails and locks
    waits: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", waits.append)
        gallery.add(gallery.repair())
    assert waits == []
    whole = files(outbox)
    for path in (outbox / "_gallery").rglob("0000*.webp"):
        path.write_bytes(b"")
    bring_up(gallery)
    assert {name for name, data in files(outbox).items() if not data} == set()
    assert len(entries(outbox)) == 2
    (outbox / "_gallery/jobs-0001.js").write_bytes(b"")
    bring_up(gallery)
    assert files(outbox).keys() == whole.keys()
    assert len(entries(outbox)) == 2


@pytest.mark.parametrize("name", ["jobs-0001.js", "jobs-0002.js", "index.js"])
@pytest.mark.parametrize("data", [b"", b"gallery.jobs(1, [\n{", None])
def test_a_damaged_part_is_written_again(
    outbox: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes | None
) -> None:
    monkeypatch.setattr(gallery_module, "CHUNK_ENTRIES", 3)
    an_outbox(outbox, 5)
    bring_up(gallery)
    part = outbox / "_gallery" / name
    part.unlink() if data is None else part.write_bytes(data)
    bring_up(gallery)
    assert len(entries(outbox)) == 5


def test_a_card_that_an_older_version_gave_to_an_info_goes_with_the_next_start(
    gallery: Gallery, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = a_job(1, prompt=Prompt("", command="info"), source=Source("info.txt", "0" * 64, 0.0))
    folders = [a_folder(outbox, a_job(0)), a_folder(outbox, info)]
    gallery.install()
    with monkeypatch.context() as older:
        older.setattr("mjwatch.gallery.entry.is_unfiled_info", lambda entry: False)
        gallery.add(folders)
    assert len(entries(outbox)) == 2
    bring_up(gallery)
    assert list(entries(outbox)) == folders[:1]


def test_a_thumbnail_that_is_gone_is_made_again(gallery: Gallery, outbox: Path) -> None:
    an_outbox(outbox, 3)
    bring_up(gallery)
    before = files(outbox)
    shutil.rmtree(outbox / "_gallery/thumbs")
    bring_up(gallery)
    after = files(outbox)
    assert {name for name in after if "thumbs" in name} == {name for name in before if "thumbs" in name}
    assert entries(outbox).keys() == {entry["folder"] for entry in entries(outbox).values()}


# ---- the page


def test_the_page_is_written_once_and_again_where_it_is_another_versions(
    gallery: Gallery, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.install()
    inode = gallery.page.stat().st_ino
    gallery.install()
    assert gallery.page.stat().st_ino == inode
    (outbox / "_gallery/gallery.js").unlink()
    gallery.install()
    assert (outbox / "_gallery/gallery.js").exists()
    monkeypatch.setattr(page_module, "__version__", "99.0<b>")
    gallery.install()
    assert b"mjwatch 99.0&lt;b&gt; " in gallery.page.read_bytes()


def test_the_page_that_another_process_renders_is_the_one_that_this_process_renders(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.install()
    rendered_here = gallery.page.read_bytes()
    gallery.page.unlink()
    monkeypatch.setattr(page_module, "_render_in_subprocess", in_subprocess)
    monkeypatch.setattr(page_module, "RENDER_TIMEOUT", deadline(60))
    monkeypatch.setattr(page_module, "render", lambda *_: pytest.fail("rendered in this process"))
    gallery.install()
    assert gallery.page.read_bytes() == rendered_here


def test_a_daemon_keeps_no_template_library_in_memory_and_makes_the_page_itself_where_it_must(
    gallery: Gallery, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        "import sys; from pathlib import Path; from mjwatch.gallery.gallery import Gallery",
        f"Gallery(Path({str(outbox)!r}), Path({str(outbox)!r}) / 'state').install()",
        "sys.exit('jinja2' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0
    made = gallery.page.read_bytes()
    gallery.page.unlink()
    monkeypatch.setattr(page_module, "_render_in_subprocess", in_subprocess)
    monkeypatch.setattr(sys, "executable", "")
    gallery.install()
    assert gallery.page.read_bytes() == made


def test_the_page_loads_nothing_from_elsewhere_and_holds_no_code_of_its_own(gallery: Gallery) -> None:
    gallery.install()
    page = gallery.page.read_text(encoding="utf-8")
    assert "http-equiv" in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    assert "://" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count("</script>") == 1
    script = (gallery.page.parent / "_gallery/gallery.js").read_text(encoding="utf-8")
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("):
        assert forbidden not in script


def test_the_status_is_shown_and_an_unknown_one_is_none(gallery: Gallery, outbox: Path) -> None:
    gallery.install()
    assert (outbox / "_gallery/status.js").read_bytes() == b"gallery.status(null)\n"
    gallery.show_status({"service": "running"})
    gallery.install()
    assert (outbox / "_gallery/status.js").read_bytes() == b'gallery.status({"service":"running"})\n'


# ---- where it may not write


def test_nothing_is_written_while_the_outbox_must_not_be(outbox: Path, tmp_path: Path) -> None:
    def check() -> None:
        raise OutboxError("nothing is mounted")

    gallery = Gallery(outbox, tmp_path / "state", check)
    for call in (gallery.install, gallery.repair, gallery.clear, gallery.tidy):
        with pytest.raises(OutboxError):
            call()
    with pytest.raises(OutboxError):
        gallery.add(["x"])
    with pytest.raises(OutboxError):
        gallery.show_status({})
    assert not outbox.exists()


def test_two_writers_take_turns(
    outbox: Path, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = an_outbox(outbox, 2)
    monkeypatch.setattr(gallery_module, "LOCK_TIMEOUT", 0.05)
    with gallery._locked(), pytest.raises(OutboxError, match="another process"):
        Gallery(outbox, tmp_path / "state").add(folders)
    gallery.add(folders)
    assert len(entries(outbox)) == 2


def test_installing_leaves_alone_what_another_thread_is_writing(tmp_path: Path) -> None:
    written = tmp_path / "outbox/_gallery/~syncthing~status.js.tmp"
    written.parent.mkdir(parents=True)
    written.write_text("the state")
    Gallery(tmp_path / "outbox", tmp_path / "state").install()
    assert written.read_text() == "the state"
    assert written.with_name("status.js").exists()
