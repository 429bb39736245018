"""The CDN's pictures: kept as what they show, rendered when wanted, with a bounded cache of bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from .grids import Picture, lossy_copy, render

CACHE_MAX = 128 * 1024 * 1024
"""Bytes of rendered pictures that are kept; a picture that fell out is rendered again, byte for byte."""
UPLOADS_MAX = 128 * 1024 * 1024
PICTURES_MAX = 100_000


class ByteCache:
    """Bytes by name, the least recently used forgotten beyond a bound."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._items: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """The bytes under this name, if they are still here."""
        if name in self._items:
            self._items.move_to_end(name)
        return self._items.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Keep these bytes."""
        self.drop(name)
        self._items[name] = data
        self._total += len(data)
        while self._total > self._limit and len(self._items) > 1:
            self.drop(next(iter(self._items)))

    def drop(self, name: str) -> None:
        """Forget these bytes."""
        self._total -= len(self._items.pop(name, b""))


class Pictures:
    """What the CDN has, by path."""

    def __init__(self, cache_bytes: int = CACHE_MAX) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._rendered = ByteCache(cache_bytes)
        self._uploads = ByteCache(UPLOADS_MAX)
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="render")

    async def add(self, path: str, picture: Picture) -> int:
        """Render a picture and put it under this path; its size in bytes."""
        self._pictures[path] = picture
        if len(self._pictures) > PICTURES_MAX:
            self.remove(next(iter(self._pictures)))
        return len(await self._render(path, picture))

    def remove(self, path: str) -> None:
        """Take a picture away, as previews go with their message."""
        self._pictures.pop(path, None)
        self._rendered.drop(path)

    def prompt_of(self, path: str) -> str:
        """The prompt that the picture under this path was made for; empty if there is none."""
        picture = self._pictures.get(path)
        return picture.prompt if picture else ""

    async def read(self, path: str) -> bytes | None:
        """The bytes under this path; None if nothing is there."""
        if (uploaded := self._uploads.get(path)) is not None:
            return uploaded
        picture = self._pictures.get(path)
        return None if picture is None else await self._render(path, picture)

    async def lossy(self, data: bytes) -> bytes:
        """The resizing proxy's copy of a picture."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lossy_copy, data)

    def upload(self, path: str, data: bytes) -> None:
        """Keep what a client sent."""
        self._uploads.put(path, data)

    def remove_upload(self, path: str) -> None:
        """Forget what a client sent."""
        self._uploads.drop(path)

    def close(self) -> None:
        """Stop rendering."""
        self._executor.shutdown(cancel_futures=True)

    async def _render(self, path: str, picture: Picture) -> bytes:
        if (cached := self._rendered.get(path)) is not None:
            return cached
        data = await asyncio.get_running_loop().run_in_executor(self._executor, render, picture)
        self._rendered.put(path, data)
        return data
