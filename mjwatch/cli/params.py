"""Spares a verb the library by which Typer converts values, wherever there is nothing to convert."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Sparing:
    """For a command or group: lets what was not given, texts and paths pass as they are.

    Typer converts values with pydantic, which takes longer to load than a verb takes to run. This goes by
    hooks that click had long before; where they are not called, all is converted as usual.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, each with its own way to process a value."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command beside it
        for param in params:
            if "process_value" not in vars(param):
                param.process_value = partial(_process, param, param.process_value)
        return params


def _process(param: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """The value as the verb gets it; ``convert`` is what Typer does."""
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if value is None and param.required:
        return convert(context, value)  # which says what is missing
    if kind is Path and isinstance(value, str):
        value = Path(value)
    elif not (value is None or (kind is str and isinstance(value, str)) or _is_default(param, value)):
        return convert(context, value)
    return value if param.callback is None else param.callback(context, param, value)


def _is_default(param: Any, value: Any) -> bool:
    return type(value) is type(param.default) and bool(value == param.default)
