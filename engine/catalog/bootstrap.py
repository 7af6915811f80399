"""Makes the catalogs of a new cluster: the files of `global/` and of each database.

initdb calls this before there is a pg_control, so nobody else can be reading. The pages are built
in memory and written whole, with checksums, with LSN 0 and with frozen tuples of the bootstrap
transaction: to every transaction that will ever run they have always been there. No WAL describes
them; their first change after that logs the whole page, since 0 is before every redo point.

CAT-3  Every file is durable before this returns, and pg_control is made after it: a directory left
by an initdb that was killed has no pg_control, and no server starts on it.

PostgreSQL instead runs a backend in bootstrap mode, which inserts through the buffer manager.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.access.heap.tuple import XMAX_INVALID, XMIN_FROZEN, TupleDescriptor, form_tuple
from engine.catalog.descriptors import catalog_descriptor
from engine.catalog.initial_rows import DATABASES, initial_rows
from engine.catalog.relation_map import pack_relation_map
from engine.catalog.tables import CATALOGS, CatalogTable
from engine.datadir import (
    BASE_DIRECTORY,
    GLOBAL_DIRECTORY,
    VERSION_FILE,
    VERSION_TEXT,
    database_directory,
    relation_map_path,
)
from engine.errors import check
from engine.host.api import Host
from engine.host.whole_file import write_file
from engine.storage.checksum import page_checksums
from engine.storage.page import add_item, init_page, item_count, set_checksum
from engine.types import BLOCK_SIZE, BOOTSTRAP_XID, DEFAULT_TABLESPACE


def bootstrap_catalogs(
    host: Host,
    *,
    superuser_name: str = "postgres",
    superuser_verifier: str | None = None,
    data_checksums: bool = True,
) -> None:
    """Write the catalogs of all databases; `global/` and `base/` exist and are empty.

    `superuser_verifier` is a SCRAM-SHA-256 secret as pg_authid stores it, None for no password.
    """
    rows = initial_rows(superuser_name, superuser_verifier)
    files = {table: heap_file(table, rows[table], data_checksums) for table in CATALOGS}
    write_directory(host, 0, files)
    for database in DATABASES:
        directory = database_directory(DEFAULT_TABLESPACE, database.oid)
        host.make_directory(directory)
        write_file(host, f"{directory}/{VERSION_FILE}", VERSION_TEXT.encode())
        write_directory(host, database.oid, files)
        host.fsync_directory(directory)
    host.fsync_directory(GLOBAL_DIRECTORY)
    host.fsync_directory(BASE_DIRECTORY)


def write_directory(host: Host, database: int, files: dict[CatalogTable, bytes]) -> None:
    """Write the catalogs that belong to a database (0: the shared ones), and their map."""
    path = relation_map_path(database)
    directory = path.rpartition("/")[0]
    own = [table for table in CATALOGS if table.shared == (database == 0)]
    for table in own:
        write_file(host, f"{directory}/{table.oid}", files[table])
    write_file(
        host, path, pack_relation_map({table.oid: table.oid for table in own if table.mapped})
    )


def heap_file(table: CatalogTable, rows: Sequence[tuple[Any, ...]], data_checksums: bool) -> bytes:
    """The main fork of a catalog that contains `rows`."""
    descriptor = catalog_descriptor(table)
    pages = [new_page()]
    for row in rows:
        if not append_row(pages, descriptor, row):
            pages.append(new_page())
            fits = append_row(pages, descriptor, row)
            check(fits, "CAT-4", "an initial row is larger than a page", table=table.name)
    if data_checksums:
        checksums = page_checksums(b"".join(pages), range(len(pages)))
        for page, checksum in zip(pages, checksums, strict=True):
            set_checksum(page, checksum)
    return b"".join(pages)


def append_row(pages: list[bytearray], descriptor: TupleDescriptor, row: tuple[Any, ...]) -> bool:
    """Add a row to the last page as a frozen tuple; False if it does not fit."""
    body, infomask, hoff = descriptor.form(row)
    block, page = len(pages) - 1, pages[-1]
    offset = item_count(page) + 1
    frozen = infomask | XMIN_FROZEN | XMAX_INVALID
    natts = descriptor.natts
    stored = form_tuple(BOOTSTRAP_XID, 0, 0, block, offset, natts, frozen, hoff, body)
    return add_item(page, stored) != 0


def new_page() -> bytearray:
    """An empty heap page."""
    page = bytearray(BLOCK_SIZE)
    init_page(page)
    return page
