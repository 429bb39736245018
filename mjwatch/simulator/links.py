"""Links in a prompt: those that lead to this CDN are followed, as the bot does before it starts a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mjwatch.simulator.pictures import Pictures
    from mjwatch.simulator.signing import Signer

_LINK = re.compile(r"<?(https?://[^\s<>]+)>?")


class Links:
    """Follows links to attachments; the rest of the web is out of reach and taken to be well."""

    def __init__(self, signer: Signer, pictures: Pictures) -> None:
        self._signer = signer
        self._pictures = pictures

    async def lead_to_pictures(self, prompt: str) -> bool:
        """Whether every attachment that the prompt links to is there and is a picture."""
        for link in _LINK.findall(prompt):
            if link.startswith(f"{self._signer.base_url}/") and not await self._is_picture(link):
                return False
        return True

    async def are_pictures(self, paths: Sequence[str]) -> bool:
        """Whether these uploads are all pictures."""
        return all([await self._pictures.size_of(path) is not None for path in paths])

    async def _is_picture(self, link: str) -> bool:
        parts = urlsplit(link)
        path = unquote(parts.path).removeprefix("/media")
        if not self._signer.is_valid(path, dict(parse_qsl(parts.query))):
            return False
        return await self._pictures.size_of(path) is not None
