"""The documents say what is so: links lead somewhere, verbs exist, examples are read as told."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import mjwatch
from mjwatch.cli.app import app
from mjwatch.journal.overview import overview
from mjwatch.midjourney.matching.matcher import __doc__ as matching_doc
from mjwatch.model import Prompt, RefusalClass
from mjwatch.outbox.manifest import OutboxChannel, PictureFile, build_manifest, dump_manifest
from mjwatch.trouble import TroubleKind
from tests.helpers.job_factory import made_job

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "keys" / "README.md"])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

ARCHITECTURE = "docs/explanation/architecture.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[\s`/(])mjwatch((?: --?[\w-]+(?: (?!-)\S+)?)*?) ([a-z]+)((?: [^`\n]*)?)")


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _prose(text: str) -> str:
    return _FENCE.sub("", text)


def _code(text: str) -> Iterator[str]:
    """Everything that is set as code: fences, indented blocks, and spans within a line."""
    yield from (block for kind, block in _FENCE.findall(text) if kind not in {"mermaid", "expanded"})
    prose = _prose(text)
    yield from re.findall(r"^    .+$", prose, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose)


def _anchors(text: str) -> set[str]:
    """The anchors that a page's headings get: lower case, blanks to hyphens, other marks dropped."""
    heads = re.findall(r"^#+ (.+)$", _prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def _commands() -> dict[str, set[str]]:
    """The verbs, and the options that each takes; of a verb that has its own ones, the options of those."""
    group: Any = typer.main.get_command(app)
    return {
        name: {
            option
            for verb in _with_its_own(group.get_command(None, name))
            for parameter in verb.params
            for option in parameter.opts
        }
        | {"--help"}
        for name in group.list_commands(None)
    }


def _with_its_own(command: Any) -> list[Any]:
    return [command, *getattr(command, "commands", {}).values()]


def _shown_commands(text: str) -> list[tuple[str, str]]:
    """Every ``mjwatch VERB ...`` that is set as code: the verb, and what follows it."""
    found = []
    for code in _code(text):
        for line in code.splitlines():
            bare = line.strip().removeprefix("$ ")
            if match := _COMMAND.match(f" {bare}"):
                found.append((match[2], match[3]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_and_anchor_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for link in _LINK.findall(_prose(_text(name))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), f"{name}: {link}"


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_and_option_that_is_shown_exists(name: str) -> None:
    known = _commands()
    for verb, rest in _shown_commands(_text(name)):
        assert verb in known, f"{name}: mjwatch {verb}"
        for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", re.sub(r'"[^"]*"', "", rest)):
            assert option in known[verb], f"{name}: mjwatch {verb} {option}"


def test_the_commands_in_the_documents_are_found_at_all() -> None:
    assert {verb for verb, _ in _shown_commands(_text("README.md"))} >= {"init", "check", "run", "submit"}
    everywhere = {verb for name in NAMES for verb, _ in _shown_commands(_text(name))}
    assert everywhere >= set(_commands()) - {"split", "explain"}


def test_the_readme_warns_and_then_names_the_two_commands_before_all_others() -> None:
    before, _, after = _text("README.md").partition("    make demo")
    assert before.count("\n") < 24
    assert "    " not in before
    assert "Discord's terms forbid" in before
    assert "Either may block or end the" in before
    assert after.split("\n")[1].startswith("    make test")


def test_the_changelog_tells_every_verb() -> None:
    unreleased = _text("CHANGELOG.md")
    assert [verb for verb in _commands() if f"`{verb}`" not in unreleased] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_that_is_shown_exists(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE)
    for code in _code(_text(name)):
        for target in re.findall(r"^\s*make ([a-z-]+)", code, re.MULTILINE):
            assert target in targets, f"{name}: make {target}"


def test_the_page_on_the_architecture_lists_every_package_and_nothing_else() -> None:
    table = _text(ARCHITECTURE).partition("<!-- packages: begin")[2].partition("<!-- packages: end")[0]
    rows = re.findall(r"^\| `([\w/]+)` \| [^|]+\. \|$", table, re.MULTILINE)
    package = ROOT / "mjwatch"
    packages = {path.parent.relative_to(package) for path in package.rglob("*.py")}
    assert sorted(rows) == sorted("mjwatch" if path == Path() else str(path) for path in packages)


def _classes() -> dict[str, set[str]]:
    """The classes of the package, each with the names of its methods and fields."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "mjwatch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(
                    part.name for part in node.body if isinstance(part, ast.FunctionDef)
                )
    return found


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ARCHITECTURE])
def test_the_classes_and_files_that_a_page_for_developers_names_are_there(name: str) -> None:
    known = _classes()
    text = _prose(_text(name))
    for cls, method in re.findall(r"`([A-Z][a-z]\w+)(?:\.(\w+))?`", text):
        assert cls in known, f"{name}: {cls}"
        assert not method or method in known[cls], f"{name}: {cls}.{method}"
    for path in re.findall(r"`((?:\w+/)*\w+\.(?:py|md))`", text):
        assert (ROOT / path).exists() or (ROOT / "mjwatch" / path).exists(), f"{name}: {path}"


def test_the_address_of_the_repository_is_written_in_one_place() -> None:
    urls = tomllib.loads(_text("pyproject.toml"))["project"]["urls"]
    assert list(urls) == ["Source"]
    pages = [*PAGES, *ROOT.glob("docs/*.py"), ROOT / "docs" / "man" / "mjwatch.1"]
    assert [page for page in pages if urls["Source"] in page.read_text(encoding="utf-8")] == []


_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_there_is_small_and_says_what_it_shows(name: str) -> None:
    for words, link in _PICTURE.findall(_prose(_text(name))):
        path = (ROOT / name).parent / link
        assert path.is_file(), f"{name}: {link}"
        assert path.stat().st_size < 200_000
        assert len(words.split()) > 3


def test_every_picture_is_shown_on_a_page_and_made_by_the_script() -> None:
    shown = {Path(link).name for name in NAMES for _, link in _PICTURE.findall(_prose(_text(name)))}
    assert shown == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    script = _text("docs/make_pictures.py")
    assert [name for name in shown if f'"{Path(name).stem}"' not in script] == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    left = [ROOT / "README.md"]
    while left:
        page = left.pop()
        seen.add(page)
        links = _LINK.findall(_prose(page.read_text(encoding="utf-8")))
        paths = [page.parent / link.partition("#")[0] for link in links if "://" not in link]
        left += [path.resolve() for path in paths if path.suffix == ".md" and path.resolve() not in seen]
    assert [page.name for page in PAGES if page not in seen] == []


@pytest.mark.parametrize(
    "heading", ["A job does not continue", "mjwatch does not start", "A command is refused"]
)
def test_messages_are_found_in_the_code_as_they_are_quoted(heading: str) -> None:
    section = (
        _text("docs/reference/troubleshooting.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )
    quoted = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)[2:]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "mjwatch").rglob("*.py")]
    pieces = [piece.strip(" :") for message in quoted for piece in re.split("[…;]", message)]
    assert len(pieces) > 2
    assert [piece for piece in pieces if not any(piece in source for source in sources)] == []


# ---- examples


@pytest.mark.parametrize("name", NAMES)
def test_the_python_examples_parse_and_import_names_that_exist(name: str) -> None:
    for kind, block in _FENCE.findall(_text(name)):
        if kind != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "mjwatch":
                assert {alias.name for alias in node.names} <= set(mjwatch.__all__)


def test_the_page_on_the_manifest_names_every_key() -> None:
    job = made_job(path="kite.txt", prompt=Prompt("a red kite"), accepted=1_800_000_000.0)
    manifest = build_manifest(job, OutboxChannel(None, "1"), [], {}, 1_800_000_000.0)
    page = _text("docs/reference/manifest.md")
    inner = [key for table in ("source", "discord", "times") for key in manifest[table]]
    missing = [key for key in [*manifest, *inner] if f"`{key}`" not in page and f"`{key}." not in page]
    assert missing == []
    assert [cls for cls in RefusalClass if f"`{cls}`" not in page] == []


def test_the_example_that_tells_whether_a_folder_has_arrived_does_so(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(
        next(
            block for kind, block in _FENCE.findall(_text("docs/reference/manifest.md")) if kind == "python"
        ),
        names,
    )
    picture = PictureFile("kite_1.png", b"pixels", 1, 2, 2, "png")
    job = made_job(path="kite.txt", prompt=Prompt("a red kite"), accepted=1_800_000_000.0)
    manifest = build_manifest(
        job, OutboxChannel(None, "1"), [picture], {"kite.txt": b"a red kite"}, 1_800_000_000.0
    )
    (tmp_path / "manifest.json").write_bytes(dump_manifest(manifest))
    (tmp_path / "kite.txt").write_bytes(b"a red kite")
    assert not names["arrived"](tmp_path)
    (tmp_path / "kite_1.png").write_bytes(b"pix")
    assert not names["arrived"](tmp_path)
    (tmp_path / "kite_1.png").write_bytes(b"pixels")
    assert names["arrived"](tmp_path)


def test_the_pages_name_every_kind_of_evidence() -> None:
    kinds = re.findall(r"^- \*\*([a-z ]+)\*\*", matching_doc or "", re.MULTILINE)
    assert len(kinds) == 7
    for name in ("docs/reference/manifest.md", "docs/explanation/how-it-works.md"):
        assert [kind for kind in kinds if f"`{kind}`" not in _text(name)] == []


def test_the_page_on_the_status_file_names_every_key() -> None:
    facts = overview(None, daemon=True, max_per_day=1, now=0.0)
    page = _text("docs/reference/status.md")
    known = {*facts, "schema", "at", "expected_by", "version", "service"} - {"daemon"}
    assert {
        key for row in re.findall(r"^\| (`[^|]+) \|", page, re.M) for key in re.findall(r"`(\w+)`", row)
    } == known


def test_the_page_on_the_status_file_names_every_kind_of_trouble() -> None:
    page = _text("docs/reference/status.md")
    assert re.findall(r"^- `(\w+)`:", page, re.MULTILINE) == list(TroubleKind)
