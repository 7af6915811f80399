"""Errors and notices as messages, and what of them a client sees.

Source: PostgreSQL 15, `utils/error/elog.c`.
"""

from __future__ import annotations

from typing import Final

from engine.backend.abc import Settings
from engine.errors import EngineError, InvariantViolation, Notice, PanicError, SqlError, SqlState
from engine.protocol.backend import ErrorFields, error_response, notice_response

_RANK: Final = {
    "DEBUG": 0,
    "LOG": 1,
    "INFO": 2,
    "NOTICE": 3,
    "WARNING": 4,
    "ERROR": 5,
}

CRASH_NOTICE: Final = Notice(
    "WARNING",
    SqlState.CRASH_SHUTDOWN,
    "terminating connection because of crash of another server process",
    "The postmaster has commanded this server process to roll back the current transaction and "
    "exit, because another server process exited abnormally and possibly corrupted shared memory.",
    "In a moment you should be able to reconnect to the database and repeat your command.",
)
IMMEDIATE_SHUTDOWN_NOTICE: Final = Notice(
    "WARNING",
    SqlState.ADMIN_SHUTDOWN,
    "terminating connection due to immediate shutdown command",
)


def error_message(error: EngineError) -> bytes:
    """The ErrorResponse for an error."""
    return error_response(
        ErrorFields(
            error.level,
            error.sqlstate,
            error.message,
            error.detail,
            error.hint,
            error.position,
            error.context,
            error.schema,
            error.table,
            error.column,
        )
    )


def notice_message(notice: Notice) -> bytes:
    """The NoticeResponse for a notice."""
    return notice_response(
        ErrorFields(notice.severity, notice.sqlstate, notice.message, notice.detail, notice.hint)
    )


class NoticeSender:
    """Appends notices to the answer in `out`, if the client asked for their severity."""

    def __init__(self, out: bytearray, settings: Settings) -> None:
        self._out = out
        self._settings = settings

    def send(self, notice: Notice) -> None:
        """INFO always goes to the client, the rest by `client_min_messages`."""
        wanted = str(self._settings.get("client_min_messages")).upper()
        least = 0 if wanted.startswith("DEBUG") else _RANK.get(wanted, _RANK["ERROR"])
        severity = notice.severity
        if severity == "INFO" or _RANK.get(severity, _RANK["ERROR"]) >= least:
            self._out += notice_message(notice)


def violation_as_panic(violation: InvariantViolation) -> PanicError:
    """What a client hears of a broken invariant."""
    return PanicError(SqlState.INTERNAL_ERROR, str(violation))


def failed_transaction() -> SqlError:
    """25P02."""
    return SqlError(
        SqlState.IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )


def stack_depth_exceeded() -> SqlError:
    """54001: the statement's nesting is deeper than this server's stack."""
    return SqlError(
        SqlState.STATEMENT_TOO_COMPLEX,
        "stack depth limit exceeded",
        hint='Increase the configuration parameter "max_stack_depth" (currently 2048kB), '
        "after ensuring the platform's stack depth limit is adequate.",
    )
