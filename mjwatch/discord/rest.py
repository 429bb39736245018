"""The part of Discord's HTTP API that mjwatch uses, and the command index, which is kept in memory.

Each call raises the error that says whether it may be repeated.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mjwatch.discord.allowed_hosts import host_of, token_may_go_to
from mjwatch.discord.http import LARGEST_ANSWER, USER_AGENT, Timeout, Transport, proxy_for
from mjwatch.discord.http_errors import decoded, read_answer
from mjwatch.discord.json_values import id_of, list_of, object_of, objects_of, snowflake_of
from mjwatch.errors import AnsweredNoError, ConfigError, UnansweredError
from mjwatch.host.redaction import Redaction
from mjwatch.model import Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from requests import Response

    from mjwatch.model import UploadedImage


HISTORY_PAGE = 100
"""Messages that one page of history can contain (discord-api-docs, "Get Channel Messages")."""
LARGEST_INDEX = 16 * 1024 * 1024
"""Bytes of a command index. That of a guild with many bots has a few MiB."""
LARGEST_VERDICT = 256 * 1024
"""Bytes of the answer to an interaction: nothing, or an error."""


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """One request and its answer, without the login.

    ``path`` is that below the API's address, without the query. ``sent`` is JSON, and so is what ``body``
    returns: None if the answer is empty or something else. ``status`` is None if no usable answer came;
    ``took``: the seconds until the answer, or until that was clear.
    """

    method: str
    path: str
    sent: object
    status: int | None
    headers: Mapping[str, str]
    body: Callable[[], object]
    is_empty: bool
    took: float = 0.0


def _no_tap(exchange: HttpExchange) -> None:
    """Ignore what is sent and answered."""


URLS_AT_ONCE = 50
"""URLs that one call of refresh-urls accepts (discord-userdoccers)."""


class DiscordREST:
    """The API for one account. Its calls may come from any thread.

    Every call may raise NotReachedError (safe to repeat), UnansweredError, or AnsweredNoError with a Refusal.
    For reading calls, a 5xx is a transient Refusal too.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 30.0),
        allow_hosts: Collection[str] = (),
        tap: Callable[[HttpExchange], object] | None = None,
    ) -> None:
        """``api_url`` includes the version; ``tap`` is called with each request that may have left.

        Raise ConfigError if the token may not be sent there.
        """
        self._tap = tap or _no_tap
        self._api_url = api_url.rstrip("/")
        if not token_may_go_to(self._api_url, allow_hosts):
            raise ConfigError(
                f"the token may not be sent to {host_of(api_url)}",
                "add the host to [discord] allow_hosts if it is really yours",
            )
        if not token or not all("!" <= char <= "~" for char in token):
            raise ConfigError(
                "this is not a token", "put the account's token, and nothing else, into its key file"
            )
        proxy_for(self._api_url, proxy)
        self._redaction = Redaction([token])
        self._transport = Transport(
            token=token, base_url=self._api_url, proxy=proxy, user_agent=user_agent, timeout=timeout
        )
        self.server_time: float | None = None
        """Discord's clock at the last answer that had it, in whole seconds since 1970."""
        self.on_server_time: Callable[[float], None] = lambda time: None
        """Called with that time, from the thread of the call."""
        self._commands = CommandIndex(lambda route: self._read("GET", route, LARGEST_INDEX))

    def __repr__(self) -> str:
        return f"<DiscordREST {self._api_url}>"

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._transport.close()

    def me(self) -> dict[str, Any]:
        """Return the account that the token belongs to."""
        return _object(self._read("GET", "/users/@me"))

    def channel(self, channel_id: str) -> dict[str, Any]:
        """Return the channel, if the account can see it."""
        return _object(self._read("GET", f"/channels/{channel_id}"))

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """Return the application's slash command of this name, from memory or from the command index."""
        return self._commands.find(name, application_id, guild_id, channel_id)

    def forget_commands(self, floor: float) -> bool:
        """After a stale version, have the index read again.

        Return False, and do nothing, if that was done less than ``floor`` seconds ago: ``command`` would
        return the same version again.
        """
        return self._commands.forget(floor)

    def interact(self, payload: Mapping[str, Any]) -> None:
        """POST an interaction, once. Return if Discord accepted it (204).

        UnansweredError means that it may have been executed, so never send it again blindly; the connection
        is closed, because a late answer on it would be taken for that to the next command. It is also raised
        for a 5xx, a 2xx other than 204, and any answer that makes no sense. AnsweredNoError means that it was
        not executed: that takes a 4xx.
        """
        try:
            response, data = self._exchange("POST", "/interactions", LARGEST_VERDICT, json=dict(payload))
            status, refusal = response.status_code, None
            if 400 <= status < 500 and status != 408:
                refusal = read_answer(status, response.headers, self._without_token(data))
            if refusal is None and status != 204:
                raise UnansweredError(
                    f"Discord's answer leaves open whether the command was executed (HTTP {status})"
                )
        except UnansweredError:
            self._transport.close()
            raise
        if refusal is not None:
            raise AnsweredNoError(refusal)

    def history(
        self, channel_id: str, after: str | None = None, limit: int = HISTORY_PAGE
    ) -> list[dict[str, Any]]:
        """Return one page of the messages after this id, oldest first, or without an id the newest page.

        A missing right to read the history gives an empty list, just as no messages do
        (discord-userdoccers).
        """
        return self.page(channel_id, after, limit)[0]

    def page(
        self, channel_id: str, after: str | None = None, limit: int = HISTORY_PAGE
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return what ``history`` does, and whether no page follows; the next one follows the last id.

        Messages without a valid id are left out, but count: a full page is not the last one.
        """
        params = {"limit": str(limit)} if after is None else {"after": after, "limit": str(limit)}
        body = self._read("GET", f"/channels/{channel_id}/messages", params=params)
        messages, is_last = _messages(body), len(list_of(body)) < limit
        if not messages and not is_last:
            raise UnansweredError("Discord's answer has no message with an id")
        return messages, is_last

    def message(self, channel_id: str, message_id: str) -> dict[str, Any] | None:
        """Return one message as it is now, or None if it is gone or hidden.

        It is requested with ``around``, because user accounts may not use the route for a single message.
        """
        params = {"around": message_id, "limit": "1"}
        found = _messages(self._read("GET", f"/channels/{channel_id}/messages", params=params))
        return next((message for message in found if str(message["id"]) == message_id), None)

    def refresh_urls(self, urls: Iterable[str]) -> dict[str, str]:
        """Return newly signed attachment URLs by the old ones, for those that Discord signs."""
        wanted = list(dict.fromkeys(urls))
        fresh: dict[str, str] = {}
        for start in range(0, len(wanted), URLS_AT_ONCE):
            body = {"attachment_urls": wanted[start : start + URLS_AT_ONCE]}
            answer = _object(self._read("POST", "/attachments/refresh-urls", json=body))
            fresh.update(_refreshed(answer.get("refreshed_urls")))
        return fresh

    def upload_slots(self, channel_id: str, sizes: Mapping[str, int]) -> list[UploadSlot]:
        """Return slots for files of these sizes in bytes, by name and in order; at most ten (userdoccers)."""
        files = [
            {"id": str(number), "filename": name, "file_size": size}
            for number, (name, size) in enumerate(sizes.items())
        ]
        answer = _object(self._read("POST", f"/channels/{channel_id}/attachments", json={"files": files}))
        slots = [_slot(entry) for entry in list_of(answer.get("attachments"))]
        by_id = {slot.id: slot for slot in slots}
        if set(by_id) != {file["id"] for file in files}:
            raise UnansweredError("Discord's answer names other upload slots than those requested")
        return [by_id[str(number)] for number in range(len(files))]

    def post_files(self, channel_id: str, images: Iterable[UploadedImage], nonce: str) -> dict[str, Any]:
        """Post uploaded files as a message of the account, and return the message that Discord made.

        With the same nonce it is posted once, even if it is sent again soon (discord-userdoccers).
        """
        attachments = [
            {"id": str(number), "filename": image.filename, "uploaded_filename": image.uploaded_filename}
            for number, image in enumerate(images)
        ]
        body = {"content": "", "nonce": nonce, "attachments": attachments}
        return _object(self._read("POST", f"/channels/{channel_id}/messages", json=body))

    def _read(self, method: str, route: str, limit: int = LARGEST_ANSWER, **options: Any) -> object:
        """Return the decoded answer, of ``limit`` bytes at most, of a call that may be repeated."""
        response, data = self._exchange(method, route, limit, **options)
        succeeded = 200 <= response.status_code < 300
        body = decoded(data) if succeeded else self._without_token(data)
        refusal = read_answer(response.status_code, response.headers, body)
        if refusal:
            raise AnsweredNoError(refusal)
        return body

    def _note_time(self, response: Response) -> None:
        self.server_time = _date(response.headers.get("Date"))
        if self.server_time is not None:
            self.on_server_time(self.server_time)

    def _exchange(self, method: str, route: str, limit: int, **options: Any) -> tuple[Response, bytes]:
        """Send a request; return the answer and its body, of ``limit`` bytes at most, and report both."""
        sent, data, began = options.get("json"), b"", time.monotonic()
        try:
            response = self._transport.send(method, self._api_url + route, **options)
            self._note_time(response)
            if response.status_code == 204:
                self._transport.release(response)
            else:
                data = self._transport.read_body(response, limit=limit)
        except UnansweredError:
            took = time.monotonic() - began
            self._tap(HttpExchange(method, route, sent, None, {}, lambda: None, is_empty=True, took=took))
            raise
        self._tap(
            HttpExchange(
                method,
                route,
                sent,
                response.status_code,
                response.headers,
                lambda: self._without_token(data),
                is_empty=not data,
                took=time.monotonic() - began,
            )
        )
        return response, data

    def _without_token(self, data: bytes) -> object:
        """Return the JSON of a refusal. Its parts are shown, and a server may repeat what it was sent."""
        body = decoded(data)
        return decoded(self._redaction.redacted(json.dumps(body))) if body is not None else None


@dataclass(frozen=True, slots=True)
class UploadSlot:
    """The address for a file's bytes, and the name by which a command or message refers to the file."""

    id: str
    upload_url: str
    upload_filename: str


def _slot(entry: object) -> UploadSlot:
    known = object_of(entry)
    url, name = known.get("upload_url"), known.get("upload_filename")
    if not isinstance(url, str) or not isinstance(name, str):
        raise UnansweredError("Discord's answer is not an upload slot")
    return UploadSlot(str(known.get("id")), url, name)


def _date(header: str | None) -> float | None:
    """Return the time in a ``Date`` header (RFC 9110); None if it is not a date."""
    try:
        return parsedate_to_datetime(header or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _object(body: object) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    raise UnansweredError("Discord's answer is not what was requested")


def _messages(body: object) -> list[dict[str, Any]]:
    """Return the messages of a list, oldest first; Discord lists the newest first."""
    if not isinstance(body, list):
        raise UnansweredError("Discord's answer is not a list of messages")
    found = [item for item in body if isinstance(item, dict) and snowflake_of(item.get("id"))]
    return sorted(found, key=lambda message: int(message["id"]))


def _refreshed(pairs: object) -> dict[str, str]:
    """Return ``[{"original", "refreshed"}]`` as a mapping."""
    fresh: dict[str, str] = {}
    for pair in objects_of(pairs):
        if isinstance(pair.get("refreshed"), str):
            fresh[str(pair.get("original"))] = pair["refreshed"]
    return fresh


CHAT_INPUT = 1
"""The type of a slash command; a context menu command may have the same name."""


@dataclass(frozen=True, slots=True)
class ApplicationCommand:
    """One slash command. ``id`` is stable, ``version`` changes whenever the command is registered again."""

    id: str
    version: str
    name: str
    application_id: str
    options: tuple[Mapping[str, Any], ...] = ()


class CommandIndex:
    """Keeps each index until ``forget`` is called. ``fetch(route)`` returns the decoded answer.

    Guild channels have their guild's index, the direct messages with a bot their channel's
    (discord-userdoccers, "Application command index").
    """

    def __init__(self, fetch: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._indexes: dict[str, list[Mapping[str, Any]]] = {}
        self._forgotten_at: float | None = None

    def find(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """Return this application's command of this name. Raise AnsweredNoError if there is none."""
        route = f"/guilds/{guild_id}" if guild_id else f"/channels/{channel_id}"
        entries = self._indexes.get(route)
        if entries is None:
            index = object_of(self._fetch(f"{route}/application-command-index"))
            self._indexes[route] = entries = objects_of(index.get("application_commands"))
        for entry in entries:
            if entry.get("name") == name and entry.get("type") in (None, CHAT_INPUT):
                command = _command(entry)
                if command is not None and command.application_id == application_id:
                    return command
        self._indexes.pop(route, None)  # the next call sees a bot that was invited in the meantime
        raise AnsweredNoError(_not_offered(name, guild_id))

    def forget(self, floor: float) -> bool:
        """Have the index fetched again; return False if that was done less than ``floor`` seconds ago."""
        now = self._clock()
        if self._forgotten_at is not None and now - self._forgotten_at < floor:
            return False
        self._forgotten_at = now
        self._indexes.clear()
        return True


def _command(entry: Mapping[str, Any]) -> ApplicationCommand | None:
    """Return a slash command of an index, or None for an entry that does not look like one."""
    named = {key: id_of(entry.get(key)) or "" for key in ("id", "version", "name", "application_id")}
    if not all(named.values()):
        return None
    return ApplicationCommand(**named, options=tuple(list_of(entry.get("options"))))


def _not_offered(name: str, guild_id: str | None) -> Refusal:
    where = "this guild" if guild_id else "these direct messages"
    detail = (
        f"the bot's command /{name} is not available in {where}: check that the bot is there, "
        "that the account may use its commands, and [midjourney] application_id"
    )
    return Refusal(RefusalClass.CONFIG, None, detail, needs_human=True)
