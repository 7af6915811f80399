"""Where relation files are, relative to the data directory.

Source: PostgreSQL 15, `common/relpath.c`.
"""

from __future__ import annotations

from typing import Final

from engine.datadir import database_directory
from engine.types import RelFileLocator

FORK_SUFFIXES: Final = ("", "_fsm", "_vm", "_init")


def relation_path(locator: RelFileLocator, fork: int, segment: int = 0) -> str:
    """The file of one segment of a fork."""
    directory = database_directory(locator.tablespace, locator.database)
    path = f"{directory}/{locator.relation}{FORK_SUFFIXES[fork]}"
    return f"{path}.{segment}" if segment else path
