"""Commands and follow-ups by file: what each takes, what it becomes, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.model import Prompt, References
from mjwatch.prompts.promptfile import PromptFile, read_prompt_file

CAT = "https://pictures.example.org/cat.png"
PNG = b"\x89PNG\r\n\x1a\n and so on"
PICTURES = References(images={f"{letter}.png": PNG for letter in "abcdef"} | {"refs/a.webp": b"RIFF1234WEBP"})
UUID = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
JOB = 'parent = "7k3f9a2m"\n'


def read(toml: str, max_jobs: int = 100, references: References = PICTURES) -> PromptFile:
    return read_prompt_file(toml.encode(), "a.toml", max_jobs=max_jobs, references=references)


def only(toml: str) -> Prompt:
    (prompt,) = read(toml).prompts
    return prompt


def refused(toml: str, references: References = PICTURES) -> PromptFileError:
    with pytest.raises(PromptFileError) as caught:
        read(toml, references=references)
    assert caught.value.hint
    return caught.value


# ---- commands


@pytest.mark.parametrize(
    ("toml", "prompt"),
    [
        (
            f'prompt = "a cat"\nimages = ["refs/a.webp", "{CAT}", "./b.png", "b.png"]',
            Prompt(f"{CAT} a cat", images=("refs/a.webp", "b.png")),
        ),
        ('images = ["a.png", "b.png"]', Prompt("", images=("a.png", "b.png"))),
        (
            'prompt = ""\nimages = ["a.png", "b.png"]\nparameters = { v = 7 }',
            Prompt("--v 7", images=("a.png", "b.png"), parameters={"v": 7}),
        ),
        (f'images = ["{CAT}"]\nprompt = "a cat"', Prompt(f"{CAT} a cat")),
        ('command = "/Imagine"\nprompt = "a cat"', Prompt("a cat")),
        (
            'command = "blend"\nimages = ["a.png", "b.png"]',
            Prompt("", command="blend", images=("a.png", "b.png")),
        ),
        (
            'command = "blend"\nimages = ["a.png", "b.png"]\ndimensions = "Portrait"',
            Prompt("--ar 2:3", command="blend", images=("a.png", "b.png")),
        ),
        (
            'command = "blend"\nimages = ["a.png", "b.png", "c.png", "d.png", "e.png"]\n'
            'then = "all"\n[parameters]\naspect = "3:2"',
            Prompt(
                "--ar 3:2",
                command="blend",
                images=("a.png", "b.png", "c.png", "d.png", "e.png"),
                then=("U1", "U2", "U3", "U4"),
            ),
        ),
        ('command = "describe"\nimages = ["a.png"]', Prompt("", command="describe", images=("a.png",))),
        (f'command = "describe"\nimages = ["{CAT}"]', Prompt(CAT, command="describe")),
        ('command = "shorten"\nprompt = "a very long cat"', Prompt("a very long cat", command="shorten")),
        ('command = "info"', Prompt("", command="info")),
        ('command = "info"\nlabel = "x"\npriority = -1', Prompt("", "info", label="x", priority=-1)),
        (f'command = "show"\nprompt = "{UUID}"', Prompt(UUID, command="show")),
        ('application = "niji"\nprompt = "a cat"', Prompt("a cat", application="niji")),
        ('application = "Midjourney"\nprompt = "a cat"', Prompt("a cat")),
    ],
)
def test_a_command_becomes_a_prompt(toml: str, prompt: Prompt) -> None:
    assert only(toml) == prompt


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('command = "blend"\nimages = ["a.png"]', "blend takes 2 to 5 pictures, not 1"),
        ('command = "blend"\nimages = ["a.png", "a.png"]', 'blend: images names "a.png" 2 times'),
        (
            'command = "blend"\nimages = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]',
            "blend takes 2 to 5 pictures, not 6",
        ),
        ('command = "blend"', "blend takes 2 to 5 pictures, not 0"),
        (f'command = "blend"\nimages = ["a.png", "{CAT}"]', "blend takes files, not links"),
        ('command = "blend"\nprompt = "a cat"\nimages = ["a.png", "b.png"]', "blend takes no text"),
        (
            'command = "blend"\nimages = ["a.png", "b.png"]\nparameters = { v = 7 }',
            "blend takes no parameter except ar",
        ),
        (
            'command = "blend"\nimages = ["a.png", "b.png"]\nparameters = { ar = "16:9" }',
            "with the value 2:3, 1:1 or 3:2",
        ),
        (
            'command = "blend"\nimages = ["a.png", "b.png"]\ndimensions = "1:1"\nparameters = { ar = "1:1" }',
            "both dimensions and ar",
        ),
        ('command = "blend"\nimages = ["a.png", "b.png"]\ndimensions = "wide"', 'dimensions is "wide"'),
        ('prompt = "a cat"\ndimensions = "square"', "only blend takes dimensions"),
        ('command = "describe"', "describe takes one picture, not 0"),
        ('command = "describe"\nimages = ["a.png", "b.png"]', "describe takes one picture, not 2"),
        (
            'command = "describe"\nimages = ["a.png"]\nthen = ["U1"]',
            "describe makes no pictures, so no follow-up is possible",
        ),
        ('command = "describe"\nimages = ["a.png"]\nparameters = { v = 7 }', "describe takes no parameters"),
        ('command = "shorten"', "there is no prompt"),
        ('command = "shorten"\nprompt = " "', "shorten needs a prompt"),
        ('command = "shorten"\nprompt = "a"\nimages = ["a.png"]', "shorten takes no pictures, not 1"),
        ('command = "info"\nprompt = "a"', "info takes no text"),
        ('command = "info"\nimages = ["a.png"]', "info takes no pictures, not 1"),
        ('command = "show"\nprompt = "7k3f9a2m"', "is not the uuid of a Midjourney job"),
        ('command = "imagin"\nprompt = "a"', 'there is no command "imagin" (did you mean imagine?)'),
        ('command = 5\nprompt = "a"', "command is 5, but must be text"),
        (
            'command = "fast"',
            'command = "fast" changes the account\'s settings, which no prompt file may do',
        ),
        ('command = "/stealth"', "changes the account's settings"),
        ('command = "settings"', "changes the account's settings"),
        ('command = "prefer remix"', "changes the account's settings"),
    ],
)
def test_a_command_with_wrong_keys_is_refused(toml: str, message: str) -> None:
    assert message in refused(toml).message


@pytest.mark.parametrize(
    ("toml", "command"),
    [
        ('command = "blend"\nimages = ["a.png"]', "blend"),
        ('command = "blend"\nimages = ["a.png", "b.png"]', "blend"),  # neither was found
        ('command = "blend"\nprompt = "a cat"', "blend"),
        ('command = "info"\nprompt = "a cat"', "info"),
        ('prompt = "a cat"\nimages = ["a.png"]', "imagine"),
        ("prompt = ", "imagine"),
    ],
)
def test_the_error_has_the_command_of_its_file(toml: str, command: str) -> None:
    assert refused(toml, References()).command == command


def test_an_imagine_that_names_a_picture_twice_gets_it_once() -> None:
    assert only('prompt = "a cat"\nimages = ["a.png", "a.png"]').images == ("a.png",)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (References(), 'the picture "a.png" was not found'),
        (References(images={"a.png": b"<html>no such page"}), '"a.png" is not a picture'),
        (References(images={"a.png": b""}), '"a.png" is not a picture'),
        (
            References(unusable={"a.png": "it has 11,000,000 bytes"}),
            "can't be used: it has 11,000,000 bytes",
        ),
    ],
)
def test_a_picture_that_can_not_be_uploaded_is_refused(references: References, message: str) -> None:
    assert message in refused('prompt = "a cat"\nimages = ["a.png"]', references).message


def test_a_hundred_pictures_may_be_named_and_no_more() -> None:
    names = [f"{n}.png" for n in range(101)]
    references = References(images=dict.fromkeys(names, PNG))
    assert len(read(f"prompt = 'x'\nimages = {names[:100]}", references=references).prompts[0].images) == 100
    jobs = f"prompt = 'x'\n[[jobs]]\nimages = {names[:50]}\n[[jobs]]\nimages = {names[50:]}"
    assert "more than 100 pictures" in refused(jobs, references).message


# ---- follow-ups


@pytest.mark.parametrize(
    ("toml", "prompt"),
    [
        (JOB + 'action = "u2"', Prompt("", action="U2", parent="7k3f9a2m")),
        (JOB + 'action = "Vary (Strong)"\nthen = ["U1"]\nlabel = "x"\npriority = 3', None),
        (
            JOB + 'action = "vary subtle 2"\nprompt = "a dog"\n[parameters]\nar = "1:1"',
            Prompt("a dog --ar 1:1", action="vary subtle 2", parent="7k3f9a2m", parameters={"ar": "1:1"}),
        ),
        (
            JOB + 'action = "zoom 1.8"\n[parameters]\nar = "16:9"',
            Prompt("--ar 16:9", action="zoom 1.8x", parent="7k3f9a2m", parameters={"ar": "16:9"}),
        ),
        (JOB + 'command = "imagine"\naction = "reroll"', Prompt("", action="reroll", parent="7k3f9a2m")),
    ],
)
def test_a_follow_up_becomes_a_prompt(toml: str, prompt: Prompt | None) -> None:
    expected = prompt or Prompt(
        "", action="vary strong", parent="7k3f9a2m", then=("U1",), label="x", priority=3
    )
    assert only(toml) == expected


@pytest.mark.parametrize(
    "parent",
    [
        "7k3f9a2m",
        " 7k3f9a2m ",
        "cat-7k3f9a2m",
        "clients/acme/cat-7k3f9a2m/",
        "clients/acme/cat-7k3f9a2m/manifest.json",
        "../../etc/my-cat-7k3f9a2m",
        "C:\\\\outbox\\\\cat-7k3f9a2m\\\\manifest.json",
        "/mnt/outbox/cat-7k3f9a2m-2/manifest.json",
    ],
)
def test_only_the_id_in_a_parents_path_is_used(parent: str) -> None:
    assert only(f'action = "U1"\nparent = "{parent}"').parent == "7k3f9a2m"


@pytest.mark.parametrize(
    "parent", ["", "cat", "manifest.json", "outbox/cat/manifest.json", "7k3f9a2", "cat_7k3f9a2m", "7K3F9A2M"]
)
def test_a_text_that_names_no_job_is_not_a_parent(parent: str) -> None:
    assert "which is not a job" in refused(f'action = "U1"\nparent = "{parent}"').message


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('action = "U1"', "U1 of which job?"),
        (JOB, "a parent, but no action"),
        (JOB + 'prompt = "a"', "a parent, but no action"),
        (JOB + 'action = "U9"', 'there is no follow-up "U9"'),
        (JOB + 'action = "U1"\nprompt = "a"', "U1 takes no new text"),
        (JOB + 'action = "upscale 2x"\nparameters = { ar = "1:1" }', "upscale 2x takes no parameters"),
        (JOB + 'action = "V1"\nimages = ["a.png"]', "both action and images"),
        (JOB + 'action = "V1"\ncommand = "describe"', "both action and command"),
        (JOB + 'action = "V1"\ndimensions = "square"', "both action and dimensions"),
        (JOB + "action = []", "action is empty"),
        (JOB + "action = 1", "action is 1, but must be a list"),
    ],
)
def test_a_follow_up_with_wrong_keys_is_refused(toml: str, message: str) -> None:
    assert message in refused(toml).message


def test_several_follow_ups_of_one_job_are_jobs_of_their_own() -> None:
    assert [p.action for p in read(JOB + 'action = ["all", "V2"]').prompts] == ["U1", "U2", "U3", "U4", "V2"]
    jobs = JOB + '[[jobs]]\naction = "V1"\n[[jobs]]\naction = "V2"\nparent = "cat-aaaa2222"'
    assert [(p.action, p.parent) for p in read(jobs).prompts] == [("V1", "7k3f9a2m"), ("V2", "aaaa2222")]


# ---- the rest of the keys


def test_follow_ups_are_kept_in_one_spelling() -> None:
    assert only('prompt = "a"\nthen = ["u1", "Vary (Subtle)"]').then == ("U1", "vary subtle")
    assert only('prompt = "a"\nthen = "all"').then == ("U1", "U2", "U3", "U4")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-01T22:00:00Z", datetime(2026, 12, 1, 22, tzinfo=UTC)),
        ("2026-12-01 22:00:00+02:00", datetime(2026, 12, 1, 20, tzinfo=UTC)),
        ("2026-12-01T22:00:00", datetime(2026, 12, 1, 17, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 11, 30, 19, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_one_where_mjwatch_runs(written: str, moment: datetime) -> None:
    zone = timezone(timedelta(hours=5))
    file = read_prompt_file(f'prompt = "a"\nnot_before = {written}\n'.encode(), "a.toml", zone=zone)
    assert file.prompts[0].not_before == moment.timestamp()


def test_the_zone_of_the_machine_counts_where_none_is_given() -> None:
    assert only('prompt = "a"\nnot_before = 2026-12-01').not_before == (
        datetime.combine(date(2026, 12, 1), datetime.min.time()).timestamp()
    )


@pytest.mark.parametrize(
    ("toml", "count"),
    [
        ('prompt = "a"\nrepeat = 3', 3),
        ('prompt = "a --repeat 3"', 3),
        ('prompt = "a --r 3 --v 7"', 3),
        ('prompt = "{a, b}"\nrepeat = 3', 6),
        ('prompt = "{a --repeat 2, b}"', 3),
        ('prompt = "a"\n[parameters]\nrepeat = 3', 3),
        ('prompt = "a"\n[parameters]\nr = "{1, 2}"', 3),
        ('repeat = 3\n[[jobs]]\nprompt = "a"\n[[jobs]]\nprompt = "b --repeat 2"', 5),
        (
            'repeat = 3\nprompt = "a"\n[[jobs]]\nrepeat = 1\n[[jobs]]\nparameters = { r = false }',
            2,
        ),
        (JOB + 'action = "reroll"\nrepeat = 2', 2),
        ('command = "describe"\nimages = ["a.png"]\nrepeat = 2', 2),
    ],
)
def test_a_repeated_prompt_is_so_many_equal_jobs(toml: str, count: int) -> None:
    prompts = read(toml).prompts
    assert len(prompts) == count
    assert not any("repeat" in prompt.text or "--r " in prompt.text for prompt in prompts)
    assert not any({"repeat", "r"} & set(prompt.parameters) for prompt in prompts)


def test_parameters_in_a_table_are_expanded_after_the_text() -> None:
    references = References(wildcards={"style": b"111\n222\n"})
    toml = 'prompt = "a {red, blue --v 6} cat"\n[[jobs]]\nparameters = { sref = "__style__" }\n'
    file = read(toml, references=references)
    assert [prompt.text for prompt in file.prompts] == [
        "a red cat --sref 111",
        "a red cat --sref 222",
        "a blue --v 6 cat --sref 111",
        "a blue --v 6 cat --sref 222",
    ]
    assert [dict(prompt.parameters) for prompt in file.prompts[:2]] == [{"sref": "111"}, {"sref": "222"}]


@pytest.mark.parametrize(
    ("toml", "jobs"),
    [
        ('prompt = "a"\nthen = ["all"]', 5),
        ('prompt = "a"\nthen = ["U1", "reroll"]\nrepeat = 4', 12),
        ('prompt = "{a, b} {a, b}"\nthen = ["U1"]', 8),
        ("prompt = '" + "{a,b,c,d,e,f,g,h,i,j}" * 4 + "'", 10_000),
        ("prompt = '" + "{a,b,c,d,e,f,g,h,i,j}" * 30 + "'", 10**30),
        ('prompt = "a --repeat 1000000"', 1_000_000),
        ('prompt = "a"\n[parameters]\nsref = "' + "{a,b,c,d,e,f,g,h,i,j}" * 9 + '"', 10**9),
        (JOB + 'action = ["V1", "V2"]\nprompts = ["a", "b"]\nthen = "all"', 20),
    ],
)
def test_all_jobs_are_counted_with_their_follow_ups(toml: str, jobs: int) -> None:
    if jobs <= 100:
        assert read(toml, max_jobs=jobs).jobs == jobs
    with pytest.raises(PromptFileError) as caught:
        read(toml, max_jobs=min(jobs, 100) - 1)
    assert "jobs, but at most" in caught.value.message
    assert caught.value.hint == "split it, or raise [pace] max_jobs_per_file; follow-ups count too"
