"""Decodes what clients send as pictures, to see whether it is one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from mjwatch.simulator.grids import Size

_NOT_A_PICTURE = (
    *(OSError, ValueError, SyntaxError, EOFError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow says of bytes that it can't or won't decode."""


def decoded_size(data: bytes) -> Size | None:
    """Width and height of a picture that decodes to its end; None for anything else."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return picture.size
    except _NOT_A_PICTURE:
        return None
