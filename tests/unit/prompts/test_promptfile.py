"""Reading prompt files: the prompts of every kind of file, the errors and their hints, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.model import References
from mjwatch.prompts.expand import Wildcards
from mjwatch.prompts.promptfile import MAX_BYTES, PromptFile, forced, looks_incomplete, read_prompt_file
from tests.helpers.examples import examples

CAT = "https://pictures.example.org/cat.png"
DOG = "https://pictures.example.org/dog.jpg"


def texts(data: str | bytes, name: str = "a.txt") -> list[str]:
    return [prompt.text for prompt in read(data, name).prompts]


def read(data: str | bytes, name: str = "a.txt") -> PromptFile:
    return read_prompt_file(data if isinstance(data, bytes) else data.encode(), name)


def refused(data: str | bytes, name: str = "a.txt") -> PromptFileError:
    with pytest.raises(PromptFileError) as caught:
        read(data, name)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a cat", "a cat"),
        ("a cat\n", "a cat"),
        ("  a   cat\t on\r\n\r\na mat \r\n", "a cat on a mat"),
        ("a cat\ron a mat", "a cat on a mat"),
        ("# mine\n#\na cat\n  # indented\non a mat\n", "a cat on a mat"),
        ("#cats are fine", "#cats are fine"),
        ("a cat\n--ar 16:9 --v 7\n--s 50 --tile\n", "a cat --ar 16:9 --v 7 --s 50 --tile"),
        ("a cat --ar 16:9\non a mat", "a cat --ar 16:9 on a mat"),
        (b"\xef\xbb\xbfa c\xc3\xa4t", "a cät"),
        ("a cät".encode("utf-16"), "a cät"),
        (b"\xfe\xff" + "a cät\n".encode("utf-16-be"), "a cät"),
        (f"a cat {CAT} on a mat {DOG} --sref {DOG}", f"{CAT} {DOG} a cat on a mat --sref {DOG}"),
        ("a cat \N{EM DASH}ar 16:9", "a cat --ar 16:9"),
        ("-- a cat -- on a mat", "-- a cat -- on a mat"),
        ("a family 👩‍👩‍👧 of cats", "a family 👩‍👩‍👧 of cats"),
        ("x" * 6000, "x" * 6000),
    ],
)
def test_a_text_file_is_one_prompt(data: str | bytes, text: str) -> None:
    assert texts(data) == [text]


@pytest.mark.parametrize(
    "name", ["a.list.txt", "A.LIST.TXT", "a.ready.list.txt", "a.list.ready.txt", "b/c.list.txt"]
)
def test_a_list_file_is_one_prompt_a_line(name: str) -> None:
    assert texts("# cats\na cat --v 7\n\n  a dog --v 7\r\na cat --v 7", name) == [
        "a cat --v 7",
        "a dog --v 7",
        "a cat --v 7",
    ]


@pytest.mark.parametrize(
    "name", ["a.txt", "A.TXT", "a.ready.txt", "list.txt", "x.y.txt", "inbox.list.txt/a.txt"]
)
def test_other_text_files_are_one_prompt(name: str) -> None:
    assert texts("a cat,\na dog", name) == ["a cat, a dog"]


@pytest.mark.parametrize("name", ["cat.txt", "cat.ready.txt", "clients/cat.txt"])
def test_the_error_for_a_text_file_that_looks_like_a_list_names_the_right_file_name(name: str) -> None:
    assert "name the file cat.list.txt" in refused("a cat --v 7\na dog --v 7\n", name).hint


@pytest.mark.parametrize("name", ["cat.jsonl", "cat", ".txt", "cat.txt.bak", ""])
def test_other_names_are_no_prompt_files(name: str) -> None:
    assert "is not a prompt file" in refused("a cat", name).message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "the prompt is empty"),
        ("\n \r\n# only a remark\n", "the prompt is empty"),
        (b"a cat\na d\xf6g", "line 2: byte 9 is not UTF-8 text"),
        ("a cat".encode("utf-16")[:-1], "byte 10 is not UTF-16 text"),
        ("a cat".encode("utf-16-le"), "the file is not text, or UTF-16 without a byte order mark"),
        (b"\x89PNG\r\n\x1a\n", "this is a picture, not a text"),
        ("a \x1b[31mred cat", "control character (U+001B)"),
        ("a \x85 cat", "control character (U+0085)"),
        ("x" * 6001, "6001 characters, but Discord accepts at most 6000"),
        ("x\n" * 40_000, f"80000 bytes, but a prompt file may have at most {MAX_BYTES}"),
        ("a {red, blue cat", "a { is not closed"),
        ("a cat --repeat four", '--repeat "four" is not a number'),
        ("a cat --r", '--repeat "" is not a number'),
        ("a cat --r 2 --repeat 2", "--repeat is given twice"),
        ("a cat --repeat 0", '--repeat "0" is not a number'),
        ("a cat --repeat 9999999999", "is not a number"),
        ("a cat --repeat 999999999", "the file makes at least 999,999,999 jobs"),
        ("a __colour__ cat", "there is no wildcard colour: _wildcards/colour.txt is neither beside"),
    ],
)
def test_what_can_not_be_submitted_is_refused_with_the_reason(data: str | bytes, message: str) -> None:
    assert message in refused(data).message


@pytest.mark.parametrize("text", ["{a __w__}", "{ {a\\, b, c} }", "{x {__w__} y}"])
def test_what_midjourney_would_expand_itself_is_refused_after_the_expansion(text: str) -> None:
    with pytest.raises(PromptFileError, match="still holds a permutation"):
        read_prompt_file(text.encode(), "a.txt", references=References(wildcards={"w": b"b, c"}))


def test_the_error_for_a_line_of_a_list_has_its_number() -> None:
    assert refused("a cat\n\n" + "x" * 6001 + "\n", "a.list.txt").message.startswith("line 3: ")
    assert "holds no prompt" in refused("# nothing\n", "a.list.txt").message


@pytest.mark.parametrize(
    ("toml", "prompts"),
    [
        ('prompt = "a cat"', ["a cat"]),
        ('prompt = """\na cat\n  on a mat"""', ["a cat on a mat"]),
        ('prompts = ["a cat", "a dog"]', ["a cat", "a dog"]),
        ('prompt = "a cat"\ncommand = "imagine"', ["a cat"]),
        (
            'prompt = "a cat"\n[parameters]\nar = "16:9"\nq = 0.25\ntile = true\nraw = false\ns = 50',
            ["a cat --ar 16:9 --q 0.25 --tile --s 50"],
        ),
        (
            f'prompt = "a cat"\n[parameters]\nsref = ["{CAT}", "{DOG}"]\nno = ["mice", "big  dogs"]\nv = 7.0',
            [f"a cat --sref {CAT} {DOG} --no mice, big dogs --v 7.0"],
        ),
        ('prompt = "a cat"\n[parameters]\nweird = 1e-7', ["a cat --weird 0.0000001"]),
        ('prompt = "a cat --v 7"\n[parameters]\nar = "16:9"', ["a cat --v 7 --ar 16:9"]),
        (f'prompt = "a cat {DOG}"\nimages = ["{CAT}", "{DOG}"]', [f"{CAT} {DOG} a cat"]),
        ('[[jobs]]\nprompt = "a cat"\n[[jobs]]\nprompts = ["a dog", "a fox"]', ["a cat", "a dog", "a fox"]),
        (
            'prompt = "a cat"\n[parameters]\nv = 7\nar = "16:9"\n'
            '[[jobs]]\n[[jobs]]\nparameters = { aspect = "1:1" }\n[[jobs]]\nprompt = "a dog --ar 3:2"\n'
            "[[jobs]]\nparameters = { ar = false, v = 6 }",
            ["a cat --v 7 --ar 16:9", "a cat --v 7 --aspect 1:1", "a dog --ar 3:2 --v 7", "a cat --v 6"],
        ),
        (
            f'images = ["{CAT}"]\n[[jobs]]\nprompt = "x"\n[[jobs]]\nprompt = "y"\nimages = []',
            [f"{CAT} x", "y"],
        ),
    ],
)
def test_a_toml_file_gives_its_prompts(toml: str, prompts: list[str]) -> None:
    assert texts(toml, "a.toml") == prompts


def test_a_toml_prompt_keeps_label_and_parameters_for_the_manifest() -> None:
    toml = 'label = "  spring\\n campaign"\nprompt = "a cat"\n[parameters]\nv = 7\n'
    jobs = '[[jobs]]\nparameters = { ar = "1:1", tile = false }'
    (prompt,) = read(toml + jobs, "a.toml").prompts
    assert prompt.label == "spring campaign"
    assert prompt.parameters == {"v": 7, "ar": "1:1", "tile": False}
    assert prompt.text == "a cat --v 7 --ar 1:1"
    assert prompt.command == "imagine"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("prompt = ", "line 1, column 10"),
        ('prompt = "a cat"\n[parameters]\nar = 16:9', "line 3, column 8"),
        ("", "there is no prompt"),
        ('label = "x"', "there is no prompt"),
        ("prompts = []", "prompts is empty"),
        ('prompt = ""', "the prompt is empty"),
        ('prompt = ""\n[parameters]\nv = 7', "the prompt is empty"),
        ('prompts = ["a cat", " "]', "prompt 2: the prompt is empty"),
        ('prompt = "a"\nprompts = ["b"]', "both prompt and prompts"),
        ("prompt = 5", "prompt is 5, but must be text in quotes"),
        ('prompts = "a cat"', 'prompts is "a cat", but must be a list'),
        ('prompts = ["a", 5]', 'prompts is ["a", 5]'),
        ('promt = "a cat"', 'unknown key "promt" (did you mean prompt?)'),
        ('prompt = "a"\nar = "16:9"', 'unknown key "ar"'),
        ('prompt = "a"\nrepeat = 0', "repeat is 0, but must be a whole number from 1"),
        ('prompt = "a"\nrepeat = true', "repeat is true"),
        ('prompt = "a --repeat 2"\nrepeat = 2', "--repeat is given both in the prompt's text and"),
        (
            'prompt = "a"\nrepeat = 2\n[parameters]\nr = 2',
            "repeat is given both above and below [parameters]",
        ),
        ('prompt = "a"\nthen = ["U5"]', 'there is no follow-up "U5" (did you mean'),
        ('prompt = "a"\nthen = 5', "then is 5, but must be a list of texts"),
        ('prompt = "a"\npriority = 1.5', "priority is 1.5, but must be a whole number"),
        ('prompt = "a"\npriority = true', "priority is true"),
        ('prompt = "a"\npriority = 10000000', "priority is 10000000"),
        ('prompt = "a"\nnot_before = "tomorrow"', 'not_before is "tomorrow", but must be a date'),
        ('prompt = "a"\nnot_before = 22:00:00', 'not_before is "22:00:00", but must be a date'),
        ('prompt = "a"\nnot_before = 0001-01-01', "which is too far away"),
        ('prompt = "a"\nimages = ["cat.png"]', 'the picture "cat.png" was not found'),
        ('prompt = "a"\nimages = ["../../etc/passwd"]', "is outside the prompt file's own folder"),
        ('prompt = "a"\napplication = "nijii"', 'there is no application "nijii" (did you mean niji?)'),
        ('prompt = "a"\nimages = "cat.png"', "must be a list"),
        ('prompt = "a"\nlabel = 5', "label is 5"),
        ('prompt = "a"\nlabel = "\\u0007"', "control character (U+0007)"),
        ('prompt = "a\\u0000b"', "control character (U+0000)"),
        ('prompt = "a"\nparameters = "--v 7"', "parameters is"),
        ('[parameters]\nv = 7\nprompt = "a"', "prompt is below [parameters]"),
        ('prompt = "a"\n[parameters]\nlabel = "a"', "label is below [parameters]"),
        ('prompt = "a"\n[parameters]\n"--v" = 7', '"--v" is not the name of a parameter'),
        ('prompt = "a"\n[parameters]\nar = "1:1"\naspect = "1:1"', "ar and aspect are the same"),
        ('prompt = "a"\n[parameters]\nar = 16:09:00', 'ar is "16:09:00", but must be text'),
        ('prompt = "a"\n[parameters]\nq = nan', "q is NaN"),
        ('prompt = "a"\n[parameters]\nq = {}', "q is a table"),
        ('prompt = "a"\n[parameters]\nsref = []', "sref is []"),
        ('prompt = "a"\n[parameters]\nsref = [["x"]]', "sref is"),
        ('prompt = "a"\n[parameters]\nsref = [true]', "sref is"),
        ('prompt = "a"\n[parameters]\np = ""', "the parameter p is empty"),
        ('prompt = "a"\n[parameters]\nno = "mice --v 7"', "holds another parameter"),
        ('prompt = "a"\n[parameters]\nrepeat = true', "--repeat true is not a number"),
        ('prompt = "a"\n[parameters]\nsref = "{a --v 7, b}"', "the value of sref holds another parameter"),
        (
            'prompt = "a --ar 1:1"\n[parameters]\naspect = "16:9"',
            "--aspect is given both in the prompt's text and in",
        ),
        ("jobs = []", "jobs is []"),
        ("jobs = 5", "jobs is 5"),
        ('[jobs]\nprompt = "a"', "jobs is a table"),
        ('[[jobs]]\nprompt = "a"\n[[jobs]]\nlabel = "b"', "job 2: there is no prompt"),
        ('[[jobs]]\nprompts = ["a", ""]', "job 1, prompt 2: the prompt is empty"),
        ("[[jobs]]\nprompt = 5", "job 1: prompt is 5"),
        ('[[jobs]]\n[[jobs.jobs]]\nprompt = "a"', 'job 1: unknown key "jobs"'),
        ("a = " + "[" * 30_000, "nested too deeply"),
        ("a." * 20_000 + "a = 1", "nested too deeply"),
        ("a = " + "9" * 5000, "a number in it is too long"),
        ('prompt = "a"\nimages = ["file:///cat.png"]', "must begin with http"),
        (b"prompt = 'caf\xe9'", "byte 13 is not UTF-8"),
    ],
)
def test_a_toml_file_that_can_not_be_read_is_refused_with_the_position_and_a_hint(
    toml: str | bytes, message: str
) -> None:
    assert message in refused(toml, "a.toml").message


@pytest.mark.parametrize(
    ("toml", "hint"),
    [
        ("prompt = a cat", "put text values in quotes"),
        ("prompt = 'x'\nlabel = \u201cx\u201d", "between straight quotes"),
        ("prompt = 'x'\n[parameters]\ntile = True", "in lower case"),
        ('images = ["C:\\pics\\a.png"]', "in double quotes write a backslash"),
        ("prompt = 'x'\n[parameters]\nar = 16:9", "put text values in quotes"),
        ('prompt = "a\ncat"', "close the quotes on the same line"),
        ("prompt = 'x", "close the quotes"),
        ('prompt = """x', "close the quotes"),
        ("prompt = 'a\ncat'", "use ''' around a text of several lines"),
        ("label = 'x'\nlabel = 'y'", "is there twice"),
        ("[parameters]\nv = 7\n[parameters]\nq = 1", "is there twice"),
        ("a cat --ar 16:9", "each line is key = value"),
        ("prompt: 'x'", "each line is key = value"),
        ("prompts = ['a', 'b'", "close the list with ]"),
        ("[[jobs]\nprompt = 'x'", "close the brackets of the table's name"),
        ("a = " + "[" * 30_000, "nothing in a prompt file is nested that deeply"),
        ("a = " + "9" * 5000, "put text values in quotes"),
    ],
)
def test_the_error_for_broken_toml_says_what_was_probably_meant(toml: str, hint: str) -> None:
    assert hint in refused(toml, "a.toml").hint


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("a cat\n" * 4, "a.list.txt"),
        ('prompts = ["a", "b", "c", "d"]', "a.toml"),
        ('prompts = ["a", "b"]\n[[jobs]]\n[[jobs]]', "a.toml"),
        (f"prompts = {['x'] * 8000}\n" + "[[jobs]]\n" * 2000, "a.toml"),
    ],
)
def test_more_prompts_than_allowed_are_refused_with_their_number(data: str, name: str) -> None:
    with pytest.raises(PromptFileError, match=r"the file makes (at least )?[\d,]+ jobs, but at most 3"):
        read_prompt_file(data.encode(), name, max_jobs=3)
    if len(data) < 100:
        assert len(read_prompt_file(data.encode(), name, max_jobs=4).prompts) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a cat --s 1001", "--stylize 1001: Midjourney takes a number from 0 to 1000"),
        ("a cat --stylize", "--stylize : "),
        ("a cat --c 101", "--chaos 101"),
        ("a cat --weird 3001", "--weird 3001"),
        ("a cat --iw 3.5", "--iw 3.5"),
        ("a cat --q 3", "--quality 3"),
        ("a cat --ar 16/9", "--ar 16/9: Midjourney takes two whole numbers such as 16:9"),
        ("a cat --ar 1.5:1", "--ar 1.5:1"),
        ("a cat --ar 16:9 on a mat", "--ar 16:9 on a mat"),
        ("a cat \N{EN DASH}fur 5", "write --fur"),
    ],
)
def test_a_probable_mistake_is_a_warning_and_the_prompt_is_sent_as_written(text: str, message: str) -> None:
    file = read(text)
    assert [prompt.text for prompt in file.prompts] == [text]
    (warning,) = file.warnings
    assert message in warning


@pytest.mark.parametrize(
    "text",
    [
        "a cat --ar 16:9 --s 0 --c 100 --iw .5 --q .25 --weird 3000 --no mice, dogs --seed 5",
        "a cat --brandnew 5 --tile --v 9.1",
        "the years 1990 \N{EN DASH} 2000, well\N{EN DASH}known, 5\N{EN DASH}6",
    ],
)
def test_good_and_unknown_parameters_give_no_warning(text: str) -> None:
    assert read(text).warnings == ()


def test_a_warning_of_one_among_several_names_its_place() -> None:
    assert read("a cat\na dog --s 5000\n", "a.list.txt").warnings[0].startswith("line 2: --stylize 5000")
    assert read('[[jobs]]\nprompt = "a --s 5000"', "a.toml").warnings[0].startswith("job 1: ")


@pytest.mark.parametrize(
    ("data", "name", "incomplete"),
    [
        (b"", "a.txt", True),
        (b"\n\n", "a.txt", True),
        (b"a cat", "a.txt", True),
        (b"a cat\n", "a.txt", False),
        (b"a cat\r\n", "a.list.txt", False),
        ("a cat\n".encode("utf-16"), "a.txt", False),
        ("a cat\n".encode("utf-16")[:-1], "a.txt", True),
        (b"a c\xc3", "a.txt", True),
        (b"prompt = \n", "a.toml", True),
        (b"prompt = 'a cat'\npriority = 5", "a.toml", True),
        (b"prompt = 'a cat'\n", "a.ready.toml", False),
        (b"unknown = 'key'\n", "a.toml", False),
    ],
)
def test_a_half_written_file_is_recognized(data: bytes, name: str, incomplete: bool) -> None:
    assert looks_incomplete(data, name) is incomplete


NAMES = st.sampled_from(["a.txt", "a.list.txt", "a.toml", "a.json"])
WILD_TOML = st.lists(
    st.sampled_from(
        [
            "prompt = ",
            "prompts = ",
            "images = ",
            "[parameters]\n",
            "[[jobs]]\n",
            "label = ",
            *("then = ", "action = ", "parent = ", "command = ", "repeat = ", "not_before = ", "priority = "),
            *('"U1"', '"all"', '"blend"', '"describe"', '"7k3f9a2m"', '["a.png"]', '["b.png", "../c.png"]'),
            *('"{a, b} __w__"', '"a --repeat 3"', "1979-05-27T07:32:00Z", "1979-05-27"),
            '"a"',
            '["a --v 7"]',
            "\n",
            *("ar = ", '"16:9"', "true", "5", "1e400", "2026-01-01", "{}", "[]", "https://", "#", ".", "'"),
        ]
    ),
    max_size=20,
).map("".join)
WILD = st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | WILD_TOML.map(str.encode)


@settings(max_examples=examples(400))
@given(WILD, NAMES, WILD, WILD)
def test_any_bytes_are_prompts_or_a_prompt_file_error(
    data: bytes, name: str, defaults: bytes, nearby: bytes
) -> None:
    looks_incomplete(data, name)
    references = References(
        (("_defaults.toml", defaults),), {"w": nearby}, {"a.png": nearby, "b.png": b"GIF89a"}
    )
    try:
        file = read_prompt_file(data, name, references=references if len(defaults) % 2 else References())
    except PromptFileError as error:
        assert error.message
        assert error.hint
        return
    assert 0 < len(file.prompts) <= file.jobs <= 100
    for prompt in file.prompts:
        assert prompt.text == " ".join(prompt.text.split())
        assert len(prompt.text) <= 6000
        assert prompt.text or prompt.images or prompt.action or prompt.command in {"blend", "info"}
        assert Wildcards({}).template(prompt.text, force=True).count == 1
        assert (prompt.action is None) == (prompt.parent is None)


WORDS = st.lists(st.from_regex(r"[a-zäöü0-9,.!?]{1,12}", fullmatch=True), min_size=1, max_size=30)


@given(WORDS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from([" ", "\n", "\r\n", "  \t"]))
def test_plain_words_come_back_whatever_the_encoding_and_the_line_breaks(
    words: list[str], encoding: str, blank: str
) -> None:
    name, data = forced(blank.join(words).encode(encoding), "a.txt")  # short lines look like a list
    assert texts(data, name) == [" ".join(words)]


def test_a_control_character_is_named_also_where_the_prompt_is_forced() -> None:
    name, data = forced(b"a red\x7f fox", "a.txt")
    with pytest.raises(PromptFileError, match=r"U\+007F"):
        read_prompt_file(data, name)


@given(WORDS)
def test_a_prompt_reads_the_same_when_its_text_is_read_again(words: list[str]) -> None:
    (once,) = texts(" ".join([*words, "cat", CAT, "--ar", "16:9"]))
    assert texts(once) == [once]
