"""Discord's HTTP API as far as mjwatch needs it, each call with its own meaning of failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.discord.answers import decoded, read_answer
from mjwatch.discord.commands import ApplicationCommand, CommandIndex
from mjwatch.discord.hosts import host_of, token_may_go_to
from mjwatch.discord.network import USER_AGENT, proxy_for
from mjwatch.discord.transport import Timeout, Transport
from mjwatch.errors import AnsweredNoError, ConfigError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

API_URL = "https://discord.com/api/v9"

HISTORY_PAGE = 100
"""Messages that one page of history can hold (discord-api-docs, "Get Channel Messages")."""
URLS_AT_ONCE = 50
"""URLs that one call of refresh-urls takes (discord-userdoccers)."""


class DiscordREST:
    """The API for one account. Its calls may come from any thread.

    Every call raises NotReachedError (safe to repeat), UnansweredError, or AnsweredNoError with a Refusal.
    For reading calls a 5xx is a Refusal too, of the transient kind.
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
    ) -> None:
        """``api_url`` includes the version. Raises ConfigError where the token may not go there."""
        self._api_url = api_url.rstrip("/")
        if not token_may_go_to(self._api_url, allow_hosts):
            raise ConfigError(
                f"the token may not be sent to {host_of(api_url)}",
                "name the host in [discord] allow_hosts if it is really yours",
            )
        if not token or not all("!" <= char <= "~" for char in token):
            raise ConfigError(
                "the token is not one", "put the account's token, and nothing else, into its key file"
            )
        proxy_for(self._api_url, proxy)
        self._transport = Transport(token=token, proxy=proxy, user_agent=user_agent, timeout=timeout)
        self._commands = CommandIndex(lambda route: self._read("GET", route))

    def __repr__(self) -> str:
        return f"<DiscordREST {self._api_url}>"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def me(self) -> dict[str, Any]:
        """The account that the token belongs to."""
        return _object(self._read("GET", "/users/@me"))

    def channel(self, channel_id: str) -> dict[str, Any]:
        """The channel, if the account can see it."""
        return _object(self._read("GET", f"/channels/{channel_id}"))

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """The application's slash command of this name, from memory or from the command index."""
        return self._commands.find(name, application_id, guild_id, channel_id)

    def forget_commands(self, floor: float) -> bool:
        """After a stale version: read the index anew, unless that was done less than ``floor`` seconds ago.

        False: it was, and ``command`` would say the same again.
        """
        return self._commands.forget(floor)

    def interact(self, payload: Mapping[str, Any]) -> None:
        """POST an interaction, once. Returns where Discord took it (204).

        UnansweredError: it may have been executed, so never send it again blindly. A 5xx means this too, and
        any answer that makes no sense. AnsweredNoError: it was not executed.
        """
        response = self._transport.send("POST", f"{self._api_url}/interactions", json=dict(payload))
        status = response.status_code
        if status == 204:
            self._transport.release(response)
            return
        body = decoded(self._transport.read_body(response))
        refusal = read_answer(status, response.headers, body)
        if refusal is None or status < 200 or 300 <= status < 400 or status == 408 or status >= 500:
            raise UnansweredError(f"Discord's answer leaves open whether the command ran (HTTP {status})")
        raise AnsweredNoError(refusal)

    def history(self, channel_id: str, after: str, limit: int = HISTORY_PAGE) -> list[dict[str, Any]]:
        """One page of the messages after this id, oldest first; the next page is after the last one's id.

        A missing right to read the history gives an empty list, as no messages do (discord-userdoccers).
        """
        params = {"after": after, "limit": str(limit)}
        return _messages(self._read("GET", f"/channels/{channel_id}/messages", params=params))

    def message(self, channel_id: str, message_id: str) -> dict[str, Any] | None:
        """One message as it is now, or None where it is gone or hidden.

        Asked for by its surroundings: the route for a single message is closed to user accounts.
        """
        params = {"around": message_id, "limit": "1"}
        found = _messages(self._read("GET", f"/channels/{channel_id}/messages", params=params))
        return next((message for message in found if message["id"] == message_id), None)

    def refresh_urls(self, urls: Iterable[str]) -> dict[str, str]:
        """Signs attachment URLs anew: the old one -> the new one, for those that Discord signs."""
        wanted = list(dict.fromkeys(urls))
        fresh: dict[str, str] = {}
        for start in range(0, len(wanted), URLS_AT_ONCE):
            body = {"attachment_urls": wanted[start : start + URLS_AT_ONCE]}
            answer = _object(self._read("POST", "/attachments/refresh-urls", json=body))
            fresh.update(_refreshed(answer.get("refreshed_urls")))
        return fresh

    def _read(self, method: str, route: str, **options: Any) -> object:
        """The decoded answer of a call that changes nothing."""
        response = self._transport.send(method, self._api_url + route, **options)
        body = decoded(self._transport.read_body(response))
        refusal = read_answer(response.status_code, response.headers, body)
        if refusal:
            raise AnsweredNoError(refusal)
        return body


def _object(body: object) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    raise UnansweredError("Discord's answer is not what was asked for")


def _messages(body: object) -> list[dict[str, Any]]:
    """The messages of a list, oldest first; Discord lists the newest first."""
    if not isinstance(body, list):
        raise UnansweredError("Discord's answer is not a list of messages")
    found = [item for item in body if isinstance(item, dict) and str(item.get("id", "")).isdigit()]
    return sorted(found, key=lambda message: int(message["id"]))


def _refreshed(pairs: object) -> dict[str, str]:
    """``[{"original", "refreshed"}]`` as a mapping."""
    fresh: dict[str, str] = {}
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, dict) and isinstance(pair.get("refreshed"), str):
            fresh[str(pair.get("original"))] = pair["refreshed"]
    return fresh
