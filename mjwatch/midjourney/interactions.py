"""What the gateway says about our interactions, by nonce: seen, failed, or answered with a form. Pure.

No event with a form was recorded yet. Its shape is from discord-userdoccers ("Interaction Modal Create") and
from other clients: text inputs in action rows, or in labels since Discord has those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.discord.json_values import id_of, text_of
from mjwatch.midjourney.parsing.components import walk
from mjwatch.model import Job, Modal, Refusal, RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_MODAL = "INTERACTION_MODAL_CREATE"
_FRAME = "INTERACTION_IFRAME_MODAL_CREATE"
_FAILURE = "INTERACTION_FAILURE"
INTERACTION_EVENTS = frozenset({"INTERACTION_CREATE", "INTERACTION_SUCCESS", _FAILURE, _MODAL, _FRAME})


def read_interaction(event: ev.GatewayDispatch, jobs: Iterable[Job]) -> list[tuple[str | None, ev.JobEvent]]:
    """Return what this dispatch means for the job with its nonce; nothing for an earlier attempt's nonce."""
    nonce, interaction_id = id_of(event.data.get("nonce")), id_of(event.data.get("id"))
    if interaction_id is None:
        return []
    if nonce is None:  # a failure may come without it (discord-userdoccers)
        owner = next((job for job in jobs if job.interaction_id == interaction_id), None)
        return [(owner.id, _event(event, owner, interaction_id))] if owner is not None else []
    jobs = tuple(jobs)
    pressed = next(
        (job for job in jobs if job.cancel_request is not None and job.cancel_request.nonce == nonce), None
    )
    if pressed is not None:
        failed = _failed_press(event)
        return [] if failed is None else [(pressed.id, failed)]
    owner = next((job for job in jobs if nonce in job.nonces), None)
    if owner is None or not _of_present_attempt(owner, nonce):
        return []
    return [(owner.id, _event(event, owner, interaction_id))]


def _of_present_attempt(job: Job, nonce: str) -> bool:
    if job.modal is not None and job.state is State.QUEUED and nonce == job.nonce:
        return False  # the form is open, which was the purpose of this attempt
    return nonce == job.nonce or job.state is State.QUEUED


def _failed_press(event: ev.GatewayDispatch) -> ev.CancelPressed | None:
    """Return what went wrong with a pressed Cancel Job, or None."""
    if event.name == _FAILURE:
        return ev.CancelPressed("Midjourney did not answer Discord in time")
    if event.name == _FRAME:
        refusal = _person_needed()
        return ev.CancelPressed(refusal.detail, refusal, again=0.0)
    return ev.CancelPressed("Midjourney asks a question in a form") if event.name == _MODAL else None


def _event(event: ev.GatewayDispatch, job: Job, interaction_id: str) -> ev.JobEvent:
    if event.name == _FAILURE:
        code = event.data.get("reason_code")
        return ev.InteractionFailed(f"Midjourney did not answer Discord in time (reason {code})")
    if event.name == _FRAME:
        return ev.Refused(_person_needed())
    return _form(event.data, job) if event.name == _MODAL else ev.InteractionSeen(interaction_id)


def _form(data: Mapping[str, Any], job: Job) -> ev.JobEvent:
    modal = read_modal(data)
    if modal is not None and job.button_press is not None and prompt_field(modal) is not None:
        return ev.ModalOpened(modal)
    title = text_of(data.get("title"))
    detail = f"Midjourney asks a question in a form that mjwatch can't answer: {title or 'it has no title'}"
    advice = "Do the same once by hand in Discord, and see what the form asks."
    return ev.Refused(Refusal(None, title or None, detail, advice=advice))


def _person_needed() -> Refusal:
    detail = "Midjourney opened a check for a person: run a command by hand in Discord and do what it asks"
    return Refusal(RefusalClass.ACCOUNT, "Action required to continue", detail, needs_human=True)


_TEXT_INPUT = 4
_PROMPT_FIELDS = ("prompt", "promptfield")


def read_modal(data: Mapping[str, Any]) -> Modal | None:
    """Return the form in an INTERACTION_MODAL_CREATE, or None without an id or a custom id. Never raises."""
    modal_id, custom_id = id_of(data.get("id")), text_of(data.get("custom_id"))
    if modal_id is None or not custom_id:
        return None
    inputs = [part for part in walk(data.get("components")) if part.get("type") == _TEXT_INPUT]
    fields = ((text_of(part.get("custom_id")), text_of(part.get("value"))) for part in inputs)
    return Modal(modal_id, custom_id, tuple(field for field in fields if field[0]))


def prompt_field(modal: Modal) -> str | None:
    """Return the custom id of the field that holds the prompt, or None.

    ``MJ::RemixModal::new_prompt``, ``MJ::PanModal::prompt``, ``MJ::Picreader::Modal::PromptField``.
    """
    names = (name for name, _ in modal.fields)
    return next((name for name in names if name.lower().endswith(_PROMPT_FIELDS)), None)
