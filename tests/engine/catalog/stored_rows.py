"""Reads a catalog's rows straight out of its file, newest versions only, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.access.heap.tuple import XMAX_INVALID, tuple_infomask
from engine.catalog.descriptors import catalog_descriptor
from engine.catalog.tables import CatalogTable
from engine.storage.page import LP_NORMAL, item_count, line_pointer
from engine.types import BLOCK_SIZE


def stored_rows(path: Path, table: CatalogTable) -> list[Any]:
    """The rows that have no deleter, in physical order, as instances of the table's row class."""
    descriptor = catalog_descriptor(table)
    content = path.read_bytes()
    rows = []
    for start in range(0, len(content), BLOCK_SIZE):
        page = content[start : start + BLOCK_SIZE]
        for number in range(1, item_count(page) + 1):
            offset, state, length = line_pointer(page, number)
            if state == LP_NORMAL and tuple_infomask(page, offset) & XMAX_INVALID:
                rows.append(table.row(*descriptor.deform(page, offset, length)))
    return rows
