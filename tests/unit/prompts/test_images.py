"""Links in prompts: found with or without marks around them, checked, and kept as parameter values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.prompts.images import only_links, split_links, validate_link

A, B = "https://pics.example/a.png", "http://pics.example:8080/b(1).jpg?x=1&y=2#z"


@pytest.mark.parametrize(
    ("text", "links", "rest"),
    [
        (f"a cat {A}", [A], "a cat"),
        (f"{A} {B} a cat", [A, B], "a cat"),
        (f"a cat {A} on a mat {B} --ar 3:2", [A, B], "a cat on a mat --ar 3:2"),
        (f"a cat <{A}>, but red", [A], "a cat but red"),
        (f"{A}\N{FULLWIDTH COMMA}一只猫在屋顶 --ar 16:9", [A], "一只猫在屋顶 --ar 16:9"),
        (f"{A}一只猫", [A], "一只猫"),
        (f"{A},{B} a cat", [A, B], "a cat"),
        (f"{A}{B} a cat", [A, B], "a cat"),
        (f"{A}|{B}", [A, B], ""),
        (f"cat --sref <{A}>", [], f"cat --sref {A}"),
        (f"cat --sref {A},{B}", [], f"cat --sref {A} {B}"),
        (f'cat --cref "{A}", --sref {A}::2', [], f"cat --cref {A} --sref {A}::2"),
        (f"{A};{A}?w=2 a cat", [A, f"{A}?w=2"], "a cat"),
        (f"「{A}」猫", [A], "猫"),
        (f"a cat, {A}?ex=1&is=2, red", [A + "?ex=1&is=2"], "a cat, red"),
        (f"a cat ({A}). Red", [A], "a cat Red"),
        (f'"{A}" [{B}] cat', [A, B], "cat"),
        (f"{A}!? cat", [A], "cat"),
        ("HTTPS://PICS.example/A.PNG cat", ["HTTPS://PICS.example/A.PNG"], "cat"),
        (f"{A}\ncat", [A], "cat"),
        (A, [A], ""),
        (f"cat --no dog {A}", [A], "cat --no dog"),
        ("https://pics.example/日本.png cat", ["https://pics.example/日本.png"], "cat"),
    ],
)
def test_image_links_are_taken_out_of_the_text(text: str, links: list[str], rest: str) -> None:
    assert split_links(text) == (links, rest)


@pytest.mark.parametrize(
    "text",
    [
        "  a cat\n\n on  a mat ",
        "",
        f"cat --sref {A}",
        f"cat --sref 1234 {A} {B} --v 7",
        f"cat --oref {A} --ow 50",
        f"cat --newparam {A}",
        f"cat \u2014cref {A}",
        "cat https:// dog http://",
        "see pics.example/a.png or ftp://pics.example/a.png",
        "cat https://user:secret@pics.example/a.png",
        f"[a cat]({A})",
        f"x={A}",
    ],
)
def test_a_text_without_image_links_comes_back_as_it_is(text: str) -> None:
    assert split_links(text) == ([], text)


def test_a_link_after_the_value_of_a_parameter_is_an_image_again() -> None:
    assert split_links(f"cat --ar 3:2 {A}") == ([A], "cat --ar 3:2")
    assert split_links(f"cat --sref {A} --ar 3:2 {B}") == ([B], f"cat --sref {A} --ar 3:2")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "ftp://pics.example/a.png",
        "https://",
        "https:///a.png",
        "https://pics.example/a b.png",
        "https://pics.example/a\n.png",
        "<https://pics.example/a.png>",
        "https://user@pics.example/a.png",
        "https://pics.example:99999/a.png",
        "https://[::1/a.png",
        "https://./a.png",
    ],
)
def test_unusable_links_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="link"):
        validate_link(url)


def test_a_refused_link_with_a_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="password") as caught:
        validate_link("https://ruiz:hunter2@pics.example/a.png")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", [A, B, "https://[::1]/a.png", "https://xn--bcher-kva.example/%20.png"])
def test_usable_links_come_back_as_given(url: str) -> None:
    assert validate_link(url) == url


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("<https://s.mj.run/a> <https://s.mj.run/b> --ar 2:3", True),
        (f"{A} {B}", True),
        ("<https://s.mj.run/a> --ar 2:3", False),
        ("<https://s.mj.run/a> <https://s.mj.run/b> cat", False),
        (f"cat --sref {A} {B}", False),
        (f"--sref {A} {B}", False),
        ("", False),
    ],
)
def test_two_links_and_nothing_else_make_a_blend(prompt: str, answer: bool) -> None:
    assert only_links(prompt) is answer


@given(st.text())
def test_splitting_any_text_twice_changes_nothing_more(text: str) -> None:
    links, rest = split_links(text)
    assert split_links(" ".join([*links, rest]))[1] == rest.strip() or not links


PIECES = st.sampled_from(
    ["cat", "on a mat", A, f"<{A}>", f"({B}),", "--sref", "--ar 3:2", "--tile", "\u2014v 7", ","]
)


@given(st.lists(PIECES, max_size=12))
def test_links_in_front_stay_in_front(pieces: list[str]) -> None:
    links, rest = split_links(" ".join(pieces))
    again = " ".join([*links, rest])
    assert split_links(again) == ((links, rest) if links else ([], again))


def test_a_long_run_of_marks_takes_no_long_time() -> None:
    assert split_links("https://" + "." * 60_000 + "<")[0] == []
    assert split_links("https://pics.example/a" + ")" * 60_000)[0] == ["https://pics.example/a"]
