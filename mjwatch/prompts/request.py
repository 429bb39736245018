"""What a prompt file asks for: the keys that a table of it gives, and one prompt before it is composed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from mjwatch.model import ParameterValue
from mjwatch.prompts.parameters import canonical

Parameters = Mapping[str, ParameterValue]


@dataclass(frozen=True, slots=True)
class PromptKeys:
    """The keys of one table, each checked; None where it is absent.

    ``images`` are links, and local names below the prompt file's folder. ``repeat`` among the ``parameters``
    says how often it is all to be done. ``not_before``: seconds since 1970.
    """

    prompts: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    command: str | None = None
    dimensions: str | None = None
    label: str | None = None
    then: tuple[str, ...] | None = None
    priority: int | None = None
    not_before: float | None = None
    application: str | None = None
    actions: tuple[str, ...] | None = None
    parent: str | None = None
    parameters: Parameters = field(default_factory=dict)

    def over(self, below: PromptKeys) -> PromptKeys:
        """These keys, and those of ``below`` that are absent here; of the parameters each for itself."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        lacking = {name: getattr(below, name) for name, value in found.items() if value is None}
        return replace(self, **lacking, parameters=over(self.parameters, below.parameters))


def over(own: Parameters, below: Parameters) -> Parameters:
    """Both sets of parameters, those below first; they give way, also to one by another of its names."""
    taken = {canonical(name) for name in own}
    return {name: value for name, value in below.items() if canonical(name) not in taken} | dict(own)


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """One prompt, its defaults filled in. ``where`` names its place in the file, "" for the only one.

    ``text`` may be empty. ``parameters`` are its own, and must not repeat what stands in the text;
    ``defaults`` give way to both. ``finished``: the text was submitted before just so, and is not expanded.
    """

    where: str
    text: str
    command: str = "imagine"
    images: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=dict)
    defaults: Parameters = field(default_factory=dict)
    label: str | None = None
    then: tuple[str, ...] = ()
    priority: int = 0
    not_before: float | None = None
    application: str | None = None
    action: str | None = None
    parent: str | None = None
    finished: bool = False
