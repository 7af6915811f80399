"""Which files belong to which relation, and that they are all there.

REL-2  Every relation that pg_class says is stored has a file, an unlogged one an initial fork.
REL-3  No two relations of a database have the same file.
REL-4  All files of a fork but the last have their full size.
REL-5  Every database has its directory, with a PG_VERSION; datfrozenxid is not newer than the
       relfrozenxid of its relations, and pg_control's oldest xid not newer than any datfrozenxid.

Files that no row knows of are told as a note: a crash while a transaction made a table leaves one,
and PostgreSQL never removes it.

Source: PostgreSQL 15, `storage/smgr/md.c`, `catalog/storage.c`, `commands/vacuum.c`
(vac_update_datfrozenxid).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from properties.invariants.catalogs import (
    PG_ATTRIBUTE,
    PG_CLASS,
    PG_DATABASE,
    Layout,
    Relation,
    attributes,
    databases,
    read_map,
    relations,
)
from properties.invariants.clog import FIRST_NORMAL, CommitLog
from properties.invariants.control import PATH, Control, precedes
from properties.invariants.directory import PAGES_PER_FILE, Directory, RelationFile
from properties.invariants.heap_batch import Fork
from properties.invariants.pages import PAGE
from properties.invariants.report import Findings

DEFAULT_TABLESPACE: Final = 1663
GLOBAL_TABLESPACE: Final = 1664
TEMPLATE1: Final = 1
HEAPS: Final = ("r", "t", "m")
INDEX: Final = "i"
SEQUENCE: Final = "S"
KINDS: Final = {
    "r": "tables", "t": "TOAST tables", "m": "materialized views", "i": "indexes", "S": "sequences",
}  # fmt: skip
_FULL: Final = PAGES_PER_FILE * PAGE

Key = tuple[int, int, int, str]
"""Tablespace, database, file number, fork."""


@dataclass(slots=True)
class Catalog:
    """The relations of the cluster by where their files are, and what could not be read of it."""

    owners: dict[tuple[int, int, int], Relation]
    directories: dict[int, str]
    """Of each database whose catalog was read, its directory."""
    layouts: dict[tuple[int, int], Layout]
    """Of each relation, by database (0: shared) and OID, its columns."""


def forks_by_key(files: list[RelationFile]) -> dict[Key, list[RelationFile]]:
    """The files of each fork, in order."""
    found: dict[Key, list[RelationFile]] = defaultdict(list)
    for file in files:
        found[file.tablespace, file.database, file.number, file.fork].append(file)
    for parts in found.values():
        parts.sort(key=lambda file: file.segment)
    return found


def read_catalog(
    directory: Directory,
    files: dict[Key, list[RelationFile]],
    log: CommitLog,
    control: Control,
    findings: Findings,
) -> Catalog:
    """Read pg_database and every pg_class. REL-2 (for the catalogs themselves), REL-3, REL-5."""
    catalog = Catalog({}, {}, {})
    shared = read_map(directory, "global", findings)
    paths = _main_files(files, GLOBAL_TABLESPACE, 0, shared.get(PG_DATABASE, PG_DATABASE))
    if not paths:
        findings.add("REL-2", f"global/{PG_DATABASE}", "pg_database has no file")
        findings.unchecked.append("which file belongs to which relation: there is no pg_database")
        return catalog
    shared_rows: list[Relation] = []
    for database in databases(directory, paths, log):
        where = f"base/{database.oid}"
        if database.tablespace != DEFAULT_TABLESPACE:
            findings.skipped["databases in tablespaces of their own"] += 1
            continue
        if directory.read(f"{where}/PG_VERSION") is None:
            said = f'the database "{database.name}" has no directory, or it has no PG_VERSION'
            findings.add("REL-5", where, said)
            continue
        catalog.directories[database.oid] = where
        mapped = read_map(directory, where, findings)
        number = mapped.get(PG_CLASS, PG_CLASS)
        paths = _main_files(files, DEFAULT_TABLESPACE, database.oid, number)
        if not paths:
            findings.add("REL-2", f"{where}/{number}", "pg_class has no file")
            continue
        rows = relations(directory, paths, log)
        number = mapped.get(PG_ATTRIBUTE, PG_ATTRIBUTE)
        paths = _main_files(files, DEFAULT_TABLESPACE, database.oid, number)
        columns = attributes(directory, paths, log)
        findings.looked_at["databases"] += 1
        if database.oid == TEMPLATE1 or not shared_rows:
            shared_rows = [row for row in rows if row.is_shared]
        own = [row for row in rows if not row.is_shared]
        for row in rows:
            if row.oid in columns:
                key = 0 if row.is_shared else database.oid, row.oid
                catalog.layouts[key] = columns[row.oid]
        _enter(catalog, own, mapped, database.oid, findings)
        _check_horizon(own, database.frozen_xid, where, database.name, findings)
        frozen_xid = database.frozen_xid
        if frozen_xid >= FIRST_NORMAL and precedes(frozen_xid, control.oldest_xid):
            said = (
                f"its oldest xid is {control.oldest_xid}, and datfrozenxid of the database "
                f'"{database.name}" is {database.frozen_xid}'
            )
            findings.add("REL-5", PATH, said)
    _enter(catalog, shared_rows, shared, 0, findings)
    return catalog


def _main_files(
    files: dict[Key, list[RelationFile]], tablespace: int, database: int, number: int
) -> list[str]:
    return [file.path for file in files.get((tablespace, database, number, "main"), ())]


def _enter(
    catalog: Catalog,
    rows: list[Relation],
    mapped: dict[int, int],
    database: int,
    findings: Findings,
) -> None:
    """REL-3: each relation at the place of its files."""
    for row in rows:
        if row.kind not in KINDS:
            continue
        tablespace = row.tablespace or (DEFAULT_TABLESPACE if database else GLOBAL_TABLESPACE)
        number = row.number or mapped.get(row.oid, row.oid)
        key = (tablespace, 0 if tablespace == GLOBAL_TABLESPACE else database, number)
        other = catalog.owners.get(key)
        if other is not None:
            said = f'it is the file of "{other.name}" and of "{row.name}"'
            findings.add("REL-3", path_of(key), said)
        catalog.owners[key] = row


def _check_horizon(
    rows: list[Relation], frozen_xid: int, where: str, name: str, findings: Findings
) -> None:
    """REL-5."""
    if frozen_xid < FIRST_NORMAL:
        return
    for row in rows:
        if row.frozen_xid >= FIRST_NORMAL and precedes(row.frozen_xid, frozen_xid):
            said = (
                f'relfrozenxid of "{row.name}" is {row.frozen_xid}, and datfrozenxid of its '
                f'database "{name}" {frozen_xid}'
            )
            findings.add("REL-5", where, said)


def path_of(key: tuple[int, int, int]) -> str:
    """Where the first file of a relation is."""
    tablespace, database, number = key
    if tablespace == GLOBAL_TABLESPACE:
        return f"global/{number}"
    if tablespace == DEFAULT_TABLESPACE:
        return f"base/{database}/{number}"
    return f"pg_tblspc/{tablespace}/PG_15_202209061/{database}/{number}"


def check_files(files: dict[Key, list[RelationFile]], catalog: Catalog, findings: Findings) -> None:
    """REL-2 and REL-4, and the notes."""
    for key, row in sorted(catalog.owners.items()):
        if row.persistence == "t":
            findings.skipped["temporary relations"] += 1
            continue
        for fork in ("main", "init") if row.persistence == "u" else ("main",):
            if (*key, fork) not in files:
                suffix = "" if fork == "main" else "_init"
                said = f'the relation "{row.name}" ({row.oid}) has no such file'
                findings.add("REL-2", path_of(key) + suffix, said)
    unknown = 0
    for (tablespace, database, number, fork), parts in sorted(files.items()):
        _check_sizes(parts, findings)
        is_read = database == 0 or database in catalog.directories
        if fork == "main" and is_read and (tablespace, database, number) not in catalog.owners:
            unknown += 1
            findings.notes.append(f"{parts[0].path}: no relation has this file")
    findings.looked_at["relations"] += len(catalog.owners)
    findings.looked_at["files"] += sum(len(parts) for parts in files.values())


def _check_sizes(parts: list[RelationFile], findings: Findings) -> None:
    """REL-4. After a truncation there may be empty files behind the last."""
    numbers = [file.segment for file in parts]
    if numbers != list(range(len(numbers))):
        findings.add("REL-4", parts[0].path, f"its files have the numbers {numbers}")
    ended = False
    for file in parts:
        if ended and file.size:
            findings.add("REL-4", file.path, "the file before it has not its full size")
        ended = ended or file.size < _FULL
        if file.size % PAGE:
            findings.notes.append(f"{file.path}: ends with {file.size % PAGE} bytes of a page")


def forks_to_check(
    files: dict[Key, list[RelationFile]], catalog: Catalog, findings: Findings
) -> list[Fork]:
    """Every fork with what is known of its relation."""
    found = []
    for (tablespace, database, number, fork), parts in sorted(files.items()):
        row = catalog.owners.get((tablespace, database, number))
        is_heap = fork == "main" and row is not None and row.kind in HEAPS
        if fork == "main":
            kind = "files of no relation" if row is None else KINDS[row.kind]
            counted = findings.looked_at if is_heap else findings.skipped
            counted[kind if is_heap else f"{kind}: what is in their pages"] += 1
        found.append(
            Fork(
                tuple(parts),
                is_heap,
                row is None or row.persistence == "p",
                row.natts if row is not None else 0,
                row.frozen_xid if row is not None else 0,
                row.min_multi if row is not None else 0,
                catalog.layouts.get((database, row.oid), ()) if row is not None else (),
            )
        )
    return found
