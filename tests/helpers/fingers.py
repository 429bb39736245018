"""Fingers on the screen of a page in Chromium: taps, swipes and pinches, as a phone reports them; a mouse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.helpers.browser import OpenGallery

    Point = tuple[float, float]

STEPS = 6

COUNT = """
window.liftedFingers = 0;
for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, ({ pointerType }) => { liftedFingers += pointerType === "touch"; }, true);
}
"""


class Fingers:
    """Touch events through Chromium's debugging protocol; Playwright itself can only tap.

    Make it before the page is opened. Its methods return when the page has handled the events.
    """

    def __init__(self, gallery: OpenGallery) -> None:
        self._gallery = gallery
        self._protocol = gallery.page.context.new_cdp_session(gallery.page)
        gallery.page.add_init_script(COUNT)

    def _send(self, kind: str, *points: Point, at: float | None = None) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        event: dict[str, Any] = {"type": kind, "touchPoints": touches}
        self._protocol.send("Input.dispatchTouchEvent", event | ({"timestamp": at} if at else {}))

    def move(self, *ways: tuple[Point, Point]) -> None:
        """Put a finger on the start of each way, move all of them to the ends, and lift them."""
        before = self._gallery.page.evaluate("liftedFingers")
        self._send("touchStart", *(start for start, _ in ways))
        for step in range(1, STEPS + 1):
            part = step / STEPS
            self._send(
                "touchMove",
                *((x + (to_x - x) * part, y + (to_y - y) * part) for (x, y), (to_x, to_y) in ways),
            )
        self._send("touchEnd")
        self._gallery.wait_until("count => liftedFingers === count", before + len(ways))

    def swipe(self, x: float, y: float = 0) -> None:
        """Swipe with one finger from the middle of the window, as far as 0.3 for 30 % of it."""
        size = self._gallery.page.viewport_size
        assert size
        middle = (size["width"] / 2, size["height"] / 2)
        self.move((middle, (middle[0] + x * size["width"], middle[1] + y * size["height"])))

    def tap(self, x: float, y: float) -> None:
        """Tap once."""
        self.move(((x, y), (x, y)))

    def double_tap(self, x: float, y: float) -> None:
        """Tap twice within a tenth of a second by the events' own clock, however slow this machine is."""
        before, now = self._gallery.page.evaluate("liftedFingers"), time.time()
        for at in (now, now + 0.1):
            self._send("touchStart", (x, y), at=at)
            self._send("touchEnd", at=at + 0.02)
        self._gallery.wait_until("count => liftedFingers === count", before + 2)

    def double_click(self, x: float, y: float) -> None:
        """Click twice with the mouse within a tenth of a second by the events' own clock."""
        self._gallery.page.mouse.move(x, y)
        now = time.time()
        for clicks in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                event: dict[str, Any] = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": clicks}
                self._protocol.send(
                    "Input.dispatchMouseEvent", event | {"timestamp": now + 0.1 * (clicks - 1)}
                )
