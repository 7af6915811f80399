"""A failed system call on a file, as the error that PostgreSQL reports for it.

Source: PostgreSQL 15, `errcode_for_file_access`, elog.c.
"""

from __future__ import annotations

import errno
from typing import Final

from engine.errors import EngineError, PanicError, SqlError, SqlState
from engine.host.api import Host

_SQLSTATES: Final = {
    errno.EPERM: "42501",
    errno.EACCES: "42501",
    errno.EROFS: "42501",
    errno.ENOENT: SqlState.UNDEFINED_FILE,
    errno.EEXIST: SqlState.DUPLICATE_FILE,
    errno.ENOTDIR: "42809",
    errno.EISDIR: "42809",
    errno.ENOTEMPTY: "42809",
    errno.ENOSPC: SqlState.DISK_FULL,
    errno.EDQUOT: SqlState.DISK_FULL,
    errno.ENFILE: "53000",
    errno.EMFILE: "53000",
    errno.EIO: SqlState.IO_ERROR,
}


def file_sqlstate(error: OSError) -> str:
    """The SQLSTATE of a file access that failed."""
    return _SQLSTATES.get(error.errno or 0, SqlState.INTERNAL_ERROR)


def file_error(error: OSError, doing: str, hint: str | None = None) -> SqlError:
    """`could not open file "x"` becomes the ERROR `could not open file "x": No such file ...`."""
    return SqlError(file_sqlstate(error), f"{doing}: {error.strerror}", hint=hint)


def file_panic(error: OSError, doing: str) -> PanicError:
    """The same as a PANIC."""
    return PanicError(file_sqlstate(error), f"{doing}: {error.strerror}")


def close_written(host: Host, fd: int, path: str) -> None:
    """Close a file that was written. A failure is a PANIC, like that of an fsync: it may be the
    news of a write that was lost (`FileClose`, fd.c)."""
    try:
        host.close(fd)
    except OSError as error:
        raise file_panic(error, f'could not close file "{path}"') from error


def as_panic(error: EngineError) -> PanicError:
    """An ERROR inside a critical section is a PANIC (errstart, elog.c)."""
    return PanicError(
        error.sqlstate,
        error.message,
        detail=error.detail,
        hint=error.hint,
        context=error.context,
    )
