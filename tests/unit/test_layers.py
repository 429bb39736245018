"""The structure of the code: packages import one way, pure ones touch no I/O, names are unique."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import mjwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("api", "daemon"),
    ("client",),
    ("runtime",),
    ("engine",),
    ("workers",),
    ("diagnostics", "gallery"),
    ("journal",),
    ("outbox",),
    ("inbox",),
    ("jobs",),
    ("midjourney",),
    ("discord",),
    ("host",),
    ("prompts",),
    ("pictures", "filesystem"),
    ("config",),
    ("settings", "effects", "events"),
    ("trouble",),
    ("errors",),
    ("model", "version"),
)
"""From the top: a package or module imports from itself and from the layers below it."""

PURE = (
    *("jobs", "midjourney", "prompts", "model", "events", "effects", "errors", "trouble"),
    *("discord.protocol", "discord.session", "discord.stream_position", "discord.payloads"),
    *("discord.timing", "discord.http_errors", "discord.allowed_hosts", "discord.json_values"),
    *("inbox.settling", "inbox.filenames", "gallery.entry"),
)
"""Packages and modules that get time and chance as arguments, so that their tests need no sleep."""

IMPURE = {
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "queue", "subprocess"),
    *("time", "random", "secrets", "uuid", "os"),
    *("requests", "urllib3", "websocket", "watchdog", "sqlite3", "filelock", "PIL", "typer", "rich"),
}

# The engine waits for nothing but its journal.
ENGINE_MAY_IMPORT = ("engine", "journal", "jobs", "midjourney", "discord", "host", "prompts")
SIMULATOR_MAY_IMPORT = ("simulator", "discord.protocol")
MOST_FILES = 14
"""Modules in one package, beside its ``__init__.py``."""
MOST_DOC_LINES = 5

ROOT = Path(mjwatch.__file__).parent


class Import(NamedTuple):
    """One module imports another, also where it does so for the type checker alone."""

    by: str
    target: str


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "mjwatch"


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}
INITS = [path for path in MODULES.values() if path.name == "__init__.py" and path.parent != ROOT]


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_short(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _short(node.module or "")
        for alias in node.names:  # "from mjwatch.cli import status" imports a module, not a name
            inner = alias.name if base == "mjwatch" else f"{base}.{alias.name}"
            yield inner if inner in MODULES else base


def _short(module: str) -> str:
    return module.removeprefix("mjwatch.")


# Not when this module is imported, which every worker of a run does.
@cache
def _trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


@cache
def _imports() -> list[Import]:
    return [
        Import(name, target)
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        for target in _targets(node)
    ]


def _ours() -> list[Import]:
    return [found for found in _imports() if found.by != "mjwatch" and not found.by.startswith("simulator")]


def _is_in(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def _layer(name: str) -> int:
    return next(number for number, places in enumerate(LAYERS) if _is_in(name, places))


def test_every_import_runs_down_the_layers() -> None:
    wrong = [
        f"{by} imports {target}"
        for by, target in _ours()
        if target in MODULES and not target.startswith("simulator") and target != "mjwatch"
        if by.split(".")[0] != target.split(".")[0] and _layer(target) <= _layer(by)
    ]
    assert wrong == []


def test_every_package_has_a_layer() -> None:
    tops = {name.split(".")[0] for name in MODULES} - {"mjwatch", "simulator"}
    assert tops == {name for names in LAYERS for name in names}


def test_pure_packages_touch_no_clock_thread_socket_or_chance() -> None:
    pure = [name for name in MODULES if _is_in(name, PURE)]
    assert {place for place in PURE if not any(_is_in(name, (place,)) for name in pure)} == set()
    wrong = [
        f"{by} imports {target}" for by, target in _ours() if by in pure and target.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_shared_folders_are_changed_through_the_module_that_follows_no_link() -> None:
    changes = {
        "rename",
        "rmdir",
        "mkdir",
        "touch",
        "write_bytes",
        "write_text",
        "symlink_to",
        "rmtree",
        "chmod",
    }
    wrong = []
    for name in [name for name in MODULES if _is_in(name, ("inbox", "outbox", "gallery"))]:
        for call in [node for node in ast.walk(_trees()[name]) if isinstance(node, ast.Call)]:
            if not isinstance(call.func, ast.Attribute):
                continue
            function = ast.unparse(call.func)
            by_path = call.func.attr == "unlink" and not call.args  # a folder's method takes the name
            by_os = function in {"os.open", "os.replace", "os.unlink", "os.remove", "os.link", "os.makedirs"}
            if by_path or by_os or call.func.attr in changes:
                wrong.append(f"{name} calls {function}")
    assert wrong == []


def test_the_engine_imports_no_io_but_its_journal() -> None:
    ground = {name for names in LAYERS[-4:] for name in names}
    seen = {target for by, target in _ours() if by.startswith("engine.") and target in MODULES}
    allowed = (*ENGINE_MAY_IMPORT, *ground)
    assert {target for target in seen if not _is_in(target, allowed)} == set()


def test_the_simulator_imports_the_protocol_and_itself() -> None:
    wrong = [
        f"{by} imports {target}"
        for by, target in _imports()
        if by.startswith("simulator") and target in MODULES and not _is_in(target, SIMULATOR_MAY_IMPORT)
    ]
    assert wrong == []


def test_only_the_commands_that_start_the_simulator_import_it() -> None:
    assert {(by, target) for by, target in _ours() if target.startswith("simulator")} == {
        ("cli.tools", "simulator.options"),
        ("cli.tools", "simulator.server"),
    }


def test_no_import_goes_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for by, target in _imports():
        if target in MODULES and target != by:
            graph[by].add(target)
    # The package itself names public classes for the type checker; nothing imports it: no circle.
    assert [by for by, target in _imports() if target == "mjwatch"] == []
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_no_package_has_more_than_fourteen_files() -> None:
    counts = Counter(path.parent for path in MODULES.values() if path not in INITS and path.parent != ROOT)
    assert {str(folder): count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_two_classes_share_a_name() -> None:
    names = Counter(
        node.name for tree in _trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_a_package_init_holds_a_short_docstring_and_nothing_else() -> None:
    assert len(INITS) > 5
    for path in INITS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        doc = ast.get_docstring(tree)
        assert doc, f"{path} has no docstring"
        assert len(tree.body) == 1, f"{path} holds more than its docstring"
        assert len(doc.splitlines()) <= MOST_DOC_LINES, f"the docstring of {path} is too long"


def test_every_module_opens_with_one_sentence_that_says_what_it_is() -> None:
    for name, tree in _trees().items():
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        assert first.endswith((".", ":")), f"{name}: {first!r}"
