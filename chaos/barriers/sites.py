"""The call sites of barriers in a program's source: so that those which no run reached are known.

A site is the function that calls, as the I/O log has it: `engine/wal/flush.py: WalFlusher._sync`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SYNCS: Final = ("fsync", "fsync_directory")
FLUSHES: Final = ("flush", "flush_wal")
"""Of these, `flush` only of something that is called `wal`: clients and files are flushed too."""
WAL_NAMES: Final = ("wal", "_wal")


def sites_in_source(package: str, without: tuple[str, ...] = ()) -> list[str]:
    """Every function below a package that syncs a file or flushes the WAL, in order of files; but
    for those in the sub-packages `without`.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(spec.submodule_search_locations[0])
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if inside.parts[0] in without:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in _calling(tree, ""):
            found[f"{package}/{inside}: {function}"] = None
    return list(found)


def _calling(node: ast.AST, within: str) -> Iterator[str]:
    """The qualified names of functions with such a call, also more than once."""
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            name = f"{within}.{child.name}" if within else child.name
        if isinstance(child, ast.Call) and _is_barrier(child):
            yield within
        yield from _calling(child, name)


def _is_barrier(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in SYNCS:
        return True
    if function.attr not in FLUSHES:
        return False
    owner = function.value
    named = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return function.attr == "flush_wal" or named in WAL_NAMES
