"""What mjwatch expects of Discord and Midjourney without having seen it: a numbered table. Pure.

Each row is a function from a recording to a finding, below its number, its title, its source, and the module
that relies on it. "Recorded" is a payload that somebody published, with its year; the other sources are
documents and programs. A number stays with its expectation for ever, because published reports name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from mjwatch.diagnostics.recording import EntryKind
from mjwatch.diagnostics.wire_evidence import (
    EXPECTED,
    NOT_SEEN,
    POST,
    Finding,
    WireEvidence,
    all_met,
    judged,
)
from mjwatch.discord.json_values import id_of, number_of, object_of, objects_of, text_of
from mjwatch.discord.protocol import FLAG_COMPONENTS_V2, FLAG_EPHEMERAL, FLAG_LOADING, CloseCode, Opcode
from mjwatch.midjourney.matching.similarity import normalise
from mjwatch.midjourney.parsing.parsed_message import read_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mjwatch.diagnostics.recording import WireEntry
    from mjwatch.diagnostics.wire_evidence import Conversation, RecordedMessage

    Check = Callable[[WireEvidence], Finding]

IMAGINE_ID, INFO_ID = "938956540159881230", "972289487818334209"
DAY = 86_400
_DIRECT_MESSAGE = 1
"""The type of a channel of two people."""
LIFETIME_SLACK = 60
"""Seconds by which the lifetime of an address may differ from a day."""


_DOCS, _USER_DOCS, _SELF = "discord-api-docs", "discord-userdoccers", "discord.py-self"
_CASCADE = "recorded 2026-06 by one account"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One row of the table. ``relied_on_by``: the module that would notice a difference."""

    number: int
    title: str
    source: str
    relied_on_by: str
    check: Check


EXPECTATIONS: list[Expectation] = []
"""The table, by number."""


def findings(entries: Sequence[WireEntry]) -> dict[int, Finding]:
    """Return what a recording says about each expectation, by number."""
    evidence = WireEvidence(entries)
    return {row.number: row.check(evidence) for row in EXPECTATIONS}


def _expect(number: int, title: str, source: str, relied_on_by: str) -> Callable[[Check], Check]:
    """Add the check as a row of the table."""

    def add(check: Check) -> Check:
        EXPECTATIONS.append(Expectation(number, title, source, relied_on_by, check))
        return check

    return add


def _each(messages: Sequence[RecordedMessage], is_met: Callable[[RecordedMessage], object]) -> Finding:
    return all_met(messages, is_met, lambda found: found.payload)


def _field(message: RecordedMessage | None, is_met: Callable[[RecordedMessage], object]) -> Finding:
    return _each([] if message is None else [message], is_met)


# ---- the gateway


@_expect(
    1,
    "HELLO is the first message of the gateway",
    f"{_DOCS}; hikari also meets op 7 first",
    "discord/session.py",
)
def _hello_is_first(seen: WireEvidence) -> Finding:
    first = next((e for e in seen.entries if e.kind is EntryKind.RECEIVED), None)
    return NOT_SEEN if first is None else judged(first.name == f"op {Opcode.HELLO}", {"op": first.name})


@_expect(
    2,
    "READY names the recipients of private channels (capability bit 4 is not set)",
    _USER_DOCS,
    "discord/payloads.py",
)
def _conversations_name_recipients(seen: WireEvidence) -> Finding:
    """The evidence has no ids: these are other people's conversations."""
    private = [one for ready in seen.received("READY") for one in objects_of(ready.get("private_channels"))]
    of_two = [channel for channel in private if channel.get("type") == _DIRECT_MESSAGE]
    return all_met(of_two, lambda channel: "recipients" in channel, _emptied)


def _emptied(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its keys alone."""
    return dict.fromkeys(value)


@_expect(3, "No READY_SUPPLEMENTAL follows (capability bit 5 is not set)", _USER_DOCS, "discord/payloads.py")
def _no_supplement(seen: WireEvidence) -> Finding:
    if not seen.received("READY"):
        return NOT_SEEN
    return judged(not seen.received("READY_SUPPLEMENTAL"), {"t": "READY_SUPPLEMENTAL"})


@_expect(4, "READY brings no new token (capability bit 8 is not set)", _USER_DOCS, "discord/payloads.py")
def _no_new_token(seen: WireEvidence) -> Finding:
    return all_met(
        seen.received("READY"), lambda ready: "auth_token" not in ready, lambda _: {"auth_token": None}
    )


@_expect(5, "The address to resume at has no query", _USER_DOCS, "discord/session.py")
def _resume_address_is_plain(seen: WireEvidence) -> Finding:
    addresses = [{"resume_gateway_url": ready.get("resume_gateway_url")} for ready in seen.received("READY")]
    return all_met(addresses, lambda found: "?" not in text_of(found["resume_gateway_url"]))


@_expect(
    6, "After a close with 4000 by the client the session can be resumed", _DOCS, "discord/connection.py"
)
def _session_survives_a_cut(seen: WireEvidence) -> Finding:
    resumes = [n for n, e in enumerate(seen.entries) if _is_sent(e, Opcode.RESUME)]
    if not resumes:
        return NOT_SEEN
    replies = [e for e in seen.entries[resumes[0] :] if e.kind in (EntryKind.RECEIVED, EntryKind.CLOSED)]
    ends = ("RESUMED", "READY", f"op {Opcode.INVALID_SESSION}", "close")
    end = next((e for e in replies if e.name in ends), None)
    if end is None:
        return NOT_SEEN
    return judged(end.name == "RESUMED", {"op": end.name, "d": end.data})


@_expect(7, "The subscription to a guild's messages (op 37) is accepted", _SELF, "discord/payloads.py")
def _subscription_is_accepted(seen: WireEvidence) -> Finding:
    sent = [n for n, e in enumerate(seen.entries) if _is_sent(e, Opcode.GUILD_SUBSCRIPTIONS_BULK)]
    if not sent:
        return NOT_SEEN
    refusing = (CloseCode.UNKNOWN_OPCODE, CloseCode.DECODE_ERROR)
    closes = [e.data for e in seen.entries[sent[0] :] if e.kind is EntryKind.CLOSED]
    refused = [close for close in closes if close.get("code") in refusing]
    return judged(not refused, *refused[:1])


def _is_sent(entry: WireEntry, opcode: Opcode) -> bool:
    return entry.kind is EntryKind.SENT and entry.name == f"op {opcode}"


@_expect(
    8,
    "The channel's messages come over the gateway, not only passive updates",
    f"{_SELF}; reports of large guilds say otherwise",
    "discord/stream_position.py",
)
def _messages_come_over_the_gateway(seen: WireEvidence) -> Finding:
    job = seen.imagine
    if job is None:
        return NOT_SEEN
    if job.messages:
        return EXPECTED
    passive = seen.received("PASSIVE_UPDATE_V1") + seen.received("PASSIVE_UPDATE_V2")
    return judged(not passive, *passive[-1:]) if passive else NOT_SEEN


# ---- interactions


@_expect(9, "An accepted interaction is answered by 204 without a body", _USER_DOCS, "discord/rest.py")
def _post_is_answered_by_204(seen: WireEvidence) -> Finding:
    accepted = [e.data for e in seen.exchanges(ending=POST) if 200 <= e.data["status"] < 300]
    return all_met(accepted, lambda data: data["status"] == 204)


@_expect(10, "INTERACTION_CREATE comes for the nonce of the POST", _USER_DOCS, "midjourney/interactions.py")
def _create_names_nonce(seen: WireEvidence) -> Finding:
    answered = [found for found in seen.commands if found.messages or found.events]
    return all_met(answered, lambda found: found.event("INTERACTION_CREATE") is not None, _event_names)


@_expect(11, "INTERACTION_CREATE comes before INTERACTION_SUCCESS", _SELF, "midjourney/interactions.py")
def _create_comes_before_success(seen: WireEvidence) -> Finding:
    both = [
        found
        for found in seen.commands
        if None not in (found.event("INTERACTION_CREATE"), found.event("INTERACTION_SUCCESS"))
    ]
    return all_met(both, lambda found: found.events[0][1].name == "INTERACTION_CREATE", _event_names)


@_expect(
    12,
    "INTERACTION_SUCCESS comes for each command that is answered",
    _USER_DOCS,
    "midjourney/interactions.py",
)
def _success_comes(seen: WireEvidence) -> Finding:
    created = [found for found in seen.commands if found.events and found.messages]
    return all_met(created, lambda found: found.event("INTERACTION_SUCCESS") is not None, _event_names)


def _event_names(found: Conversation) -> list[dict[str, Any]]:
    return [{"t": entry.name, "d": entry.data} for _, entry in found.events]


def _answers(seen: WireEvidence) -> list[RecordedMessage]:
    return [found.answer for found in seen.commands if found.answer is not None]


@_expect(
    13,
    "The first answer has the nonce of the POST",
    "recorded 2023-03 and 2024-12",
    "midjourney/matching/evidence.py",
)
def _answer_has_nonce(seen: WireEvidence) -> Finding:
    found = [c for c in seen.commands if c.answer is not None]
    return all_met(
        found, lambda c: c.answer and id_of(c.answer.payload.get("nonce")) == c.nonce, _answer_payload
    )


@_expect(
    14,
    "The first answer has interaction_metadata with the id of INTERACTION_CREATE",
    "recorded 2024-12",
    "midjourney/matching/evidence.py",
)
def _answer_has_metadata(seen: WireEvidence) -> Finding:
    def is_met(found: Conversation) -> bool:
        metadata = object_of(found.answer and found.answer.payload.get("interaction_metadata"))
        own = id_of(metadata.get("id"))
        return own is not None and found.interaction_id in (None, own)

    return all_met([c for c in seen.commands if c.answer is not None], is_met, _answer_payload)


def _answer_payload(found: Conversation) -> Any:
    return None if found.answer is None else found.answer.payload


@_expect(
    15,
    "The first answer still has the older field interaction, too",
    "recorded 2024-12",
    "midjourney/parsing/message_view.py",
)
def _answer_has_interaction(seen: WireEvidence) -> Finding:
    return _each(_answers(seen), lambda m: object_of(m.payload.get("interaction")).get("id"))


@_expect(
    16,
    "The first answer to a slash command has type 20",
    "recorded 2024-12",
    "midjourney/parsing/messages.py",
)
def _answer_has_type_20(seen: WireEvidence) -> Finding:
    return _each(_answers(seen), lambda m: m.payload.get("type") == 20)


@_expect(
    17,
    "webhook_id and application_id of the first answer are the id of its author",
    "recorded 2023-03 and 2024-12",
    "midjourney/parsing/messages.py",
)
def _answer_is_a_webhook_message(seen: WireEvidence) -> Finding:
    def is_met(message: RecordedMessage) -> bool:
        author = id_of(object_of(message.payload.get("author")).get("id"))
        return {id_of(message.payload.get(key)) for key in ("webhook_id", "application_id")} == {author}

    return _each(_answers(seen), is_met)


@_expect(
    18,
    "The answer to /info begins as an empty message that an update fills in",
    "code of other clients",
    "midjourney/tracker.py",
)
def _info_is_filled_in(seen: WireEvidence) -> Finding:
    if seen.info is None:
        return NOT_SEEN
    return _field(seen.info.first, lambda first: first.flags & FLAG_LOADING)


@_expect(19, "Ephemeral messages come without guild_id", _USER_DOCS, "midjourney/channel.py")
def _ephemeral_has_no_guild(seen: WireEvidence) -> Finding:
    ephemeral = [m for found in seen.commands for m in found.messages if m.flags & FLAG_EPHEMERAL]
    return _each(ephemeral, lambda message: "guild_id" not in message.payload)


@_expect(
    20,
    "/info has the lines Fast Time Remaining, Queued Jobs (fast) and Running Jobs",
    "recorded 2024",
    "midjourney/parsing/parsed_message.py",
)
def _info_has_known_lines(seen: WireEvidence) -> Finding:
    filled = [m for m in seen.info.messages if m.embeds] if seen.info is not None else []

    def is_met(message: RecordedMessage) -> bool:
        account = read_info(text_of(message.embeds[0].get("description")))
        return None not in (account.fast_hours_left, account.running, account.queued_fast)

    return _each(filled[-1:], is_met)


# ---- the life of an /imagine


@_expect(
    21,
    'After "Job queued" the start message has no nonce',
    "code of other clients",
    "midjourney/matching/evidence.py",
)
def _start_after_waiting_has_no_nonce(seen: WireEvidence) -> Finding:
    job = seen.imagine
    if job is None or not job.was_queued:
        return NOT_SEEN
    return _field(job.start, lambda start: id_of(start.payload.get("nonce")) is None)


@_expect(
    22, "Progress edits the start message", f"{_CASCADE}; one client says otherwise", "midjourney/tracker.py"
)
def _progress_edits_the_start(seen: WireEvidence) -> Finding:
    job = seen.imagine
    if job is None or job.start is None:
        return NOT_SEEN
    start = job.start.id
    return _each(job.progress, lambda message: not message.is_new and message.id == start)


def _progress(seen: WireEvidence) -> list[RecordedMessage]:
    return seen.imagine.progress if seen.imagine is not None else []


@_expect(
    23,
    "MESSAGE_UPDATE contains the whole message",
    f"{_DOCS}, since 2024-08",
    "midjourney/parsing/messages.py",
)
def _updates_are_whole(seen: WireEvidence) -> Finding:
    updates = [m for found in seen.commands for m in found.messages if not m.is_new]
    needed = {"author", "content", "attachments", "components", "timestamp", "channel_id"}
    return _each(updates, lambda message: needed <= message.payload.keys())


@_expect(24, "Progress has no nonce", "code of other clients", "midjourney/matching/evidence.py")
def _progress_has_no_nonce(seen: WireEvidence) -> Finding:
    return _each(_progress(seen), lambda message: message.payload.get("nonce") is None)


@_expect(
    25,
    "The file name of a preview contains the job's uuid",
    f"{_CASCADE}, and 2024-04; otherwise in 2023-07",
    "midjourney/matching/evidence.py",
)
def _preview_names_uuid(seen: WireEvidence) -> Finding:
    return _each([m for m in _progress(seen) if m.images], lambda message: message.job_uuid)


@_expect(
    26,
    "Previews and result name the same uuid",
    f"{_CASCADE}, 2024-04 and 2023-09",
    "midjourney/matching/evidence.py",
)
def _uuid_stays(seen: WireEvidence) -> Finding:
    final = _final(seen)
    previews = [message for message in _progress(seen) if message.images and message.job_uuid]
    if final is None or not previews:
        return NOT_SEEN
    is_met = all(message.job_uuid == final.job_uuid for message in previews)
    return judged(is_met, previews[-1].payload, final.payload)


def _final(seen: WireEvidence) -> RecordedMessage | None:
    return seen.imagine.final if seen.imagine is not None else None


@_expect(27, "The result is a new message", f"{_CASCADE}, and 2023-03", "midjourney/tracker.py")
def _final_is_new(seen: WireEvidence) -> Finding:
    return _field(_final(seen), lambda final: final.is_new)


def _new_final(seen: WireEvidence) -> RecordedMessage | None:
    """Return the final if it is a message of its own; nothing else can be said of one that is an edit."""
    final = _final(seen)
    return final if final is not None and final.is_new else None


def _shown_last(seen: WireEvidence) -> RecordedMessage | None:
    """Return the last message of the running job."""
    job = seen.imagine
    return None if job is None else (job.progress[-1] if job.progress else job.start)


@_expect(
    28,
    "The result replies to the progress message",
    f"{_CASCADE}; otherwise in 2024-10",
    "midjourney/matching/evidence.py",
)
def _final_replies_to_progress(seen: WireEvidence) -> Finding:
    shown = _shown_last(seen)
    return NOT_SEEN if shown is None else _field(_new_final(seen), lambda final: final.reply_to == shown.id)


@_expect(
    29,
    "The result has no nonce",
    "recorded 2023-03; other clients saw one in 2025-05",
    "midjourney/matching/evidence.py",
)
def _final_has_no_nonce(seen: WireEvidence) -> Finding:
    return _field(_new_final(seen), lambda final: final.payload.get("nonce") is None)


@_expect(
    30,
    "The result has no interaction, interaction_metadata, webhook_id or application_id",
    "recorded 2023-06 to 2024-10",
    "midjourney/matching/evidence.py",
)
def _final_is_an_ordinary_message(seen: WireEvidence) -> Finding:
    fields = {"interaction", "interaction_metadata", "webhook_id", "application_id"}
    return _field(_new_final(seen), lambda final: not fields & final.payload.keys())


@_expect(
    31,
    "The progress message is deleted after the result has come",
    "code of other clients",
    "midjourney/tracker.py",
)
def _progress_is_deleted_after_final(seen: WireEvidence) -> Finding:
    shown, final, job = _shown_last(seen), _new_final(seen), seen.imagine
    if shown is None or final is None or job is None:
        return NOT_SEEN
    deleted = job.deletion_of(shown.id)
    order = ["MESSAGE_CREATE"] if deleted is None else ["MESSAGE_DELETE", "MESSAGE_CREATE"]
    return judged(deleted is not None and deleted > final.position, {"t": order})


@_expect(
    32,
    "The picture is an attachment, not a component",
    f"{_CASCADE}, and 2023 to 2024",
    "midjourney/parsing/components.py",
)
def _final_has_attachments(seen: WireEvidence) -> Finding:
    return _field(
        _final(seen), lambda final: final.payload.get("attachments") and not final.flags & FLAG_COMPONENTS_V2
    )


@_expect(33, "Width and height of a grid are even", "recorded 2023 to 2026", "pictures/split.py")
def _grid_is_even(seen: WireEvidence) -> Finding:
    final = _final(seen)
    if final is None or not final.images:
        return NOT_SEEN
    sides = [side for image in final.images for side in (image.width, image.height)]
    is_even = all(side is not None and side % 2 == 0 for side in sides)
    return judged(is_even, {"attachments": [{"width": i.width, "height": i.height} for i in final.images]})


@_expect(
    34,
    "The text above a WebP grid links to the website, with the job's uuid",
    _CASCADE,
    "midjourney/parsing/content.py",
)
def _webp_links_to_website(seen: WireEvidence) -> Finding:
    final = _final(seen)
    if final is None or not any(image.content_type == "image/webp" for image in final.images):
        return NOT_SEEN
    link = f"](<https://midjourney.com/jobs/{final.job_uuid}>)"
    return _field(final, lambda message: link in message.content)


@_expect(35, "mjwatch knows all buttons below the grid", "recorded 2023 to 2026", "midjourney/buttons.py")
def _buttons_are_known(seen: WireEvidence) -> Finding:
    final = _final(seen)
    if final is None:
        return NOT_SEEN
    unknown = [button.custom_id for button in final.buttons if not _is_known(button.custom_id, final)]
    return judged(not unknown, [{"custom_id": custom_id} for custom_id in unknown])


def _is_known(custom_id: str, final: RecordedMessage) -> bool:
    number = [button.custom_id for button in final.buttons].index(custom_id)
    found = final.custom_ids[number] if len(final.custom_ids) == len(final.buttons) else None
    return found is not None and not found.unknown and (found.ends_job or found.verb == "inpaint")


@_expect(
    36,
    "The words of the prompt are repeated unchanged",
    "recorded 2023 to 2026",
    "midjourney/matching/similarity.py",
)
def _prompt_is_repeated(seen: WireEvidence) -> Finding:
    job = seen.imagine
    echoed = [m for m in job.messages if m.echo is not None and m.echo.prompt] if job is not None else []
    wanted = normalise(job.prompt) if job is not None else ""
    return _each(echoed, lambda m: m.echo is not None and normalise(m.echo.prompt or "") == wanted)


# ---- HTTP


def _history(seen: WireEvidence) -> list[Any]:
    pages = seen.exchanges(ending="/messages")
    return [message for page in pages for message in _objects(page.data["body"])]


def _objects(body: object) -> list[Any]:
    return list(objects_of(body))


@_expect(
    37,
    "The history has no nonces",
    "unknown; recorded histories have none",
    "midjourney/matching/evidence.py",
)
def _history_has_no_nonce(seen: WireEvidence) -> Finding:
    return all_met(_history(seen), lambda message: message.get("nonce") is None)


@_expect(38, "JSON answers have exactly the type application/json", _SELF, "discord/http_errors.py")
def _json_has_plain_type(seen: WireEvidence) -> Finding:
    answers = [
        {"content_type": e.data["content_type"]} for e in seen.exchanges() if e.data["body"] is not None
    ]
    return all_met(answers, lambda answer: answer["content_type"] == "application/json")


@_expect(
    39, "Errors are JSON with a code, a captcha_key or a retry_after", _USER_DOCS, "discord/http_errors.py"
)
def _errors_are_json(seen: WireEvidence) -> Finding:
    errors = [entry.data for entry in seen.exchanges() if entry.data["status"] >= 400]

    def is_met(data: Any) -> bool:
        body = object_of(data["body"])
        return number_of(body.get("code")) is not None or "captcha_key" in body or "retry_after" in body

    return all_met(errors, is_met)


@_expect(40, "The command index is ready at the first request (not 202)", _USER_DOCS, "discord/rest.py")
def _index_is_ready(seen: WireEvidence) -> Finding:
    answers = [entry.data for entry in seen.exchanges(ending="/application-command-index")]
    return all_met(answers, lambda data: data["status"] != 202, lambda data: {"status": data["status"]})


@_expect(
    41,
    "The ids of /imagine and /info are those of the last years",
    "recorded 2023 to 2026",
    "discord/rest.py",
)
def _command_ids_are_known(seen: WireEvidence) -> Finding:
    posts = [object_of(object_of(found.post.data["sent"]).get("data")) for found in seen.commands]
    known = {"imagine": IMAGINE_ID, "info": INFO_ID}
    return all_met(posts, lambda data: data.get("id") == known.get(text_of(data.get("name"))))


@_expect(
    42,
    "Addresses of pictures are signed, and live for 24 hours",
    "recorded 2024-07 to 2026-01",
    "workers/collector.py",
)
def _addresses_live_a_day(seen: WireEvidence) -> Finding:
    messages = [m.payload for found in seen.commands for m in found.messages] + _history(seen)
    files = [file for message in messages for file in _objects(message.get("attachments"))]
    urls = [text_of(file.get("url")) for file in files]
    return all_met(urls, _lives_a_day, lambda url: {"url": url, "lifetime": _lifetime(url)})


def _lives_a_day(url: str) -> bool:
    lifetime = _lifetime(url)
    return lifetime is not None and abs(lifetime - DAY) <= LIFETIME_SLACK


def _lifetime(url: str) -> int | None:
    """Return the seconds between issue and expiry of a signed address; None if it is not signed so."""
    found = parse_qs(urlsplit(url).query)
    try:
        return int(found["ex"][0], 16) - int(found["is"][0], 16) if "hm" in found else None
    except (KeyError, ValueError):
        return None


@_expect(
    43, "refresh-urls returns a newly signed address of the same file", _USER_DOCS, "workers/collector.py"
)
def _addresses_are_refreshed(seen: WireEvidence) -> Finding:
    answers = [e.data["body"] for e in seen.exchanges(ending="/refresh-urls") if e.data["status"] == 200]

    def is_met(body: Any) -> bool:
        pairs = _objects(object_of(body).get("refreshed_urls"))
        return bool(pairs) and all(_same_file(pair.get("original"), pair.get("refreshed")) for pair in pairs)

    return all_met(answers, is_met)


def _same_file(original: object, refreshed: object) -> bool:
    old, new = text_of(original), text_of(refreshed)
    return urlsplit(old).path == urlsplit(new).path and _lifetime(new) is not None
