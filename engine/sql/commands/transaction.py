"""BEGIN, COMMIT, ROLLBACK, SET TRANSACTION, LOCK TABLE."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import Notice, SqlError, SqlState, not_supported
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.sql.commands.result import CommandResult
from engine.sql.parser import Node, RawStatement
from engine.sql.services import Services

EXITS: Final = frozenset({"TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK", "TRANS_STMT_ROLLBACK_TO"})
"""What is allowed in a failed transaction."""

_UNSUPPORTED: Final = {
    "TRANS_STMT_SAVEPOINT": "SAVEPOINT",
    "TRANS_STMT_RELEASE": "RELEASE SAVEPOINT",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK TO SAVEPOINT",
    "TRANS_STMT_PREPARE": "PREPARE TRANSACTION",
    "TRANS_STMT_COMMIT_PREPARED": "COMMIT PREPARED",
    "TRANS_STMT_ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}


def is_exit(statement: RawStatement) -> bool:
    """Whether the statement ends a transaction, and so may run in a failed one."""
    return statement.kind == "TransactionStmt" and _kind(statement) in EXITS


def _kind(statement: RawStatement) -> str:
    kind: str = statement.body.get("kind", "TRANS_STMT_BEGIN")
    return kind


def run_transaction(statement: RawStatement, services: Services) -> CommandResult:
    """The statements that begin and end transactions."""
    kind = _kind(statement)
    transactions = services.transactions
    if kind in _UNSUPPORTED:
        raise not_supported(_UNSUPPORTED[kind])
    if statement.body.get("chain"):
        raise not_supported("AND CHAIN")
    if kind in ("TRANS_STMT_BEGIN", "TRANS_STMT_START"):
        isolation, read_only = transaction_modes(statement.body.get("options", []))
        transactions.begin_block(isolation, read_only)
        return CommandResult("BEGIN" if kind == "TRANS_STMT_BEGIN" else "START TRANSACTION")
    if kind == "TRANS_STMT_COMMIT":
        return CommandResult("COMMIT" if transactions.end_block() else "ROLLBACK")
    transactions.user_abort_block()
    return CommandResult("ROLLBACK")


def transaction_modes(options: list[Node]) -> tuple[str | None, bool | None]:
    """(isolation level, read only) as far as the statement names them."""
    isolation: str | None = None
    read_only: bool | None = None
    for node in options:
        option = node["DefElem"]
        constant = option["arg"]["A_Const"]
        if option["defname"] == "transaction_isolation":
            isolation = isolation_level(constant["sval"]["sval"])
        elif option["defname"] == "transaction_read_only":
            read_only = _is_true(constant)
        # DEFERRABLE means something for serializable transactions only.
    return isolation, read_only


def isolation_level(name: str) -> str:
    """The level that a transaction of that name runs at; 0A000 for SERIALIZABLE."""
    if name == "serializable":
        raise not_supported("isolation level SERIALIZABLE")
    return "read committed" if name == "read uncommitted" else name


def _is_true(constant: Node) -> bool:
    return bool(constant.get("ival", {}).get("ival", 0))


def set_transaction(statement: RawStatement, services: Services) -> CommandResult:
    """SET TRANSACTION ...; and SET SESSION CHARACTERISTICS AS TRANSACTION ..."""
    body = statement.body
    if body.get("name") == "TRANSACTION SNAPSHOT":
        raise not_supported("SET TRANSACTION SNAPSHOT")
    isolation, read_only = transaction_modes(body.get("args", []))
    if body.get("name") == "SESSION CHARACTERISTICS":
        if isolation is not None:
            services.settings.set("default_transaction_isolation", isolation)
        if read_only is not None:
            text = "on" if read_only else "off"
            services.settings.set("default_transaction_read_only", text)
        return CommandResult("SET")
    if body.get("name") != "TRANSACTION":
        raise not_supported(f"SET {body.get('name')}")
    transactions = services.transactions
    if not transactions.in_block():
        services.notices(
            Notice(
                "WARNING",
                SqlState.NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            )
        )
    if isolation is not None:
        transactions.set_isolation(isolation)
    if read_only is not None:
        transactions.set_read_only(read_only)
    return CommandResult("SET")


def lock_table(statement: RawStatement, services: Services) -> CommandResult:
    """LOCK TABLE."""
    if not services.transactions.in_block():
        raise SqlError(
            SqlState.NO_ACTIVE_SQL_TRANSACTION,
            "LOCK TABLE can only be used in transaction blocks",
        )
    mode = LockMode(statement.body["mode"])
    wait = not statement.body.get("nowait", False)
    for node in statement.body["relations"]:
        fields = node["RangeVar"]
        relation = _table(statement, services, fields)
        tag = LockTag.relation(relation.database, relation.oid)
        if not services.locks.acquire(tag, mode, wait=wait):
            raise SqlError(
                SqlState.LOCK_NOT_AVAILABLE,
                f'could not obtain lock on relation "{relation.name}"',
            )
        services.catalog.accept_invalidations()
        _table(statement, services, fields)
    return CommandResult("LOCK TABLE")


def _table(statement: RawStatement, services: Services, fields: Node) -> Any:
    relation = services.catalog.relation_by_name(fields.get("schemaname"), fields["relname"])
    if relation is None:
        raise SqlError(
            SqlState.UNDEFINED_TABLE,
            f'relation "{fields["relname"]}" does not exist',
            position=statement.position(fields.get("location", 0)),
        )
    return relation
