"""Follow-ups: jobs that press a button below the result of another job. Pure: ids and time are arguments."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.midjourney.buttons import explain_missing, find_button, opens_form
from mjwatch.model import ENDED, ButtonPress, Job, Note, Prompt, Refusal, RefusalClass, ResultKind, State
from mjwatch.prompts.actions import ALL_UPSCALES, ON_PICTURE, canonical, split_number, takes_text, zoom_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mjwatch.model import Button, Result, Source

_FINISHED = frozenset({State.COLLECTING, State.DONE})


class _ImpossibleError(Exception):
    """The follow-up is not possible: why, and what a person can do."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def follow_up(
    parent: Job,
    prompt: Prompt,
    job_id: str,
    now: float,
    source: Source | None = None,
    siblings: Sequence[Job] = (),
) -> Job:
    """Return the job that does ``prompt.action`` to the result of ``parent``, or a rejected job if it can't.

    ``prompt.text``: a new prompt for the form, or empty. ``source``: where the request comes from, if not
    from where the parent comes. An action that only a single picture offers, not the grid, needs the job of
    that picture first (the first picture, if the action has no number). Then that job is returned, with the
    action as its own follow-up; or the follow-up of that picture's job, if it is among ``siblings``, the
    parent's earlier follow-ups.
    """
    try:
        picture = _picture_job(parent, prompt, siblings)
    except _ImpossibleError as error:
        return _rejected(_child(parent, prompt, job_id, now, source), str(error), error.hint, now)
    if picture is not None:
        parent, prompt = picture, replace(prompt, action=split_number(prompt.action or "")[0])
    child = _child(parent, prompt, job_id, now, source)
    try:
        return _with_button(child, parent, prompt, now)
    except _ImpossibleError as error:
        return _rejected(child, str(error), error.hint, now)


def _child(parent: Job, prompt: Prompt, job_id: str, now: float, source: Source | None) -> Job:
    return Job(
        id=job_id,
        prompt=_child_prompt(parent, prompt),
        accepted=now,
        source=source or parent.source,
        parent=parent.id,
        next_action_at=prompt.not_before,
        history=(Note(now, f"accepted: {prompt.action or 'a follow-up'} of job {parent.id}"),),
    )


def _picture_job(parent: Job, prompt: Prompt, siblings: Sequence[Job]) -> Job | None:
    """Return the job of the picture that this action needs first, if it was asked for before."""
    if parent.result is None or not prompt.action:
        return None
    picture = _picture_before(_canonical(prompt.action), parent.result.buttons)
    jobs = [job for job in siblings if picture is not None and job.prompt.action == picture]
    done = [job for job in jobs if job.state in _FINISHED and job.result is not None]
    at_work = [job for job in jobs if job.state not in ENDED | _FINISHED]
    if not done and at_work:
        raise _ImpossibleError(
            f"{picture}, which {prompt.action} needs first, is {at_work[-1].state} as job {at_work[-1].id}",
            "ask again when it is done",
        )
    return done[-1] if done else None


def children_of(parent: Job, now: float, new_id: Callable[[], str]) -> list[Job]:
    """Return the jobs for ``parent.prompt.then``, now that the parent is done.

    Actions that only a single picture offers become follow-ups of that picture's job, as in ``follow_up``;
    that job is made if ``then`` does not name it.
    """
    buttons = parent.result.buttons if parent.result else ()
    wanted: dict[str, tuple[str, ...]] = {}
    for action in _expanded(parent.prompt.then):
        picture = _picture_before(action, buttons)
        if picture is None:
            wanted.setdefault(action, ())
        else:
            wanted[picture] = (*wanted.get(picture, ()), split_number(action)[0])
    prompts = [Prompt("", action=action, then=then) for action, then in wanted.items()]
    return [follow_up(parent, prompt, new_id(), now) for prompt in prompts]


def _expanded(then: Iterable[str]) -> tuple[str, ...]:
    names = (ALL_UPSCALES if name == "all" else (name,) for name in then)
    return tuple(dict.fromkeys(chain.from_iterable(names)))


def _picture_before(action: str, buttons: Sequence[Button]) -> str | None:
    """Return the U action that must come first, if this message offers that but not the action itself."""
    name, number = split_number(action)
    on_picture = (name in ON_PICTURE or zoom_factor(name) is not None) and not name.startswith("extend")
    if not on_picture or find_button(action, buttons) is not None:
        return None
    picture = f"U{number or 1}"
    return picture if find_button(picture, buttons) is not None else None


def _child_prompt(parent: Job, prompt: Prompt) -> Prompt:
    """Return the prompt of a follow-up: what it does not say itself comes from its parent."""
    return replace(
        prompt,
        text=prompt.text or _text_of(parent),
        command="imagine",
        label=prompt.label or parent.prompt.label,
        images=(),
        parent=parent.id,
        priority=prompt.priority or parent.prompt.priority,
        application=parent.prompt.application,
    )


def _text_of(parent: Job) -> str:
    echoed = parent.result.echoed if parent.result else None
    # What was submitted to /blend or /show is not a prompt, but their result is shown with one.
    return parent.prompt.text if parent.prompt.command == "imagine" else echoed or parent.prompt.text


def _result_of(parent: Job) -> Result:
    if parent.state in {State.FAILED, State.REJECTED, State.CANCELLED}:
        how = "has failed" if parent.state is State.FAILED else f"was {parent.state}"
        raise _ImpossibleError(f"job {parent.id} {how}: it has no picture for a follow-up")
    if parent.state not in _FINISHED or parent.result is None:
        hint = "ask again when it is done, or name the follow-ups in `then` when you submit the prompt"
        raise _ImpossibleError(f"job {parent.id} is {parent.state}: it has no picture yet", hint)
    if parent.result.kind is ResultKind.TEXT:
        raise _ImpossibleError(f"job {parent.id} was answered with text: it has no picture for a follow-up")
    return parent.result


def _with_button(child: Job, parent: Job, prompt: Prompt, now: float) -> Job:
    """Return the job with the button for its action, or with the U button that must come first."""
    result = _result_of(parent)
    action = _canonical(prompt.action or "")
    new_text = _new_text(action, prompt.text, parent)
    button = _button_for(action, new_text, result.buttons)
    child = replace(child, prompt=replace(child.prompt, action=action))
    if button is None:
        picture = _picture_before(action, result.buttons)
        button = find_button(picture, result.buttons) if picture else None
        if picture is None or button is None or new_text or prompt.then:
            raise _ImpossibleError(explain_missing(action, result.buttons))
        child = _for_picture_first(child, picture, action, now)
    form = opens_form(button.custom_id)
    return replace(
        child, button_press=ButtonPress(result.message_id, button.custom_id, result.flags, form, new_text)
    )


def _canonical(action: str) -> str:
    try:
        return canonical(action)
    except PromptFileError as error:
        raise _ImpossibleError(error.message, error.hint or "") from error


def _new_text(action: str, text: str, parent: Job) -> str | None:
    if not text or text == _text_of(parent):
        return None
    if not takes_text(action):
        raise _ImpossibleError(f"`{action}` takes no new prompt", "Leave the prompt out, or use V1 to V4.")
    return text


def _button_for(action: str, new_text: str | None, buttons: Sequence[Button]) -> Button | None:
    """Return the button for an action. Custom Zoom takes a new prompt always, other zooms in Remix mode."""
    if new_text is not None and zoom_factor(action) is not None:
        by_form = next((button for button in buttons if opens_form(button.custom_id)), None)
        return by_form or find_button(action, buttons)
    return find_button(action, buttons)


def _for_picture_first(child: Job, picture: str, action: str, now: float) -> Job:
    name = split_number(action)[0]
    note = Note(now, f"only a single picture offers {name}, so it follows {picture}")
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
