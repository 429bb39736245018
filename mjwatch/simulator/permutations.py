"""One prompt that is many: `{a, b}` and `--repeat N`, which the bot asks back about before it starts."""

from __future__ import annotations

import re
from itertools import islice, product

from mjwatch.simulator.rewriting import split_parameters, without_parameters

JOBS_MAX = 40

_GROUP = re.compile(r"(?<!\\)\{([^{}]*)(?<!\\)\}")
_COMMA = re.compile(r"(?<!\\),")


def expanded(prompt: str) -> list[str]:
    """The prompts that a prompt stands for, itself alone if it is one; at most one more than `JOBS_MAX`."""
    pieces = _GROUP.split(prompt)
    choices = [
        [piece] if position % 2 == 0 else [one.strip() for one in _COMMA.split(piece)]
        for position, piece in enumerate(pieces)
    ]
    prompts = ["".join(chosen) for chosen in islice(product(*choices), JOBS_MAX + 1)]
    again = _repeats(prompt)
    if again == 1:
        return prompts
    single = [without_parameters(one, "repeat", "r") for one in prompts]
    return [one for one in single for _ in range(again)][: JOBS_MAX + 1]


def _repeats(prompt: str) -> int:
    _, parameters = split_parameters(prompt)
    asked = [value for name, value in parameters if name in ("repeat", "r")]
    return max(1, int(asked[-1])) if asked and re.fullmatch(r"[0-9]{1,2}", asked[-1]) else 1
