"""The eight modes of heavyweight locks and which of them conflict.

Source: PostgreSQL 15, `storage/lockdefs.h`, `lock.c` (LockConflicts).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class LockMode(IntEnum):
    """From the weakest to the strongest; the numbers are PostgreSQL's."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8


MODE_NAMES: Final = (
    "INVALID",
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""By mode number, as messages and `pg_locks` show them."""


def _mask(*modes: LockMode) -> int:
    return sum(1 << mode for mode in modes)


_M = LockMode

CONFLICTS: Final = (
    0,
    _mask(_M.ACCESS_EXCLUSIVE),
    _mask(_M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE),
    _mask(_M.SHARE, _M.SHARE_ROW_EXCLUSIVE, _M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE),
    _mask(
        _M.SHARE_UPDATE_EXCLUSIVE,
        _M.SHARE,
        _M.SHARE_ROW_EXCLUSIVE,
        _M.EXCLUSIVE,
        _M.ACCESS_EXCLUSIVE,
    ),
    _mask(
        _M.ROW_EXCLUSIVE,
        _M.SHARE_UPDATE_EXCLUSIVE,
        _M.SHARE_ROW_EXCLUSIVE,
        _M.EXCLUSIVE,
        _M.ACCESS_EXCLUSIVE,
    ),
    _mask(
        _M.ROW_EXCLUSIVE,
        _M.SHARE_UPDATE_EXCLUSIVE,
        _M.SHARE,
        _M.SHARE_ROW_EXCLUSIVE,
        _M.EXCLUSIVE,
        _M.ACCESS_EXCLUSIVE,
    ),
    _mask(*(mode for mode in _M if mode != _M.ACCESS_SHARE)),
    _mask(*_M),
)
"""By mode number: the mask (bit `1 << mode`) of the modes that another holder must not have."""


def conflict(one: int, other: int) -> bool:
    """Whether two transactions cannot hold these modes on one object at once."""
    return bool(CONFLICTS[one] >> other & 1)


def modes_in(mask: int) -> list[LockMode]:
    """The modes of a mask, weakest first."""
    return [mode for mode in LockMode if mask >> mode & 1]
