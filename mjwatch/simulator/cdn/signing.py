"""CDN addresses that are signed and expire: `?ex=&is=&hm=&`, in hex (as seen since late 2023)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.simulator.world import Json

_SIGNATURE = frozenset({"ex", "is", "hm"})


class Signer:
    """Signs and checks attachment paths with a secret of its own."""

    def __init__(self, lifetime: float, clock: Callable[[], float] = time.time) -> None:
        self.base_url = ""
        """`http://address:port` of the CDN; known once the simulator listens."""
        self._lifetime = lifetime
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def query(self, path: str) -> str:
        """The query for this path from now on, with the trailing `&` that Discord writes."""
        issued = int(self._clock())
        expires = int(self._clock() + self._lifetime)
        return f"ex={expires:x}&is={issued:x}&hm={self._mac(path, expires, issued)}&"

    def url(self, path: str) -> str:
        """A full signed address of the original."""
        return f"{self.base_url}{quote(path)}?{self.query(path)}"

    def proxy_url(self, path: str) -> str:
        """A full signed address at the resizing proxy, which gives a lossy copy."""
        return f"{self.base_url}/media{quote(path)}?{self.query(path)}"

    def refreshed(self, url: str) -> str:
        """The address signed anew; parameters that are not the signature's are kept."""
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in _SIGNATURE]
        signed = self.query(unquote(parts.path).removeprefix("/media"))
        return f"{parts.scheme}://{parts.netloc}{parts.path}?{'&'.join([*kept, signed])}"

    def is_valid(self, path: str, query: Mapping[str, str]) -> bool:
        """Whether the signature is ours and has not expired."""
        try:
            expires, issued = int(query["ex"], 16), int(query["is"], 16)
        except (KeyError, ValueError):
            return False
        expected = self._mac(path, expires, issued)
        return hmac.compare_digest(expected, query.get("hm", "")) and self._clock() < expires

    def signed_message(self, message: Json) -> Json:
        """The message with fresh addresses in place of the paths that it is kept with."""
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
