"""A table with the required outcome of each simulator fault, written before any run was examined.

The table follows from the promises of mjwatch and from what is known about Discord and Midjourney, not from
the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Fault = dict[str, Any]


class End(Enum):
    """The outcome of a job after a fault."""

    DONE = "four pictures that belong to the job"
    FAILED = "a folder in _failed with the reason"
    IN_DOUBT = "in doubt: not sent again, and show reports it"
    NEEDS_PERSON = (
        "sending is paused, status has the reason, the job waits in the queue and runs after resume"
    )
    WAITING = "not sent: status has the reason, the job waits in the queue"


@dataclass(frozen=True, eq=False)
class Row:
    """A fault, alone or with other faults that cause it, and its required outcome."""

    name: str
    faults: tuple[Fault, ...]
    end: End = End.DONE
    executed: int = 1
    """How many times Midjourney accepts the prompt without refusing it."""
    refused: int = 0
    """How many times the bot refuses the prompt."""
    posts: tuple[int | None, ...] | None = None
    """The statuses of the responses to its POSTs, where they matter."""
    message: str = ""
    """Text that must appear in the error of the job, or in the reason of the pause."""
    kind: str | None = None
    """The class of the refusal in the manifest."""
    restart: bool = False
    """Whether the service must be restarted to resume: it reads the corrected value only at its start."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the simulator."""


def fault(name: str, **keys: object) -> Fault:
    return {"fault": name, **keys}


def row(*names: str, **keys: Any) -> list[Row]:
    """Return a row for each of these faults, all with the same outcome."""
    fields = {key: keys.pop(key) for key in tuple(keys) if key in Row.__dataclass_fields__}
    title = "".join(f" {value}" for value in keys.values())
    return [Row(f"{name}{title}", (fault(name, **keys),), **fields) for name in names]


def bot_notices(*titles: str, **fields: Any) -> list[Row]:
    """Return a row for each of these notices of the bot."""
    return [Row(f"refuse {title}", (fault("refuse", title=title),), **fields) for title in titles]


def post_errors(status: int, *codes: int, **fields: Any) -> list[Row]:
    """Return a row for each of these error codes in the response to the POST."""
    return [
        Row(f"post_error {status} {code}", (fault("post_error", status=status, code=code),), **fields)
        for code in codes
    ]


ONE_JOB_FAULTS: list[Row] = [
    # The POST was not executed, and the response of Discord proves it.
    *row("post_429", scope="user", posts=(429, 204)),
    *row("post_429", scope="shared", posts=(429, 204)),
    *row("post_429", scope="global", posts=(429, 204)),
    *row("post_429_ms", retry_after=1, posts=(429, 204)),
    *row("post_429_html", retry_after=1, posts=(429, 204)),
    *post_errors(400, 40043, posts=(400, 204)),
    *post_errors(403, 20028, 40004, 40006, posts=(403, 204)),
    *post_errors(400, 50035, end=End.FAILED, executed=0, kind="user", message="malformed"),
    *post_errors(403, 200000, end=End.FAILED, executed=0, kind="moderation", message="AutoMod"),
    *post_errors(403, 240000, end=End.FAILED, executed=0, kind="moderation", message="link"),
    # mjwatch must find out whether the POST was executed.
    *row("post_500", "post_202", "post_html", "post_reset"),
    *post_errors(503, 130000),
    *row("post_500_executed", "post_html_executed", "post_reset_executed", "post_slow"),
    *row("post_429_executed", retry_after=1.5),
    *[
        Row(f"{name}, events late", (fault(name), fault("told_late", seconds=3.5)))
        for name in ("post_500_executed", "post_html_executed", "post_reset_executed", "post_slow")
    ],
    # The messages of the bot are unusual, but complete.
    *row("success_never", "success_late", "no_start", "no_progress", "loading_first", "foreign_twin"),
    *row("preview_without_uuid", "no_preview", "paused", "footer", "ephemeral_job", "components_v2"),
    *row(
        "four_pictures",
        "four_in_gallery",
        "final_edited",
        "final_twice",
        "nonce_on_final",
        "duplicate_dispatch",
        "out_of_order",
    ),
    *row("delete_bulk", "queued", "interaction_failed_executed", "by_hand_twin"),
    *row("final_lost"),
    # The job ran, but has no picture.
    *row("moderated", end=End.FAILED, executed=0, refused=1, kind="moderation", message="deleted"),
    *row("stopped", end=End.FAILED, executed=0, refused=1, message="stopped"),
    *row("silent", end=End.IN_DOUBT, message="not known"),
    *row("interaction_failed", end=End.IN_DOUBT, executed=0, refused=1, message="not known"),
    # The bot refuses the prompt.
    *bot_notices(
        *("Banned prompt", "Banned prompt detected", "Banned image prompt", "Image denied"),
        *("Action needed to continue", "Request cancelled due to image filters"),
        "Request cancelled due to output filters",
        end=End.FAILED,
        executed=0,
        refused=1,
        kind="moderation",
    ),
    Row(
        "refuse_by_reply",
        (fault("refuse_by_reply", title="Image denied"),),
        End.FAILED,
        executed=0,
        refused=1,
        kind="moderation",
        message="Image denied",
    ),
    *bot_notices(
        *("Invalid parameter", "Invalid prompt", "Invalid request", "Invalid link", "Empty prompt"),
        end=End.FAILED,
        executed=0,
        refused=1,
        kind="user",
    ),
    *bot_notices(
        *("Sorry, something went wrong", "Sorry! Could not complete the job!"),
        "Failed to process your command :c",
        end=End.FAILED,
        executed=0,
        refused=1,
        kind="transient",
    ),
    *bot_notices("Job action restricted", end=End.FAILED, executed=0, refused=1, kind="plan"),
    *bot_notices(
        "A title nobody knows", end=End.FAILED, executed=0, refused=1, message="A title nobody knows"
    ),
    *bot_notices("Queue full", refused=1),
    Row("refuse Slow Down!", (fault("refuse", title="Slow Down!", text="Again <t:{soon}:R>"),), refused=1),
    *bot_notices("Job queued", end=End.IN_DOUBT, executed=0, refused=1, message="not known"),
    # Downloads that fail once, then succeed.
    *row("cdn_404", "cdn_truncated", "cdn_wrong_length", "cdn_206", "cdn_corrupt", "cdn_not_image"),
    *row("cdn_bomb", "cdn_huge", "cdn_redirect", "cdn_error", "cdn_reset", "cdn_slow"),
    *row("cdn_error", status=429),
    # Downloads that always fail. The job is paid for, so everything that a later retry needs is kept.
    *row("cdn_404", "cdn_bomb", "cdn_not_image", "cdn_error", count=99, end=End.FAILED, kind="transient"),
]
"""Faults that affect only one job: all of them run at the same time in one daemon."""

GATEWAY_GAP = (fault("gateway_down", seconds=1, lose_session=True),)
"""After this gap the history must be read."""

FAULTS_DURING_JOB: list[Row] = [
    *row("gateway_cut", "gateway_cut_midframe", "gateway_reconnect", "gateway_heartbeat", "gateway_noise"),
    *row("gateway_garbage"),
    *row("gateway_cut", count=3),
    *row("gateway_down", seconds=2),
    *row("gateway_down", seconds=2, lose_session=True),
    *[
        Row(f"gateway_close {code}", (fault("gateway_close", code=code),))
        for code in (1000, 1001, 4000, 4001, 4002, 4003, 4005, 4006, 4007, 4008, 4009)
    ],
    *[
        Row(f"{name} at a new connection", (fault(name), fault("gateway_cut")))
        for name in ("gateway_invalid_session", "gateway_invalid_session_resumable", "replay_twice")
    ],
    Row("session_id_reused after a gap", (fault("session_id_reused"), *GATEWAY_GAP)),
    *[
        Row(f"{name} at a new connection", (fault(name), fault("gateway_cut")))
        for name in ("hello_late", "reconnect_first", "gateway_split")
    ],
    *[
        Row(f"{name} of the history", (fault(name, match="/messages"), *GATEWAY_GAP))
        for name in ("rest_429", "rest_202", "rest_html", "rest_reset", "rest_slow")
    ],
    Row("account_limited in a gap", (fault("account_limited", seconds=3), *GATEWAY_GAP)),
    Row("history_empty after a gap", (fault("history_empty"), *GATEWAY_GAP)),
    *[
        Row(
            f"rest_error {status} of the history",
            (fault("rest_error", status=status, code=code, match="/messages"), *GATEWAY_GAP),
            End.NEEDS_PERSON,
            message=message,
        )
        for status, code, message in ((401, 0, "token"), (403, 50001, "access"))
    ],
    Row("heartbeat_ignored", (fault("heartbeat_ignored"),), options={"heartbeat_interval": 0.4}),
    *[
        Row(
            f"gateway_close {code}",
            (fault("gateway_close", code=code),),
            End.NEEDS_PERSON,
            message=message,
            restart=True,
        )
        for code, message in (
            (4004, "token"),
            *((4010, "sharding"), (4011, "sharding")),
            (4012, "update"),
            *((4013, "update"), (4014, "update")),
        )
    ],
]
"""Faults that occur while the job runs."""

FAULTS_BEFORE_START: list[Row] = [
    *row("ready_large", megabytes=8),
    *row("gateway_split", "hello_late", "reconnect_first", "unsubscribed", "ready_auth_token"),
    *row("identify_limited", "identify_limited_resumable"),
    *row("identify_closed", code=4015, end=End.WAITING, executed=0, message="too many open sessions"),
    *row("identify_closed", code=4004, end=End.NEEDS_PERSON, message="token", restart=True),
    *row("required_action", end=End.NEEDS_PERSON, message="AGREEMENTS"),
    *row("passive_only"),
    *row("index_202", "stale_version"),
    *row("account_limited", seconds=2),
    Row("no history at all", (), options={"read_history": False}),
    *[
        Row(f"{name} of the index", (fault(name, match="application-command-index"),))
        for name in ("rest_429", "rest_202", "rest_html", "rest_reset", "rest_slow")
    ],
    Row(
        "rest_error 401 of the index",
        (fault("rest_error", status=401, match="application-command-index"),),
        End.NEEDS_PERSON,
        message="token",
    ),
    Row("history_empty always", (fault("history_empty", count=99),)),
]
"""Faults that are armed before the service starts."""

PAUSING_FAULTS: list[Row] = [
    # The response to the POST shows that a person is needed.
    *row("captcha", end=End.NEEDS_PERSON, message="captcha"),
    *row("not_permitted", end=End.NEEDS_PERSON, message="Use Application Commands"),
    *row("unauthorized", end=End.NEEDS_PERSON, message="token"),
    *row("post_429_html", end=End.NEEDS_PERSON, message="Cloudflare"),
    *post_errors(403, 10008, end=End.NEEDS_PERSON, message="blocks"),
    *post_errors(403, 40002, end=End.NEEDS_PERSON, message="verify"),
    *post_errors(403, 40333, end=End.NEEDS_PERSON, message="blocked"),
    *post_errors(403, 50001, end=End.NEEDS_PERSON, message="access"),
    *post_errors(400, 10004, end=End.NEEDS_PERSON, message="guild"),
    Row("post_html 403", (fault("post_html", status=403),), End.NEEDS_PERSON, message="forbids"),
    # A message of the bot shows that a person is needed.
    *row("captcha_iframe", end=End.NEEDS_PERSON, refused=1, message="Action required"),
    *[
        Row(f"refuse {title}", (fault("refuse", title=title),), End.NEEDS_PERSON, refused=1, message=message)
        for title, message in (
            ("Pending mod message", "Pending mod message"),
            ("Blocked", "Blocked"),
            ("Abuse alert", "Abuse alert"),
            ("Temporarily blocked", "Temporarily blocked"),
            ("Action required to continue", "Action required"),
            ("Credits exhausted", "Credits exhausted"),
            ("Subscription required", "Subscription required"),
            ("Tos not accepted", "Tos not accepted"),
        )
    ],
]
"""Faults that pause sending until a person has acted: they run one after another in one daemon."""
