"""What a prompt file refers to: all that is needed to read it, and nothing outside its folder."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.model import References
from mjwatch.prompts.expand import MAX_WILDCARDS
from mjwatch.prompts.images import MAX_PICTURES, check_name, is_picture
from mjwatch.prompts.promptfile import ReferencedNames, read_prompt_file, referenced_names
from tests.helpers.examples import examples

TOML = """
prompt = "a __colour__ cat"
label = "__not_a_wildcard__"
images = ["a.png", "./refs//b.JPG", "https://x.example/c.png", "../d.png", "/e.png", 5]
[parameters]
sref = ["__style__", 5]
[[jobs]]
prompts = ["{__animal__, b}", 5]
images = ["a.png", "f.webp", "~/g.png", "C:/h.png", "i\\\\..\\\\j.png", "k.txt"]
"""


@pytest.mark.parametrize(
    ("data", "name", "found"),
    [
        ("a __colour__ cat", "a.txt", ReferencedNames(wildcards=("colour",))),
        ("# __no__\n__b__ __a__\n__b__\n", "a.list.txt", ReferencedNames(wildcards=("b", "a"))),
        (r"\__a__ https://x.example/__b__ ref.png", "a.txt", ReferencedNames()),
        (TOML, "a.toml", ReferencedNames(("a.png", "refs/b.JPG", "f.webp"), ("colour", "style", "animal"))),
        (
            TOML,
            "a.ready.toml",
            ReferencedNames(("a.png", "refs/b.JPG", "f.webp"), ("colour", "style", "animal")),
        ),
        (TOML, "a.json", ReferencedNames()),
        ("prompt = __colour__", "a.toml", ReferencedNames()),
        ("jobs = 5\nimages = 5\nparameters = 5\nprompts = 5", "a.toml", ReferencedNames()),
        ("a = " + "[" * 30_000, "a.toml", ReferencedNames()),
        ("x" * 70_000 + "__a__", "a.txt", ReferencedNames()),
        ("__a__", "a.md", ReferencedNames()),
    ],
)
def test_the_names_that_a_file_refers_to(data: str, name: str, found: ReferencedNames) -> None:
    assert referenced_names(data.encode(), name) == found


def test_wildcards_within_wildcards_and_defaults_are_found_when_those_are_there() -> None:
    references = References(
        defaults=(("_defaults.toml", b'[parameters]\nar = "__size__"\n'),),
        wildcards={"colour": b"# __no__\npale __shade__\n"},
    )
    assert referenced_names(b"a __colour__ cat", "a.txt", references).wildcards == ("colour", "size", "shade")


def test_no_file_refers_to_more_than_a_machine_can_search() -> None:
    images = f"images = {[f'{n}.png' for n in range(3000)]}".encode()
    assert len(referenced_names(images, "a.toml").images) == MAX_PICTURES
    names = " ".join(f"__w{n}__" for n in range(3000)).encode()
    assert len(referenced_names(names, "a.txt").wildcards) == MAX_WILDCARDS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../a.png", "outside the prompt file's own folder"),
        ("refs/../../a.png", "outside"),
        ("/etc/a.png", "outside"),
        ("//host/a.png", "outside"),
        ("~/a.png", "outside"),
        ("c:a.png", "outside"),
        ("..\\a.png", "has a backslash"),
        ("\\\\host\\a.png", "has a backslash"),
        ("a\u0000.png", "can't be the name of a picture"),
        ("a\ud800.png", "can't be the name of a picture"),
        ("x" * 1001 + ".png", "can't be the name of a picture"),
        ("", "is not the name of a picture"),
        (".png/", "is not the name of a picture"),
        ("a.txt", "is not the name of a picture"),
        ("passwd", "is not the name of a picture"),
        ("a.png/passwd", "is not the name of a picture"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, message: str) -> None:
    with pytest.raises(PromptFileError) as caught:
        check_name(name)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "checked"),
    [
        ("a.png", "a.png"),
        ("./refs//a.JPEG", "refs/a.JPEG"),
        ("_refs/12:30 é.webp", "_refs/12:30 é.webp"),
        ("..a../b...gif", "..a../b...gif"),
    ],
)
def test_other_names_are_used_without_detours(name: str, checked: str) -> None:
    assert check_name(name) == checked


@pytest.mark.parametrize(
    ("data", "picture"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", True),
        (b"\xff\xd8\xff\xe0", True),
        (b"RIFF\n\x00\x00\x00WEBPVP8 ", True),
        (b"GIF89a", True),
        (b"GIF87a", True),
        (b"RIFF\x00\x00\x00\x00WAVE", False),
        (b" \x89PNG\r\n\x1a\n", False),
        (b"<svg", False),
        (b"", False),
    ],
)
def test_a_picture_is_recognized_by_its_first_bytes(data: bytes, picture: bool) -> None:
    assert is_picture(data) is picture


NAMES = st.sampled_from("abc")
PIECE = st.sampled_from(
    ["__a__", "__b__", "__c__", "x", "{", ",", "}", "\\", " ", "\n", "# ", "--ar ", "--r 2 "]
)
TEXT = st.lists(PIECE, max_size=8).map("".join)


def _toml(text: str, value: str, image: str) -> str:
    return f"prompt = '''{text}'''\nimages = ['{image}']\n[parameters]\nar = '''{value}'''\n"


FILES = TEXT.map(lambda text: (text, "a.txt")) | TEXT.map(lambda text: (text, "a.list.txt"))
FILES |= st.builds(_toml, TEXT, TEXT, st.sampled_from(["a.png", "./b.png"])).map(
    lambda text: (text, "a.toml")
)


@settings(max_examples=examples(300))
@given(FILES, st.dictionaries(NAMES, TEXT.map(str.encode)), TEXT)
def test_reading_needs_nothing_that_was_not_referred_to(
    file: tuple[str, str], lying_there: dict[str, bytes], default: str
) -> None:
    text, name = file
    defaults = (("_defaults.toml", f"[parameters]\nno = '''{default}'''\n".encode()),)
    found: dict[str, bytes] = {}
    while True:
        wanted = referenced_names(text.encode(), name, References(defaults, found))
        new = {word: lying_there[word] for word in wanted.wildcards if word in lying_there} | found
        if new == found:
            break
        found = new
    references = References(defaults, found, dict.fromkeys(wanted.images, b"GIF89a"))
    everything = References(defaults, lying_there, references.images)
    assert _outcome(text, name, references) == _outcome(text, name, everything)


def _outcome(text: str, name: str, references: References) -> object:
    try:
        return read_prompt_file(text.encode(), name, references=references)
    except PromptFileError as error:
        assert "is not there" not in error.message
        return str(error)


@settings(max_examples=examples(200))
@given(
    st.binary(max_size=100) | TEXT.map(str.encode),
    st.sampled_from(["a.txt", "a.list.txt", "a.toml", "", "a"]),
)
def test_any_bytes_refer_to_something_or_nothing(data: bytes, name: str) -> None:
    found = referenced_names(
        data, name, References(defaults=(("_defaults.toml", data),), wildcards={"a": data})
    )
    assert all(check_name(image) == image for image in found.images)
