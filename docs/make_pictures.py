"""Makes the pictures that the pages show: the gallery, ``status --watch`` and the shell, on a simulator.

``python -m docs.make_pictures``, or ``make pictures``. It needs chromium and tmux, and takes three minutes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from rich.console import Console
from rich.text import Text

from bench.processes import daemon, drop, set_in_config, simulator, wait_until
from mjwatch.outbox.manifest import FILE_NAME, load_manifest
from tests.helpers.browser import PHONE, chromium, open_gallery
from tests.scenarios.tmux_terminal import open_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Browser, Page

    from tests.scenarios.tmux_terminal import Terminal

PICTURES = Path(__file__).with_name("pictures")

PLACE = Path(tempfile.gettempdir()) / "try"
"""Where it all goes on: this path can be read in the pictures of the terminal."""

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
COLUMNS, QUALITY, GAP = 84, 82, 20

KEEPER = "a lighthouse keeper mending nets at dawn, film still"
"""The job that is shown large."""

EARLIER = {
    "birds": 'prompts = ["a heron in the reeds --ar 2:3", "a kingfisher, diving"]\n',
    "market": 'prompt = "a night market in the rain --ar 2:3"\nlabel = "calendar"\n',
    "fox": 'prompt = "a fox asleep in an orchard --ar 4:3"\n',
    "valley": 'prompt = "a train crossing a wide valley in autumn --ar 16:9"\nlabel = "calendar"\n',
    "harbour": 'prompt = "a harbour in fog, long exposure --ar 16:9"\nlabel = "calendar"\n',
    "watch": 'prompt = "a pocket watch, exploded view"\n',
    "stall": 'prompts = ["a fish stall at noon", "a spice stall at dusk"]\n',
    "sunburn": 'prompt = "a beach at noon, banned-word-test"\n',
    "tea": 'prompt = "a tea house on stilts --ar 3:2"\n',
    "keeper": f'prompt = "{KEEPER}"\nlabel = "calendar"\n'
    'then = ["U2", "V3"]\n[parameters]\nar = "3:2"\nstylize = 250\n',
}
LATER = {
    "owl": 'prompt = "a barn owl in flight --chaos 20"\n',
    "moth": 'prompts = ["a moth on linen, macro", "a moth on slate, macro"]\n',
    "boats": 'prompt = "paper boats on a canal {in spring, in autumn} --ar 3:2"\n',
    "bridge": 'prompts = ["a stone bridge in winter fog --ar 16:9", "the same bridge in June --ar 16:9"]\n',
}


def main() -> None:
    """Make them all."""
    try:
        PLACE.mkdir()
    except FileExistsError:
        sys.exit(f"{PLACE} is in the way: remove it")
    try:
        with (
            simulator(PLACE, "--grid", "1024", "--seconds-per-job", "12", "--seed", "5"),
            chromium() as browser,
        ):
            set_in_config(PLACE, "pace", max_in_flight=4, max_per_day=200)
            with daemon(PLACE):
                _make(browser)
    finally:
        shutil.rmtree(PLACE)


def _make(browser: Browser) -> None:
    _drop(EARLIER)
    _wait_for_jobs(14)
    _drop(LATER)
    _terminal(browser, "status-watch", ["status", "--watch"], 14, _four_at_work)
    _wait_for_jobs(21)
    _terminal(browser, "shell", ["shell"], 16, lambda text: ":act" in text, _type)
    _wait_for_jobs(24)
    _keep("gallery", _gallery(browser, DESKTOP))
    _keep("gallery-job", _gallery(browser, DESKTOP, KEEPER))
    phone = {**PHONE, "device_scale_factor": 1}
    _keep(
        "gallery-phone",
        _gallery(browser, {**phone, "color_scheme": "dark"}),
        _gallery(browser, phone, KEEPER),
    )


def _drop(files: dict[str, str]) -> None:
    for name, text in files.items():
        drop(PLACE, f"{name}.ready.toml", text)


def _manifests() -> list[dict[str, Any]]:
    return [load_manifest(path.parent) for path in (PLACE / "outbox").glob(f"**/{FILE_NAME}")]


def _wait_for_jobs(count: int) -> None:
    """Until so many are in the outbox, and in the gallery."""
    wait_until(lambda: len(_manifests()) == count, f"{count} jobs")
    wait_until(lambda: _in_gallery() == count, f"{count} jobs in the gallery")


def _in_gallery() -> int:
    return (PLACE / "outbox/_gallery/jobs-0001.js").read_text("ascii").count('\n{"id":')


# ---- the terminal


def _terminal(
    browser: Browser,
    name: str,
    verb: Sequence[str],
    lines: int,
    is_wanted: Callable[[str], bool],
    use: Callable[[Terminal], None] | None = None,
) -> None:
    """Run a verb in a terminal, use it, and keep the first screen whose text is the wanted one."""
    command = [sys.executable, "-m", "mjwatch", "--config", str(PLACE / "config.toml"), *verb]
    with open_terminal(*command, columns=COLUMNS, lines=lines, folder=PLACE) as terminal:
        if use is not None:
            use(terminal)

        def wanted() -> Text | None:
            capture = [*terminal.tmux, "capture-pane", "-p", "-e"]
            seen = subprocess.run(capture, stdout=subprocess.PIPE, check=True).stdout.decode()
            text = Text.from_ansi(seen.rstrip(), no_wrap=True)
            return text if is_wanted(text.plain) else None

        screen = wait_until(wanted, f"the wanted screen of {name}")
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(screen)
    context = browser.new_context(offline=True)  # its style would have a font fetched
    page = context.new_page()
    page.set_viewport_size({"width": 960, "height": 600})
    page.set_content(console.export_svg(title=" ".join(["mjwatch", *verb])))
    _keep(name, page.locator("svg").first.screenshot())
    context.close()


def _four_at_work(screen: str) -> bool:
    """Return whether four jobs run, each with a percentage, and not all of them have just begun."""
    percentages = [int(number) for number in re.findall(r"running.* (\d+)%", screen)]
    return len(percentages) == 4 and max(percentages) > 0


def _type(terminal: Terminal) -> None:
    """Two lines, of which the second makes two jobs; a third one is begun when the first of them is done."""
    terminal.wait_for("help")
    terminal.type("a copper kettle, steam, window light --ar 3:2\n")
    terminal.type("a heron in the {reeds, rain}\n")
    terminal.wait_for("  done  ")
    terminal.type(":act")


# ---- the gallery


def _gallery(browser: Browser, options: dict[str, Any], job: str = "") -> bytes:
    """The whole of it, or the job with this prompt, as a PNG."""
    with open_gallery(browser, PLACE / "outbox", **options) as gallery:
        gallery.open()
        if job:
            gallery.search(job)
            gallery.page.locator(".card:not(:has(b))", has_text=job).click()
            gallery.page.locator("#panel[open]").wait_for()
            gallery.page.mouse.move(0, 0)  # what is below it looks otherwise
        _wait_for_images(gallery.page)
        return gallery.page.screenshot()


def _wait_for_images(page: Page) -> None:
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")


def _keep(name: str, *pngs: bytes) -> None:
    """One picture, or several of one size beside each other."""
    images = [Image.open(BytesIO(png)).convert("RGB") for png in pngs]
    width, height = images[0].size
    sheet = Image.new("RGB", ((width + GAP) * len(images) - GAP, height), "white")
    for number, image in enumerate(images):
        sheet.paste(image, (number * (width + GAP), 0))
    sheet.save(PICTURES / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
