"""Results into the outbox: what another try downloads again, and what it does not."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image, ImageColor

from mjwatch import events as ev
from mjwatch.errors import AnsweredNoError, DownloadError, OutboxError
from mjwatch.jobs.imported import STAGING_FOLDER, FileGroup, file_job
from mjwatch.midjourney.parsing.picture_names import read_picture_name
from mjwatch.model import Job, LimitScope, Prompt, Refusal, RefusalClass, ResultKind, State
from mjwatch.outbox.manifest import OutboxChannel, load_manifest
from mjwatch.outbox.publisher import Outbox
from mjwatch.pictures.chunks import SIGNATURE, chunk
from mjwatch.pictures.metadata import SOURCE_TYPE
from mjwatch.pictures.split import thumbnail
from mjwatch.trouble import Trouble, TroubleKind, download_trouble
from mjwatch.workers.collector import MOST_KEPT_PICTURES, PICTURE_TRIES, Collector
from tests.helpers.job_factory import RESULT, made_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mjwatch.discord.cdn import CDN
    from mjwatch.discord.rest import DiscordREST

UUID = "aaaaaaaa-0000-4000-8000-00000000000a"


def grid() -> bytes:
    out = BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


class FakeCDN:
    """Returns the given answers one after another, and then always the grid."""

    def __init__(self, *answers: bytes, gone: Iterable[str] = ()) -> None:
        self._answers = [*answers]
        self._gone = {*gone}
        self.fetched: list[str] = []

    def fetch(self, url: str, _size: int | None = None) -> bytes:
        self.fetched.append(url)
        if url in self._gone:
            raise DownloadError("it no longer has the picture at this address", gone=True)
        return self._answers.pop(0) if self._answers else grid()


class FakeREST:
    """Signs addresses by adding a word, and has one message."""

    def __init__(self, message: dict[str, Any] | None = None) -> None:
        self._message = message

    def refresh_urls(self, urls: list[str]) -> dict[str, str]:
        return {url: f"{url}?renewed" for url in urls}

    def message(self, _channel_id: str, _message_id: str) -> dict[str, Any] | None:
        return self._message


class FillingOutbox(Outbox):
    """An outbox whose disk is full if ``full`` is set."""

    full = False

    def publish(self, *arguments: Any, **options: Any) -> str:
        if self.full:
            raise OutboxError("no space left")
        return super().publish(*arguments, **options)


@pytest.fixture
def outbox(tmp_path: Path) -> FillingOutbox:
    return FillingOutbox(tmp_path / "outbox", tmp_path / "state")


def a_collector(
    cdn: FakeCDN,
    outbox: Outbox,
    rest: FakeREST | None = None,
    *,
    embed_prompt: bool = True,
    reading_wait: Callable[[], float] = lambda: 0.0,
    state: Path = Path("nothing-is-staged"),
) -> Collector:
    return Collector(
        rest=cast("DiscordREST", rest),
        cdn=cast("CDN", cdn),
        outbox=outbox,
        channel=OutboxChannel("1", "2"),
        picture_format="auto",
        keep_grid=True,
        embed_prompt=embed_prompt,
        state=state,
        file_of=lambda job_id: None,
        reading_wait=reading_wait,
    )


def a_finished_job(name: str = "cat") -> Job:
    (picture,) = RESULT.pictures
    picture = replace(picture, url=f"https://cdn.example/{name}.png")
    result = replace(RESULT, pictures=(picture,))
    return made_job(f"job{name}", f"{name}.txt", state=State.COLLECTING, result=result)


def test_after_a_full_disk_the_picture_is_not_downloaded_again(outbox: FillingOutbox) -> None:
    cdn = FakeCDN()
    collector, job = a_collector(cdn, outbox), a_finished_job()
    trouble = Trouble(TroubleKind.OUTBOX, "no space left")
    outbox.full = True
    for _ in range(20):  # however long it lasts
        assert collector.collect(job) == ev.SaveFailed("no space left", trouble=trouble)
    outbox.full = False
    assert collector.collect(job) == ev.Published("cat-jobcat")
    assert len(cdn.fetched) == 1


def test_pictures_of_a_folder_stay_as_they_are_and_keep_their_names(
    tmp_path: Path, outbox: FillingOutbox
) -> None:
    names = (f"ada_a_cat_{UUID}_0.png", f"ada_a_cat_{UUID}_3.png", f"{UUID}_grid_0.png", "a_cat.mp4")
    pictures = [(name, f"copy{n}", 1) for n, name in enumerate(names)]
    staged = tmp_path / STAGING_FOLDER
    staged.mkdir()
    for _, copy, _ in pictures:
        (staged / copy).write_bytes(grid())
    group = FileGroup("_imported/old/a-cat.txt", 1e9, tuple(pictures), UUID, "a cat")
    job, _ = file_job(group, "joboldie", 2e9)
    assert a_collector(FakeCDN(), outbox, state=tmp_path).collect(job) == ev.Published(
        "_imported/old/a-cat-joboldie"
    )
    folder = tmp_path / "outbox" / "_imported" / "old" / "a-cat-joboldie"
    manifest = load_manifest(folder)
    assert [(image["file"], image["index"]) for image in manifest["images"]] == [
        (names[0], 1),
        (names[1], 4),
        (names[3], 4),
    ]
    assert manifest["grid"]["file"] == names[2]
    assert manifest["source"]["kind"] == "folder"
    assert {(folder / name).read_bytes() for name in names} == {grid()}
    elsewhere = staged.rename(tmp_path / "elsewhere")
    staged.symlink_to(elsewhere)
    failed = a_collector(FakeCDN(), outbox, state=tmp_path).collect(replace(job, id="joblinks"))
    assert isinstance(failed, ev.SaveFailed)
    assert "links are not followed" in failed.reason
    staged.unlink()
    elsewhere.rename(staged)
    (staged / "copy1").unlink()
    failed = a_collector(FakeCDN(), outbox, state=tmp_path).collect(replace(job, id="jobother"))
    assert isinstance(failed, ev.SaveFailed)


def test_no_two_pictures_of_a_folder_get_one_name(tmp_path: Path, outbox: FillingOutbox) -> None:
    long = f"ada_{'words_' * 20}{UUID}"
    names = (f"{long}_0.png", f"{long}_1.png", "a:b.png", "a*b.png", "A_B.png")
    (tmp_path / STAGING_FOLDER).mkdir()
    for n in range(len(names)):
        (tmp_path / STAGING_FOLDER / f"copy{n}").write_bytes(grid())
    pictures = tuple((name, f"copy{n}", 1) for n, name in enumerate(names))
    job, _ = file_job(FileGroup("_imported/old/words.txt", 1e9, pictures, UUID), "joboldie", 2e9)
    a_collector(FakeCDN(), outbox, state=tmp_path).collect(job)
    folder = tmp_path / "outbox" / "_imported" / "old" / "words-joboldie"
    files = [image["file"] for image in load_manifest(folder)["images"]]
    assert [read_picture_name(file).number for file in files] == [1, 2, None, None, None]
    assert files[2:] == ["a_b.png", "a_b-2.png", "A_B-3.png"]
    assert {path.name for path in folder.glob("*.png")} == set(files)


def test_a_picture_that_can_not_be_read_is_downloaded_again(outbox: FillingOutbox) -> None:
    cdn = FakeCDN(b"<html>come back later</html>", grid()[:50])
    collector, job = a_collector(cdn, outbox), a_finished_job()
    for _ in range(2):
        event = collector.collect(job)
        assert isinstance(event, ev.SaveFailed)
        assert not event.final
    assert collector.collect(job) == ev.Published("cat-jobcat")
    assert len(cdn.fetched) == 3


OLD, NEW = "https://cdn.example/cat.png", "https://cdn.example/cat.png?renewed"
ELSEWHERE = "https://cdn.example/moved.png"


def test_an_address_that_has_expired_is_signed_again_at_once(outbox: FillingOutbox) -> None:
    cdn = FakeCDN(gone=[OLD])
    assert a_collector(cdn, outbox, FakeREST()).collect(a_finished_job()) == ev.Published("cat-jobcat")
    assert cdn.fetched == [OLD, NEW]


class LimitedREST(FakeREST):
    """Refuses to sign addresses: Discord's rate limit."""

    LIMIT = Refusal(RefusalClass.RETRY, None, "a limit", retry_after=30.0, scope=LimitScope.GLOBAL)

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def refresh_urls(self, urls: list[str]) -> dict[str, str]:
        self.calls += 1
        raise AnsweredNoError(self.LIMIT)


def test_a_rate_limit_uses_up_no_try_and_while_it_lasts_no_address_is_requested(
    outbox: FillingOutbox,
) -> None:
    cdn, rest, waits = FakeCDN(gone=[OLD]), LimitedREST(), [0.0]
    collector = a_collector(cdn, outbox, rest, reading_wait=lambda: waits[0])
    for _ in range(PICTURE_TRIES + 1):
        event = collector.collect(a_finished_job())
        assert isinstance(event, ev.SaveFailed)
        assert (event.final, event.refusal) == (False, LimitedREST.LIMIT)
    waits[0], calls = 12.0, rest.calls
    for _ in range(PICTURE_TRIES + 1):
        event = collector.collect(a_finished_job())
        assert isinstance(event, ev.SaveFailed)
        assert event.refusal is not None
        assert (event.final, event.refusal.retry_after, event.refusal.scope) == (False, 12.0, None)
    assert rest.calls == calls


def test_if_that_does_not_help_the_message_is_read_again(outbox: FillingOutbox) -> None:
    cdn = FakeCDN(gone=[OLD, NEW])
    attachments = [{"filename": "other.png", "url": "x"}, {"filename": "grid.png", "url": ELSEWHERE}]
    collector = a_collector(cdn, outbox, FakeREST({"attachments": attachments}))
    assert collector.collect(a_finished_job()) == ev.Published("cat-jobcat")
    assert cdn.fetched == [OLD, NEW, ELSEWHERE]


@pytest.mark.parametrize("message", [None, {}, {"attachments": []}])
def test_a_picture_that_no_longer_exists_is_reported_after_some_tries(
    outbox: FillingOutbox, message: dict[str, Any] | None
) -> None:
    collector = a_collector(FakeCDN(gone=[OLD, NEW]), outbox, FakeREST(message))
    told = [collector.collect(a_finished_job()) for _ in range(PICTURE_TRIES)]
    gone = "Midjourney's message and its picture no longer exist"
    failed = ev.SaveFailed(gone, trouble=download_trouble(gone))
    assert told == [*[failed] * (PICTURE_TRIES - 1), replace(failed, final=True)]


def test_only_a_few_pictures_are_kept_for_another_try(outbox: FillingOutbox) -> None:
    cdn = FakeCDN()
    collector = a_collector(cdn, outbox)
    jobs = [a_finished_job(f"cat{number}") for number in range(MOST_KEPT_PICTURES + 1)]
    outbox.full = True
    for job in jobs:
        collector.collect(job)
    outbox.full = False
    for job in reversed(jobs):
        collector.collect(job)
    oldest = "https://cdn.example/cat0.png"
    assert cdn.fetched.count(oldest) == 2
    assert len(cdn.fetched) == len(jobs) + 1


def tile(colour: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 4), colour).save(out, "PNG")
    return out.getvalue()


COLOURS = ("red", "green", "blue", "black")


def a_job_with_four_pictures() -> Job:
    (picture,) = RESULT.pictures
    four = tuple(replace(picture, url=f"https://cdn.example/{colour}.png") for colour in COLOURS)
    return made_job("jobcat", "cat.txt", state=State.COLLECTING, result=replace(RESULT, pictures=four))


def test_four_separate_pictures_are_fetched_one_by_one_and_not_cut(
    outbox: FillingOutbox, tmp_path: Path
) -> None:
    cdn = FakeCDN(*map(tile, COLOURS))
    assert a_collector(cdn, outbox).collect(a_job_with_four_pictures()) == ev.Published("cat-jobcat")
    assert cdn.fetched == [f"https://cdn.example/{colour}.png" for colour in COLOURS]
    folder = tmp_path / "outbox" / "cat-jobcat"
    manifest = load_manifest(folder)
    assert manifest["grid"] is None
    shown = [(image["file"], image["index"], image["width"]) for image in manifest["images"]]
    assert shown == [(f"cat_{n}.png", n, 4) for n in range(1, 5)]
    for image, colour in zip(manifest["images"], COLOURS, strict=True):
        with Image.open(folder / image["file"]) as picture:
            assert picture.getpixel((0, 0)) == ImageColor.getrgb(colour)


def test_each_of_four_pictures_whose_addresses_have_expired_is_found_in_the_message(
    outbox: FillingOutbox,
) -> None:
    old = [f"https://cdn.example/{colour}.png" for colour in COLOURS]
    items = [{"media": {"url": f"https://cdn.example/{colour}-moved.png"}} for colour in COLOURS]
    rest = FakeREST({"components": [{"type": 12, "items": items}]})
    cdn = FakeCDN(gone=[*old, *(f"{url}?renewed" for url in old)])
    assert a_collector(cdn, outbox, rest).collect(a_job_with_four_pictures()) == ev.Published("cat-jobcat")
    assert [url for url in cdn.fetched if "moved" in url] == [item["media"]["url"] for item in items]


def test_pictures_carry_their_prompt_and_the_grid_is_not_changed(
    outbox: FillingOutbox, tmp_path: Path
) -> None:
    event = a_collector(FakeCDN(), outbox).collect(a_finished_job())
    assert isinstance(event, ev.Published)
    folder = tmp_path / "outbox" / event.folder
    for number in range(1, 5):
        with Image.open(folder / f"cat_{number}.png") as picture:
            assert picture.info["Description"] == "a cat --ar 3:2"
            assert SOURCE_TYPE in str(picture.info["XML:com.adobe.xmp"])
    assert (folder / "cat_grid.png").read_bytes() == grid()


def test_a_grid_that_can_not_be_split_without_loss_is_published_whole(
    outbox: FillingOutbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    deep = SIGNATURE + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    event = a_collector(FakeCDN(deep), outbox).collect(a_finished_job())
    assert isinstance(event, ev.Published)
    folder = tmp_path / "outbox" / event.folder
    assert [path.name for path in folder.glob("*.png")] == ["cat_grid.png"]
    assert (folder / "cat_grid.png").read_bytes() == deep
    assert "the grid is published unsplit: colours of 16 bits" in caplog.text


def test_without_embedding_no_picture_has_the_prompt(outbox: FillingOutbox, tmp_path: Path) -> None:
    event = a_collector(FakeCDN(), outbox, embed_prompt=False).collect(a_finished_job())
    assert isinstance(event, ev.Published)
    for picture in (tmp_path / "outbox" / event.folder).glob("*.png"):
        assert b"a cat" not in picture.read_bytes()


def test_a_follow_up_without_a_prompt_carries_the_one_that_midjourney_repeated(
    outbox: FillingOutbox, tmp_path: Path
) -> None:
    job = a_finished_job()
    assert job.result is not None
    result = replace(job.result, kind=ResultKind.SINGLE, echoed="a cat on a mat")
    event = a_collector(FakeCDN(), outbox).collect(
        replace(job, prompt=Prompt("", action="U1"), result=result)
    )
    assert isinstance(event, ev.Published)
    with Image.open(tmp_path / "outbox" / event.folder / "cat_U1.png") as picture:
        assert picture.info["Description"] == "a cat on a mat"


def test_the_gallery_is_notified_of_every_new_folder(outbox: FillingOutbox) -> None:
    told: list[str] = []
    collector = a_collector(FakeCDN(), outbox)
    collector._published = lambda folder, thumbnail: told.append(folder)
    outbox.full = True
    collector.collect(a_finished_job("cat"))
    assert told == []
    outbox.full = False
    collector.collect(a_finished_job("cat"))
    collector.publish_failure(made_job("jobdog", "dog.txt", state=State.FAILED))
    assert told == ["cat-jobcat", "_failed/dog-jobdog"]


def test_the_gallery_gets_a_thumbnail_of_a_grid_that_is_in_memory(outbox: FillingOutbox) -> None:
    made: dict[str, bytes | None] = {}
    collector = a_collector(FakeCDN(), outbox)
    collector._published = made.__setitem__
    collector.collect(a_finished_job("cat"))
    collector.publish_failure(made_job("jobdog", "dog.txt", state=State.FAILED))
    assert made == {"cat-jobcat": thumbnail([grid()]), "_failed/dog-jobdog": None}
