"""The program that hands one notification to Apprise: ``python -P -m mjwatch.workers.apprise_delivery``.

A process of its own, because Apprise takes 0.7 s and 40 MB to load, and can't be stopped while a server
keeps it waiting. It reads a JSON object from standard input, so that no address is in a command line:
``urls``, ``title``, ``body``, ``type`` and ``attach`` (a path or null). For each address it prints a line as
soon as it is done: its index, and ``delivered``, ``unknown``, or ``failed`` with the HTTP status if there is
one. No line has any text of Apprise's, which may name an address.
"""

from __future__ import annotations

import json
import logging
import re
import sys

_STATUS = re.compile(r"\berror=([1-5][0-9]{2})\b")
"""Where Apprise's log has the HTTP status of an answer."""


class _StatusHandler(logging.Handler):
    """Finds the HTTP status in what Apprise logs."""

    status = ""

    def emit(self, record: logging.LogRecord) -> None:
        if found := _STATUS.search(record.getMessage()):
            self.status = found[1]


def main() -> None:
    """Deliver the notification on standard input."""
    from apprise import Apprise, AppriseAsset
    from apprise.attachment.file import AttachFile  # not by its path as text: that is read as an address

    order = json.load(sys.stdin)
    statuses = _StatusHandler(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(statuses)
    logger.propagate = False
    asset = AppriseAsset(app_id="mjwatch", app_desc="mjwatch", async_mode=False, secure_logging=True)
    picture = order["attach"]
    attach = AttachFile(picture) if picture else None  # type: ignore[no-untyped-call]
    for index, url in enumerate(order["urls"]):
        statuses.status = ""
        service = Apprise.instantiate(url, asset=asset)
        if service is None:
            outcome = "unknown"
        else:
            apprise = Apprise(asset=asset)
            apprise.add(service)
            sent = apprise.notify(
                order["body"], order["title"], order["type"], body_format="text", attach=attach
            )
            outcome = "delivered" if sent else f"failed {statuses.status}"
        print(index, outcome, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
