"""Verbs for looking under the bonnet: ``split``, ``explain``, ``simulate`` and ``demo``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mjwatch.cli.output import echo_json, plain
from mjwatch.errors import MjwatchError
from mjwatch.simulator.options import DeleteOrder, PictureFormat, ProfileName, SimulatorOptions


def split(
    image: Annotated[str, typer.Argument(help="A 2x2 grid: a file, or an https address.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the four pictures; else beside the file.")
    ] = None,
    picture_format: Annotated[
        str, typer.Option("--format", help="auto, png, webp or jpeg; auto loses nothing.")
    ] = "auto",
) -> None:
    """Split a 2x2 grid into its four pictures, pixel for pixel."""
    from mjwatch.folders.names import safe_name
    from mjwatch.pictures.split import image_facts, split_grid

    data, stem, beside = _grid(image)
    folder = out or beside
    tiles = split_grid(data, picture_format)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, tile in enumerate(tiles, 1):
            kind = image_facts(tile)[0]
            path = folder / f"{safe_name(stem)}_{number}.{'jpg' if kind == 'jpeg' else kind}"
            path.write_bytes(tile)
            typer.echo(plain(path))
    except OSError as error:
        raise MjwatchError(f"{plain(folder)} can't be written: {error.strerror}") from error


def _grid(image: str) -> tuple[bytes, str, Path]:
    if image.startswith(("https://", "http://")):
        from urllib.parse import urlsplit

        from mjwatch.discord.cdn import CDN

        cdn = CDN([urlsplit(image).netloc])
        try:
            return cdn.fetch(image), Path(image.partition("?")[0]).stem, Path()
        finally:
            cdn.close()
    path = Path(image)
    try:
        return path.read_bytes(), path.stem, path.parent
    except OSError as error:
        raise MjwatchError(f"{plain(path)} can't be read: {error.strerror}") from error


def explain(
    file: Annotated[
        str, typer.Argument(help="A Discord message, event or HTTP answer as JSON; - for stdin.")
    ],
) -> None:
    """Show how mjwatch reads a Discord message, as one JSON object."""
    from mjwatch.midjourney.explain import explain as read

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        document = json.loads(data)
    except OSError as error:
        raise MjwatchError(f"{plain(file)} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise MjwatchError(f"{plain(file)} is not JSON: {plain(error)}") from error
    echo_json(read(document))


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seconds_per_job: Annotated[float, typer.Option(min=0.0, help="The middle of a job's length.")] = 8.0,
    grid: Annotated[int, typer.Option(min=16, max=4096, help="Edge of a square grid in pixels.")] = 2048,
    profile: Annotated[ProfileName, typer.Option(help="The year whose messages it sends.")] = "2026",
    delete: Annotated[
        DeleteOrder | None, typer.Option(help="When a job's start message is deleted; else as the profile.")
    ] = None,
    picture_format: Annotated[
        PictureFormat | None,
        typer.Option("--format", help="Format of the grids; else as the profile has it."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(help="Make a folder with config, keys, inbox and outbox for this simulator."),
    ] = None,
    bind: Annotated[str | None, typer.Option(help="Listen on this address instead of 127.0.0.1.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes lengths and orders repeatable.")] = None,
) -> None:
    """Run a pretend Discord with a pretend Midjourney on this machine, for trying things out."""
    from mjwatch.simulator.server import run_simulator

    options = SimulatorOptions(
        port=port,
        bind=bind,
        seconds_per_job=seconds_per_job,
        grid=grid,
        profile=profile,
        delete=delete,
        format=picture_format,
        workspace=workspace,
        seed=seed,
    )
    raise typer.Exit(run_simulator(options))


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the demo's inbox and outbox.")] = Path(
        "mjwatch-demo"
    ),
) -> None:
    """Run the main job end to end on the built-in simulator, and show where the pictures are."""
    from mjwatch.cli.demo import run_demo

    raise typer.Exit(run_demo(folder))
