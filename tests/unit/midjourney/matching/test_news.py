"""Whether a start message that is read again shows anything new: only that is a sign of life."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mjwatch.midjourney.matching.news import ShownMessages
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.model import Button, ButtonPress, State
from tests.helpers.message_shapes import UUID_A, a_job, progress

JOB = a_job(state=State.RUNNING, message_id="600", percent=35)
CANCEL = Button(custom_id=f"MJ::CancelJob::ByJobid::{UUID_A}", label="Cancel Job")
PRESS = ButtonPress("600", CANCEL.custom_id)
MESSAGE = replace(read_message("REST", progress("600")), buttons=())
PREVIEW = read_message("REST", progress("600", uuid=UUID_A))


@pytest.mark.parametrize(
    ("job", "message", "is_news"),
    [
        (JOB, MESSAGE, False),
        (JOB, replace(MESSAGE, percent=None), False),
        (JOB, replace(MESSAGE, percent=36), True),
        (JOB, replace(MESSAGE, message_id="601"), True),
        (JOB, replace(MESSAGE, buttons=(CANCEL,)), True),
        (replace(JOB, cancel_button=PRESS), replace(MESSAGE, buttons=(CANCEL,)), False),
        (JOB, replace(MESSAGE, job_uuid=UUID_A), True),
        (replace(JOB, job_uuid=UUID_A), replace(MESSAGE, job_uuid=UUID_A), False),
        (replace(JOB, job_uuid=UUID_A), MESSAGE, False),
    ],
)
def test_after_a_restart_a_message_is_compared_with_what_the_job_knows(
    job: Any, message: Any, is_news: bool
) -> None:
    assert ShownMessages().has_news(message, job) is is_news


@pytest.mark.parametrize(
    ("change", "is_news"),
    [
        ({}, False),
        ({"content": "**a red cat** - (paused)"}, True),
        ({"edited_at": "2026-01-01T00:00:09+00:00"}, True),
        ({"images": tuple(replace(image, url=f"{image.url}&renewed=1") for image in PREVIEW.images)}, False),
        ({"images": tuple(replace(image, url="https://cdn/x.webp?ex=1") for image in PREVIEW.images)}, True),
        ({"images": ()}, True),
        ({"buttons": (CANCEL,)}, True),
    ],
)
def test_later_it_is_compared_with_what_it_showed_last(change: dict[str, Any], is_news: bool) -> None:
    shown, job = ShownMessages(), replace(JOB, job_uuid=UUID_A, cancel_button=PRESS)
    assert PREVIEW.images
    shown.note(PREVIEW, job.id)
    shown.forget("jobwithoutstart")
    assert shown.has_news(replace(PREVIEW, **change), job) is is_news
    shown.forget(job.id)
    assert not shown.has_news(replace(PREVIEW, **change), job)
