"""The house has floors: who may import whom, what the pure rooms must not touch, who knows the simulator."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import mjwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

# From the ground up. A module may import from its own floor and those below. The first pattern that fits
# decides, so that the pure rooms within a folder can be named before the rest of it.
FLOORS: dict[str, tuple[str, ...]] = {
    "ground": (
        *("mjwatch", "errors", "model", "events", "effects"),
        *("settings", "sections", "places", "keys", "config"),
    ),
    "pure core": (
        *("prompts.*", "midjourney.*", "folders.settling", "folders.kinds", "folders.names"),
        *("gallery.entry", "gallery.script"),
        *(
            "jobs.job",
            "jobs.moves",
            "jobs.moving",
            "jobs.cancelling",
            "jobs.attempts",
            "jobs.pacing",
            "jobs.complaints",
            "jobs.doubt",
            "jobs.reason",
            "jobs.standing",
            "jobs.intake",
            "jobs.followups",
            "jobs.record",
            "jobs.redelivery",
            "jobs.search",
            "jobs.stored",
            "jobs.diagram",
        ),
        *("discord.protocol", "discord.session", "discord.stream", "discord.payloads", "discord.heartbeat"),
        *("discord.backoff", "discord.budget", "discord.inflate", "discord.answers", "discord.hosts"),
    ),
    "shells": ("discord.*", "jobs.*", "folders.*", "pictures.*", "gallery.*", "host.*"),
    "where they meet": ("sender", "collector", "worker", "engine"),
    "the builder": ("runtime",),
    "a service, a library": ("daemon", "background", "steering", "oneshot", "giving", "api"),
    "doors": ("cli.*", "__main__"),
}

IMPURE = {
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "queue", "subprocess"),
    *("time", "random", "secrets", "uuid", "os"),
    *("requests", "urllib3", "websocket", "watchdog", "sqlite3", "filelock", "PIL", "typer", "rich"),
}
"""What the pure core must not import: no I/O, no clock, no thread, no chance."""

# The loop waits for nothing but its journal: it knows values, the pure core and that one shell.
ENGINE_MAY_IMPORT = (
    "errors",
    "model",
    "events",
    "effects",
    "jobs.*",
    "midjourney.*",
    "discord.stream",
    "discord.payloads",
)

# The simulator is another program, so that it can't share our misreadings. It has one thing of ours; and only
# the verbs that start it know it: its options, and the server that they are handed to.
SIMULATOR_MAY_IMPORT = ("discord.protocol", "simulator.*")
SIMULATOR_IS_IMPORTED = {("cli.tools", "simulator.options"), ("cli.tools", "simulator.server")}

ROOT = Path(mjwatch.__file__).parent


class Import(NamedTuple):
    """One module imports another; ``only_types`` where it does so for the type checker alone."""

    by: str
    target: str
    only_types: bool


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "mjwatch"


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}
OURS = sorted(name for name in MODULES if not name.startswith("simulator"))


def _imports(name: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    checked = [node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING"]
    only_types = {inner for block in checked for part in block.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        for target in _targets(name, node):
            yield Import(name, target, node in only_types)


def _targets(name: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_short(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = ["mjwatch", *name.split(".")[: -node.level]] if node.level else []
        base = _short(".".join([*package, *([node.module] if node.module else [])]))
        for alias in node.names:  # "from mjwatch.cli import work" imports a module, not a name
            inner = alias.name if base == "mjwatch" else f"{base}.{alias.name}"
            yield inner if inner in MODULES else base


def _short(module: str) -> str:
    return module.removeprefix("mjwatch.")


IMPORTS = [found for name in MODULES for found in _imports(name)]


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _floor(name: str) -> int:
    """The floor's number; a package's empty ``__init__`` is nobody's room."""
    for number, patterns in enumerate(FLOORS.values()):
        if _fits(name, patterns):
            return number
    pytest.fail(f"{name} stands on no floor: give it one in FLOORS")


def _is_room(name: str) -> bool:
    return MODULES[name].name != "__init__.py" or name == "mjwatch"


def test_a_floor_imports_only_what_lies_below_it() -> None:
    wrong = [
        f"{found.by} (floor {_floor(found.by)}) imports {found.target} (floor {_floor(found.target)})"
        for found in IMPORTS
        if found.by in OURS and found.by != "mjwatch" and found.target in OURS and _is_room(found.by)
        if _floor(found.target) > _floor(found.by)
    ]
    assert wrong == []


def test_the_pure_core_touches_no_clock_thread_socket_or_chance() -> None:
    core = [name for name in OURS if _is_room(name) and _floor(name) == 1]
    assert "jobs.job" in core
    assert "discord.session" in core
    wrong = [
        f"{found.by} imports {found.target}"
        for found in IMPORTS
        if found.by in core and found.target.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_no_import_goes_round_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in IMPORTS:
        if found.target in MODULES and found.target != found.by and not found.only_types:
            graph[found.by].add(found.target)
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_the_loop_knows_no_shell_but_its_journal() -> None:
    seen = {found.target for found in IMPORTS if found.by == "engine" and found.target in OURS}
    assert {target for target in seen if not _fits(target, ENGINE_MAY_IMPORT)} == set()


def test_the_simulator_shares_nothing_with_us_but_the_protocols_numbers() -> None:
    wrong = [
        f"{found.by} imports {found.target}"
        for found in IMPORTS
        if found.by not in OURS and found.target in MODULES
        if not _fits(found.target, SIMULATOR_MAY_IMPORT) and found.target != "simulator"
    ]
    assert wrong == []


def test_only_the_verbs_that_start_the_simulator_know_it() -> None:
    known = {(found.by, found.target) for found in IMPORTS if found.by in OURS}
    assert {pair for pair in known if pair[1].startswith("simulator")} == SIMULATOR_IS_IMPORTED


def test_package_inits_are_empty_but_for_the_lazy_one() -> None:
    inits = [path for path in MODULES.values() if path.name == "__init__.py" and path.parent != ROOT]
    assert len(inits) > 5
    assert [str(path) for path in inits if path.read_text(encoding="utf-8").strip()] == []


def test_every_module_opens_with_one_sentence_that_says_what_it_is() -> None:
    for name, path in MODULES.items():
        if _is_room(name):
            doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            first = doc.partition("\n")[0]
            assert first.endswith((".", ":")), f"{name}: {first!r}"
