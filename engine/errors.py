"""What can go wrong, sorted by what the receiver must do about it.

Two families never share a type:

- *Operating errors* (`EngineError`): the client, the operator or the machine did something that
  can be foreseen. Each carries a SQLSTATE and ends something: `SqlError` (level ERROR) the
  transaction, `FatalError` the session or process, `PanicError` the whole cluster, by way of a
  crash restart.
- *Broken invariants* (`InvariantViolation`, raised by `check`): the engine itself is wrong. Never
  caught to go on; the process ends with PANIC's exit status. So does every exception that nobody
  foresaw (`unexpected_as_panic`).

`SessionTerminated`-like events (the postmaster died) are `ProcessExit`s: not errors, and not to be
caught by `except Exception`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_MOST_FRAMES: Final = 20


class SqlState:
    """The SQLSTATEs in use (PostgreSQL 15, appendix A)."""

    SUCCESSFUL_COMPLETION: Final = "00000"
    WARNING: Final = "01000"
    PROTOCOL_VIOLATION: Final = "08P01"
    CONNECTION_FAILURE: Final = "08006"
    FEATURE_NOT_SUPPORTED: Final = "0A000"
    NUMERIC_VALUE_OUT_OF_RANGE: Final = "22003"
    NULL_VALUE_NOT_ALLOWED: Final = "22004"
    DIVISION_BY_ZERO: Final = "22012"
    INVALID_PARAMETER_VALUE: Final = "22023"
    INVALID_ROW_COUNT_IN_LIMIT: Final = "2201W"
    INVALID_ROW_COUNT_IN_OFFSET: Final = "2201X"
    CHARACTER_NOT_IN_REPERTOIRE: Final = "22021"
    INVALID_TEXT_REPRESENTATION: Final = "22P02"
    INVALID_BINARY_REPRESENTATION: Final = "22P03"
    NOT_NULL_VIOLATION: Final = "23502"
    UNIQUE_VIOLATION: Final = "23505"
    ACTIVE_SQL_TRANSACTION: Final = "25001"
    READ_ONLY_SQL_TRANSACTION: Final = "25006"
    NO_ACTIVE_SQL_TRANSACTION: Final = "25P01"
    IN_FAILED_SQL_TRANSACTION: Final = "25P02"
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Final = "25P03"
    IDLE_SESSION_TIMEOUT: Final = "57P05"
    INVALID_SQL_STATEMENT_NAME: Final = "26000"
    INVALID_AUTHORIZATION: Final = "28000"
    INVALID_PASSWORD: Final = "28P01"
    DEPENDENT_OBJECTS_STILL_EXIST: Final = "2BP01"
    INVALID_CURSOR_NAME: Final = "34000"
    INVALID_CATALOG_NAME: Final = "3D000"
    INVALID_SCHEMA_NAME: Final = "3F000"
    SERIALIZATION_FAILURE: Final = "40001"
    DEADLOCK_DETECTED: Final = "40P01"
    INSUFFICIENT_PRIVILEGE: Final = "42501"
    SYNTAX_ERROR: Final = "42601"
    INVALID_NAME: Final = "42602"
    NAME_TOO_LONG: Final = "42622"
    DUPLICATE_COLUMN: Final = "42701"
    AMBIGUOUS_COLUMN: Final = "42702"
    UNDEFINED_COLUMN: Final = "42703"
    UNDEFINED_OBJECT: Final = "42704"
    DUPLICATE_ALIAS: Final = "42712"
    AMBIGUOUS_FUNCTION: Final = "42725"
    GROUPING_ERROR: Final = "42803"
    DATATYPE_MISMATCH: Final = "42804"
    WRONG_OBJECT_TYPE: Final = "42809"
    CANNOT_COERCE: Final = "42846"
    UNDEFINED_FUNCTION: Final = "42883"
    UNDEFINED_TABLE: Final = "42P01"
    UNDEFINED_PARAMETER: Final = "42P02"
    DUPLICATE_CURSOR: Final = "42P03"
    DUPLICATE_PREPARED_STATEMENT: Final = "42P05"
    DUPLICATE_TABLE: Final = "42P07"
    AMBIGUOUS_PARAMETER: Final = "42P08"
    INVALID_COLUMN_REFERENCE: Final = "42P10"
    INDETERMINATE_DATATYPE: Final = "42P18"
    INVALID_TABLE_DEFINITION: Final = "42P16"
    DISK_FULL: Final = "53100"
    OUT_OF_MEMORY: Final = "53200"
    TOO_MANY_CONNECTIONS: Final = "53300"
    CONFIGURATION_LIMIT_EXCEEDED: Final = "53400"
    PROGRAM_LIMIT_EXCEEDED: Final = "54000"
    STATEMENT_TOO_COMPLEX: Final = "54001"
    TOO_MANY_COLUMNS: Final = "54011"
    OBJECT_NOT_IN_PREREQUISITE_STATE: Final = "55000"
    OBJECT_IN_USE: Final = "55006"
    CANT_CHANGE_RUNTIME_PARAM: Final = "55P02"
    LOCK_NOT_AVAILABLE: Final = "55P03"
    QUERY_CANCELED: Final = "57014"
    ADMIN_SHUTDOWN: Final = "57P01"
    CRASH_SHUTDOWN: Final = "57P02"
    CANNOT_CONNECT_NOW: Final = "57P03"
    IO_ERROR: Final = "58030"
    UNDEFINED_FILE: Final = "58P01"
    DUPLICATE_FILE: Final = "58P02"
    CONFIG_FILE_ERROR: Final = "F0000"
    LOCK_FILE_EXISTS: Final = "F0001"
    INTERNAL_ERROR: Final = "XX000"
    DATA_CORRUPTED: Final = "XX001"


class EngineError(Exception):
    """An operating error with what an ErrorResponse needs.

    `position` counts characters of the statement from 1. `routine`-like source fields are not sent.
    """

    level = "ERROR"

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        context: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.context = context
        self.schema = schema
        self.table = table
        self.column = column


class SqlError(EngineError):
    """Ends the transaction; the session goes on."""

    level = "ERROR"


class FatalError(EngineError):
    """Ends the session, or the process, with exit status 1; the cluster goes on."""

    level = "FATAL"


class PanicError(EngineError):
    """Ends the cluster: the process exits with status 2, the postmaster restarts everything."""

    level = "PANIC"


class InvariantViolation(Exception):
    """The engine broke one of its own rules, named by its id (`BUF-2`); the ids are in the
    READMEs.
    """

    def __init__(self, rule: str, message: str, facts: dict[str, Any]) -> None:
        self.rule = rule
        self.facts = facts
        shown = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        super().__init__(f"{rule}: {message}" + (f" ({shown})" if shown else ""))


def unexpected_as_panic(error: BaseException) -> PanicError:
    """An exception that nobody foresaw, as the PANIC that it is, with the way to it as DETAIL.

    Files are named from the top of the package, so that the text is the same in every checkout.
    """
    frames: list[str] = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        file = str(frame.f_globals.get("__name__", "?")).replace(".", "/")
        frames.append(f"{file}.py:{traceback.tb_lineno} in {frame.f_code.co_name}")
        traceback = traceback.tb_next
    return PanicError(
        SqlState.INTERNAL_ERROR,
        f"unexpected {type(error).__name__}: {error}",
        detail="\n".join(frames[-_MOST_FRAMES:]) or None,
        hint="This is a bug in the engine.",
    )


def panic_text(error: PanicError) -> str:
    """A PANIC as lines of the log, for a process that has no log yet."""
    parts = [f"PANIC:  {error.message}"]
    parts += [f"DETAIL:  {error.detail}"] if error.detail else []
    parts += [f"HINT:  {error.hint}"] if error.hint else []
    return "".join(part.replace("\n", "\n\t") + "\n" for part in parts)


class ProcessExit(BaseException):
    """Leave the process now, from wherever it is, with this exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class PostmasterDied(ProcessExit):
    """Raised by a wait when the postmaster is gone: there is nobody to work for."""

    def __init__(self) -> None:
        super().__init__(1)


def check(condition: object, rule: str, message: str = "", **facts: Any) -> None:
    """Raise `InvariantViolation` naming `rule` unless `condition` holds. Never switched off."""
    if not condition:
        raise InvariantViolation(rule, message or "invariant broken", facts)


def not_supported(feature: str, *, position: int | None = None) -> SqlError:
    """The 0A000 that names what is missing, for the caller to raise."""
    message = f"{feature} is not supported yet"
    return SqlError(SqlState.FEATURE_NOT_SUPPORTED, message, position=position)


@dataclass(frozen=True)
class Notice:
    """What a client is told beside its answer: a NoticeResponse's fields."""

    severity: str
    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
