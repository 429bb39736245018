"""The smallest program that Typer makes a command of: what any verb costs at least."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    typer.echo(f"Hello, {name}!")


if __name__ == "__main__":
    app()
