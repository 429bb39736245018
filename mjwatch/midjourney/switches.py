"""The answer to ``/settings`` as words: which of its buttons are on, and what is chosen in its menus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.midjourney.components import walk
from mjwatch.midjourney.loose import object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BUTTON = 2
_SELECT = 3
_GREEN = 3
"""The style of a button that is on; those that are off are grey (2)."""

_OURS = "MJ::Settings::"


def read_switches(components: object) -> str:
    """One line a button, ``Remix mode: on``, and one a menu, with what is chosen; empty without any."""
    return "\n".join(_lines(components))


def _lines(components: object) -> Iterator[str]:
    for component in walk(components):
        if not text_of(component.get("custom_id")).startswith(_OURS):
            continue
        if component.get("type") == _BUTTON:
            yield f"{_name(component)}: {'on' if component.get('style') == _GREEN else 'off'}"
        elif component.get("type") == _SELECT:
            options = objects_of(component.get("options"))
            chosen = [text_of(option.get("label")) for option in options if option.get("default") is True]
            yield f"{_name(component)}: {', '.join(chosen) or 'nothing chosen'}"


def _name(component: Mapping[str, Any]) -> str:
    """Its label; else what its custom id says, ``VersionSelector``; else its emoji."""
    label = text_of(component.get("label")).strip()
    emoji = text_of(object_of(component.get("emoji")).get("name"))
    return label or text_of(component.get("custom_id")).removeprefix(_OURS).partition("::")[0] or emoji
