"""The tables of refusals on the page on commands, walked row by row."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.http_errors import _BY_CODE, read_answer
from mjwatch.jobs.state_machine import step
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.parsing.parsed_message import MessageKind
from mjwatch.midjourney.parsing.refusals import ACCOUNT_SENTENCES, TEXTS, TITLES, judge_embed, judge_text
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import Job, Prompt, Refusal, RefusalClass, State
from tests.helpers.message_shapes import CHANNEL, ME, a_job, create, message, started

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "refusals.md").read_text(encoding="utf-8")
RED, ORANGE = 16711680, 16239475


class Row(NamedTuple):
    """A row: what the bot says, how, its class or "", and what mjwatch does."""

    first: str
    second: str
    kind: str
    does: str


def _table(heading: str) -> list[Row]:
    section = PAGE.split(f"## {heading}\n")[1].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return [Row(one[0].strip("`"), one[1].strip("`"), one[2].strip("`"), one[3]) for one in cells]


SAID, ANSWERED = _table("What Midjourney may refuse"), _table("What Discord may answer")


def _message(row: Row) -> dict[str, Any]:
    """Return the bot's message: an embed with this title, or this text, with the nonce of our job."""
    if row.second == "text":
        return message("600", row.first, nonce="nonce-jobaaaaa", flags=64)
    colour = RED if row.second == "red title" or row.kind else ORANGE
    embed = {"type": "rich", "title": row.first, "description": "More of it.", "color": colour}
    return message("600", "", nonce="nonce-jobaaaaa", flags=64, embeds=[embed])


def _what_is_done(event: ev.Refused, state: State) -> str:
    moved, effects = step(a_job(state=state), event, 1000.0)
    if event.refusal.needs_human:
        assert moved.state is State.QUEUED
        return "pauses"
    if event.refusal.scope is not None:
        assert (moved.state, moved.next_action_at) == (State.QUEUED, None)
        return "all wait"
    if moved.state is State.QUEUED:
        assert moved.next_action_at is not None
        assert moved.next_action_at > 1000.0
        return "queued again"
    assert (moved.state, [type(effect) for effect in effects]) == (State.FAILED, [ef.PublishFailure])
    return "fails"


def test_the_tables_are_found() -> None:
    assert len(SAID) > 35
    assert len(ANSWERED) > 25


@pytest.mark.parametrize("row", SAID, ids=lambda row: f"{row.second} {row.first[:40]}")
def test_what_midjourney_says_does_what_the_page_says(row: Row) -> None:
    tracker = MessageTracker(CHANNEL, lambda **ids: None)
    tracker.me = ME
    pairs = tracker.dispatch(create(_message(row)), {"jobaaaaa": a_job()})
    if row.does == "continues":
        assert pairs == []
        return
    ((job_id, event),) = pairs
    assert job_id == "jobaaaaa"
    if row.does == "waits":
        assert event == ev.QueuedByBot()
        return
    assert isinstance(event, ev.Refused)
    refusal = event.refusal
    assert refusal.kind == (None if row.kind == "open" else RefusalClass(row.kind))
    assert row.first in {refusal.title, refusal.detail}
    assert refusal.advice
    assert _what_is_done(event, State.SUBMITTED) == row.does


@pytest.mark.parametrize("row", [row for row in SAID if row.second == "text"], ids=lambda row: row.first[:40])
def test_a_text_means_the_same_below_a_title_without_a_meaning(row: Row) -> None:
    notice = judge_embed("Sorry", row.first, None, "", None)
    assert notice.refusal is not None
    assert notice.refusal.kind == RefusalClass(row.kind)


_TITLED = [row for row in SAID if row.second == "title" and not row.first.startswith("Something")]


def _in_text_display(title: str) -> dict[str, Any]:
    return {
        "flags": 64 | 1 << 15,
        "components": [{"type": 17, "components": [{"type": 10, "content": title}]}],
    }


@pytest.mark.parametrize("row", _TITLED, ids=lambda row: row.first)
def test_a_title_means_the_same_wherever_it_is_and_whatever_is_missing(row: Row) -> None:
    usual = read_message("MESSAGE_CREATE", _message(row))
    made: list[dict[str, Any]] = [
        {"embeds": [{"type": None, "title": row.first, "description": None, "color": None, "footer": None}]},
        {"embeds": [{"type": 7, "title": f"**{row.first}**"}]},
        {"embeds": [{"type": "rich", "title": f"\u26a0\ufe0f {row.first} ", "color": "red"}]},
        {"embeds": [{"type": "rich", "description": f"**{row.first}**\nMore of it.", "color": RED}]},
        {"content": row.first},
        {"content": f"## {row.first}\nMore of it."},
        _in_text_display(f"# {row.first}"),
        _in_text_display(row.first),
    ]
    for fields in made:
        parsed = read_message("MESSAGE_CREATE", message("600", "", nonce="1", flags=64) | fields)
        assert parsed.kind is usual.kind, fields
        found, expected = parsed.error, usual.error
        assert (found and found.kind) == (expected and expected.kind), fields
        assert (found and found.needs_human) == (expected and expected.needs_human), fields


@pytest.mark.parametrize(
    "words",
    [
        "**Blocked road in winter**\n**Job ID**: 01234567-89ab-4def-8123-456789abcdef\n**seed** 7",
        "Done! Your jobs now do not consume fast-hours. You can always switch back with /fast",
        "Your suffix is now: --no human, banned, invalid",
        "You have successfully rated [this job](https://discord.com/channels/1/2/3) with love",
    ],
)
def test_a_users_text_in_a_text_of_the_bot_refuses_nothing(words: str) -> None:
    assert read_message("MESSAGE_CREATE", message("600", words)).kind is MessageKind.NOTICE
    if not words.startswith("**"):
        assert (
            read_message("MESSAGE_CREATE", message("600", words, nonce="1", flags=64)).kind
            is MessageKind.NOTICE
        )


def test_the_bot_s_title_is_kept_as_it_is() -> None:
    notice = judge_embed("\u26a0\ufe0f **Banned prompt**", "", None, "", None)
    assert notice.refusal is not None
    assert notice.refusal.title == "\u26a0\ufe0f **Banned prompt**"


def test_every_known_pattern_is_on_the_page() -> None:
    said = [row.first for row in SAID]
    patterns = (*ACCOUNT_SENTENCES, *TITLES, *TEXTS)
    assert [pattern.pattern for pattern in patterns if not any(map(pattern.found_in, said))] == []


def _answer(row: Row) -> Refusal | None:
    code, _, inner = row.second.replace("`", "").partition(" ")
    body: dict[str, Any] = {"message": "Etwas in der Sprache des Kontos"}
    if code == "captcha":
        body = {"captcha_key": ["captcha-required"], "captcha_sitekey": "x"}
    elif code:
        body["code"] = int(code)
    if inner:
        body["errors"] = {"data": {"_errors": [{"code": inner, "message": "..."}]}}
    return read_answer(int(row.first), {}, body)


@pytest.mark.parametrize("row", ANSWERED, ids=lambda row: f"{row.first} {row.second}")
def test_what_discord_answers_does_what_the_page_says(row: Row) -> None:
    refusal = _answer(row)
    assert refusal is not None
    assert refusal.kind == RefusalClass(row.kind)
    assert refusal.detail
    assert _what_is_done(ev.Refused(refusal, executed=False), State.SUBMITTING) == row.does


def test_every_code_that_is_known_is_on_the_page() -> None:
    listed = {int(code) for row in ANSWERED for code in re.findall(r"\d{5,}", row.second)}
    assert set(_BY_CODE) <= listed


def test_slow_down_is_waited_out_to_the_second() -> None:
    sent = 1_790_000_000
    words = f"You can request another upscale for this image <t:{sent + 45}:R>"
    embed = {"type": "rich", "title": "Slow Down!", "description": words, "color": RED}
    data = message("600", "", embeds=[embed], timestamp="2026-09-21T14:13:20+00:00")
    error = read_message("MESSAGE_CREATE", data).error
    assert error is not None
    assert error.retry_after == 45.0
    moved, _ = step(a_job(), ev.Refused(error), 5000.0)
    assert (moved.state, moved.next_action_at) == (State.QUEUED, 5045.0)


def test_a_decline_code_makes_moderation_of_what_went_wrong() -> None:
    notice = judge_embed(
        "Sorry, something went wrong", "Our team has been notified.", RED, "decline-a-b", None
    )
    assert notice.refusal is not None
    assert notice.refusal.kind is RefusalClass.MODERATION


def test_an_unknown_notice_is_reported_and_the_job_continues() -> None:
    heard: list[tuple[str, str]] = []
    tracker = MessageTracker(CHANNEL, lambda **ids: None)
    tracker.on_notice = lambda job_id, words: heard.append((job_id, words))
    embed = {"type": "rich", "title": "By the way", "description": "We have new colours.", "color": ORANGE}
    data = message("600", "", embeds=[embed], nonce="nonce-jobaaaaa")
    assert tracker.dispatch(create(data), {"jobaaaaa": a_job()}) == []
    assert heard == [("jobaaaaa", "By the way\n\nWe have new colours.")]
    assert read_message("MESSAGE_CREATE", data).kind is MessageKind.NOTICE


QUOTATIONS = [
    "Your prompt {} can't be used.",
    "Your prompt `{}` can't be used.",
    "{}: this can't be used.",
    "This can't be used: {}",
    "**{}**\nThis can't be used.",
    "This can't be used:\n> {}",
    "Your prompt \u201c{}\u201d can't be used.",
]
SENTENCES = [
    "verify you are human",
    "a robot that says please complete the task, poster",
    "You have triggered an abuse alert",
    "you have been blocked from accessing Midjourney, vintage sign",
    "human rights poster",
    "there was an error processing your request, glitch art",
]


@pytest.mark.parametrize("form", QUOTATIONS)
@pytest.mark.parametrize("prompt", SENTENCES)
@pytest.mark.parametrize("where", ["embed", "embed without title", "text"])
def test_a_notice_that_quotes_the_prompt_is_judged_by_its_own_text(
    form: str, prompt: str, where: str
) -> None:
    """The prompt is known from the footer of the notice, or from our job, in any spelling of its words."""
    job = replace(a_job(), prompt=Prompt(f"{prompt} --ar 3:2"))
    quoting = form.format(prompt.upper() if where == "embed" else prompt)
    embed = {"type": "rich", "description": quoting, "color": RED, "footer": {"text": f"/imagine {prompt}"}}
    if where == "embed":
        embed["title"] = "Invalid parameter"
    content = quoting if where == "text" else ""
    said = message("600", content, nonce="nonce-jobaaaaa", flags=64, embeds=[embed] if not content else [])
    tracker = MessageTracker(CHANNEL, lambda **ids: None)
    tracker.me = ME
    pairs = tracker.dispatch(create(said), {"jobaaaaa": job})
    if where == "text":
        assert pairs == [], "an unknown text only informs"
        return
    ((_, event),) = pairs
    assert isinstance(event, ev.Refused)
    assert event.refusal.kind == (RefusalClass.USER if where == "embed" else None)
    assert not event.refusal.needs_human


@pytest.mark.parametrize(
    "prompt", ["human", "you", "please", "a red cat", "task to verify", "suspicious activity"]
)
@pytest.mark.parametrize(
    "said",
    [
        "Please complete the task to verify you're human.",
        "You have triggered an abuse alert. Your account is now under manual review.",
        "Your account was blocked due to suspicious activity. Third-party tools or scripting are forbidden.",
        "You have been blocked from accessing Midjourney.",
        "You have a pending moderation message.",
    ],
)
def test_a_notice_that_only_shares_words_with_the_prompt_still_pauses(said: str, prompt: str) -> None:
    notice = judge_embed("Notice", said, RED, f"/imagine {prompt}", None, [prompt])
    assert notice.refusal is not None
    assert notice.refusal.needs_human


def test_a_notice_whose_whole_text_is_the_prompt_is_taken_seriously() -> None:
    said = "You have been blocked from accessing Midjourney"
    notice = judge_embed("", said, RED, f"/imagine {said}", None, [said])
    assert notice.refusal is not None
    assert notice.refusal.needs_human


def test_a_quotation_ends_with_its_lines_and_what_follows_is_the_bots_own_text() -> None:
    said = "Notice\n> a red cat\n> at night\nPlease complete the task to verify you're human."
    for notice in (judge_embed("", said, RED, "", None, ["a red cat at night"]), judge_text(said)):
        assert notice.refusal is not None
        assert notice.refusal.needs_human


SIGN = "a robot at a desk, its sign says please complete the task, verify you are human, neon, rain, at night"
CAPTCHA = "Please complete the task to verify you're human."
CAT = "https://example.org/cat.png"
REPEATED = [
    (f"{SIGN} --ar 3:2", f"{SIGN[:80]}\u2026"),
    (f"{SIGN} --ar 3:2", f"{SIGN[:80]}..."),
    (f"{SIGN} --ar 3:2", f"**{SIGN} \u2026**"),
    (f"{SIGN} --ar 3:2", f"{SIGN} --\u2026"),
    (f"{SIGN} --ar 3:2", f'"{SIGN[:80]}\u2026'),
    (f"{CAT} {SIGN}", f"<https://s.mj.run/abc> {SIGN[:80]}\u2026"),
    (f"{SIGN}, {'rain ' * 300}", f"{SIGN}, {'rain ' * 200}"),
    (f"{CAT} verify you are human", "<https://s.mj.run/abc> verify you are human"),
    (
        f"{CAT} verify you are human --sref {CAT}",
        "<https://s.mj.run/abc> verify you are human --sref https://a.b/c",
    ),
    (f"{SIGN} \u2014 fog", f"{SIGN} -- fog"),
    (f"{SIGN}, \u201cwe are open\u201d", f"{SIGN}, \u201cwe are open\u201d"),
    ('a sign "we are open" and verify you are human', 'a sign "we are open" and verify you are human'),
]


@pytest.mark.parametrize(
    "form", ["Not allowed: {}", "{}\nThis can't be used.", "Not allowed: {}\nRephrase it."]
)
@pytest.mark.parametrize(("prompt", "repeated"), REPEATED)
def test_a_prompt_is_known_in_a_notice_as_the_bot_repeats_it(form: str, prompt: str, repeated: str) -> None:
    said = form.format(repeated)
    assert judge_text(said, prompts=[prompt]).refusal is None
    notice = judge_embed("Banned prompt", said, RED, "", None, [prompt])
    assert notice.refusal is not None
    assert notice.refusal.kind is RefusalClass.MODERATION
    for own in (f"{said}\n{CAPTCHA}", f"{CAPTCHA}\n{said}"):
        notice = judge_embed("Banned prompt", own, RED, "", None, [prompt])
        assert notice.refusal is not None
        assert notice.refusal.needs_human, "the bot says it too"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("please complete the task, poster", "Notice: please complete the task\u2026"),
        (f"{CAT} verify you are human", "Please verify you are human: https://example.org/verify"),
        (f"{CAT} verify you are human", "https://example.org/verify\nNow verify you are human"),
        ("verify you are human", "https://example.org/ verify you are human"),
        (SIGN, f"Notice: {SIGN[30:80]}\u2026"),
        (SIGN, "Notice: a robot at a desk must verify you are human\u2026"),
    ],
)
def test_what_may_be_the_bot_s_own_text_still_pauses(prompt: str, said: str) -> None:
    for notice in (judge_embed("Notice", said, RED, "", None, [prompt]), judge_text(said, prompts=[prompt])):
        assert notice.refusal is not None
        assert notice.refusal.needs_human


def _pauses(channel: Channel, jobs: dict[str, Job], said: str) -> bool:
    embed = {"type": "rich", "title": "Banned prompt", "description": said, "color": RED}
    events = channel.tracker.dispatch(create(message("900", "", embeds=[embed])), jobs)
    return any(isinstance(event, ev.Refused) and event.refusal.needs_human for _, event in events)


@pytest.mark.parametrize("whose", ["closed", "by hand"])
def test_a_notice_may_quote_the_prompt_of_a_job_that_is_closed_or_by_hand(whose: str) -> None:
    channel = Channel(CHANNEL, lambda **ids: None, 60.0)
    channel.tracker.me = ME
    assert _pauses(channel, {}, f"Not allowed: {SIGN}"), "nobody knows this prompt"
    for number, prompt in enumerate([SIGN, "verify you are human"]):
        if whose == "closed":
            channel.job_closed(replace(a_job(), prompt=Prompt(f"{prompt} --ar 3:2")))
        else:
            channel.tracker.dispatch(create(started(f"61{number}", prompt, nonce=f"{number}")), {})
    assert not _pauses(channel, {}, f"Not allowed: {SIGN}")
    assert _pauses(channel, {}, "Now verify you are human"), "a short prompt may be the bot's own text"
