"""What a person can do about TOML that does not parse, by the parser's message and the line it is about."""

from __future__ import annotations

import re

_LINE = re.compile(r"line (\d+), ")
_CURLY = re.compile("[\u201c\u201d\u201e\u2018\u2019]")
_CAPITAL = re.compile(r"=\s*(True|False)\b")

_BY_MESSAGE = (
    ("Unescaped", "in double quotes a backslash is written \\\\; in single ones everything stays as it is"),
    ("Illegal character", 'close the quotes in the same line, or use """ around a text of several lines'),
    ("Unterminated", "close the quotes"),
    ("Expected \"'", "close the quotes"),
    (
        "invalid character '\\n'",
        "close the quotes in the same line, or use ''' around a text of several lines",
    ),
    ("Cannot", "a key or a table stands there twice: leave one out; several jobs are [[jobs]] tables"),
    ("Expected '='", 'each line is key = value; a prompt without keys goes into a file that ends in ".txt"'),
    ("Unclosed array", "close the list with ]"),
    ("Expected ']", "close the brackets of the table's name"),
    ("nested", "nothing in a prompt file stands that deep"),
)
_ANY = 'text values stand in quotes, such as prompt = "a cat" and ar = "16:9"'


def hint_for(message: str, text: str) -> str:
    """The advice for this message about this document, which begins with ``line 3, column 8: ``."""
    place = _LINE.match(message)
    lines = text.split("\n")
    line = lines[int(place[1]) - 1] if place and int(place[1]) <= len(lines) else ""
    if _CURLY.search(line):
        return 'put texts between straight quotes: "…"'
    if _CAPITAL.search(line):
        return "true and false are written in small letters"
    return next((hint for part, hint in _BY_MESSAGE if part in message), _ANY)
