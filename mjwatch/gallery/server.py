"""Serve one outbox's gallery over HTTP on this machine's loopback: the page, its data, and jobs' pictures.

Nothing else is served: no list of a folder, no manifest, no prompt file, no file that a link leads to. Other
origins get nothing either, whether they use another name for this address (DNS rebinding, told by the Host
header) or load a data file as a script of their own (told by Sec-Fetch-Site, and by the answer's
Cross-Origin-Resource-Policy).
"""

from __future__ import annotations

import logging
import os
import re
import socketserver
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from mjwatch.filesystem.folder import open_folder
from mjwatch.gallery.gallery import GALLERY_FOLDER
from mjwatch.gallery.page import PAGE
from mjwatch.outbox.manifest import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = logging.getLogger("mjwatch.gallery")

ADDRESS = "127.0.0.1"
PORT = 8460
IDLE_SECONDS = 60.0
"""Seconds after which a connection without a request is closed."""

_BLOCK = 256 * 1024
"""Bytes that are read and sent at once."""

_ICON = "favicon.ico"
"""Browsers ask for it, and log an error where there is none."""

_NAMES = frozenset({ADDRESS, "localhost"})
_OWN_SITE = frozenset({None, "none", "same-origin"})

_PAGE_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_PICTURE_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
}
_PAGE_FILE = re.compile(
    rf"{re.escape(PAGE)}|{GALLERY_FOLDER}/(?:gallery\.(?:css|js)|(?:index|status|jobs-[0-9]{{4,9}})\.js)"
)
_THUMBNAIL = re.compile(rf"{GALLERY_FOLDER}/thumbs/[\w-]/[\w-]{{1,64}}\.webp", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class Part(NamedTuple):
    """The bytes of a file to send: the offset of the first, their number, and whether they are asked for."""

    start: int
    length: int
    is_range: bool


class GalleryServer(socketserver.ThreadingTCPServer):
    """Listens on loopback when it is made. Raise OSError if the port is in use. Use ``with`` to close it."""

    allow_reuse_address = os.name != "nt"  # there, a second server could take the port
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # a browser asks for many thumbnails at once

    def __init__(self, outbox: Path, port: int = PORT) -> None:
        """``port`` 0 takes any free port."""
        super().__init__((ADDRESS, port), _Handler)
        self.outbox = outbox

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """The address to open in a browser on this machine."""
        return f"http://{ADDRESS}:{self.port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Log why a connection broke; browsers close connections whenever they need no more."""
        log.debug("a connection to the gallery's server broke", exc_info=True)


def ssh_command(port: int, user: str, host: str, environment: Mapping[str, str]) -> str:
    """Return the command by which another machine reaches the server.

    Whoever came by ssh gets the address and port by which they came; ``host`` is used otherwise.
    """
    connection = environment.get("SSH_CONNECTION", "").split()
    address, ssh_port = connection[2:4] if len(connection) == 4 else (host, "22")
    other_port = "" if ssh_port == "22" else f"-p {quote(ssh_port)} "
    return f"ssh -N {other_port}-L {port}:{ADDRESS}:{port} {quote(f'{user}@{address}')}"


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: GalleryServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Send the file, or say why not."""
        path = _path_of(self.path)
        if not self._is_for_us():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, f"open http://{ADDRESS}:{self.server.port}/ instead")
        elif not self._is_from_us(path):
            self._refuse(HTTPStatus.FORBIDDEN, "another site asked for it")
        elif path == _ICON:
            self._send_nothing()
        elif (kind := _type_of(path)) is None:
            self._refuse(HTTPStatus.NOT_FOUND, "only the gallery and its pictures are served")
        else:
            self._send_file(path, kind)

    def do_HEAD(self) -> None:
        """Send what comes before the file."""
        self.do_GET()

    def _is_for_us(self) -> bool:
        """Return whether the browser knows this server by a name that only this machine has."""
        try:
            names = [urlsplit(f"//{host}").hostname for host in self.headers.get_all("Host", [])]
        except ValueError:
            return False
        return len(names) == 1 and names[0] in _NAMES

    def _is_from_us(self, path: str) -> bool:
        """Return whether the gallery's own page asks, or a person who opens it by a link or an address."""
        is_opened = path == PAGE and self.headers.get("Sec-Fetch-Mode") == "navigate"
        return is_opened or self.headers.get("Sec-Fetch-Site") in _OWN_SITE

    def _send_file(self, path: str, kind: str) -> None:
        *folders, name = path.split("/")
        is_page_file = kind in _PAGE_TYPES.values()
        try:
            with open_folder(self.server.outbox, folders) as folder, folder.opened(name) as descriptor:
                if not is_page_file and folders[0] != GALLERY_FOLDER and not folder.exists(FILE_NAME):
                    raise FileNotFoundError(f"{path} is not a job's picture")
                part = _part_of(self.headers.get("Range"), os.fstat(descriptor).st_size)
                self._send_head(part, kind, os.fstat(descriptor).st_size, is_kept=not is_page_file)
                if self.command == "GET" and part is not None:
                    self._send_part(descriptor, part)
        except (ConnectionError, TimeoutError):
            raise  # the other end, not the file
        except OSError as error:
            log.debug("the gallery's server does not send %s: %s", path, error)
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such picture")

    def _send_head(self, part: Part | None, kind: str, size: int, *, is_kept: bool) -> None:
        if part is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
        else:
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part.is_range else HTTPStatus.OK)
            if part.is_range:
                last = part.start + part.length - 1
                self.send_header("Content-Range", f"bytes {part.start}-{last}/{size}")
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(part.length if part else 0))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "private, max-age=3600" if is_kept else "no-cache")
        self._end_head()

    def _send_part(self, descriptor: int, part: Part) -> None:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(part.start)
            left = part.length
            while left and (block := file.read(min(left, _BLOCK))):
                self.wfile.write(block)
                left -= len(block)
        self.close_connection |= bool(left)  # the file became shorter: what was promised does not come

    def _send_nothing(self) -> None:
        self.send_response(HTTPStatus.NO_CONTENT)
        self._end_head()

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        text = f"{status.phrase}: {why}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self._end_head()
        if self.command == "GET":
            self.wfile.write(text)

    def _end_head(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        """Return what answers say about the server."""
        return "mjwatch"

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests out of the terminal: paths may name prompts."""


def _path_of(target: str) -> str:
    """Return the path in the outbox that a request names, without its query; the page for the root."""
    path = os.fsdecode(unquote_to_bytes(target.split("?", 1)[0].removeprefix("/")))
    return path or PAGE


def _type_of(path: str) -> str | None:
    """Return the media type of what may be sent; None for everything else.

    ``open_folder`` refuses the names that lead elsewhere: ``..``, the empty one, and links.
    """
    suffix = path.rpartition(".")[2].lower()
    if _PAGE_FILE.fullmatch(path):
        return _PAGE_TYPES[suffix]
    if _THUMBNAIL.fullmatch(path):
        return _PICTURE_TYPES[suffix]
    names = path.split("/")
    if len(names) < 2 or names[0] == GALLERY_FOLDER or any(name.startswith((".", "~")) for name in names):
        return None
    return _PICTURE_TYPES.get(suffix)


def _part_of(wanted: str | None, size: int) -> Part | None:
    """Return the part of a file of ``size`` bytes that a Range header asks for; None if there is none such.

    Players of videos ask for parts (RFC 9110, 14.2). A header that is not understood is ignored, as it says.
    """
    match = _RANGE.fullmatch(wanted or "")
    if match is None or not any(match.groups()):
        return Part(0, size, is_range=False)
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return Part(size - length, length, is_range=True) if length else None
    start, end = int(first), min(int(last or size), size - 1)
    if last and int(last) < start:
        return Part(0, size, is_range=False)
    return Part(start, end - start + 1, is_range=True) if start < size else None
