"""Turn the messages of a bundle into test data in tests/data/messages, for a person to confirm.

``python -m tests.helpers.adopt BUNDLE`` shows each message and error of the bundle whose form no file has
yet, with the reading that it got; with ``--yes`` it also writes the files. They are right only if a person
says so: correct a wrong ``expect`` by hand, and then the parser.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.midjourney.parsing.messages import explain
from mjwatch.simulator.replay.script import read_script

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = Path(__file__).parents[1] / "data" / "messages"

Document = dict[str, Any]


def main(arguments: list[str]) -> None:
    """Show what is new in the named bundle, and write it if asked to."""
    names = [argument for argument in arguments if argument != "--yes"]
    if len(names) != 1:
        sys.exit("usage: python -m tests.helpers.adopt BUNDLE [--yes]")
    bundle = Path(names[0])
    found = new_documents(bundle, MESSAGES)
    for name, document in found.items():
        print(f"--- {name}\n{json.dumps(document['payload'], indent=1, ensure_ascii=False)}")
        print(f"is read as\n{json.dumps(document['expect'], indent=1, ensure_ascii=False)}")
        if "--yes" in arguments:
            text = json.dumps(document, indent=1, ensure_ascii=False)
            (MESSAGES / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    how = "written: look at the diff" if "--yes" in arguments else "add YES=1 to write the files"
    print(f"new forms: {len(found)}; {how}" if found else "no new forms")


def new_documents(bundle: Path, folder: Path) -> dict[str, Document]:
    """Return the messages of the bundle whose form no file in the folder has, by the names of new files."""
    known = {form_of(json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")}
    found: dict[str, Document] = {}
    for document in _documents(bundle):
        form = form_of(document)
        if form not in known:
            known.add(form)
            stem = bundle.stem.removeprefix("mjwatch-")
            found[f"{stem}-{len(found) + 1}-{document['expect']['kind'].replace('_', '-')}"] = document
    return found


def form_of(document: Document) -> str:
    """Return what two messages have in common that differ only in ids, texts and numbers of pictures."""
    payload, reading = document["payload"], _reading(document)
    embeds = payload.get("embeds") if isinstance(payload, dict) else None
    titles = [embed.get("title") for embed in embeds or [] if isinstance(embed, dict)]
    status = (payload.get("status"), _code(payload.get("body"))) if document["event"] == "HTTP" else None
    return json.dumps([document["event"], reading["kind"], titles, status, sorted(reading)])


def _reading(document: Document) -> Document:
    """Return what mjwatch reads, without what it does not find."""
    reading = json.loads(json.dumps(explain(document)))
    return {key: value for key, value in reading.items() if value not in (None, [])}


def _code(body: object) -> object:
    return body.get("code") if isinstance(body, dict) else None


def _documents(bundle: Path) -> Iterator[Document]:
    for line in read_script(bundle).lines:
        event, payload = line.name, line.data
        if line.kind == "http":
            event = "HTTP"
            if payload.get("status") in (None, 200, 204):
                continue
            payload = {key: payload.get(key) for key in ("status", "headers", "body")}
        elif line.kind != "dispatch" or not event.startswith("MESSAGE_"):
            continue
        document = {"origin": f"bundle {bundle.stem}", "event": event, "expect": {}, "payload": payload}
        yield {**document, "expect": _reading(document)}


if __name__ == "__main__":
    main(sys.argv[1:])
