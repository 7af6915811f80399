"""The call sites of barriers in a program's source: so that those which no run reached are known,
and that a name which no barrier can have is refused before anything is recorded.

A site is the function that calls, as the I/O log has it: `engine/wal/flush.py: WalFlusher._sync`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SYNCS: Final = ("fsync", "fsync_directory")
FLUSHES: Final = ("flush", "flush_wal")
"""Of these, `flush` only of something that is called `wal`: clients and files are flushed too."""
WAL_NAMES: Final = ("wal", "_wal")
_Module = tuple[Path, ast.Module]
_SEPARATOR: Final = " / "
_FILE_NAME: Final = re.compile(r"[\w./-]*[A-Za-z_][\w./-]*")
_NUMBERED: Final = re.compile(r"[0-9A-Fa-f./_-]+")


def sites_in_source(package: str, without: tuple[str, ...] = ()) -> list[str]:
    """Every function below a package that syncs a file or flushes the WAL, in order of files; but
    for those in the sub-packages `without`.
    """
    return _sites(package, list(_modules(package, without)))


def may_name_a_barrier(
    text: str, kinds: Sequence[str], package: str, without: tuple[str, ...] = ()
) -> bool:
    """Whether `text` can be part of any barrier's `SITE / FILE`: the site as in the source, the
    file one of `kinds` or a name that the source has in it, or a number.
    """
    modules = list(_modules(package, without))
    sites = _sites(package, modules)
    site, separator, file = (" " + text if text.startswith("/ ") else text).partition(_SEPARATOR)
    if separator and not any(known.endswith(site) for known in sites):
        return False
    if not separator and any(text in f"{known} /" for known in sites):
        return True
    names = [*kinds, *_file_names(modules)] if not _NUMBERED.fullmatch(file) else []
    wanted = file if separator else text
    return not names or any(wanted in name or name in wanted.split("/") for name in names)


def _sites(package: str, modules: Sequence[_Module]) -> list[str]:
    found: dict[str, None] = {}
    for inside, tree in modules:
        for function in _calling(tree, ""):
            found[f"{package}/{inside}: {function}"] = None
    return list(found)


def _file_names(modules: Sequence[_Module]) -> Iterator[str]:
    """Every text in the source that may be a file's name."""
    for _, tree in modules:
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and _FILE_NAME.fullmatch(text):
                yield text


def _modules(package: str, without: tuple[str, ...]) -> Iterator[_Module]:
    """The modules below a package, by their paths in it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if inside.parts[0] not in without:
            yield inside, ast.parse(path.read_text(encoding="utf-8"))


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
