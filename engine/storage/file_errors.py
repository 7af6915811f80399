"""Turns a failed file call into the error that PostgreSQL would report.

Source: PostgreSQL 15, `errcode_for_file_access` in `utils/error/elog.c`.
"""

from __future__ import annotations

import errno
from typing import Final

from engine.errors import PanicError, SqlError, SqlState

_INSUFFICIENT_PRIVILEGE: Final = "42501"
_WRONG_OBJECT_TYPE: Final = "42809"
_INSUFFICIENT_RESOURCES: Final = "53000"

_STATES: Final = {
    errno.EPERM: _INSUFFICIENT_PRIVILEGE,
    errno.EACCES: _INSUFFICIENT_PRIVILEGE,
    errno.EROFS: _INSUFFICIENT_PRIVILEGE,
    errno.ENOENT: SqlState.UNDEFINED_FILE,
    errno.EEXIST: SqlState.DUPLICATE_FILE,
    errno.ENOTDIR: _WRONG_OBJECT_TYPE,
    errno.EISDIR: _WRONG_OBJECT_TYPE,
    errno.ENOTEMPTY: _WRONG_OBJECT_TYPE,
    errno.ENOSPC: SqlState.DISK_FULL,
    errno.EDQUOT: SqlState.DISK_FULL,
    errno.ENOMEM: SqlState.OUT_OF_MEMORY,
    errno.ENFILE: _INSUFFICIENT_RESOURCES,
    errno.EMFILE: _INSUFFICIENT_RESOURCES,
    errno.EIO: SqlState.IO_ERROR,
}


def error_text(error: OSError) -> str:
    """What `%m` prints in PostgreSQL's messages."""
    return error.strerror or str(error)


def file_error(error: OSError, message: str, hint: str | None = None) -> SqlError:
    """`message: %m`, with the SQLSTATE that belongs to the errno."""
    state = _STATES.get(error.errno or 0, SqlState.INTERNAL_ERROR)
    return SqlError(state, f"{message}: {error_text(error)}", hint=hint)


def file_panic(error: OSError, message: str) -> PanicError:
    """The same for a failure after which nobody knows what is on the disk."""
    state = _STATES.get(error.errno or 0, SqlState.INTERNAL_ERROR)
    return PanicError(state, f"{message}: {error_text(error)}")
