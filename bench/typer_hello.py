"""The smallest Typer program: the minimal cost of a command."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    typer.echo(f"Hello, {name}!")


if __name__ == "__main__":
    app()
