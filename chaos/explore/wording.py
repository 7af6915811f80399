"""Operations in words: what kind of file they are about, and where in the engine they were made."""

from __future__ import annotations

import re
from typing import Final

from chaos.disk.operations import Kind, Operation

_LINE: Final = re.compile(r":\d+(?=:|$)")
_KINDS: Final = (
    (re.compile(r"global/pg_control$"), "pg_control"),
    (re.compile(r"pg_wal/xlogtemp"), "new WAL segment"),
    (re.compile(r"pg_wal/[0-9A-F]{24}$"), "WAL segment"),
    (re.compile(r"pg_wal$"), "directory of the WAL"),
    (re.compile(r"pg_xact/[0-9A-F]+$"), "clog"),
    (re.compile(r"pg_xact$"), "directory of the clog"),
    (re.compile(r"(base/\d+|global)/\d+(\.\d+)?$"), "relation"),
    (re.compile(r"(base/\d+|global)/\d+_fsm(\.\d+)?$"), "free space map"),
    (re.compile(r"(base/\d+|global)/\d+_vm(\.\d+)?$"), "visibility map"),
    (re.compile(r"(base/\d+|global)$"), "directory of relations"),
    (re.compile(r"postmaster\.pid$"), "postmaster.pid"),
)
DATA_DIRECTORY: Final = "data directory"
KINDS: Final = (*(kind for _, kind in _KINDS), DATA_DIRECTORY)
"""What files are called that are not called by their path."""
_VERBS: Final = {
    Kind.WRITE: "write",
    Kind.TRUNCATE: "truncation",
    Kind.CREATE: "creation",
    Kind.MAKE_DIRECTORY: "creation",
    Kind.RENAME: "rename",
    Kind.LINK: "link",
    Kind.UNLINK: "removal",
    Kind.REMOVE_DIRECTORY: "removal",
    Kind.FSYNC: "fsync",
    Kind.FSYNC_DIRECTORY: "fsync",
    Kind.FSYNC_FAILED: "failed fsync",
}


def file_kind(path: str) -> str:
    """What a path of the data directory is: `WAL segment`, `relation`; else the path itself."""
    if not path:
        return DATA_DIRECTORY
    for pattern, kind in _KINDS:
        if pattern.match(path):
            return kind
    return path


def without_line(site: str) -> str:
    """`engine/wal/flush.py: WalFlusher._sync`: a place in the code that outlives an edit."""
    return _LINE.sub("", site)


def in_words(operation: Operation) -> str:
    """`write of relation base/5/1259, 8192 bytes at 16384`."""
    said = f"{_VERBS[operation.kind]} of {file_kind(operation.path)} {operation.path}".rstrip()
    if operation.kind is Kind.WRITE:
        return f"{said}, {len(operation.data)} bytes at {operation.offset}"
    if operation.kind is Kind.TRUNCATE:
        return f"{said} to {operation.offset} bytes"
    if operation.kind in (Kind.RENAME, Kind.LINK):
        return f"{said} to {operation.other}"
    return said
