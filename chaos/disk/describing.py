"""A choice for a reader: per file, which operations were lost, kept and torn, and where from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaos.disk.changes import Change, Entry, File

KEPT = "kept"
LOST = "lost"
TORN = "torn"


def described(choices: Iterable[tuple[Change, int]], atom: int) -> list[dict[str, Any]]:
    """As JSON values: a file's path and its operations, the files in order of paths.

    The path is the one by which programs know the file at the moment of the power loss, or the
    last one if it has none any more. An operation has its number in the log, step, kind, names,
    site, role and its fate: kept, lost or torn. A write also has its offset and length, its atoms
    and, when it is torn, the runs of bytes of the file that are kept: [from, to), and the fate of
    the size if that is a bit of its own.
    """
    files: dict[File, list[dict[str, Any]]] = {}
    last_path: dict[File, str] = {}
    for change, mask in choices:
        files.setdefault(change.file, []).append(_operation(change, mask, atom))
        last_path[change.file] = change.operation.other or change.operation.path
    listed = [
        {"path": path_of(file) or last_path[file], "operations": operations}
        for file, operations in files.items()
    ]
    return sorted(listed, key=lambda item: str(item["path"]))


def _operation(change: Change, mask: int, atom: int) -> dict[str, Any]:
    operation = change.operation
    told: dict[str, Any] = {
        "number": operation.number,
        "step": operation.step,
        "kind": operation.kind.name,
        "path": operation.path,
        "site": operation.site,
        "role": operation.role,
        "fate": KEPT if mask == change.full else TORN if mask else LOST,
    }
    if operation.other:
        told["other"] = operation.other
    if change.is_write:
        told |= {"offset": operation.offset, "length": len(operation.data), "atoms": change.atoms}
        if told["fate"] == TORN:
            told["kept_bytes"] = kept_bytes(change, mask, atom)
        if change.grows:
            told["size"] = KEPT if mask >> change.atoms else LOST
    elif change.entry is None:
        told["size"] = operation.offset
    return told


def kept_bytes(change: Change, mask: int, atom: int) -> list[list[int]]:
    """Of a write: the runs of kept bytes, [from, to) in the file."""
    start, end = change.operation.offset, change.operation.offset + len(change.operation.data)
    runs: list[list[int]] = []
    for index in range(change.atoms):
        if mask >> index & 1:
            low = max(start, (change.first_atom + index) * atom)
            high = min(end, (change.first_atom + index + 1) * atom)
            if runs and runs[-1][1] == low:
                runs[-1][1] = high
            else:
                runs.append([low, high])
    return runs


def path_of(file: File) -> str:
    """A path by which programs find the file now, the first in order of names; '' if none."""
    return min(filter(None, (_entry_path(entry) for entry in file.entries)), default="")


def _entry_path(entry: Entry) -> str:
    names: list[str] = []
    parent = entry.parent
    while parent is not None:
        names.append(entry.name)
        if not parent.entries:  # the root, or a directory without a name
            return "/".join(reversed(names)) if parent.number == 0 else ""
        entry = parent.entries[-1]
        parent = entry.parent
    return ""
