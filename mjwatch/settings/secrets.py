"""The keys: token, ids and Apprise's addresses, from systemd credentials, key files or the environment."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mjwatch.errors import ConfigError
from mjwatch.settings.values import is_apprise_url, is_snowflake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN_FILE = "authToken.key"
GUILD_FILE = "API_guild_id.key"
CHANNEL_FILE = "API_channel_id.key"
APPRISE_FILE = "apprise.key"
"""Apprise's addresses, one a line; a line that begins with # is a comment."""

DIRECT_MESSAGES = "@me"

_MAX_BYTES = 4096
_OTHERS_READ_OR_WRITE = 0o066
_TOKEN = re.compile(r"[\x21-\x7e]+")
_DISCORD_HOST = re.compile(r"((www|ptb|canary)\.)?discord(app)?\.com")
_ADDRESS_FORM = "https://discord.com/channels/<guild or @me>/<channel>"


class Secret:
    """A text that is never shown: every way to print it gives stars; ``reveal()`` returns the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the header or payload that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Keys:
    """The account and its channel. ``guild_id`` is None in the direct messages with the bot.

    ``apprise``: the addresses that get notifications through Apprise.
    """

    token: Secret
    guild_id: str | None
    channel_id: str
    apprise: tuple[Secret, ...] = ()

    def secrets(self) -> list[str]:
        """Return every text that nobody may see: the token, the addresses, and the passwords in them."""
        urls = [url.reveal() for url in self.apprise]
        return [self.token.reveal(), *urls, *(word for url in urls for word in passwords_in(url))]


@dataclass(frozen=True, slots=True)
class _Source:
    """The sources of a key, in this order: credential names, file names, environment variable."""

    credentials: tuple[str, ...]
    files: tuple[str, ...]
    variable: str
    secret: bool = False


_TOKEN_SOURCE = _Source((TOKEN_FILE, "token"), (TOKEN_FILE,), "MJWATCH_TOKEN", secret=True)
_GUILD_FILES = (GUILD_FILE, "DiscordServerID.key")
_GUILD_SOURCE = _Source((*_GUILD_FILES, "guild_id"), _GUILD_FILES, "MJWATCH_GUILD_ID")
_CHANNEL_SOURCE = _Source((CHANNEL_FILE, "channel_id"), (CHANNEL_FILE,), "MJWATCH_CHANNEL_ID")
_APPRISE_SOURCE = _Source((APPRISE_FILE,), (APPRISE_FILE,), "", secret=True)
_SOURCES = {
    "token": _TOKEN_SOURCE,
    "guild_id": _GUILD_SOURCE,
    "channel_id": _CHANNEL_SOURCE,
    "apprise": _APPRISE_SOURCE,
}


def read_keys(folder: Path, environ: Mapping[str, str] = os.environ) -> Keys:
    """Read all keys, each from the first source that has it and is not empty.

    Raise ConfigError with one line for each key that is missing or not usable.
    """
    problems: list[ConfigError] = []

    def attempt(read: Callable[[Path, Mapping[str, str]], str | None]) -> str | None:
        try:
            return read(folder, environ)
        except ConfigError as error:
            problems.append(error)
            return None

    token, guild, channel = attempt(_read_token), attempt(_read_guild), attempt(_read_channel)
    if channel and not is_snowflake(channel):
        address_guild, channel = parse_channel_address(channel)
        if guild not in (None, address_guild or DIRECT_MESSAGES):
            problems.append(_contradiction(folder, guild, address_guild))
        guild = address_guild
    apprise = attempt(lambda folder, environ: "\n".join(read_apprise(folder, environ))) or ""
    if problems or token is None or channel is None:
        raise ConfigError.together(problems)
    urls = tuple(map(Secret, apprise.splitlines()))
    return Keys(Secret(token), None if guild == DIRECT_MESSAGES else guild, channel, urls)


def read_apprise(folder: Path, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the addresses in the credential or the key file. Raise ConfigError, which shows none of them."""
    text, origin = _first(_APPRISE_SOURCE, folder, environ)
    urls = []
    for number, line in enumerate(text.split("\n"), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        if not is_apprise_url(url):
            raise ConfigError(
                f"line {number} of {origin} is not an address for Apprise",
                "each line is one address, such as ntfys://host/topic",
            )
        urls.append(url)
    return urls


SHORTEST_PASSWORD = 4
"""Characters; a shorter one would hide parts of plain words in the log."""


def passwords_in(url: str) -> list[str]:
    """Return the password in an address, if it has one, as written there and as meant."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    password = parts.password or ""
    return [word for word in {password, unquote(password)} if len(word) >= SHORTEST_PASSWORD]


def origins(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the origin of each key: a path or a variable's name, "" if there is none. Raise ConfigError."""
    found = {name: _first(source, folder, environ) for name, source in _SOURCES.items()}
    return {name: origin if text else "" for name, (text, origin) in found.items()}


def parse_channel_address(text: str) -> tuple[str | None, str]:
    """Return guild id (None in direct messages) and channel id from a channel's address in the browser.

    A message's link works too. Raise ConfigError if the text is not the address of a Discord channel.
    """
    address = text.strip()
    host, path = _split(address)
    if not _DISCORD_HOST.fullmatch(host) or len(path) not in (3, 4) or path[0] != "channels":
        raise ConfigError(
            f"{address[:100]!r} is not the address of a Discord channel",
            f"paste the whole address: {_ADDRESS_FORM}",
        )
    guild, channel = path[1], path[2]
    if not is_snowflake(channel) or not (guild == DIRECT_MESSAGES or is_snowflake(guild)):
        raise ConfigError(
            f"the ids in {address[:100]!r} are not numbers", f"paste the whole address: {_ADDRESS_FORM}"
        )
    return (None if guild == DIRECT_MESSAGES else guild), channel


def _split(address: str) -> tuple[str, list[str]]:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        return parts.hostname or "", parts.path.strip("/").split("/")
    except ValueError:
        return "", []


def check_token(text: str, origin: str) -> str:
    """Return the token without surrounding blanks and quotes. Raise ConfigError if no header can carry it."""
    token = text.strip().strip("\"'")
    if not token:
        raise ConfigError(f"the token in {origin} is empty", "the token must be alone there, on one line")
    if not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"the token in {origin} contains blanks, line breaks or letters that no token has",
            "the token must be alone there, on one line",
        )
    return token


def _read_token(folder: Path, environ: Mapping[str, str]) -> str:
    text, origin = _first(_TOKEN_SOURCE, folder, environ)
    if not text:
        raise ConfigError(
            f"there is no Discord token: {origin} {_why_empty(origin)}",
            "run `mjwatch keys set token`; or write only the token into the file, and"
            f" `chmod 600 {quote(origin)}`",
        )
    return check_token(text, origin)


def _read_guild(folder: Path, environ: Mapping[str, str]) -> str | None:
    text, origin = _first(_GUILD_SOURCE, folder, environ)
    if not text or text == DIRECT_MESSAGES or is_snowflake(text):
        return text or None
    raise ConfigError(
        f"the guild id in {origin} is not a number",
        f"it is the first number in the channel's address, {_ADDRESS_FORM}; direct messages need none",
    )


def _read_channel(folder: Path, environ: Mapping[str, str]) -> str:
    text, origin = _first(_CHANNEL_SOURCE, folder, environ)
    if not text:
        raise ConfigError(
            f"there is no channel id: {origin} {_why_empty(origin)}",
            f"run `mjwatch keys set channel` with the channel's address from the browser: {_ADDRESS_FORM}",
        )
    if not is_snowflake(text):
        try:
            parse_channel_address(text)
        except ConfigError as error:
            # The content is not shown: it may be the token, pasted into the wrong file.
            raise ConfigError(
                f"{origin} contains neither a channel id nor a channel's address",
                f"put the whole address from the browser there: {_ADDRESS_FORM}",
            ) from error
    return text


def _contradiction(folder: Path, guild: str | None, address_guild: str | None) -> ConfigError:
    return ConfigError(
        f"the guild id is {guild}, but the channel's address names {address_guild or DIRECT_MESSAGES}",
        f"one of them is wrong; you can remove {folder / GUILD_FILE}",
    )


def _first(source: _Source, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the first text that is not empty, and its origin; "" and the key file if there is none."""
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if credentials:
        for name in source.credentials:
            # systemd protects these files; their mode bits may show the mask of an access list.
            if text := _read(Path(credentials) / name, private=False):
                return text, str(Path(credentials) / name)
    for name in source.files:
        if text := _read(folder / name, private=source.secret, may_be_closed=bool(credentials)):
            return text, str(folder / name)
    return environ.get(source.variable, "").strip(), (
        source.variable if environ.get(source.variable, "").strip() else str(folder / source.files[0])
    )


def _why_empty(path: str) -> str:
    """Return why a key file gave no text; with credentials, a closed one is passed over."""
    try:
        is_closed = Path(path).exists() and not os.access(path, os.R_OK)
    except PermissionError:
        is_closed = True
    return "is closed to this user" if is_closed else "is missing or empty"


def _read(path: Path, *, private: bool, may_be_closed: bool = False) -> str:
    """Return the stripped text of a small file, "" if there is none.

    ``private`` refuses a file that others may read. ``may_be_closed`` ignores a file that this user may not
    read: a service's key files belong to root, and systemd passes their content as credentials.
    """
    try:
        mode, data = _mode_and_content(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        if may_be_closed and isinstance(error, PermissionError):
            return ""
        raise ConfigError(f"{path} can't be read: {error.strerror}", "check its owner and mode") from error
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a regular file", "the file must contain the value and nothing else")
    if private and os.name == "posix" and mode & _OTHERS_READ_OR_WRITE:
        raise ConfigError(
            f"{path} can be read or changed by others (mode {mode & 0o777:04o})",
            f"chmod 600 {quote(str(path))}",
        )
    if len(data) > _MAX_BYTES:
        raise ConfigError(
            f"{path} is too long to be a key", "the file must contain the value and nothing else"
        )
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not text", "the file must contain the value and nothing else"
        ) from error


def _mode_and_content(path: Path) -> tuple[int, bytes]:
    """Return the mode, and the beginning of a regular file; never wait for the writer of a pipe."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        return mode, os.read(descriptor, _MAX_BYTES + 1) if stat.S_ISREG(mode) else b""
    finally:
        os.close(descriptor)
