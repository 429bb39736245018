"""What must come of each of the simulator's faults: a table that was written before the runs were looked at.

It follows from what mjwatch promises and from what is known of Discord and Midjourney, not from the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Fault = dict[str, Any]


class End(Enum):
    """Where a job ends that met a fault."""

    DONE = "four pictures, of its own"
    FAILED = "a folder in _failed that says why"
    IN_DOUBT = "in doubt: not sent again, and show says so"
    PERSON = "sending is paused, status says why, the job waits in the queue and runs when told to go on"
    WAITS = "not sent: status says what is wrong and the job waits in the queue"


@dataclass(frozen=True, eq=False)
class Row:
    """One fault, alone or with what brings it about, and what must come of it."""

    name: str
    faults: tuple[Fault, ...]
    end: End = End.DONE
    executed: int = 1
    """How often Midjourney takes up the prompt and does not refuse it."""
    refused: int = 0
    """How often the bot refuses it."""
    posts: tuple[int | None, ...] | None = None
    """The answers to its POSTs, where they matter."""
    says: str = ""
    """What a person must be able to read: in the job's error, or in why the sending is paused."""
    kind: str | None = None
    """The class of the failure."""
    restart: bool = False
    """To go on, the service must be started again: what a person mends is read at its start."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the simulator."""


def fault(name: str, **keys: object) -> Fault:
    return {"fault": name, **keys}


def row(*names: str, **keys: Any) -> list[Row]:
    """A row for each of these faults, all of which must come to the same."""
    fields = {key: keys.pop(key) for key in tuple(keys) if key in Row.__dataclass_fields__}
    title = "".join(f" {value}" for value in keys.values())
    return [Row(f"{name}{title}", (fault(name, **keys),), **fields) for name in names]


def said(*titles: str, **fields: Any) -> list[Row]:
    """A row for each of these notices of the bot."""
    return [Row(f"refuse {title}", (fault("refuse", title=title),), **fields) for title in titles]


def answered(status: int, *codes: int, **fields: Any) -> list[Row]:
    """A row for each of these error codes as the answer to the POST."""
    return [
        Row(f"post_error {status} {code}", (fault("post_error", status=status, code=code),), **fields)
        for code in codes
    ]


BESIDE: list[Row] = [
    # The POST was not executed, and Discord says so.
    *row("post_429", scope="user", posts=(429, 204)),
    *row("post_429", scope="shared", posts=(429, 204)),
    *row("post_429", scope="global", posts=(429, 204)),
    *row("post_429_ms", retry_after=1, posts=(429, 204)),
    *row("post_202", says=""),
    *answered(400, 40043, posts=(400, 204)),
    *answered(403, 20028, 40004, 40006, posts=(403, 204)),
    *answered(400, 50035, end=End.FAILED, executed=0, kind="user", says="malformed"),
    *answered(403, 200000, end=End.FAILED, executed=0, kind="moderation", says="AutoMod"),
    *answered(403, 240000, end=End.FAILED, executed=0, kind="moderation", says="link"),
    # Whether it was executed must be found out.
    *row("post_500", "post_html", "post_reset"),
    *answered(503, 130000),
    *row("post_500_executed", "post_html_executed", "post_reset_executed", "post_slow"),
    *row("post_429_executed", retry_after=1.5),
    *[
        Row(f"{name}, told late", (fault(name), fault("told_late", seconds=3.5)))
        for name in ("post_500_executed", "post_html_executed", "post_reset_executed", "post_slow")
    ],
    # The bot's messages, odd but whole.
    *row("success_never", "success_late", "no_start", "no_progress", "loading_first", "foreign_twin"),
    *row("preview_without_uuid", "no_preview", "paused", "footer", "ephemeral_job", "components_v2"),
    *row("final_edited", "final_twice", "nonce_on_final", "duplicate_dispatch", "out_of_order"),
    *row("delete_bulk", "queued", "interaction_failed_executed"),
    *row("final_lost"),
    # It ran and has no picture.
    *row("moderated", end=End.FAILED, executed=0, refused=1, kind="moderation", says="deleted"),
    *row("stopped", end=End.FAILED, executed=0, refused=1, says="stopped"),
    *row("silent", end=End.IN_DOUBT, says="not known"),
    *row("interaction_failed", end=End.IN_DOUBT, executed=0, refused=1, says="not known"),
    # The bot says no.
    *said(
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
        says="Image denied",
    ),
    *said(
        *("Invalid parameter", "Invalid prompt", "Invalid request", "Invalid link", "Empty prompt"),
        end=End.FAILED,
        executed=0,
        refused=1,
        kind="user",
    ),
    *said(
        *("Sorry, something went wrong", "Sorry! Could not complete the job!"),
        "Failed to process your command :c",
        end=End.FAILED,
        executed=0,
        refused=1,
        kind="transient",
    ),
    *said("Job action restricted", end=End.FAILED, executed=0, refused=1, kind="plan"),
    *said("A title nobody knows", end=End.FAILED, executed=0, refused=1, says="A title nobody knows"),
    *said("Queue full", refused=1),
    Row("refuse Slow Down!", (fault("refuse", title="Slow Down!", text="Again <t:{soon}:R>"),), refused=1),
    *said("Job queued", end=End.IN_DOUBT, executed=0, refused=1, says="not known"),
    # Downloads: once wrong, then right.
    *row("cdn_404", "cdn_truncated", "cdn_wrong_length", "cdn_206", "cdn_corrupt", "cdn_not_image"),
    *row("cdn_bomb", "cdn_huge", "cdn_redirect", "cdn_error", "cdn_reset", "cdn_slow"),
    *row("cdn_error", status=429),
    # Downloads: never right. The job is paid for, so all that a second try needs is kept.
    *row("cdn_404", "cdn_bomb", "cdn_not_image", "cdn_error", count=99, end=End.FAILED, kind="transient"),
]
"""Faults that concern one job: all in one daemon, beside each other."""

GAP = (fault("gateway_down", seconds=1, lose_session=True),)
"""After it the history must be read."""

WHILE_IT_RUNS: list[Row] = [
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
    *[
        Row(f"{name} at a new connection", (fault(name), fault("gateway_cut")))
        for name in ("hello_late", "reconnect_first", "gateway_split")
    ],
    *[
        Row(f"{name} of the history", (fault(name, match="/messages"), *GAP))
        for name in ("rest_429", "rest_202", "rest_html", "rest_reset", "rest_slow")
    ],
    Row("history_empty after a gap", (fault("history_empty"), *GAP)),
    *[
        Row(
            f"rest_error {status} of the history",
            (fault("rest_error", status=status, code=code, match="/messages"), *GAP),
            End.PERSON,
            says=says,
        )
        for status, code, says in ((401, 0, "token"), (403, 50001, "access"))
    ],
    Row("heartbeat_ignored", (fault("heartbeat_ignored"),), options={"heartbeat_interval": 0.4}),
    *[
        Row(
            f"gateway_close {code}",
            (fault("gateway_close", code=code),),
            End.PERSON,
            says=says,
            restart=True,
        )
        for code, says in (
            (4004, "token"),
            *((4010, "sharding"), (4011, "sharding")),
            (4012, "update"),
            *((4013, "update"), (4014, "update")),
        )
    ],
]
"""Faults that strike while the job is at work."""

BEFORE_THE_START: list[Row] = [
    *row("ready_large", megabytes=8),
    *row("gateway_split", "hello_late", "reconnect_first", "unsubscribed", "ready_auth_token"),
    *row("identify_limited", "identify_limited_resumable"),
    *row("identify_closed", code=4015, end=End.WAITS, executed=0, says="too many open sessions"),
    *row("identify_closed", code=4004, end=End.PERSON, says="token", restart=True),
    *row("required_action", end=End.PERSON, says="AGREEMENTS"),
    *row("passive_only"),
    *row("index_202", "stale_version"),
    Row("no history at all", (), options={"read_history": False}),
    *[
        Row(f"{name} of the index", (fault(name, match="application-command-index"),))
        for name in ("rest_429", "rest_202", "rest_html", "rest_reset", "rest_slow")
    ],
    Row(
        "rest_error 401 of the index",
        (fault("rest_error", status=401, match="application-command-index"),),
        End.PERSON,
        says="token",
    ),
    Row("history_empty always", (fault("history_empty", count=99),)),
]
"""Faults that are there when the service starts."""

IN_TURN: list[Row] = [
    # The POST says that a person is needed.
    *row("captcha", end=End.PERSON, says="captcha"),
    *row("unauthorized", end=End.PERSON, says="token"),
    *row("post_429_html", end=End.PERSON, says="Cloudflare"),
    *answered(403, 10008, end=End.PERSON, says="blocks"),
    *answered(403, 40002, end=End.PERSON, says="verify"),
    *answered(403, 40333, end=End.PERSON, says="blocked"),
    *answered(403, 50001, end=End.PERSON, says="access"),
    *answered(400, 10004, end=End.PERSON, says="guild"),
    Row("post_html 403", (fault("post_html", status=403),), End.PERSON, says="forbids"),
    # The bot says that a person is needed.
    *row("captcha_iframe", end=End.PERSON, refused=1, says="Action required"),
    *[
        Row(f"refuse {title}", (fault("refuse", title=title),), End.PERSON, refused=1, says=says)
        for title, says in (
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
"""Faults that stop the sending until a person has acted: one after another in one daemon."""
