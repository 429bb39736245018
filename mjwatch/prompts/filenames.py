"""What the name of a prompt file says, also in a copy; names of wildcards; files of other programs. Pure.

Whatever copies a file puts a mark at the end of its name, before the suffix: ``birds.list - Copy.txt``,
``birds.list (1).txt``, ``birds.list 2.txt``. The copy means the same as the original.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection
from itertools import chain, islice
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIST = ".list.txt"
KINDS = (".txt", ".toml", ".json")

_WORD = (
    r"(?:copy|copie|copies|c[oóò]pia|duplicate|duplikat|duplicado"
    r"|kopie|kopia|kópia|kópie|kopi|kopio|kopya(?:sı)?|kopija|koopia|eintak|afrit"  # noqa: RUF001
    r"|másolat|salinan|bản sao|sao chép|αντίγραφο|αντιγραφή|копия|копія|копие|копија"
    r"|(?:の)?コピー|(?:的)?副本|(?:的)?拷[貝贝]|複製|复制|(?:의 )?복사본|사본|עותק|نسخة|สำเนา)"
)
"""The word for a copy in the languages of Windows, macOS and GNOME."""

_NUMBER = r"(?:\s*(?:\(\s*\d{1,3}\s*\)|\[\s*\d{1,3}\s*\]))"
_MARK = re.compile(
    rf"(?:{_NUMBER}"  # browsers, KDE, Dropbox, Nextcloud: (1)
    r"|\s+\d{1,3}|[-_~.]\d{1,3}"  # iCloud and Finder: 2; Safari: -2
    rf"|[\s_]*[-\u2013\u2014_.\s]\s*{_WORD}(?:\s*\d{{1,3}}|{_NUMBER})?"  # Windows: - Copy (2); Finder: copy 2
    rf"|\s*\([^()]{{0,20}}{_WORD}(?:\s+\d{{1,3}})?\)"  # GNOME: (another copy), (3rd copy)
    rf"|{_WORD}(?:\s*\d{{1,3}}|{_NUMBER})?)$",  # 猫のコピー
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\.(?:txt|toml|json)$", re.IGNORECASE)
_LIST_WITHIN = re.compile(r"[^.]\.list(?![^\W_])", re.IGNORECASE)
_READY = re.compile(r"ready", re.IGNORECASE)


def without_copy_mark(stem: str) -> str:
    """Return the stem of a file's name, composed, without what a copy has at its end."""
    stem = unicodedata.normalize("NFC", stem)
    found = _MARK.search(stem)
    return stem[: found.start()] if found is not None and found.start() > 0 else stem


def kind_of(name: str) -> str:
    """Return ``.txt``, ``.list.txt``, ``.toml``, ``.json`` or "", by a file's name without a ready marker.

    The name of a copy says the same as the original's, and a suffix may be there twice.
    """
    kind, marks = _parts(name.rsplit("/", 1)[-1])
    return LIST if kind == ".txt" and marks[-1:] == ["list"] else kind


def check_name(name: str) -> None:
    """Raise PromptFileError for a name that may say something else than ``kind_of`` reads in it."""
    name = name.rsplit("/", 1)[-1]
    kind, marks = _parts(name)
    hidden = next((mark for mark in reversed(marks) if f".{mark}" in KINDS), None)
    if kind == ".txt" and hidden is not None:
        raise PromptFileError(
            f"the name has .{hidden} within it, but it ends in .txt, so its text would be the prompt",
            f"rename it so that it ends in .{hidden}; for a prompt take .{hidden} out of the name",
        )
    if kind == ".txt" and kind_of(name) != LIST and _LIST_WITHIN.search(name):
        raise PromptFileError(
            "the name has .list within it, but not before .txt",
            "for one prompt per line end the name in .list.txt; for one prompt take .list out of it",
        )


def _parts(name: str) -> tuple[str, list[str]]:
    """Return the suffix of a name if it is one of ours, else "", and the parts before it that say something.

    Marks of copies, repeated suffixes and a ready marker are left out.
    """
    suffix = _SUFFIX.search(name)
    if suffix is None or suffix.start() == 0 or name.startswith("."):
        return "", []
    kind, stem, before = suffix[0].lower(), name[: suffix.start()], ""
    while stem != before:
        before = stem
        stem = without_copy_mark(stem)
        first, *rest = stem.split(".")
        if rest and rest[-1].lower() in (kind[1:], "ready"):
            stem = ".".join([first, *rest[:-1]])
    return kind, [part.lower() for part in stem.split(".")[1:]]


def without_ready_marker(name: str) -> str:
    """Return the name without its ``.ready.`` marker: ``cat.txt``, and ``cat (1).txt`` for a copy."""
    first, *rest = name.split(".")
    parts = [first]
    for part in rest[:-1]:
        mark = _READY.match(part)
        if mark is None or (mark.end() < len(part) and without_copy_mark(part).lower() != "ready"):
            parts.append(part)
        else:
            parts[-1] += part[mark.end() :]
    return ".".join([*parts, *rest[-1:]])


# ---- the names of wildcard files


_GLOB = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
_GLOB_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")

_MOST_STARS = 2
"""More of them in one reference fit nothing: each one multiplies the work for a long name."""

_MAX_COMPARED = 2000
"""Names that are compared with one that is not there."""


class WildcardNames(Collection[str]):
    """The names of wildcard files, in order, and which of them a reference means."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = {}
        self._by_folded_name: dict[str, list[str]] = {}
        self._matches: dict[str, list[str]] = {}
        for name in names:
            composed = _composed(name)
            self._by_name.setdefault(composed, []).append(name)
            self._by_folded_name.setdefault(composed.casefold(), []).append(name)

    @classmethod
    def of(cls, names: Collection[str]) -> WildcardNames:
        """Return these names as they are, if they can be searched already."""
        return names if isinstance(names, cls) else cls(names)

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        return chain.from_iterable(self._by_name.values())

    def __len__(self) -> int:
        """Return the number of names."""
        return sum(map(len, self._by_name.values()))

    def __contains__(self, name: object) -> bool:
        """Return whether there is just this name."""
        return isinstance(name, str) and name in self._by_name.get(_composed(name), ())

    def matching(self, reference: str) -> list[str]:
        """Return the names that a reference means: one, or those that ``*`` or ``?`` fits; maybe none.

        Accents may be composed in any way, and case counts only where it tells two files apart.
        """
        if reference not in self._matches:
            self._matches[reference] = self._find(_composed(reference))
        return self._matches[reference]

    def _find(self, wanted: str) -> list[str]:
        if is_glob(wanted):
            parts = _GLOB_PARTS.findall(wanted)
            if sum("*" in part for part in parts) > _MOST_STARS:
                return []
            pattern = re.compile("".join(_GLOB.get(part, re.escape(part)) for part in parts))
            fitting = sorted(name for name in self._by_name if pattern.fullmatch(name))
            return [name for composed in fitting for name in self._by_name[composed]]
        same = self._by_name.get(wanted) or self._by_folded_name.get(wanted.casefold(), [])
        return same if len(same) == 1 else []

    def nearest(self, reference: str) -> list[str]:
        """Return up to three names that are like this one, also without their folders."""
        wanted = _composed(reference).casefold()
        known: dict[str, str] = {}
        for folded, names in islice(self._by_folded_name.items(), _MAX_COMPARED):
            known.setdefault(folded, names[0])
            known.setdefault(folded.rpartition("/")[2], names[0])
        close = difflib.get_close_matches(wanted, known, n=3)
        close += difflib.get_close_matches(wanted.rpartition("/")[2], known, n=3)
        return list(dict.fromkeys(known[name] for name in close))[:3]


def is_glob(reference: str) -> bool:
    """Return whether a reference may mean several wildcards."""
    return "*" in reference or "?" in reference


def _composed(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


# ---- what a file holds


_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (rb"PK\x03\x04", "a Word, Excel or OpenDocument document or a zip archive"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old Word or Excel"),
    (rb"\s*\{\\rtf", "an RTF document"),
    (rb"\s*%PDF-", "a PDF document"),
    (rb"\s*<(?:!doctype|html|head|body)\b", "a web page"),
    (rb"\s*<\?xml|\s*<svg\b", "an XML document"),
    (rb"bplist00|MIME-Version:|From: <Saved by", "a web archive"),
    (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh\d1AY|\xfd7zXZ", "an archive"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM.{8}\x00\x00", "a picture"),
    (rb"\x7fELF|MZ.{58}\x00\x00", "a program"),
)
_OTHER_FORMAT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:" + b"|".join(b"(%s)" % pattern for pattern, _ in _OTHER_FORMATS) + b")",
    re.IGNORECASE | re.DOTALL,
)


def check_content(data: bytes) -> None:
    """Raise PromptFileError for the file of another program, which its first bytes show."""
    found = _OTHER_FORMAT.match(data)
    if found is not None and found.lastindex is not None:
        raise PromptFileError(
            f"this is {_OTHER_FORMATS[found.lastindex - 1][1]}, not a text",
            "copy the prompt out of it into a plain text file",
        )
