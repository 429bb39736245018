"""What a message's components hold, at any depth: buttons, texts, media, and the switches of ``/settings``.

Component types are as in discord-api-docs, "Component reference": 2 is a button, 3 a menu, 10 a text; media
objects are under ``media`` and ``file``. A message with Components V2 has no text, embed or attachment
besides them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import (
    id_of,
    is_object,
    list_of,
    number_of,
    object_of,
    objects_of,
    text_of,
)
from mjwatch.model import Button, RemotePicture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_BUTTON = 2
_SELECT = 3
_TEXT = 10
_SWITCHED_ON_STYLE = 3
"""The style of a button that is on (green); buttons that are off are grey (2)."""

_MAX_DEPTH = 12
"""Discord allows only a few levels; anything deeper is not from Discord."""

_SETTING = "MJ::Settings::"


def walk(components: object, depth: int = _MAX_DEPTH) -> Iterator[Mapping[str, Any]]:
    """Yield every component in reading order, each before the components in it."""
    if depth == 0:
        return
    for component in list_of(components):
        if is_object(component):
            yield component
            yield from walk(component.get("components"), depth - 1)
            yield from walk([component.get("accessory"), component.get("component")], depth - 1)
            yield from walk(component.get("items"), depth - 1)


def buttons(components: object) -> tuple[Button, ...]:
    """Return the buttons that do something, in order, without link buttons and menus."""
    found = (_button(component) for component in walk(components) if component.get("type") == _BUTTON)
    return tuple(button for button in found if button is not None)


def texts(components: object) -> str:
    """Return the text displays, one per line; "" without Components V2."""
    return "\n".join(text_of(c.get("content")) for c in walk(components) if c.get("type") == _TEXT)


def as_embed(components: object) -> Mapping[str, Any] | None:
    """Return the text displays as an embed: a heading is its title, small print (``-# ``) its footer.

    Returns None without text displays. No notice of the bot in this form was recorded yet; a container's
    accent colour is used as the embed's colour.
    """
    lines = texts(components).splitlines()
    if not lines:
        return None
    title = lines[0].strip("#* ") if lines[0].startswith(("#", "**")) else ""
    small = [line.removeprefix("-# ") for line in lines if line.startswith("-# ")]
    body = [line for line in lines[1 if title else 0 :] if not line.startswith("-# ")]
    colours = (number_of(component.get("accent_color")) for component in walk(components))
    return {
        "title": title,
        "description": "\n".join(body),
        "footer": {"text": "\n".join(small)},
        "color": next((colour for colour in colours if colour is not None), None),
    }


def pictures(components: object) -> tuple[RemotePicture, ...]:
    """Return the pictures in galleries of Components V2, or else those in thumbnails and files, in order."""
    found = list(walk(components))
    in_galleries = [item.get("media") for c in found for item in objects_of(c.get("items"))]
    media = in_galleries or [c.get(key) for c in found for key in ("media", "file")]
    read = (picture(medium) for medium in media if is_object(medium))
    return tuple(remote for remote in read if remote is not None)


def picture(medium: Mapping[str, Any]) -> RemotePicture | None:
    """Return an attachment, a media object or an embed's image; None for other files.

    None also without a URL that can be fetched.

    Media objects have no file name, so the last part of the URL's path is used. A URL ``attachment://…`` is
    what the bot wrote before Discord replaced it.
    """
    url = text_of(medium.get("url"))
    content_type = text_of(medium.get("content_type"))
    is_other_file = content_type != "" and not content_type.startswith(("image/", "video/"))
    if is_other_file or not url.startswith(("https://", "http://")):
        return None
    return RemotePicture(
        filename=text_of(medium.get("filename")) or url.partition("?")[0].rpartition("/")[2],
        url=url,
        width=number_of(medium.get("width")),
        height=number_of(medium.get("height")),
        size=number_of(medium.get("size")),
        content_type=content_type or None,
    )


def _button(component: Mapping[str, Any]) -> Button | None:
    custom_id = id_of(component.get("custom_id"))
    if custom_id is None:
        return None
    emoji = text_of(object_of(component.get("emoji")).get("name"))
    return Button(custom_id, text_of(component.get("label")) or emoji or None)


def read_switches(components: object) -> str:
    """Return a line for each button (``Remix mode: on``) and menu of ``/settings``; "" without any."""
    return "\n".join(_lines(components))


def _lines(components: object) -> Iterator[str]:
    for component in walk(components):
        if not text_of(component.get("custom_id")).startswith(_SETTING):
            continue
        if component.get("type") == _BUTTON:
            yield f"{_name(component)}: {'on' if component.get('style') == _SWITCHED_ON_STYLE else 'off'}"
        elif component.get("type") == _SELECT:
            options = objects_of(component.get("options"))
            chosen = [text_of(option.get("label")) for option in options if option.get("default") is True]
            yield f"{_name(component)}: {', '.join(chosen) or 'nothing chosen'}"


def _name(component: Mapping[str, Any]) -> str:
    """Return the label, or the name in the custom id such as ``VersionSelector``, or the emoji."""
    label = text_of(component.get("label")).strip()
    emoji = text_of(object_of(component.get("emoji")).get("name"))
    return label or text_of(component.get("custom_id")).removeprefix(_SETTING).partition("::")[0] or emoji
