"""How one check went: a line with a name, what was found and, where something is wrong, what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.errors import ConfigError


class CheckState(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the check. ``mend`` says what to do, and is empty where nothing needs doing."""

    name: str
    state: CheckState
    detail: str
    mend: str = ""


def ok(name: str, detail: str) -> CheckResult:
    """All is well."""
    return CheckResult(name, CheckState.OK, detail)


def warn(name: str, detail: str, mend: str) -> CheckResult:
    """It works, but not as it should."""
    return CheckResult(name, CheckState.WARN, detail, mend)


def fail(name: str, detail: str, mend: str) -> CheckResult:
    """It does not work."""
    return CheckResult(name, CheckState.FAIL, detail, mend)


def skipped(name: str, why: str) -> CheckResult:
    """It could not be checked, or there is nothing to check."""
    return CheckResult(name, CheckState.SKIPPED, why)


def failed_lines(name: str, error: ConfigError) -> list[CheckResult]:
    """One result for each thing that the error tells."""
    return [
        fail(name, part.message, part.mend or "edit the file; config.example.toml shows every key")
        for part in error.parts or (error,)
    ]
