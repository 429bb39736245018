"""The notices that the Midjourney bot sends instead of a picture, as a table.

Titles and texts of "Job queued", "Queue full" and "Action needed to continue" were recorded 2024-12 to
2025-01; the others are known from users' reports and other clients' code.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.simulator.messages.message import button, embed
from mjwatch.simulator.messages.prompt_text import unrecognized_parameters

if TYPE_CHECKING:
    from mjwatch.simulator.faults.registry import ArmedFault
    from mjwatch.simulator.world import Json

RED, ORANGE, YELLOW = 16711680, 16239475, 16776960

BANNED_WORD = "banned-word-test"
"""A prompt that contains this is refused, so that people and tests can see a refusal."""


@dataclass(frozen=True, slots=True)
class BotNotice:
    """A notice; without a title it is plain content."""

    title: str | None
    text: str
    color: int = RED
    buttons: tuple[tuple[str, str], ...] = ()
    """(label, custom_id)"""
    late: bool = False
    """It is an edit of the progress message, after the job has started."""
    by_reply: bool = False
    """If late: it is a plain message that replies to the progress message."""
    untitled: bool = False
    """It is an embed too, but without its title."""
    footer: str | None = None
    """The footer in place of the request."""

    @property
    def content(self) -> str:
        """The message's own text."""
        return self.text if self.title is None else ""

    def embeds(self, request: str | None) -> list[Json]:
        """Return the notice as embeds; ``request`` is the request."""
        if self.title is None:
            return []
        title = None if self.untitled else self.title
        return [embed(title, self.text, self.color, self.footer or request)]

    def row(self) -> list[Json]:
        """Return the row of the notice's buttons."""
        return [button(label, custom_id) for label, custom_id in self.buttons]


JOB_QUEUED = BotNotice(
    "Job queued",
    "You have reached the maximum allowed number of concurrent jobs. "
    "Don't worry, this job will start as soon as another one finishes!",
    ORANGE,
)
CREDITS_EXHAUSTED = BotNotice("Credits exhausted", "You have run out of hours for this month.")
QUEUE_FULL = BotNotice(
    "Queue full", "Your job queue is full. Please wait for a job to finish first, then resubmit this one."
)
BANNED_PROMPT = BotNotice(
    "Banned prompt",
    f"The word `{BANNED_WORD}` is banned. Circumventing this filter to violate our rules may result in "
    "your access being revoked.",
)
UNKNOWN_JOB = BotNotice("Invalid request", "No job with this id was found.")
_APPEAL = (("Appeal", "MJ::Prompts::Appeal::s1mUl4t3dAb"),)
_PENDING = (("Acknowledge", "MJ::Moderation::Acknowledge"), ("Resubmit", "MJ::Moderation::Resubmit"))

NOTICES: dict[str, BotNotice] = {
    notice.title or notice.text: notice
    for notice in (
        JOB_QUEUED,
        QUEUE_FULL,
        BANNED_PROMPT,
        BotNotice("Banned prompt detected", f"The word `{BANNED_WORD}` is banned."),
        BotNotice("Banned image prompt", "An image in your prompt is not allowed."),
        BotNotice(
            "Action needed to continue",
            "Sorry! Our AI moderators feel your prompt might be against our community standards.\n\n"
            '        If you think this is a mistake, please press the "Appeal" button below and we will send '
            "it to a more sophisticated AI to double-check the result.",
            buttons=_APPEAL,
        ),
        BotNotice("Invalid parameter", "Unrecognized parameter(s): \u2013v, 5"),
        BotNotice("Invalid prompt", "The prompt could not be read."),
        BotNotice("Empty prompt", "The prompt is empty."),
        BotNotice("Invalid request", "The request could not be read."),
        BotNotice("Invalid link", "Could not validate this link. Please try again later."),
        BotNotice("Image denied", "The image was denied."),
        BotNotice(
            "Pending mod message",
            "You have a pending moderation message. Please acknowledge it before using the bot further.",
            buttons=_PENDING,
        ),
        BotNotice(
            "Blocked",
            "You have been blocked from accessing Midjourney. "
            "This happens on repeated or serious ToS violations.",
        ),
        BotNotice(
            "Abuse alert",
            "You have triggered an abuse alert. Your account is now under manual review.",
        ),
        BotNotice(
            "Temporarily blocked",
            "Your account has been temporarily blocked due to suspicious activity. Accessing Midjourney via "
            "third-party tools or scripting is strictly forbidden and is grounds for a permanent ban..",
        ),
        BotNotice(
            "Action required to continue",
            "Please verify you're human to continue.",
            YELLOW,
            (("Verify", "MJ::Verify::Human"),),
        ),
        CREDITS_EXHAUSTED,
        BotNotice("Subscription required", "You need a subscription to create images with Midjourney."),
        BotNotice("Subscription paused", "Your subscription is paused."),
        BotNotice("Plan Cancelled", "Your plan was cancelled."),
        BotNotice(
            "Tos not accepted",
            "Please accept our Terms of Service.",
            buttons=(("Accept ToS", "MJ::Tos::Accept"),),
        ),
        BotNotice("Slow Down!", "You can request another upscale for this image <t:1893456000:R>", YELLOW),
        BotNotice("Job action restricted", "This action is not available to you."),
        BotNotice("Duplicate images detected", "Some of the images are duplicates of each other.", YELLOW),
        BotNotice("Sorry, something went wrong", "The job encountered an error. Our team has been notified."),
        BotNotice("Sorry! Could not complete the job!", "Please try again later."),
        BotNotice("Request cancelled due to image filters", "The image was filtered.", late=True),
        BotNotice("Request cancelled due to output filters", "The output was filtered.", late=True),
        BotNotice(None, "Failed to process your command :c"),
        BotNotice(
            None,
            "There was an error processing your request. Please try again later. "
            "Your trace: `teapot-lantern-gravel`",
        ),
    )
}
"""By title, or by text if there is no title."""


def asked_notice(armed: ArmedFault, default: str) -> BotNotice:
    """Return the notice that a fault asks for, with the fault's text, colour and time."""
    notice = notice_named(armed.text("title", default))
    text = armed.text("text", notice.text)
    if "seconds" in armed.details:
        text = re.sub(r"<t:\d+:R>", f"<t:{int(time.time() + armed.number('seconds', 0))}:R>", text)
    return replace(
        notice,
        text=text,
        color=int(armed.number("color", notice.color)),
        footer=armed.text("footer", "") or None,
        untitled=bool(armed.details.get("untitled")),
    )


def notice_named(title: str) -> BotNotice:
    """Return the notice with this title or text; an unknown one is red, with a text without meaning."""
    return NOTICES.get(title, BotNotice(title, "This notice is unknown to the simulator."))


def notice_for(prompt: str) -> BotNotice | None:
    """Return the notice that the prompt's content causes, or None."""
    if BANNED_WORD in prompt:
        return BANNED_PROMPT
    if (listed := unrecognized_parameters(prompt)) is not None:
        return BotNotice("Invalid parameter", f"Unrecognized parameter(s): {listed}")
    return None
