"""Drop prompt files into a folder, get Midjourney pictures and a manifest in another.

Each name in ``__all__`` is loaded when it is first used, so that importing the package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mjwatch.version import __version__ as __version__

if TYPE_CHECKING:
    from mjwatch.api import MidjourneyAPI
    from mjwatch.config import Config
    from mjwatch.outbox.manifest import load_manifest
    from mjwatch.pictures.split import split_grid
    from mjwatch.prompts.promptfile import read_prompt_file

__all__ = ["Config", "MidjourneyAPI", "load_manifest", "read_prompt_file", "split_grid"]

_MODULES = {
    "Config": "mjwatch.config",
    "MidjourneyAPI": "mjwatch.api",
    "load_manifest": "mjwatch.outbox.manifest",
    "read_prompt_file": "mjwatch.prompts.promptfile",
    "split_grid": "mjwatch.pictures.split",
}

if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
