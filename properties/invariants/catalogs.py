"""The catalogs that are needed, read without a server: pg_class, pg_database, relation maps.

Read are the columns of fixed width before the first that can be null, of the rows that a
transaction would see now: made by one that committed, not ended by one that did.

REL-1  A relation map has its magic number, a length that can be, and the CRC of its content.

Source: PostgreSQL 15, `catalog/pg_class.h`, `catalog/pg_database.h`, `utils/cache/relmapper.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from properties.invariants.clog import COMMITTED, CommitLog
from properties.invariants.directory import Directory
from properties.invariants.heap_pages import line_pointers, tuple_headers
from properties.invariants.pages import PAGE, as_pages, headers
from properties.invariants.report import Findings
from properties.invariants.tuples import XMAX_IS_MULTI, XMIN_FROZEN, is_locked_only

MAP_NAME: Final = "pg_filenode.map"
MAP_MAGIC: Final = 0x592717
MAP_SIZE: Final = 512
MAP_CRC: Final = 504
MOST_MAPPED: Final = 62
PG_ATTRIBUTE: Final = 1249
PG_CLASS: Final = 1259
PG_DATABASE: Final = 1262

ALIGNMENTS: Final = {b"c": 1, b"s": 2, b"i": 4, b"d": 8}
Layout = tuple[tuple[int, int], ...]
"""Of each column of a relation, its length (-1: variable, -2: to a zero byte) and alignment."""

_ATTRIBUTE: Final = np.dtype(
    {
        "names": ["relation", "length", "number", "align"],
        "formats": ["<u4", "<i2", "<i2", "S1"],
        "offsets": [0, 76, 78, 93],
        "itemsize": 94,
    }
)
_CLASS: Final = np.dtype(
    {
        "names": [
            "oid", "name", "number", "tablespace", "is_shared", "persistence", "kind", "natts",
            "frozen_xid", "min_multi",
        ],
        "formats": ["<u4", "S64", "<u4", "<u4", "?", "S1", "S1", "<i2", "<u4", "<u4"],
        "offsets": [0, 4, 88, 92, 113, 114, 115, 116, 132, 136],
        "itemsize": 140,
    }
)  # fmt: skip
_DATABASE: Final = np.dtype(
    {
        "names": ["oid", "name", "frozen_xid", "min_multi", "tablespace"],
        "formats": ["<u4", "S64", "<u4", "<u4", "<u4"],
        "offsets": [0, 4, 84, 88, 92],
        "itemsize": 96,
    }
)


class Relation(NamedTuple):
    """A row of pg_class. `number` is 0 for those that the relation map has."""

    oid: int
    name: str
    number: int
    tablespace: int
    is_shared: bool
    persistence: str
    kind: str
    natts: int
    frozen_xid: int
    min_multi: int


class Database(NamedTuple):
    """A row of pg_database."""

    oid: int
    name: str
    frozen_xid: int
    min_multi: int
    tablespace: int


def read_map(directory: Directory, where: str, findings: Findings) -> dict[int, int]:
    """The relation map in a directory: OID to file number. REL-1."""
    path = f"{where}/{MAP_NAME}"
    data = directory.read(path)
    if data is None:
        findings.add("REL-1", path, "there is no relation map")
        return {}
    if len(data) != MAP_SIZE:
        findings.add("REL-1", path, f"it has {len(data)} bytes, not {MAP_SIZE}")
        return {}
    findings.looked_at["files"] += 1
    magic, count = struct.unpack_from("<Ii", data)
    if magic != MAP_MAGIC or not 0 <= count <= MOST_MAPPED:
        findings.add("REL-1", path, f"its magic number is {magic:#x}, its length {count}")
        return {}
    if (crc := crc32c(data[:MAP_CRC])) != int.from_bytes(data[MAP_CRC : MAP_CRC + 4], "little"):
        findings.add("REL-1", path, f"its CRC is not that of its content, {crc:08X}")
        return {}
    return dict(struct.iter_unpack("<II", data[8 : 8 + 8 * count]))


def relations(directory: Directory, files: Sequence[str], log: CommitLog) -> list[Relation]:
    """The rows of a pg_class."""
    return [
        Relation(
            row["oid"],
            row["name"].decode("utf-8", "replace"),
            row["number"],
            row["tablespace"],
            row["is_shared"],
            row["persistence"].decode("latin-1"),
            row["kind"].decode("latin-1"),
            row["natts"],
            row["frozen_xid"],
            row["min_multi"],
        )
        for row in _rows(directory, files, log, _CLASS)
    ]


def databases(directory: Directory, files: Sequence[str], log: CommitLog) -> list[Database]:
    """The rows of pg_database."""
    return [
        Database(
            row["oid"],
            row["name"].decode("utf-8", "replace"),
            row["frozen_xid"],
            row["min_multi"],
            row["tablespace"],
        )
        for row in _rows(directory, files, log, _DATABASE)
    ]


def attributes(directory: Directory, files: Sequence[str], log: CommitLog) -> dict[int, Layout]:
    """The rows of a pg_attribute: of each relation, its columns in order, those that were dropped
    included.
    """
    found = _table(directory, files, log, _ATTRIBUTE)
    found = found[found["number"] > 0]
    found = found[np.lexsort((found["number"], found["relation"]))]
    columns: dict[int, list[tuple[int, int]]] = {}
    for relation, length, number, align in found.tolist():
        own = columns.setdefault(relation, [])
        if number == len(own) + 1:
            own.append((length, ALIGNMENTS.get(align, 1)))
    return {relation: tuple(own) for relation, own in columns.items()}


def _rows(
    directory: Directory, files: Sequence[str], log: CommitLog, layout: np.dtype[Any]
) -> list[dict[str, Any]]:
    """The rows of a catalog by the names of their columns."""
    names = layout.names or ()
    found = _table(directory, files, log, layout).tolist()
    return [dict(zip(names, row, strict=True)) for row in found]


def _table(
    directory: Directory, files: Sequence[str], log: CommitLog, layout: np.dtype[Any]
) -> npt.NDArray[Any]:
    """The columns of `layout` of the rows that count. What is too damaged to be read is not there:
    the check of the pages tells of it.
    """
    data = b"".join(directory.read(path) or b"" for path in files)
    pages = as_pages(data[: len(data) - len(data) % PAGE])
    head = headers(pages)
    good = np.flatnonzero(head.is_valid & ~head.is_new & (head.special == PAGE))
    items = line_pointers(pages, head, good)
    tuples = tuple_headers(pages, items)
    mask = tuples.infomask
    made = (mask & XMIN_FROZEN == XMIN_FROZEN) | (log.statuses(tuples.xmin) == COMMITTED)
    ends = (tuples.xmax != 0) & ~is_locked_only(mask)
    multi = mask & XMAX_IS_MULTI != 0
    ended = ends & (multi | (log.statuses(tuples.xmax) == COMMITTED))
    fits = tuples.hoff + layout.itemsize <= tuples.length
    live = np.flatnonzero(made & ~ended & fits)
    starts = items.page[tuples.item] * PAGE + items.offset[tuples.item] + tuples.hoff
    rows = pages.reshape(-1)[starts[live][:, np.newaxis] + np.arange(layout.itemsize)]
    return np.ascontiguousarray(rows).reshape(-1).view(layout)
