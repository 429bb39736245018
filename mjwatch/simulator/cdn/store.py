"""The CDN's files: pictures and uploads by path, links in prompts, and signed addresses that expire.

A picture is kept as its description and rendered on request, with a bounded cache of bytes. The bot follows
links to this CDN before it starts a job. The signature is `?ex=&is=&hm=&`, in hex (as seen since late 2023).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from PIL import Image

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2
from mjwatch.simulator.cdn.render import Picture, Size, lossy_copy, render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mjwatch.simulator.cdn.render import Size
    from mjwatch.simulator.world import Json


CACHE_MAX = 128 * 1024 * 1024
"""Bytes of rendered pictures in the cache; a picture that was dropped is rendered again, byte for byte."""
UPLOADS_MAX = 128 * 1024 * 1024
PICTURES_MAX = 100_000

Name = TypeVar("Name", bound=Hashable)


class ByteCache(Generic[Name]):
    """A bounded cache of bytes by name; the least recently used ones are dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._items: OrderedDict[Name, bytes] = OrderedDict()

    def get(self, name: Name) -> bytes | None:
        """Return the bytes under this name, or None if they were dropped."""
        if name in self._items:
            self._items.move_to_end(name)
        return self._items.get(name)

    def put(self, name: Name, data: bytes) -> None:
        """Store bytes under this name."""
        self.drop(name)
        self._items[name] = data
        self._total += len(data)
        while self._total > self._limit and len(self._items) > 1:
            self.drop(next(iter(self._items)))

    def drop(self, name: Name) -> None:
        """Drop the bytes under this name."""
        self._total -= len(self._items.pop(name, b""))


class ImageStore:
    """The CDN's files by path."""

    def __init__(self, cache_bytes: int = CACHE_MAX) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._rendered: ByteCache[Picture] = ByteCache(cache_bytes)
        self._uploads: ByteCache[str] = ByteCache(UPLOADS_MAX)
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="render")

    async def add(self, path: str, picture: Picture) -> int:
        """Store a picture under this path and return its size in bytes."""
        self._pictures[path] = picture
        if len(self._pictures) > PICTURES_MAX:
            self.remove(next(iter(self._pictures)))
        return len(await self.render_ahead(picture))

    def remove(self, path: str) -> None:
        """Remove a picture, as previews are removed with their message."""
        picture = self._pictures.pop(path, None)
        if picture is not None:
            self._rendered.drop(picture)

    def prompt_of(self, path: str) -> str:
        """Return the prompt of the picture under this path; "" if there is none."""
        picture = self._pictures.get(path)
        return picture.prompt if picture else ""

    async def read(self, path: str) -> bytes | None:
        """Return the bytes under this path; None if nothing is there."""
        if (uploaded := self._uploads.get(path)) is not None:
            return uploaded
        picture = self._pictures.get(path)
        return None if picture is None else await self.render_ahead(picture)

    async def render_ahead(self, picture: Picture) -> bytes:
        """Return the picture's bytes, rendered outside the event loop if they are not cached."""
        if (cached := self._rendered.get(picture)) is not None:
            return cached
        data = await asyncio.get_running_loop().run_in_executor(self._executor, render, picture)
        self._rendered.put(picture, data)
        return data

    async def lossy(self, data: bytes) -> bytes:
        """Return the resizing proxy's copy of a picture."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lossy_copy, data)

    async def size_of(self, path: str) -> Size | None:
        """Return width and height of the picture under this path; None if there is none."""
        if (picture := self._pictures.get(path)) is not None:
            return picture.size
        data = self._uploads.get(path)
        if data is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._executor, decoded_size, data)

    def upload(self, path: str, data: bytes) -> None:
        """Store an uploaded file."""
        self._uploads.put(path, data)

    def copy_upload(self, path: str, copy: str) -> None:
        """Store an uploaded file under a second path too."""
        data = self._uploads.get(path)
        if data is not None:
            self._uploads.put(copy, data)

    def remove_upload(self, path: str) -> None:
        """Remove an uploaded file."""
        self._uploads.drop(path)

    def close(self) -> None:
        """Stop rendering."""
        self._executor.shutdown(cancel_futures=True)


_LINK = re.compile(r"<?(https?://[^\s<>]+)>?")


class LinkResolver:
    """Follows links to attachments; other links can't be followed and count as valid."""

    def __init__(self, signer: Signer, pictures: ImageStore) -> None:
        self._signer = signer
        self._pictures = pictures

    async def has_valid_pictures(self, prompt: str) -> bool:
        """Return whether every attachment that the prompt links to exists and is a picture."""
        for link in _LINK.findall(prompt):
            if link.startswith(f"{self._signer.base_url}/") and not await self._is_picture(link):
                return False
        return True

    async def are_pictures(self, paths: Sequence[str]) -> bool:
        """Return whether these uploads are all pictures."""
        return all([await self._pictures.size_of(path) is not None for path in paths])

    async def _is_picture(self, link: str) -> bool:
        parts = urlsplit(link)
        path = unquote(parts.path).removeprefix("/media")
        if not self._signer.is_valid(path, dict(parse_qsl(parts.query))):
            return False
        return await self._pictures.size_of(path) is not None


_NOT_A_PICTURE = (
    *(OSError, ValueError, SyntaxError, EOFError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""Pillow's errors for bytes that it can't or won't decode."""


def decoded_size(data: bytes) -> Size | None:
    """Return width and height of a picture that can be decoded completely; None for anything else."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return picture.size
    except _NOT_A_PICTURE:
        return None


_SIGNATURE = frozenset({"ex", "is", "hm"})


class Signer:
    """Signs and checks attachment paths with a random secret."""

    def __init__(self, lifetime: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        self.base_url = ""
        """`http://address:port` of the CDN; known once the simulator listens."""
        self._lifetime = lifetime
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def query(self, path: str) -> str:
        """Return a new signature for this path as a query, with the trailing `&` that Discord writes."""
        issued = int(self._clock())
        expires = int(self._clock() + self._lifetime())
        return f"ex={expires:x}&is={issued:x}&hm={self._mac(path, expires, issued)}&"

    def url(self, path: str) -> str:
        """Return a full signed address of the original."""
        return f"{self.base_url}{quote(path)}?{self.query(path)}"

    def proxy_url(self, path: str) -> str:
        """Return a full signed address at the resizing proxy, which gives a lossy copy."""
        return f"{self.base_url}/media{quote(path)}?{self.query(path)}"

    def refreshed(self, url: str) -> str:
        """Return the address with a new signature; other parameters are kept."""
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in _SIGNATURE]
        signed = self.query(unquote(parts.path).removeprefix("/media"))
        return f"{parts.scheme}://{parts.netloc}{parts.path}?{'&'.join([*kept, signed])}"

    def is_valid(self, path: str, query: Mapping[str, str]) -> bool:
        """Return whether the signature is ours and has not expired."""
        try:
            expires, issued = int(query["ex"], 16), int(query["is"], 16)
        except (KeyError, ValueError):
            return False
        expected = self._mac(path, expires, issued)
        return hmac.compare_digest(expected, query.get("hm", "")) and self._clock() < expires

    def signed_message(self, message: Json) -> Json:
        """Return the message with new addresses in place of the paths with which it is stored."""
        signed = {**message, "attachments": [self._signed(kept) for kept in message["attachments"]]}
        signed["embeds"] = [self._signed_embed(kept) for kept in message["embeds"]]
        if message["flags"] & FLAG_COMPONENTS_V2:
            signed["components"] = [self._signed_component(kept) for kept in message["components"]]
        return signed

    def _signed(self, media: Json) -> Json:
        return {**media, "url": self.url(media["url"]), "proxy_url": self.proxy_url(media["url"])}

    def _signed_embed(self, embed: Json) -> Json:
        image: Json = embed.get("image", {})
        own = image.get("url", "").startswith("/")
        return {**embed, "image": self._signed(image)} if own else embed

    def _signed_component(self, component: Json) -> Json:
        if "items" not in component:
            return component
        items = [{**item, "media": self._signed(item["media"])} for item in component["items"]]
        return {**component, "items": items}

    def _mac(self, path: str, expires: int, issued: int) -> str:
        text = f"{path}\n{expires:x}\n{issued:x}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
