"""Jobs for tests: plain ones, and arbitrary ones for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mjwatch.model import (
    Button,
    ButtonPress,
    Job,
    LimitScope,
    Modal,
    Note,
    Prompt,
    Refusal,
    RefusalClass,
    RemotePicture,
    Result,
    ResultKind,
    Source,
    State,
    UploadedImage,
)
from mjwatch.prompts.source_text import sha256

RESULT = Result(
    message_id="1300000000000000009",
    matched_by="nonce",
    job_uuid="0c5f1d3e-1111-4222-8333-444455556666",
    echoed="a cat --ar 3:2",
    pictures=(RemotePicture("grid.png", "https://cdn.example/grid.png?sig=1", 64, 64, 1234, "image/png"),),
    buttons=(Button("MJ::JOB::upsample::1::0c5f", "U1"), Button("MJ::JOB::reroll::0", None)),
)
REFUSAL = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is not allowed")


def made_job(
    job_id: str = "7k3f9a2m", path: str | None = "clients/acme/cat.txt", *, priority: int = 0, **changes: Any
) -> Job:
    """Return a queued job from a file in the inbox."""
    values: dict[str, Any] = {
        "id": job_id,
        "prompt": Prompt("a cat --ar 3:2", parameters={"ar": "3:2"}, priority=priority),
        "accepted": 1_770_000_000.25,
        "source": None if path is None else Source(path, sha256(b"a cat\n"), 1_769_999_999.5),
        "history": (Note(1_770_000_000.25, "accepted"),),
    }
    return Job(**{**values, **changes})


text = st.text(st.characters(codec=None), max_size=12)
"""Also halves of surrogate pairs, as in file names that are not UTF-8."""

number = st.floats(allow_nan=False, allow_infinity=False)
maybe_text = st.none() | text
maybe_number = st.none() | number

_results = st.builds(
    Result,
    message_id=text,
    matched_by=text,
    job_uuid=maybe_text,
    echoed=maybe_text,
    pictures=st.lists(st.builds(RemotePicture), max_size=2).map(tuple),
    buttons=st.lists(st.builds(Button, custom_id=text, label=maybe_text), max_size=2).map(tuple),
    kind=st.sampled_from(ResultKind),
    text=maybe_text,
    flags=st.integers(0, 1 << 20),
)
_texts = st.lists(text, max_size=2).map(tuple)
_refusals = st.builds(
    Refusal,
    kind=st.none() | st.sampled_from(RefusalClass),
    title=maybe_text,
    detail=text,
    needs_human=st.booleans(),
    retry_after=maybe_number,
    advice=text,
    scope=st.none() | st.sampled_from(LimitScope),
)
_prompts = st.builds(
    Prompt,
    text=text,
    parameters=st.dictionaries(text, text | number | st.booleans() | st.integers(), max_size=3),
    label=maybe_text,
    images=_texts,
    action=maybe_text,
    parent=maybe_text,
    then=_texts,
    priority=st.integers(-(2**31), 2**31),
    not_before=maybe_number,
    application=maybe_text,
)
_modals = st.builds(
    Modal, id=text, custom_id=text, fields=st.lists(st.tuples(text, text), max_size=2).map(tuple)
)
_uploads = st.builds(UploadedImage, filename=text, uploaded_filename=maybe_text, url=maybe_text, at=number)
wild_jobs = st.builds(
    Job,
    id=text,
    prompt=_prompts,
    accepted=number,
    state=st.sampled_from(State),
    source=st.none() | st.builds(Source, path=text, sha256=text, mtime=number, index=st.integers(0, 99)),
    parent=maybe_text,
    button_press=st.none()
    | st.builds(ButtonPress, message_id=text, custom_id=text, flags=st.integers(0, 1 << 20)),
    modal=st.none() | _modals,
    uploads=st.lists(_uploads, max_size=2).map(tuple),
    next_action_at=maybe_number,
    failed_tries=st.integers(0, 99),
    nonces=st.lists(text, max_size=3).map(tuple),
    session_id=maybe_text,
    anchor=maybe_text,
    interaction_id=maybe_text,
    message_id=maybe_text,
    job_uuid=maybe_text,
    percent=st.none() | st.integers(0, 100),
    queued_by_bot=st.booleans(),
    start_deleted_at=maybe_number,
    submitted=maybe_number,
    started=maybe_number,
    finished=maybe_number,
    published=maybe_number,
    folder=maybe_text,
    result=st.none() | _results,
    refusal=st.none() | _refusals,
    history=st.lists(st.builds(Note, at=number, event=text, retry_in=maybe_number), max_size=3).map(tuple),
)
