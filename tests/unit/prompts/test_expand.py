"""Permutations and wildcards: what a text stands for, in which order, and how many before any is made."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.prompts.expand import MAX_WILDCARDS, UNCOUNTED, Wildcards, wildcards_in
from mjwatch.prompts.filenames import WildcardNames
from tests.helpers.examples import examples

WILDCARDS = {
    "colour": b"# of the walls\nred\n\nblue, not too dark\n",
    "shade": b"\xef\xbb\xbf{pale, deep} __colour__\r\ngrey\r\n",
    "one": b"only this",
}


def texts(text: str, **wildcards: bytes) -> list[str]:
    template = Wildcards(WILDCARDS | wildcards).template(text)
    found = [" ".join(one.split()) for one in template.texts()]
    assert len(found) == template.count
    return found


def refused(text: str, wildcards: dict[str, bytes]) -> PromptFileError:
    with pytest.raises(PromptFileError) as caught:
        Wildcards(wildcards).template(text)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a cat, a dog", ["a cat, a dog"]),
        ("", [""]),
        ("a {red, blue} cat", ["a red cat", "a blue cat"]),
        ("a {red,blue}berry", ["a redberry", "a blueberry"]),
        ("dark{red, blue}", ["darkred", "darkblue"]),
        ("{a, b} {1, 2}", ["a 1", "a 2", "b 1", "b 2"]),
        ("{a, {b, c} d, e} f", ["a f", "b d f", "c d f", "e f"]),
        ("a cat{, on a mat}", ["a cat", "a caton a mat"]),
        ("a cat {, on a mat}", ["a cat", "a cat on a mat"]),
        ("{,,}", ["", "", ""]),
        ("a cat --ar {1:1, 16:9}", ["a cat --ar 1:1", "a cat --ar 16:9"]),
        (r"{red\, not blue, blue}", ["red, not blue", "blue"]),
        (r"a \{red, blue\} cat", [r"a \{red, blue\} cat"]),
        (r"{\{a, b\}}", [r"\{a", r"b\}"]),
        ("the set {a}", ["the set {a}"]),
        ("{ {a, b} }", ["{ a }", "{ b }"]),
        (r"{x {a\, b}, y}", [r"x {a\, b}", "y"]),
        (r"red\, not blue", [r"red\, not blue"]),
        ("a __colour__ wall", ["a red wall", "a blue, not too dark wall"]),
        ("__one__ and __one__", ["only this and only this"]),
        ("__shade__", ["pale red", "pale blue, not too dark", "deep red", "deep blue, not too dark", "grey"]),
        ("{a __one__, __colour__}", ["a only this", "red", "blue, not too dark"]),
        ("(__one__)", ["(only this)"]),
        (r"def \__init__", ["def __init__"]),
        (r"def \__init__(self)", ["def __init__(self)"]),
        ("my __one__s", ["my only thiss"]),
        (
            "_one_ snake__case x__y and z__w ____ ___one___",
            ["_one_ snake__case x__y and z__w ____ ___one___"],
        ),
        ("https://x.example/__one__/a.png?b=__one__", ["https://x.example/__one__/a.png?b=__one__"]),
        ("{https://x.example/a.png, b}", ["https://x.example/a.png", "b"]),
    ],
)
def test_a_text_is_expanded_into_these_prompts(text: str, expanded: list[str]) -> None:
    assert texts(text) == expanded


NAMED = {
    "80s": b"neon\n",
    "artists/dutch": b"Hals\n",
    "artists/flemish": b"Rubens\n",
    "artists/old/greek": b"Apelles\n",
    "hair color": b"auburn\n",
    "\u0446\u0432\u0435\u0442": b"\xd1\x81\xd0\xb8\xd0\xbd\xd0\xb8\xd0\xb9\n",
    "caf\u00e9": b"espresso\n",
    "color.v2": b"teal\n",
    "Mood": b"calm\n",
    "c#, minor": b"sad\n",
    "\u989c\u8272": b"\xe7\xba\xa2\n",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("an __80s__ car", ["an neon car"]),
        ("after __artists/dutch__, oil", ["after Hals, oil"]),
        ("__hair color__ hair", ["auburn hair"]),
        (
            "\u043a\u043e\u0442 __\u0446\u0432\u0435\u0442__",
            ["\u043a\u043e\u0442 \u0441\u0438\u043d\u0438\u0439"],
        ),
        ("\u4e00\u53ea__\u989c\u8272__\u732b", ["\u4e00\u53ea\u7ea2\u732b"]),
        ("cafe __cafe\u0301__", ["cafe espresso"]),
        ("__color.v2__.", ["teal."]),
        ("a __mood__ lake", ["a calm lake"]),
        ("in __c#, minor__", ["in sad"]),
        ("dark__80s__", ["darkneon"]),
        ("__artists/*__", ["Hals", "Rubens"]),
        ("__artists/**__", ["Hals", "Rubens", "Apelles"]),
        ("__**/greek__", ["Apelles"]),
        ("__?0s__", ["neon"]),
        ("__col*__ {__80s__, x}", ["teal neon", "teal x"]),
    ],
)
def test_a_wildcard_may_have_any_name_that_a_file_can_have(text: str, expanded: list[str]) -> None:
    assert [" ".join(one.split()) for one in Wildcards(NAMED).template(text).texts()] == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "__hair colour__",
            "hair colour.txt is neither beside the prompt file nor above it (did you mean hair color?)",
        ),
        ("__dutch__", "(did you mean artists/dutch?)"),
        ("__painters/dutsh__", "(did you mean artists/dutch?)"),
        ("__80 s__ x", "(did you mean 80s?)"),
        ("__init__ and __main__", "there is no wildcard init"),
        ("a__b__c", "there is no wildcard b"),
        ("__../secret__", "there is no wildcard ../secret"),
        ("__/etc/passwd__", "there is no wildcard /etc/passwd"),
        (" ".join(f"__{name[:-1]}*__ __*{name[1:]}__" for name in NAMED), "more than 20 wildcards with *"),
        ("__zebra*__", "there is no wildcard zebra*"),
        ("__{red, blue}_hair__", "can't hold braces: `__{red, blue}_hair__`"),
        ("a {red|blue} cat", "`{red|blue}` is how other programs write a choice"),
        ("{2$$a|b}", "`{2$$a|b}` is how other programs write a choice"),
        ("{__80s__|b}", "write a choice"),
        ("{x, {a|b}}", "`{a|b}`"),
    ],
)
def test_a_wildcard_that_is_not_there_and_a_choice_of_other_tools_are_refused(
    text: str, message: str
) -> None:
    assert message in refused(text, NAMED).message


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("{red|blue}", "write `{red, blue}` for that"),
        ("{2$$red|dark, blue}", r"write `{red, dark\, blue}` for that"),
        ("{0.3::red|0.7::blue}", "write `{red, blue}` for that"),
    ],
)
def test_a_choice_of_other_tools_is_refused_with_its_spelling_here(text: str, here: str) -> None:
    assert here in refused(text, {}).hint


def test_force_takes_a_name_that_is_not_there_and_a_choice_of_other_tools_as_plain_text() -> None:
    text = "a {red|blue} __init__ {x, y} __80s__ __{a, b}__"
    assert [" ".join(one.split()) for one in Wildcards(NAMED).template(text, force=True).texts()] == [
        f"a {{red|blue}} __init__ {part} neon __{last}__" for part in "xy" for last in "ab"
    ]


def test_force_holds_for_the_lines_of_a_wildcard_too() -> None:
    wildcards = Wildcards({"w": b"{red|blue}\n__none__\na { b\n"})
    assert list(wildcards.template("__w__ cat", force=True).texts()) == [
        "{red|blue} cat",
        "__none__ cat",
        "a { b cat",
    ]
    with pytest.raises(PromptFileError, match="other programs"):
        wildcards.template("__w__ cat")


def test_force_takes_a_brace_without_its_pair_as_plain_text() -> None:
    for text in ("a {red, blue car", "a } cat", "{a, {b, c", "x{"):
        assert list(Wildcards({}).template(text, force=True).texts()) == [text]
    assert list(Wildcards({}).template("a {b, {c,d}", force=True).texts()) == ["a {b, c", "a {b, d"]


def test_names_of_files_are_compared_as_they_are_read() -> None:
    names = WildcardNames(["Red", "red", "cafe\u0301", "a/b", "a.b"])
    assert names.matching("red") == ["red"]
    assert names.matching("RED") == []  # there are two
    assert names.matching("caf\u00e9") == ["cafe\u0301"]
    assert names.matching("a?b") == ["a.b"]
    assert names.matching("*") == ["Red", "a.b", "cafe\u0301", "red"]
    assert names.matching("*a*b*") == []  # too many stars
    assert (len(names), "a/b" in names, "RED" in names) == (5, True, False)


def test_a_wildcard_used_twice_varies_on_its_own_in_each_place() -> None:
    assert len(texts("__colour__ on __colour__")) == 4


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("{a,b,c,d,e,f,g,h,i,j}" * 4, 10_000),
        ("{a,b,c,d,e,f,g,h,i,j}" * 30, 10**30),
        ("{a,b}" * 12_000, UNCOUNTED),
        ("{__many__,x}" * 5, 1001**5),
    ],
)
def test_what_nobody_could_hold_is_counted_without_making_it(text: str, count: int) -> None:
    assert Wildcards({"many": b"line\n" * 1000}).template(text).count == count


def test_wildcards_that_refer_to_each_other_many_times_are_counted_at_once() -> None:
    nested = {f"w{n}": f"__w{n + 1}__ or {{__w{n + 1}__, b}}\n".encode() * 500 for n in range(7)}
    assert Wildcards(nested | {"w7": b"end"}).template("__w0__").count == UNCOUNTED


def test_wildcards_that_make_a_text_too_long_are_refused_without_making_it() -> None:
    nested = {f"w{n}": f"__w{n + 1}__ ".encode() * 100 for n in range(7)}
    assert "more than 65,536 characters" in refused("__w0__", nested | {"w7": b"end"}).message


@pytest.mark.parametrize(
    ("text", "wildcards", "message"),
    [
        ("a {red, blue cat", {}, "a { is not closed"),
        ("a red, blue} cat", {}, "a } has no { before it"),
        ("{" * 30 + "}" * 30, {}, "too deeply"),
        ("__nix__", {}, "there is no wildcard nix: _wildcards/nix.txt"),
        ("__a__", {"a": b"x\n__nix__"}, "_wildcards/a.txt, line 2: there is no wildcard nix"),
        ("__a__", {"a": b"# nothing\n\n"}, "_wildcards/a.txt is empty"),
        ("__a__", {"a": b"x\n\xff\n"}, "_wildcards/a.txt: line 2: byte 2 is not UTF-8"),
        ("__a__", {"a": b"x\n\n{y"}, "_wildcards/a.txt, line 3: a { is not closed"),
        ("__a__", {"a": b"__b__", "b": b"{"}, "_wildcards/b.txt, line 1: a { is not closed"),
        ("__a__", {"a": b"__a__"}, "refers to itself: a → a"),
        ("__a__", {"a": b"__b__", "b": b"{x, __a__}"}, "refers to itself: a → b → a"),
        (
            "__w0__",
            {f"w{n}": f"__w{n + 1}__".encode() for n in range(20)},
            "too deeply: w0 → w1",
        ),
        (
            " ".join(f"__w{n}__" for n in range(MAX_WILDCARDS + 1)),
            {f"w{n}": b"x" for n in range(MAX_WILDCARDS + 1)},
            f"more than {MAX_WILDCARDS} wildcards",
        ),
        (
            "__a__ __b__ __c__ __d__ __e__",
            dict.fromkeys("abcde", b"line\n" * 13_000),
            "262,144 bytes together",
        ),
    ],
)
def test_what_can_not_be_expanded_is_refused_with_its_place(
    text: str, wildcards: dict[str, bytes], message: str
) -> None:
    assert message in refused(text, wildcards).message


def test_the_names_of_wildcards_are_found_where_they_would_be_expanded() -> None:
    text = r"__a__ {__b-c__, \__d__} https://x.example/__e__ my__f__ __G2__ __a__ __h/i j__"
    assert list(wildcards_in(text)) == ["a", "b-c", "f", "G2", "a", "h/i j"]


WORD = st.text("abc é,", min_size=0, max_size=4).map(lambda word: word.replace(",", ""))


def _group(inner: st.SearchStrategy[tuple[str, int]]) -> st.SearchStrategy[tuple[str, int]]:
    """Return a group of two or three texts, each with the number of texts that it stands for."""
    options = st.lists(st.tuples(WORD, inner), min_size=2, max_size=3)
    return options.map(
        lambda found: (
            "{" + ",".join(word + text for word, (text, _) in found) + "}",
            sum(count for _, (_, count) in found),
        )
    )


TEXTS = st.recursive(st.tuples(WORD, st.just(1)), _group, max_leaves=8)


@given(st.lists(TEXTS, max_size=3))
def test_the_count_is_that_of_the_texts_that_are_made(pieces: list[tuple[str, int]]) -> None:
    template = Wildcards({}).template(" ".join(text for text, _ in pieces))
    expected = 1
    for _, count in pieces:
        expected *= count
    assert template.count == expected == sum(1 for _ in template.texts())


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4), max_size=4))
def test_the_first_choice_varies_slowest(groups: list[list[str]]) -> None:
    text = " ".join("{" + ",".join(group) + "}" for group in groups)
    assert texts(text) == [" ".join(chosen) for chosen in itertools.product(*groups)]


WILD = st.lists(
    st.sampled_from(["{", "}", ",", "\\", "__", "a", "b", "__a__", "__b__", " ", "\n", "https://x/", "--ar"]),
    max_size=25,
).map("".join)


@settings(max_examples=examples(300))
@given(WILD | st.text(max_size=40), WILD.map(str.encode) | st.binary(max_size=40), WILD.map(str.encode))
def test_any_text_is_expanded_or_refused(text: str, first: bytes, second: bytes) -> None:
    try:
        template = Wildcards({"a": first, "b": second}).template(text)
    except PromptFileError as error:
        assert error.message
        assert error.hint
        return
    if template.count < 1000:
        assert sum(1 for _ in template.texts()) == template.count


@given(st.text(st.characters(exclude_characters="{}\\_,"), max_size=60))
def test_a_text_without_choices_comes_back_as_it_is(text: str) -> None:
    assert list(Wildcards({}).template(text).texts()) == [text]
