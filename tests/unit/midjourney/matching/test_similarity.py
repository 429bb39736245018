"""The comparable form of a prompt is the same after the bot has rewritten the prompt in its echo."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.midjourney.matching.similarity import could_be_same, normalise, same_words
from mjwatch.midjourney.parsing.content import CUT_AT_LEAST

WORDS = st.lists(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="-\u2014<>:"),
        min_size=1,
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize(
    ("submitted", "echoed"),
    [
        ("kelp forest --v 7 --style raw --no boats", "kelp forest --v 7.0 --no boats --raw"),
        ("kelp forest --p m6207768150323941526", "kelp forest --p 66613y7"),
        ("kelp forest", "kelp forest --s 750 --niji 5"),
        ("https://pics.example/a.png kelp forest", "<https://s.mj.run/kQ3xTz9w1> kelp forest --v 7.0"),
        ("<https://pics.example/a.png> kelp", "https://s.mj.run/kQ3xTz9w1 kelp"),
        ("kelp like https://pics.example/a.png, but red", "kelp like <https://s.mj.run/x>, but red"),
        ("  kelp   forest\n at night ", "kelp forest at night"),
        ("kelp \u2014ar 3:2", "kelp --ar 3:2"),
        ("kelp \u2014 a forest", "kelp -- a forest"),
        ("kelp --ar 2:1", "kelp --aspect 200:100 --v 7.0"),
        ("kelp --ar 1:1", "kelp"),
        ("kelp --q .5 --chaos 10 --v 6", "kelp --v 6.0 --c 10 --q 0.5"),
        ("kelp --no boats, birds", "kelp --s 250 --no birds,boats"),
        ("kelp --sref https://pics.example/a.png", "kelp --sref <https://s.mj.run/x>"),
        ("kelp --sref random", "kelp --sref 4114224477"),
        ("kelp --video 1 --no boats", "kelp --motion high --video 1 --aspect 1:1"),
        ("kelp --video 1 --no boats", "kelp --aspect 1:1"),
        ("kelp --ar 3:0", "kelp --aspect 3:0 --v 7.0"),
        ("kelp --ar wide", "kelp --aspect wide --v 7.0"),
        ("kelp --fast", "kelp"),
        ("cafe\u0301 terrace", "caf\u00e9 terrace"),
        (
            "https://pics.example/a.png https://pics.example/b.png",
            "<https://s.mj.run/a> <https://s.mj.run/b>",
        ),
    ],
)
def test_recorded_rewritings_compare_equal(submitted: str, echoed: str) -> None:
    assert normalise(submitted) == normalise(echoed)
    assert could_be_same(submitted, echoed)
    assert could_be_same(echoed, submitted)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kelp forest", "Kelp forest"),
        ("cat", "cat on a mat"),
        ("kelp forest", "plain kelp forest"),
        ("co-op", "coop"),
        ("https://pics.example/a.png cat", "https://pics.example/a.png dog"),
        ("cat", ""),
        ("kelp --ar 1:1", "kelp --ar 3:2"),
        ("kelp --ar 3:2", "kelp"),
        ("kelp --ar 3:0", "kelp"),
        ("kelp --ar wide", "kelp --ar 3:2"),
        ("kelp --no boats", "kelp --no birds"),
        ("kelp --seed 4", "kelp --seed 5"),
        ("kelp --v 6.1", "kelp --v 7.0"),
    ],
)
def test_different_prompts_stay_different(one: str, other: str) -> None:
    assert not could_be_same(one, other)


def test_the_words_can_be_compared_alone() -> None:
    assert same_words("kelp --ar 1:1", "kelp --ar 3:2")


def test_a_long_echo_may_have_been_cut() -> None:
    whole = "kelp " * 400 + "forest --ar 3:2"
    assert could_be_same(whole, whole[:1900])
    assert could_be_same(whole, whole[:1903] + "...")
    assert could_be_same(whole, whole[:1900].rstrip() + "\u2026")
    assert not could_be_same(whole, "x" + whole[:1900])


def test_a_short_echo_is_never_taken_for_a_cut_one() -> None:
    whole = "k" * 2000
    assert not could_be_same(whole, whole[: CUT_AT_LEAST - 1])
    assert could_be_same(whole, whole[:CUT_AT_LEAST])


def test_hyphens_inside_words_begin_no_parameter() -> None:
    assert normalise("a well--known co-op - red -- blue") == "a well--known co-op - red"


@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(WORDS, st.data())
def test_blanks_links_and_parameters_make_no_difference(words: list[str], data: st.DataObject) -> None:
    blanks = st.sampled_from(
        [" ", "  ", "\n", "\t ", " https://pics.example/x.png ", " <https://s.mj.run/y> "]
    )
    spaced = data.draw(blanks) + words[0]
    for word in words[1:]:
        spaced += data.draw(blanks) + word
    spaced += data.draw(st.sampled_from(["", " --ar 3:2", " \u2014v 7", "\n--no boats --s 50"]))
    assert normalise(spaced) == normalise(" ".join(words))


@given(st.text(min_size=300), st.integers(250, 290))
def test_could_be_same_never_depends_on_the_order(text: str, cut: int) -> None:
    assert could_be_same(text, text[:cut]) == could_be_same(text[:cut], text)
