"""Which command runs which kind of statement, and the names of those that nothing runs yet."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import SqlError, not_supported
from engine.sql.commands.maintenance import run_checkpoint, run_vacuum
from engine.sql.commands.result import Command, CommandResult
from engine.sql.commands.settings import run_set, run_show, show_columns
from engine.sql.commands.tables import create_table, drop_table
from engine.sql.commands.transaction import lock_table, run_transaction
from engine.sql.parser import RawStatement
from engine.sql.services import Services


def _nothing(tag: str) -> Command:
    def run(statement: RawStatement, services: Services) -> CommandResult:
        return CommandResult(tag)

    return Command(run)


COMMANDS: Final[dict[str, Command]] = {
    "TransactionStmt": Command(run_transaction),
    "VariableSetStmt": Command(run_set),
    "VariableShowStmt": Command(run_show, show_columns),
    "CreateStmt": Command(create_table),
    "DropStmt": Command(drop_table),
    "CheckPointStmt": Command(run_checkpoint),
    "VacuumStmt": Command(run_vacuum),
    "LockStmt": Command(lock_table),
    # Nothing can be listened to, so there is nothing to stop listening to.
    "UnlistenStmt": _nothing("UNLISTEN"),
}

_NAMES: Final = {
    "ExplainStmt": "EXPLAIN",
    "PrepareStmt": "PREPARE",
    "ExecuteStmt": "EXECUTE",
    "DeallocateStmt": "DEALLOCATE",
    "DiscardStmt": "DISCARD",
    "DeclareCursorStmt": "DECLARE CURSOR",
    "FetchStmt": "FETCH",
    "ClosePortalStmt": "CLOSE",
    "CreateTableAsStmt": "CREATE TABLE AS",
    "IndexStmt": "CREATE INDEX",
    "ViewStmt": "CREATE VIEW",
    "TruncateStmt": "TRUNCATE",
    "CopyStmt": "COPY",
    "AlterTableStmt": "ALTER TABLE",
    "CreateSeqStmt": "CREATE SEQUENCE",
    "CreateSchemaStmt": "CREATE SCHEMA",
    "CreateFunctionStmt": "CREATE FUNCTION",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreateRoleStmt": "CREATE ROLE",
    "CreatedbStmt": "CREATE DATABASE",
    "DropdbStmt": "DROP DATABASE",
    "ConstraintsSetStmt": "SET CONSTRAINTS",
    "AlterSystemStmt": "ALTER SYSTEM",
    "RenameStmt": "ALTER ... RENAME",
    "DoStmt": "DO",
    "MergeStmt": "MERGE",
}


def statement_name(statement: RawStatement) -> str:
    """What to call a statement in a message."""
    name = _NAMES.get(statement.kind)
    if name is not None:
        return name
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", statement.kind.removesuffix("Stmt"))
    return words.upper()


def unsupported_statement(statement: RawStatement) -> SqlError:
    """0A000 that names the statement (SQL-4)."""
    return not_supported(statement_name(statement))
