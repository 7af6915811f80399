"""CHECKPOINT, VACUUM, ANALYZE."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import SqlError, SqlState, not_supported
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.sql.commands.result import CommandResult
from engine.sql.parser import Node, RawStatement
from engine.sql.services import Services
from engine.types import FIRST_NORMAL_OID

_HARMLESS_OPTIONS: Final = frozenset(
    {
        "verbose", "analyze", "skip_locked", "truncate", "index_cleanup", "process_toast",
        "parallel", "freeze", "disable_page_skipping",
    }
)  # fmt: skip


def run_checkpoint(statement: RawStatement, services: Services) -> CommandResult:
    """CHECKPOINT: returns when it is complete."""
    services.cluster.request_checkpoint()
    return CommandResult("CHECKPOINT")


def run_vacuum(statement: RawStatement, services: Services) -> CommandResult:
    """VACUUM [table, ...]; each table in a transaction of its own. ANALYZE gathers nothing yet."""
    body = statement.body
    if not body.get("is_vacuumcmd"):
        _relations(statement, services)
        return CommandResult("ANALYZE")
    services.transactions.prevent_in_block("VACUUM")
    for node in body.get("options", []):
        option = node["DefElem"]
        if option["defname"] == "full" and option.get("arg") is None:
            raise not_supported("VACUUM FULL")
        if option["defname"] not in _HARMLESS_OPTIONS | {"full"}:
            raise SqlError(
                SqlState.SYNTAX_ERROR,
                f'unrecognized VACUUM option "{option["defname"]}"',
                position=statement.position(option.get("location", 0)),
            )
    relations = _relations(statement, services)
    transactions = services.transactions
    transactions.commit_command()
    for relation in relations:
        transactions.start_command()
        _vacuum_one(services, relation)
        transactions.commit_command()
    transactions.start_command()
    return CommandResult("VACUUM")


def _vacuum_one(services: Services, relation: Any) -> None:
    tag = LockTag.relation(relation.database, relation.oid)
    services.locks.acquire(tag, LockMode.SHARE_UPDATE_EXCLUSIVE)
    services.catalog.accept_invalidations()
    current = services.catalog.relation_by_oid(relation.oid)
    if current is not None:
        services.cluster.vacuum(current)


def _relations(statement: RawStatement, services: Services) -> list[Any]:
    named = statement.body.get("rels")
    if not named:
        return [
            relation
            for relation in services.catalog.all_relations()
            if relation.oid >= FIRST_NORMAL_OID and relation.kind == "r"
        ]
    return [_relation(statement, services, node["VacuumRelation"]["relation"]) for node in named]


def _relation(statement: RawStatement, services: Services, fields: Node) -> Any:
    name = fields["relname"]
    relation = services.catalog.relation_by_name(fields.get("schemaname"), name)
    if relation is None:
        raise SqlError(SqlState.UNDEFINED_TABLE, f'relation "{name}" does not exist')
    return relation
