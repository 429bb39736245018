"""``_defaults.toml``: the keys of a folder for all prompt files in it, and which keys replace them."""

from __future__ import annotations

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.model import Prompt, References
from mjwatch.prompts.promptfile import read_prompt_file

OUTER = 'label = "all"\npriority = 1\nthen = ["U1"]\n[parameters]\nv = 7\nar = "1:1"\n'
INNER = 'priority = 0\n[parameters]\naspect = "2:3"\ntile = true\n'


def read(data: str, name: str, *defaults: str) -> tuple[Prompt, ...]:
    paths = ("_defaults.toml", "clients/_defaults.toml")
    references = References(
        defaults=tuple((path, text.encode()) for path, text in zip(paths, defaults, strict=False)),
        wildcards={"size": b"16:9\n9:16\n"},
    )
    return read_prompt_file(data.encode(), name, references=references).prompts


def refused(*defaults: str) -> PromptFileError:
    with pytest.raises(PromptFileError) as caught:
        read("a cat\n", "a.txt", *defaults)
    assert caught.value.hint
    return caught.value


def test_a_folders_defaults_count_for_every_kind_of_prompt_file() -> None:
    expected = Prompt(
        "a cat --v 7 --ar 1:1", parameters={"v": 7, "ar": "1:1"}, label="all", then=("U1",), priority=1
    )
    assert read("a cat", "a.txt", OUTER) == (expected,)
    assert read("a cat\n", "a.list.txt", OUTER) == (expected,)
    assert read('prompt = "a cat"', "a.toml", OUTER) == (expected,)


def test_the_nearer_folder_wins_and_the_file_wins_over_both() -> None:
    (prompt,) = read("a cat", "a.txt", OUTER, INNER)
    assert prompt.text == "a cat --v 7 --aspect 2:3 --tile"
    assert (prompt.priority, prompt.label, prompt.then) == (0, "all", ("U1",))
    own = 'label = "mine"\nthen = []\npriority = 9\nprompt = "a cat --v 6"\n'
    toml = own + '[parameters]\nar = "3:2"\ntile = false\n'
    (prompt,) = read(toml, "a.toml", OUTER, INNER)
    assert prompt.text == "a cat --v 6 --ar 3:2"
    assert (prompt.priority, prompt.label, prompt.then) == (9, "mine", ())


def test_the_keys_above_the_jobs_of_a_file_win_over_its_folder() -> None:
    above = 'label = "file"\n[parameters]\nar = "3:2"\n'
    jobs = '[[jobs]]\nprompt = "a"\n[[jobs]]\nprompt = "b"\nlabel = "job"\n'
    prompts = read(above + jobs, "a.toml", OUTER)
    assert [prompt.text for prompt in prompts] == ["a --v 7 --ar 3:2", "b --v 7 --ar 3:2"]
    assert [prompt.label for prompt in prompts] == ["file", "job"]


def test_a_text_that_says_it_itself_wins_over_any_default() -> None:
    (prompt,) = read("a cat --aspect 16:9 --version 6", "a.txt", OUTER, INNER)
    assert prompt.text == "a cat --aspect 16:9 --version 6 --tile"


def test_defaults_may_repeat_and_name_the_other_bot() -> None:
    assert (
        read("a cat", "a.txt", 'repeat = 2\napplication = "niji"')
        == (Prompt("a cat", application="niji"),) * 2
    )
    assert len(read("a cat --repeat 3", "a.txt", "repeat = 2")) == 3
    toml = 'prompt = "a cat"\nrepeat = 1\napplication = "midjourney"'
    assert read(toml, "a.toml", 'repeat = 2\napplication = "niji"') == (Prompt("a cat"),)


def test_defaults_may_hold_choices() -> None:
    prompts = read("a cat", "a.txt", '[parameters]\nar = "__size__"')
    assert [prompt.text for prompt in prompts] == ["a cat --ar 16:9", "a cat --ar 9:16"]
    assert len(read("a cat --ar 1:1", "a.txt", '[parameters]\nar = "__size__"')) == 1


@pytest.mark.parametrize(
    ("toml", "prompt"),
    [
        ('command = "info"', Prompt("", command="info", label="all", priority=1)),
        ('command = "shorten"\nprompt = "a"', Prompt("a", command="shorten", label="all", priority=1)),
        (
            'parent = "7k3f9a2m"\naction = "V1"\nprompt = "a"',
            Prompt("a", action="V1", parent="7k3f9a2m", label="all", priority=1),
        ),
    ],
)
def test_parameters_and_follow_ups_are_defaults_for_new_pictures_alone(toml: str, prompt: Prompt) -> None:
    assert read(toml, "a.toml", OUTER + "repeat = 2\n") == (prompt,) * (1 if prompt.action else 2)


@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        (("prompt = 'x'",), '_defaults.toml: unknown key "prompt"'),
        (("images = ['x.png']",), '_defaults.toml: unknown key "images"'),
        (("not_before = 2026-01-01",), '_defaults.toml: unknown key "not_before"'),
        (("lable = 'x'",), '_defaults.toml: unknown key "lable" (did you mean label?)'),
        (("ar = '1:1'",), '_defaults.toml: unknown key "ar"'),
        (("", "priority = 'high'"), 'clients/_defaults.toml: priority is "high"'),
        (("", "[parameters"), "clients/_defaults.toml: not valid TOML: line 1"),
        (("", "then = ['U7']"), 'clients/_defaults.toml: there is no follow-up "U7"'),
        (("x" * 70_000,), "_defaults.toml: the file has 70000 bytes"),
    ],
)
def test_a_defaults_file_that_can_not_be_used_is_named(defaults: tuple[str, ...], message: str) -> None:
    assert refused(*defaults).message.startswith(message)
