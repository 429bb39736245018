"""``mjwatch expand`` shows what a prompt file would become, with the files around it, at no cost."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mjwatch import __main__
from mjwatch.errors import MjwatchError, PromptFileError
from mjwatch.inbox.references import preview

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"


class Finished(NamedTuple):
    """The verb's exit code and output."""

    code: int
    out: str
    err: str


@pytest.fixture
def expand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """Run the verb where only a named configuration is found."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MJWATCH_CONFIG", raising=False)
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", tmp_path / "etc" / "config.toml")

    def run(*arguments: str | Path, config: Path | None = None) -> Finished:
        options = ["--config", str(config)] if config else []
        monkeypatch.setattr(sys, "argv", ["mjwatch", *options, "expand", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return Finished(int(ended.value.code or 0), out, err)

    return run


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_shows_jobs_count_and_prompts_and_leaves_everything_as_it_is(
    expand: Callable[..., Finished], tmp_path: Path
) -> None:
    write(tmp_path / "_wildcards/colour.txt", "red\nblue\n")
    file = write(tmp_path / "cats.txt", "a __colour__ {cat, dog} --chaos 500\n")
    before = tree(tmp_path)
    done = expand(file)
    assert done.code == 0
    assert done.out.splitlines() == [
        "4 jobs",
        *("  1  a red cat --chaos 500", "  2  a red dog --chaos 500"),
        *("  3  a blue cat --chaos 500", "  4  a blue dog --chaos 500"),
    ]
    assert done.err == "note: --chaos 500: Midjourney takes a number from 0 to 100\n"
    assert tree(tmp_path) == before


def test_as_json_it_prints_every_key(expand: Callable[..., Finished], tmp_path: Path) -> None:
    write(tmp_path / "a.png", PNG)
    file = write(
        tmp_path / "cats.toml",
        'prompt = "a cat"\nimages = ["a.png"]\nthen = ["all"]\npriority = 2\nlabel = "x"\nrepeat = 2\n'
        'not_before = 2026-12-01T22:00:00+02:00\napplication = "niji"\n[parameters]\nv = 7\n',
    )
    done = expand("--json", file)
    found = json.loads(done.out)
    first, second = found.pop("prompts")
    assert found == {"file": str(file), "jobs": 10, "max_jobs": 100, "warnings": []}
    assert first == second
    assert first == {
        "prompt": "a cat --v 7",
        "command": "imagine",
        "action": None,
        "parent": None,
        "images": ["a.png"],
        "parameters": {"v": 7},
        "then": ["U1", "U2", "U3", "U4"],
        "label": "x",
        "priority": 2,
        "not_before": "2026-12-01T20:00:00+00:00",
        "application": "niji",
    }


def test_a_file_that_would_be_rejected_is_reported_with_the_reason(
    expand: Callable[..., Finished], tmp_path: Path
) -> None:
    done = expand(write(tmp_path / "cats.txt", "{a,b,c,d,e,f,g,h,i,j}" * 4))
    assert done.code == 1
    assert "makes at least 10,000 jobs, but at most 100 are accepted" in done.err
    assert "can't be read" in expand(tmp_path / "nothing.txt").err
    assert "is not a prompt file" in expand(write(tmp_path / "cats.md", "a cat")).err


def test_a_file_in_the_inbox_has_what_lies_above_it_and_the_limits_that_are_configured(
    expand: Callable[..., Finished], tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    config = write(tmp_path / "config.toml", '[inbox]\npath = "inbox"\n[pace]\nmax_jobs_per_file = 3\n')
    write(inbox / "_wildcards/colour.txt", "red\nblue\ngreen\n")
    write(inbox / "_defaults.toml", "[parameters]\nv = 7\n")
    write(inbox / "clients/_wildcards/colour.txt", "white\n")
    near = write(inbox / "clients/cat.txt", "a __colour__ cat")
    far = write(inbox / "other/cat.txt", "a __colour__ cat")
    outside = write(tmp_path / "cat.txt", "a __colour__ cat")
    assert expand(near, config=config).out == "1 job\n  1  a white cat --v 7\n"
    assert expand(far, config=config).out.startswith("3 jobs\n  1  a red cat --v 7\n")
    assert "there is no wildcard colour" in expand(outside, config=config).err
    assert "there is no wildcard colour" in expand(far).err
    write(far, "{a, b} __colour__")
    assert "makes 6 jobs, but at most 3" in expand(far, config=config).err


def test_a_configuration_that_is_named_must_be_there(
    expand: Callable[..., Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "cats.txt", "a cat")
    assert expand(file).code == 0
    assert expand(file, config=tmp_path / "none.toml").code == 3
    monkeypatch.setenv("MJWATCH_CONFIG", str(tmp_path / "none.toml"))
    assert expand(file).code == 3


def test_text_plays_no_tricks_with_the_terminal(expand: Callable[..., Finished], tmp_path: Path) -> None:
    file = write(tmp_path / "cats.toml", 'prompt = "a [bold]cat[/bold] \\u202e"\nlabel = "\\u202e"\n')
    assert expand(file).out == "1 job\n  1  a [bold]cat[/bold] \\u202e\n     label \\u202e\n"


def test_pictures_are_looked_for_beside_the_file_and_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path / "secret.png", PNG)
    inbox = tmp_path / "inbox"
    file = write(inbox / "a/cat.toml", 'prompt = "a cat"\nimages = ["refs/b.png"]\n')
    with pytest.raises(PromptFileError, match=r'the picture "refs/b\.png" was not found'):
        preview(file, inbox, 100)
    write(inbox / "a/refs/b.png", PNG)
    assert preview(file, inbox, 100).prompts[0].images == ("refs/b.png",)
    (inbox / "a/refs/b.png").unlink()
    (inbox / "a/refs/b.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(PromptFileError, match=r'the picture "refs/b\.png" was not found'):
        preview(file, inbox, 100)
    write(file, 'prompt = "a cat"\nimages = ["../../secret.png"]\n')
    with pytest.raises(PromptFileError, match="outside the prompt file's own folder"):
        preview(file, inbox, 100)


def test_a_file_is_read_no_further_than_it_may_be_long(tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match="a prompt file may have at most 65536"):
        preview(write(tmp_path / "cat.txt", b"x" * 10_000_000), None, 100)
    with pytest.raises(MjwatchError, match="can't be read"):
        preview(tmp_path, None, 100)


# ---- a tree of wildcards


def test_a_tree_of_wildcards_in_three_levels_is_expanded_in_turn(tmp_path: Path) -> None:
    """Fifty files: 7 styles, each with 6 artists, and a file in NFD that all of them name."""
    tree = tmp_path / "inbox/_wildcards"
    for style in range(7):
        names = [f"style {style}/artist.{number}" for number in range(6)]
        for number, name in enumerate(names):
            write(tree / f"art/{name}.txt", f"{style}-{number} in __caf\u00e9__\n")
        write(tree / f"art/style {style}.txt", "".join(f"__art/{name}__\n" for name in names))
    write(tree / "cafe\u0301.txt", "oil\n")
    write(tmp_path / "inbox/one.txt", "a lake, __art/style*__\n")
    found = preview(tmp_path / "inbox/one.txt", tmp_path / "inbox", 100)
    assert [prompt.text for prompt in found.prompts] == [
        f"a lake, {style}-{number} in oil" for style in range(7) for number in range(6)
    ]
    write(tmp_path / "inbox/two.txt", "a lake, __art/stile 3__\n")
    with pytest.raises(
        PromptFileError, match=r"_wildcards/art/stile 3\.txt is .* \(did you mean art/style 3"
    ):
        preview(tmp_path / "inbox/two.txt", tmp_path / "inbox", 100)
