"""The bodies of POST /interactions, field by field."""

from dataclasses import dataclass

import pytest

from mjwatch.midjourney.packets import (
    PROMPT_LIMIT,
    BlendPacket,
    ButtonPacket,
    DescribePacket,
    ImaginePacket,
    InfoPacket,
    PacketAssembler,
    ShortenPacket,
    Target,
    UploadedFile,
)

APP = "936929561302675456"


@dataclass(frozen=True)
class Command:
    """A command as an index would give it."""

    name: str
    id: str = "938956540159881230"
    version: str = "1402113344556671111"
    application_id: str = APP


GUILD = Target("1402113344556677001", "5e55105e55105e55105e55105e551050", APP, "1402113344556670077")
DIRECT = Target("1402113344556677002", "5e55105e55105e55105e55105e551050", APP)
NONCE = "1402113344556600333"
A, B = "https://pics.example/a.png", "https://pics.example/b.png"


def test_imagine_in_a_guild() -> None:
    assert ImaginePacket("kelp forest --ar 3:2").assemble(Command("imagine"), GUILD, NONCE) == {
        "type": 2,
        "application_id": APP,
        "guild_id": "1402113344556670077",
        "channel_id": "1402113344556677001",
        "session_id": "5e55105e55105e55105e55105e551050",
        "nonce": NONCE,
        "data": {
            "version": "1402113344556671111",
            "id": "938956540159881230",
            "name": "imagine",
            "type": 1,
            "options": [{"type": 3, "name": "prompt", "value": "kelp forest --ar 3:2"}],
            "attachments": [],
        },
    }


def test_direct_messages_have_no_guild() -> None:
    body = ImaginePacket("kelp").assemble(Command("imagine"), DIRECT, NONCE)
    assert "guild_id" not in body
    assert body["channel_id"] == DIRECT.channel_id


def test_links_stand_in_front_the_given_ones_first() -> None:
    assert ImaginePacket(f"kelp {B} forest --ar 3:2", [A]).prompt == f"{A} {B} kelp forest --ar 3:2"
    assert ImaginePacket(f"<{A}>, kelp --sref {B}").prompt == f"{A} kelp --sref {B}"
    assert ImaginePacket("", [A, B]).prompt == f"{A} {B}"


def test_a_composed_prompt_is_sent_as_it_is() -> None:
    composed = f"{A} {B} kelp forest --ar 3:2 --sref {A}"
    assert ImaginePacket(composed).prompt == composed


@pytest.mark.parametrize("url", ["ftp://pics.example/a.png", "a.png", "https://a b/c.png"])
def test_a_given_link_that_is_unusable_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="link"):
        ImaginePacket("kelp", [url])


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_an_empty_prompt_is_refused(blank: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        ImaginePacket(blank)
    with pytest.raises(ValueError, match="empty"):
        ShortenPacket(blank)


def test_a_prompt_longer_than_discord_takes_is_refused() -> None:
    assert len(ImaginePacket("k" * PROMPT_LIMIT).prompt) == PROMPT_LIMIT
    with pytest.raises(ValueError, match="6001 characters"):
        ImaginePacket("k" * (PROMPT_LIMIT + 1))


def test_info_has_no_options() -> None:
    body = InfoPacket().assemble(Command("info", id="972289487818334209"), GUILD, NONCE)
    assert body["data"]["options"] == body["data"]["attachments"] == []
    assert (body["data"]["name"], body["data"]["id"]) == ("info", "972289487818334209")


def test_shorten_takes_the_prompt_as_it_is() -> None:
    assert ShortenPacket(f" kelp {A} ").options() == [{"type": 3, "name": "prompt", "value": f"kelp {A}"}]


def test_describe_takes_a_link_or_a_file() -> None:
    assert DescribePacket(A).data(Command("describe"))["options"] == [{"type": 3, "name": "link", "value": A}]
    data = DescribePacket(UploadedFile("own.jpg", "up/1/own.jpg")).data(Command("describe"))
    assert data["options"] == [{"type": 11, "name": "image", "value": 0}]
    assert data["attachments"] == [{"id": "0", "filename": "own.jpg", "uploaded_filename": "up/1/own.jpg"}]


def test_blend_points_to_its_files_by_position() -> None:
    files = [UploadedFile(f"{n}.png", f"up/{n}.png") for n in range(3)]
    data = BlendPacket(files, "--ar 2:3").data(Command("blend"))
    assert data["options"] == [
        {"type": 11, "name": "image1", "value": 0},
        {"type": 11, "name": "image2", "value": 1},
        {"type": 11, "name": "image3", "value": 2},
        {"type": 3, "name": "dimensions", "value": "--ar 2:3"},
    ]
    assert [one["id"] for one in data["attachments"]] == ["0", "1", "2"]
    assert len(BlendPacket(files[:2]).options()) == 2


@pytest.mark.parametrize("count", [0, 1, 6])
def test_blend_takes_two_to_five_pictures(count: int) -> None:
    with pytest.raises(ValueError, match="two to five"):
        BlendPacket([UploadedFile("a.png", "up/a.png")] * count)


def test_no_command_goes_out_under_another_s_id() -> None:
    with pytest.raises(ValueError, match="/imagine can't be sent as /info"):
        ImaginePacket("kelp").assemble(Command("info"), GUILD, NONCE)
    with pytest.raises(ValueError, match="belongs to application 1"):
        ImaginePacket("kelp").assemble(Command("imagine", application_id="1"), GUILD, NONCE)


def test_a_pressed_button() -> None:
    packet = ButtonPacket(
        "MJ::JOB::upsample::4::0a1b2c3d-0000-4000-8000-00000000000a", "1402113344556677444", 64
    )
    assert packet.assemble(DIRECT, NONCE) == {
        "type": 3,
        "application_id": APP,
        "channel_id": DIRECT.channel_id,
        "session_id": DIRECT.session_id,
        "nonce": NONCE,
        "message_flags": 64,
        "message_id": "1402113344556677444",
        "data": {
            "component_type": 2,
            "custom_id": "MJ::JOB::upsample::4::0a1b2c3d-0000-4000-8000-00000000000a",
        },
    }


def test_the_base_is_abstract() -> None:
    with pytest.raises(TypeError):
        PacketAssembler()  # type: ignore[abstract]
