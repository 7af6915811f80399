"""What may lie about in the directory of a cluster that was shut down in order.

FILE-1  Nothing temporary is left: no postmaster.pid, no half-made WAL segment or relation cache.
FILE-2  The files of the SLRU areas have names of their own and whole pages, at most 32.
FILE-3  Each database's directory, and the cluster's, has a PG_VERSION of this version.

Source: PostgreSQL 15, `access/transam/xlog.c` (RemoveTempXlogFiles), `utils/cache/relcache.c`
(RelationCacheInitFileRemove), `access/transam/slru.c`, `utils/init/miscinit.c`.
"""

from __future__ import annotations

import re
from typing import Final

from properties.invariants.directory import VERSION, Directory
from properties.invariants.pages import PAGE
from properties.invariants.report import Findings

PID_FILE: Final = "postmaster.pid"
SLRUS: Final = ("pg_xact", "pg_multixact/offsets", "pg_multixact/members", "pg_commit_ts",
                "pg_subtrans", "pg_serial")  # fmt: skip
PAGES_PER_SEGMENT: Final = 32
_SLRU: Final = re.compile(r"[0-9A-F]{4,6}")
_RELATION: Final = re.compile(r"\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?")
_KNOWN: Final = re.compile(
    r"PG_VERSION|pg_filenode\.map|pg_control|pg_internal\.init|pgsql_tmp|t\d+_\d+(?:_\w+)?(?:\.\d+)?"
)
_TEMPORARY: Final = re.compile(r"xlogtemp\..*|pg_internal\.init\.\d+")
_LOOKED_FOR: Final = ("global", "pg_wal")


def check_leftovers(directory: Directory, findings: Findings) -> None:
    """FILE-1, for a cluster that was shut down in order."""
    if directory.read(PID_FILE) is not None:
        findings.add("FILE-1", PID_FILE, "the server is down, and its lock file is still there")
    places = [*_LOOKED_FOR, *(where for _, _, where in directory.databases() if where != "global")]
    for place in places:
        for name in directory.names(place):
            if _TEMPORARY.fullmatch(name):
                findings.add("FILE-1", f"{place}/{name}", "a temporary file is left behind")


def check_slrus(directory: Directory, findings: Findings) -> None:
    """FILE-2."""
    for area in SLRUS:
        for entry in directory.listing(area):
            path = f"{area}/{entry.name}"
            size = directory.size(entry)
            if _SLRU.fullmatch(entry.name) is None:
                findings.notes.append(f"{path}: it is no file of this area")
            elif size % PAGE or size > PAGES_PER_SEGMENT * PAGE:
                said = f"it has {size} bytes: not whole pages, or more than {PAGES_PER_SEGMENT}"
                findings.add("FILE-2", path, said)
            findings.looked_at["files"] += 1


def check_databases(directory: Directory, findings: Findings) -> None:
    """FILE-3; and a note of each file that is none of PostgreSQL's."""
    for _, database, where in directory.databases():
        if database:
            version = directory.read(f"{where}/PG_VERSION")
            if version is None:
                # A crash in the making or the dropping of a database leaves such a directory.
                findings.notes.append(f"{where}: it has no PG_VERSION")
            elif version.strip() != VERSION.encode():
                said = f"it is {version[:20]!r}, and the cluster's is {VERSION}"
                findings.add("FILE-3", f"{where}/PG_VERSION", said)
        for name in directory.names(where):
            known = _RELATION.fullmatch(name) or _KNOWN.fullmatch(name)
            if not known and not _TEMPORARY.fullmatch(name):
                findings.notes.append(f"{where}/{name}: it is no file of PostgreSQL's")
