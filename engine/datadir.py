"""The data directory: what every file and directory in it is called, and what initdb creates.

Paths are relative to the data directory, as the host wants them (HOST-1). The names are
PostgreSQL's, so that its tools find what they look for.

Source: PostgreSQL 15, `initdb.c` (the list of subdirectories), `relpath.c`, `miscadmin.h`.
"""

from __future__ import annotations

from typing import Final

from engine.types import DEFAULT_TABLESPACE, GLOBAL_TABLESPACE

MAJOR_VERSION: Final = "15"
CATALOG_VERSION: Final = 202209061

VERSION_FILE: Final = "PG_VERSION"
VERSION_TEXT: Final = f"{MAJOR_VERSION}\n"

CONFIGURATION_FILE: Final = "postgresql.conf"
AUTO_CONFIGURATION_FILE: Final = "postgresql.auto.conf"
HBA_FILE: Final = "pg_hba.conf"
IDENT_FILE: Final = "pg_ident.conf"

PID_FILE: Final = "postmaster.pid"
LOCKED_FILE: Final = VERSION_FILE
"""Carries the interlock of the data directory, since nothing ever replaces it."""
OPTIONS_FILE: Final = "postmaster.opts"

GLOBAL_DIRECTORY: Final = "global"
CONTROL_FILE: Final = "global/pg_control"
BASE_DIRECTORY: Final = "base"
RELATION_MAP_FILE: Final = "pg_filenode.map"
"""In `global/` for the shared catalogs, and in each database's directory for its own."""

WAL_DIRECTORY: Final = "pg_wal"
ARCHIVE_STATUS_DIRECTORY: Final = "pg_wal/archive_status"
CLOG_DIRECTORY: Final = "pg_xact"
SUBTRANS_DIRECTORY: Final = "pg_subtrans"
TWO_PHASE_DIRECTORY: Final = "pg_twophase"
MULTIXACT_OFFSETS_DIRECTORY: Final = "pg_multixact/offsets"
MULTIXACT_MEMBERS_DIRECTORY: Final = "pg_multixact/members"
COMMIT_TS_DIRECTORY: Final = "pg_commit_ts"
TABLESPACE_DIRECTORY: Final = "pg_tblspc"
LOG_DIRECTORY: Final = "log"

DIRECTORIES: Final = (
    GLOBAL_DIRECTORY,
    WAL_DIRECTORY,
    ARCHIVE_STATUS_DIRECTORY,
    COMMIT_TS_DIRECTORY,
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    SUBTRANS_DIRECTORY,
    TWO_PHASE_DIRECTORY,
    "pg_multixact",
    MULTIXACT_MEMBERS_DIRECTORY,
    MULTIXACT_OFFSETS_DIRECTORY,
    BASE_DIRECTORY,
    "pg_replslot",
    TABLESPACE_DIRECTORY,
    "pg_stat",
    "pg_stat_tmp",
    CLOG_DIRECTORY,
    "pg_logical",
    "pg_logical/snapshots",
    "pg_logical/mappings",
)
"""What initdb creates, each after the directory that it is in. (A database's own directory comes
with its catalogs: `engine/catalog/bootstrap.py`.)"""


def database_directory(tablespace: int, database: int) -> str:
    """The directory of a database's files in a tablespace; `global` for the shared relations."""
    if tablespace == GLOBAL_TABLESPACE:
        return GLOBAL_DIRECTORY
    if tablespace == DEFAULT_TABLESPACE:
        return f"{BASE_DIRECTORY}/{database}"
    version = f"PG_{MAJOR_VERSION}_{CATALOG_VERSION}"
    return f"{TABLESPACE_DIRECTORY}/{tablespace}/{version}/{database}"


def relation_map_path(database: int) -> str:
    """The path of the relation map of a database (0: of the shared catalogs)."""
    tablespace = DEFAULT_TABLESPACE if database else GLOBAL_TABLESPACE
    return f"{database_directory(tablespace, database)}/{RELATION_MAP_FILE}"


def clog_segment_path(segment: int) -> str:
    """The path of a file of pg_xact."""
    return f"{CLOG_DIRECTORY}/{segment:04X}"
