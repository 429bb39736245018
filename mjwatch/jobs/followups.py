"""Follow-ups: the jobs that press a button of a finished job's message. Pure: ids and time come in."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.midjourney.buttons import explain_missing, find_button, opens_form
from mjwatch.model import ButtonPress, Job, Note, Prompt, Refusal, RefusalClass, ResultKind, State
from mjwatch.prompts.actions import ALL, ON_PICTURE, canonical, split_number, takes_text, zoom_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mjwatch.model import Button, Result, Source

_FINISHED = frozenset({State.COLLECTING, State.DONE})


class _ImpossibleError(Exception):
    """The follow-up can't be had: why, and what a person can do."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def follow_up(parent: Job, wish: Prompt, job_id: str, now: float, source: Source | None = None) -> Job:
    """The job that does ``wish.action`` to what ``parent`` has made; a rejected one if that can't be had.

    ``wish.text`` are new words for a form, if there are any. ``source``: where the wish came from, if not
    from where the parent did. What a grid does not offer but each of its pictures does is left to the job of
    that picture (the first, if the action has no number), which is then the one that is returned.
    """
    child = Job(
        id=job_id,
        prompt=_prompt(parent, wish),
        accepted=now,
        source=source or parent.source,
        parent=parent.id,
        next_action_at=wish.not_before,
        history=(Note(now, f"accepted: {wish.action or 'a follow-up'} of job {parent.id}"),),
    )
    try:
        return _pressing(child, parent, wish, now)
    except _ImpossibleError as impossible:
        return _rejected(child, str(impossible), impossible.hint, now)


def children_of(parent: Job, now: float, new_id: Callable[[], str]) -> list[Job]:
    """The follow-ups that ``parent.prompt.then`` wants, now that it is done.

    Those that only a single picture offers go to the job of their picture, as for ``follow_up``; it is made
    for them if nobody has asked for it.
    """
    buttons = parent.result.buttons if parent.result else ()
    wanted: dict[str, tuple[str, ...]] = {}
    for action in _expanded(parent.prompt.then):
        picture = _picture_before(action, buttons)
        if picture is None:
            wanted.setdefault(action, ())
        else:
            wanted[picture] = (*wanted.get(picture, ()), split_number(action)[0])
    wishes = [Prompt("", action=action, then=then) for action, then in wanted.items()]
    return [follow_up(parent, wish, new_id(), now) for wish in wishes]


def _expanded(then: Iterable[str]) -> tuple[str, ...]:
    names = (ALL if name == "all" else (name,) for name in then)
    return tuple(dict.fromkeys(chain.from_iterable(names)))


def _picture_before(action: str, buttons: Sequence[Button]) -> str | None:
    """The U button of the picture that must stand alone first, where this message has only that button."""
    name, number = split_number(action)
    on_picture = (name in ON_PICTURE or zoom_factor(name) is not None) and not name.startswith("extend")
    if not on_picture or find_button(action, buttons) is not None:
        return None
    picture = f"U{number or 1}"
    return picture if find_button(picture, buttons) is not None else None


def _prompt(parent: Job, wish: Prompt) -> Prompt:
    """What it says of itself: a follow-up without words of its own has its parent's."""
    return replace(
        wish,
        text=wish.text or _words_of(parent),
        command="imagine",
        label=wish.label or parent.prompt.label,
        images=(),
        parent=parent.id,
        priority=wish.priority or parent.prompt.priority,
        application=parent.prompt.application,
    )


def _words_of(parent: Job) -> str:
    echoed = parent.result.echoed if parent.result else None
    # What was submitted to /blend or /show is no prompt; what they have made is shown with one.
    return parent.prompt.text if parent.prompt.command == "imagine" else echoed or parent.prompt.text


def _result_of(parent: Job) -> Result:
    if parent.state in {State.FAILED, State.REJECTED, State.CANCELLED}:
        how = "has failed" if parent.state is State.FAILED else f"was {parent.state}"
        raise _ImpossibleError(f"job {parent.id} {how}: it has no picture to go on from")
    if parent.state not in _FINISHED or parent.result is None:
        hint = "ask again when it is done, or name the follow-ups in `then` when you submit a prompt"
        raise _ImpossibleError(f"job {parent.id} is {parent.state}: it has no picture yet", hint)
    if parent.result.kind is ResultKind.TEXT:
        raise _ImpossibleError(f"job {parent.id} was answered in words: it has no picture to go on from")
    return parent.result


def _pressing(child: Job, parent: Job, wish: Prompt, now: float) -> Job:
    """With its button; or with that of its picture, to which the rest is left."""
    result = _result_of(parent)
    action = _canonical(wish.action or "")
    words = _new_words(action, wish.text, parent)
    button = _button_for(action, words, result.buttons)
    child = replace(child, prompt=replace(child.prompt, action=action))
    if button is None:
        picture = _picture_before(action, result.buttons)
        button = find_button(picture, result.buttons) if picture else None
        if picture is None or button is None or words or wish.then:
            raise _ImpossibleError(explain_missing(action, result.buttons))
        child = _left_to_picture(child, picture, action, now)
    form = opens_form(button.custom_id)
    return replace(
        child, button_press=ButtonPress(result.message_id, button.custom_id, result.flags, form, words)
    )


def _canonical(action: str) -> str:
    try:
        return canonical(action)
    except PromptFileError as error:
        raise _ImpossibleError(error.message, error.hint or "") from error


def _new_words(action: str, text: str, parent: Job) -> str | None:
    if not text or text == _words_of(parent):
        return None
    if not takes_text(action):
        raise _ImpossibleError(f"`{action}` takes no new words", "Leave the prompt out, or ask for V1 to V4.")
    return text


def _button_for(action: str, words: str | None, buttons: Sequence[Button]) -> Button | None:
    """The plain zooms take new words only in Remix mode; the form of Custom Zoom takes them always."""
    if words is not None and zoom_factor(action) is not None:
        by_form = next((button for button in buttons if opens_form(button.custom_id)), None)
        return by_form or find_button(action, buttons)
    return find_button(action, buttons)


def _left_to_picture(child: Job, picture: str, action: str, now: float) -> Job:
    name = split_number(action)[0]
    note = Note(now, f"{name} can be had of a single picture only, so it follows {picture}")
    prompt = replace(child.prompt, action=picture, then=(name,))
    return replace(child, prompt=prompt, history=(*child.history, note))


def _rejected(child: Job, why: str, hint: str, now: float) -> Job:
    return replace(
        child,
        state=State.REJECTED,
        refusal=Refusal(RefusalClass.USER, None, why, advice=hint),
        next_action_at=None,
        finished=now,
        history=(*child.history, Note(now, f"rejected: {why}")),
    )
