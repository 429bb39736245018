"""What the wire said about one job, made fit for a bundle: chosen, and with ids and names replaced. Pure.

Unlike the report of ``check --live`` it must be readable by mjwatch again, so an id becomes another id, the
same one everywhere and in the same order, and the prompt stays. The keys that pass are those of the report.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mjwatch.diagnostics.wire_log import SESSION_EVENTS, WireKind
from mjwatch.diagnostics.wire_redaction import KEYS
from mjwatch.discord.json_values import is_object, list_of, object_of, objects_of
from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID
from mjwatch.midjourney.buttons import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mjwatch.diagnostics.wire_log import WireLine
    from mjwatch.model import Job, Pause

FORMAT = "mjwatch/wire/1"
MOST_LINES = 300
"""Of a job with more, the first and the last half are kept; what is between is progress."""
SLACK = 60.0
"""Seconds around a job in which a lost session belongs to it."""

_BOTS = frozenset({MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID})
_PASSES = (KEYS - {"auth_token", "resume_gateway_url", "session_id"}) | {"size", "values"}
_NAMES = ("username", "global_name", "nick", "display_name")
_ORDINARY = frozenset(
    {
        *(
            "fast",
            "relaxed",
            "turbo",
            "stealth",
            "paused",
            "stopped",
            "remix",
            "image",
            "video",
            "prompt",
            "a",
            "by",
        ),
        *(
            "imagine",
            "open",
            "on",
            "for",
            "full",
            "quality",
            "website",
            "with",
            "strong",
            "subtle",
            "pan",
            "zoom",
        ),
        *(
            "Image",
            "Open",
            "Remix",
            "Pan",
            "Zoom",
            "Variations",
            "Upscaled",
            "Stopped",
            "Subtle",
            "Strong",
            "Waiting",
        ),
    }
)
"""Words of the bot's own texts: where a person's name is one of them, it says nothing there."""
_SNOWFLAKE = re.compile(r"(?<![0-9])[0-9]{17,20}(?![0-9])")
_UUID = re.compile(UUID, re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"\\<>()]+)\?[^\s\"\\<>()]+")
_FIRST_ID = 1_500_000_000_000_000_000
_BETWEEN_IDS = 1 << 22
"""A millisecond."""


def wire_of(
    job: Job, pause: Pause | None, lines: Sequence[WireLine], family: Sequence[Job] = ()
) -> dict[str, Any] | None:
    """Return the bundle's ``wire.json`` for this job; None if nothing was recorded about it.

    There ``at`` is seconds since the first line, and that of a POST is when it was sent. ``family``: of a
    follow-up, the job whose button it presses, and then all follow-ups of that one; if that was recorded, the
    bundle has what was said to all of them, because the button comes from there.
    """
    found = _chosen(job, lines, family)
    chosen = sorted((_from_request(line) for line in found), key=lambda line: line.at)
    posts = [object_of(object_of(line.data).get("sent")) for line in chosen if _is_post(line)]
    parent, *follow_ups = family or (None,)
    if parent is not None and not any(post.get("nonce") in parent.nonces for post in posts):
        return wire_of(job, pause, lines)
    if not posts:
        return None
    began = chosen[0].at
    users = {object_of(line.data).get("user_id") for line in lines if line.kind is WireKind.SESSION}
    account = {
        "user_id": next((user for user in users if user), None),
        "channel_id": posts[0].get("channel_id"),
        "guild_id": posts[0].get("guild_id"),
    }
    document = {
        "format": FORMAT,
        "account": account,
        "job": {
            "command": job.prompt.command,
            "prompt": (parent or job).prompt.text,
            "action": job.prompt.action,
            "then": [follow_up.prompt.action for follow_up in follow_ups],
        },
        "end": end_of(job, pause),
        "lines": [
            {"at": round(line.at - began, 3), "kind": line.kind, "name": line.name, "data": line.data}
            for line in chosen
        ],
    }
    return _with_other_ids(_without_names(document))


def end_of(job: Job, pause: Pause | None) -> dict[str, Any]:
    """Return how the job stands, in a form that does not depend on ids and times."""
    refusal = job.refusal
    return {
        "state": str(job.state),
        "refusal": refusal and {"class": refusal.kind and str(refusal.kind), "title": refusal.title},
        "pause": pause and str(pause.kind),
        "attempts": len(job.nonces),
    }


# ---- which lines are about the job


def _chosen(job: Job, lines: Sequence[WireLine], family: Sequence[Job]) -> list[WireLine]:
    known: set[str | None] = set()
    for one in (job, *family):
        known |= {*one.nonces, one.message_id, one.interaction_id, one.job_uuid}
        known |= {one.result.message_id} if one.result else set()
    about = _lines_about({one for one in known if one is not None}, lines)
    if not about:
        return []
    begin, end = lines[min(about)].at, max(lines[max(about)].at, job.published or job.finished or 0.0)
    found = [
        line if number not in about else _own_part(line, about[number])
        for number, line in enumerate(lines)
        if number in about or (begin <= line.at <= end + SLACK and _concerns_all(line))
    ]
    half = MOST_LINES // 2
    return found if len(found) <= MOST_LINES else [*found[:half], *found[-half:]]


def _lines_about(known: set[str], lines: Sequence[WireLine]) -> dict[int, set[str]]:
    """Return the numbers of the lines with one of these ids, or with one that such a line adds to them.

    With each number come the ids of the messages in that line that are the job's.
    """
    about: dict[int, set[str]] = {}
    before = -1
    while len(known) != before:
        before = len(known)
        for number, line in enumerate(lines):
            for named, own in _subjects(line):
                if named & known:
                    known |= own
                    about.setdefault(number, set()).update(own)
    return about


def _subjects(line: WireLine) -> Iterator[tuple[set[str], set[str]]]:
    """Yield for each message or request in a line the ids by which it is known, and those that it adds."""
    data = object_of(line.data)
    if line.kind is WireKind.DISPATCH:
        yield _ids_of(data)
    elif _is_post(line):
        nonce = {str(object_of(data.get("sent")).get("nonce"))}
        yield nonce, nonce
    elif line.kind is WireKind.HTTP:
        for message in objects_of(data.get("body")):
            yield _ids_of(message)
    elif line.kind is WireKind.DOWNLOAD:
        yield {found.lower() for found in (*_SNOWFLAKE.findall(line.name), *_UUID.findall(line.name))}, set()


def _ids_of(data: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    interactions = [object_of(data.get(key)) for key in ("interaction", "interaction_metadata")]
    own = {data.get("id"), data.get("nonce"), *list_of(data.get("ids"))}
    own |= {interaction.get("id") for interaction in interactions}
    own |= {attachment.get("id") for attachment in objects_of(data.get("attachments"))}
    reply_to = object_of(data.get("message_reference")).get("message_id")
    uuids = {found.lower() for found in _UUID.findall(json.dumps(data.get("components") or []))}
    names = {str(one) for one in own if isinstance(one, str | int)}
    return names | uuids | ({reply_to} if isinstance(reply_to, str) else set()), names


def _own_part(line: WireLine, own: set[str]) -> WireLine:
    """Return a page of history with the job's messages only, and any other line as it is."""
    data = object_of(line.data)
    if line.kind is not WireKind.HTTP or _is_post(line):
        return line
    messages = [message for message in objects_of(data.get("body")) if message.get("id") in own]
    return type(line)(line.at, line.kind, line.name, {**data, "body": messages})


def _from_request(line: WireLine) -> WireLine:
    """Return a POST at the time when it was sent: its events may arrive before its answer."""
    took = object_of(line.data).get("took")
    if not _is_post(line) or not isinstance(took, int | float):
        return line
    return type(line)(line.at - took, line.kind, line.name, line.data)


def _is_post(line: WireLine) -> bool:
    return line.kind is WireKind.HTTP and line.name == "POST /interactions"


def _concerns_all(line: WireLine) -> bool:
    """Return whether a line is about the session or the account, and so about each job of that time."""
    if line.kind is WireKind.HTTP:
        return not _is_post(line) and object_of(line.data).get("status") != 200
    is_passive = line.kind is WireKind.DISPATCH and line.name.startswith("PASSIVE_")
    return line.kind is WireKind.CLOSED or line.name in SESSION_EVENTS or is_passive


# ---- ids and names


def _without_names(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the known keys only, and no name of a person."""
    names: dict[str, str] = {}
    lines = [{**line, "data": _known(line["data"], names)} for line in document["lines"]]
    text = json.dumps({**document, "lines": lines}, ensure_ascii=False)
    for name in sorted(names.keys() - _ORDINARY, key=len, reverse=True):
        text = re.sub(
            rf"(?<!\w){re.escape(json.dumps(name, ensure_ascii=False)[1:-1])}(?![^\W_])", names[name], text
        )
    found: dict[str, Any] = json.loads(_QUERY.sub(r"\1", text))
    return found


def _known(data: object, names: dict[str, str]) -> Any:
    """Return a line's data with the known keys; the names of people in it are added to ``names``."""
    if not is_object(data):
        return data
    headers = {"headers": data["headers"]} if is_object(data.get("headers")) else {}
    return {
        **_passed(data, names),
        **{key: data[key] for key in ("begins", "failed", "took") if key in data},
        **headers,
    }


def _passed(value: object, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_passed(item, names) for item in value]
    if not is_object(value):
        return value
    if "username" in value and not value.get("bot") and value.get("id") not in _BOTS:
        for name in (value[key] for key in _NAMES if isinstance(value.get(key), str)):
            names.setdefault(name, f"person{len(names) + 1}")
    passed = {key: _passed(item, names) for key, item in value.items() if key in _PASSES}
    return (
        {**passed, "username": names.get(passed["username"], passed["username"])}
        if "username" in passed
        else passed
    )


def _with_other_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with invented ids, which keep their order, and invented uuids."""
    text = json.dumps(document, ensure_ascii=False)
    found = sorted({int(number) for number in _SNOWFLAKE.findall(text)} - {int(bot) for bot in _BOTS})
    ids = {str(number): str(_FIRST_ID + rank * _BETWEEN_IDS) for rank, number in enumerate(found)}
    uuids: dict[str, str] = {}

    def invented(match: re.Match[str]) -> str:
        return uuids.setdefault(match[0].lower(), f"00000000-0000-4000-8000-{len(uuids) + 1:012x}")

    text = _UUID.sub(invented, _SNOWFLAKE.sub(lambda match: ids.get(match[0], match[0]), text))
    renamed: dict[str, Any] = json.loads(text)
    return renamed
