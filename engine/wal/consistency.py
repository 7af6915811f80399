"""Whose records carry images to be compared with what replay makes of the pages.

Source: PostgreSQL 15, `check_wal_consistency_checking` in guc.c.
"""

from __future__ import annotations

from typing import Final

from engine.config.definitions import CONSISTENCY_WORDS
from engine.config.values import words_of
from engine.wal.rmgr import by_name

ALL: Final = "all"


def compared_managers(text: str) -> frozenset[int]:
    """The ids of the resource managers that a value of `wal_consistency_checking` names."""
    words = words_of(text)
    names = CONSISTENCY_WORDS if ALL in words else words
    found = (by_name(name) for name in names if name != ALL)
    return frozenset(rmid for rmid in found if rmid is not None)
