"""No order of messages gives a follow-up's result to a sibling, a prompt, or a duplicate started by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch import events as ev
from mjwatch.jobs.state_machine import IllegalEventError, step
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import Job, State
from tests.helpers.button_shapes import (
    GRID_MESSAGE,
    GRID_UUID,
    done_job,
    extend_buttons,
    final,
    grid_buttons,
    pressed_job,
    pressed_start,
    single,
    single_buttons,
    video,
)
from tests.helpers.examples import examples
from tests.helpers.message_shapes import CHANNEL, ME, a_job, progress, result, started

ACTIONS = (
    *("U1", "U2", "V1", "V2", "reroll", "vary subtle", "vary strong", "zoom 2x", "zoom 1.5x", "pan left"),
    *("square", "upscale subtle", "upscale creative", "animate low", "animate high", "imagine"),
)
WORDS = {
    "U": ("Upscaling image #{n} with", ""),
    "V": ("Making variations for image #{n} with prompt", "Variations by"),
    "reroll": ("Rerolling", ""),
    "vary subtle": ("Making variations for image #1 with prompt", "Variations (Subtle) by"),
    "vary strong": ("", "Variations (Strong) by"),
    "zoom": ("", "Zoom Out by"),
    "square": ("", "Zoom Out by"),
    "pan": ("", "Pan Left by"),
    "upscale subtle": ("Upscaling image #1 with", "Upscaled (Subtle) by"),
    "upscale creative": ("Upscaling image #1 with", "Upscaled (Creative) by"),
    "animate": ("Creating video with prompt", ""),
}
"""How the start of each follow-up begins, and how its final is labelled."""

GRIDS = (GRID_MESSAGE, "551")
"""Two finished messages with one prompt, both of them newer than the prompts in flight."""

EVERYTHING = (*grid_buttons(), *single_buttons(), *extend_buttons())
"""The buttons of a message that has all of them, so that siblings are as similar as possible."""


def uuid(number: int) -> str:
    return f"cccccccc-0000-4000-8000-{number:012}"


@dataclass
class World:
    """The present jobs, and what the engine does with the tracker's events."""

    jobs: dict[str, Job]
    truth: dict[str, str]
    closed: dict[str, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracker = MessageTracker(CHANNEL, self.owner_of)
        self.tracker.me = ME

    def owner_of(
        self, *, job_uuid: str | None, message_id: str | None, start_id: str | None, nonce: str | None = None
    ) -> str | None:
        if message_id in GRIDS or job_uuid == GRID_UUID:
            return "parent22"
        for job in (*self.jobs.values(), *self.closed.values()):
            result_id = job.result.message_id if job.result else None
            pairs = [(job.job_uuid, job_uuid), (result_id, message_id), (job.message_id, start_id)]
            if nonce in job.nonces or any(one is not None and one == other for one, other in pairs):
                return job.id
        return None

    def hear(self, name: str, data: dict[str, Any], seq: int) -> None:
        self.apply(self.tracker.dispatch(ev.GatewayDispatch(name, data, seq), self.jobs))
        while (found := self.tracker.next_matched(self.jobs)) is not None:
            matched, pairs = found
            self.apply(pairs)
            self.tracker.release(matched)

    def apply(self, pairs: list[tuple[str | None, ev.JobEvent]]) -> None:
        for job_id, event in pairs:
            job = self.jobs.get(job_id or "") or self.closed.get(job_id or "")
            if job is None:
                continue
            try:
                moved, _ = step(job, event, 1300.0)
            except IllegalEventError:
                continue
            if isinstance(event, ev.Finished) and moved.state is State.COLLECTING:
                moved, _ = step(moved, ev.Published("folder"), 1301.0)
            self.jobs.pop(job.id, None)
            (self.jobs if moved.open else self.closed)[job.id] = moved

    def check(self) -> None:
        for job in (*self.jobs.values(), *self.closed.values()):
            if job.result is not None:
                assert job.result.job_uuid == self.truth[job.id], f"{job!r} by {job.result.matched_by}"


Message = tuple[str, dict[str, Any]]


def said(
    action: str,
    number: int,
    *,
    nonce: str | None = None,
    by_cancel: bool = False,
    by_preview: bool = False,
    to: str = GRID_MESSAGE,
) -> list[Message]:
    """Return all messages of the bot about a job, in order: start, progress, final, deletion of the start."""
    start, end, its = str(600 + number), str(800 + number), uuid(number)
    if action == "imagine":
        first = started(start, nonce=nonce)
        last = result(end, uuid=its, reply_to=start if by_cancel else None)
    else:
        picture = int(action[-1]) if action[0] in "UV" else 1
        lead = _words(action)[0].format(n=picture)
        first = pressed_start(start, lead, its if by_cancel else None, nonce, to)
        last = _final(action, end, its, to)
    running = progress(start, uuid=its if by_preview else None)
    deleted = {"id": start, "channel_id": CHANNEL}
    return [
        ("MESSAGE_CREATE", first),
        ("MESSAGE_UPDATE", running),
        ("MESSAGE_CREATE", last),
        ("MESSAGE_DELETE", deleted),
    ]


def _final(action: str, message_id: str, its: str, to: str) -> dict[str, Any]:
    if action.startswith("animate"):
        return video(message_id, its, to)
    if action[0] == "U":
        return single(message_id, int(action[-1]), its, to)
    buttons = single_buttons(uuid=its) if action.startswith("upscale") else None
    return final(message_id, _words(action)[1], its, to, buttons)


def _words(action: str) -> tuple[str, str]:
    return next(words for start, words in WORDS.items() if action.startswith(start))


def own_job(action: str, number: int, to: str = GRID_MESSAGE) -> Job:
    job_id = f"child{number:03}"
    if action == "imagine":
        return a_job(job_id, anchor="500")
    parent = done_job(EVERYTHING)
    assert parent.result is not None
    return pressed_job(action, job_id, replace(parent, result=replace(parent.result, message_id=to)))


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[World, list[Message]]:
    """Return jobs of ours, and all messages about them in any order; some twice, and some not at all."""
    wishes = draw(
        st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(GRIDS)), min_size=2, max_size=5)
    )
    jobs = [own_job(action, number, to) for number, (action, to) in enumerate(wishes)]
    messages: list[Message] = []
    for number, ((action, to), job) in enumerate(zip(wishes, jobs, strict=True)):
        nonce = draw(st.sampled_from([job.nonce, None]))
        ids = {name: draw(st.booleans()) for name in ("by_cancel", "by_preview")}
        messages += said(action, number, nonce=nonce, to=to, **ids)
    missed = draw(st.sets(st.integers(0, len(messages) - 1), max_size=4))
    messages = [one for place, one in enumerate(messages) if place not in missed]
    again = draw(st.lists(st.sampled_from(messages), max_size=4))
    truth = {job.id: uuid(number) for number, job in enumerate(jobs)}
    return World({job.id: job for job in jobs}, truth), draw(st.permutations([*messages, *again]))


@given(_worlds())
@settings(max_examples=examples(300))
def test_no_order_of_messages_gives_a_result_to_a_sibling(drawn: tuple[World, list[Message]]) -> None:
    world, messages = drawn
    for seq, (name, data) in enumerate(messages):
        world.hear(name, data, seq)
    world.check()


@st.composite
def _in_company(draw: st.DrawFn) -> tuple[World, list[Message]]:
    """Return jobs of ours, and the same buttons pressed by hand, whose start comes before their result."""
    action = draw(st.sampled_from([one for one in ACTIONS if not one.startswith("U")]))
    job = own_job(action, 0)
    ids = {name: draw(st.booleans()) for name in ("by_cancel", "by_preview")}
    others = draw(st.integers(1, 2))
    queues = [
        said(action, n, nonce="4242" if n else job.nonce, to=GRID_MESSAGE, **ids) for n in range(others + 1)
    ]
    messages: list[Message] = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        messages.append(queue.pop(0))
    return World({job.id: job}, {job.id: uuid(0)}), messages


@given(_in_company())
@settings(max_examples=examples(200))
def test_what_a_person_presses_at_the_same_time_stays_theirs(drawn: tuple[World, list[Message]]) -> None:
    world, messages = drawn
    for seq, (name, data) in enumerate(messages):
        world.hear(name, data, seq)
    world.check()


@pytest.mark.parametrize("action", ACTIONS)
def test_each_kind_of_job_is_followed_to_its_end_though_it_has_no_uuid_before(action: str) -> None:
    job = own_job(action, 0)
    world = World({job.id: job}, {job.id: uuid(0)})
    messages = said(action, 0, nonce=job.nonce)
    for seq, (name, data) in enumerate(messages):
        world.hear(name, data, seq)
    assert world.closed[job.id].state is State.DONE
    world.check()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_result_is_found_in_the_history_though_nothing_was_heard_before(action: str) -> None:
    job = own_job(action, 0)
    world = World({job.id: job}, {job.id: uuid(0)})
    last = said(action, 0)[2][1]
    world.apply(world.tracker.history([last], world.jobs))
    found = world.closed[job.id].result
    assert found is not None
    assert found.matched_by == ("text" if action == "imagine" else "button")


@pytest.mark.parametrize("action", [one for one in ACTIONS if one != "imagine"])
def test_two_results_that_could_be_its_own_are_neither(action: str) -> None:
    job = own_job(action, 0)
    world = World({job.id: job}, {job.id: uuid(0)})
    both = [said(action, n)[2][1] for n in (0, 1)]
    assert world.tracker.history(both, world.jobs) == []


@pytest.mark.parametrize("other", ACTIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_what_was_made_by_hand_unheard_is_not_taken_for_another_thing(action: str, other: str) -> None:
    job, by_hand = own_job(action, 0), own_job(other, 1)
    world = World({job.id: job}, {job.id: uuid(0)})
    start, _, last, _ = said(other, 1)
    for seq, name in enumerate(("MESSAGE_CREATE", "MESSAGE_UPDATE")):
        world.hear(name, last[1], seq)
    world.apply(world.tracker.history([start[1], last[1]], world.jobs))
    if duplicate_key(job) != duplicate_key(by_hand):
        world.check()


@pytest.mark.parametrize("action", [one for one in ACTIONS if one != "imagine"])
def test_what_replies_to_another_message_is_not_taken(action: str) -> None:
    job = own_job(action, 0, GRIDS[0])
    world = World({job.id: job}, {job.id: uuid(0)})
    for seq, (name, data) in enumerate(said(action, 1, to=GRIDS[1])):
        world.hear(name, data, seq)
    world.check()


def test_jobs_that_could_be_mistaken_for_each_other_share_a_key() -> None:
    parent = done_job(EVERYTHING)
    keys = {
        action: duplicate_key(pressed_job(action, parent=parent)) for action in ACTIONS if action != "imagine"
    }
    alike = [
        {"V1", "V2", "vary subtle", "vary strong"},
        {"zoom 2x", "zoom 1.5x", "square"},
        {"upscale subtle", "upscale creative"},
        {"animate low", "animate high"},
    ]
    for one, key in keys.items():
        duplicates = next((group for group in alike if one in group), {one})
        assert {other for other, its in keys.items() if its == key} == duplicates


def test_the_keys_of_other_commands() -> None:
    one, two = (a_job(job_id, text="a red  cat --ar 3:2") for job_id in ("jobone", "jobtwo"))
    assert duplicate_key(one) == duplicate_key(two) == "a red cat"
    for command, alike in (
        ("blend", True),
        ("show", True),
        ("describe", False),
        ("shorten", False),
        ("info", False),
    ):
        jobs = [a_job(job_id, text=GRID_UUID) for job_id in ("jobone", "jobtwo")]
        keys = {duplicate_key(_with_command(job, command)) for job in jobs}
        assert (len(keys) == 1) is alike, command
    assert duplicate_key(_with_command(one, "blend")) == duplicate_key(a_job(text="https://a.example/x.png"))


def _with_command(job: Job, command: str) -> Job:
    return replace(job, prompt=replace(job.prompt, command=command))
