"""Critical sections: between the change of shared memory and its WAL record nothing may go wrong.

An error there would leave a page changed that the WAL knows nothing of, or a transaction that is
neither committed nor not. So it is no ERROR but a PANIC: the cluster restarts from the WAL
(XACT-4).

Source: PostgreSQL 15, `miscadmin.h` (START_CRIT_SECTION).
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

from engine.errors import EngineError, InvariantViolation, PanicError, unexpected_as_panic
from engine.wal.file_error import as_panic


class CriticalSection:
    """`with CRITICAL_SECTION:` turns every error into a `PanicError`."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, PanicError | InvariantViolation):
            return
        if isinstance(error, EngineError):
            raise as_panic(error) from error
        if isinstance(error, Exception):
            raise unexpected_as_panic(error) from error


CRITICAL_SECTION: Final = CriticalSection()
"""The one instance; it has no state."""
