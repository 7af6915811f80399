"""CREATE TABLE and DROP TABLE."""

from __future__ import annotations

from typing import Any, Final

from engine.catalog.tables import ColumnDefinition
from engine.errors import Notice, SqlError, SqlState, not_supported
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.sql import type_table as t
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.analyzer.statements import RULES
from engine.sql.analyzer.type_names import resolve_type
from engine.sql.commands.result import CommandResult
from engine.sql.parser import Node, RawStatement, kind_and_fields, string_values
from engine.sql.services import Services
from engine.types import FIRST_NORMAL_OID

STORABLE: Final = frozenset(
    {
        t.BOOL, t.BYTEA, t.CHAR, t.NAME, t.INT8, t.INT2, t.INT4, t.TEXT, t.OID, t.XID, t.FLOAT4,
        t.FLOAT8, t.BPCHAR, t.VARCHAR, t.DATE, t.TIMESTAMP, t.TIMESTAMPTZ,
    }
)  # fmt: skip
"""The types that a column can have so far."""

_CONSTRAINTS: Final = {
    "CONSTR_DEFAULT": "DEFAULT",
    "CONSTR_IDENTITY": "GENERATED AS IDENTITY",
    "CONSTR_GENERATED": "GENERATED ALWAYS AS",
    "CONSTR_CHECK": "CHECK",
    "CONSTR_PRIMARY": "PRIMARY KEY",
    "CONSTR_UNIQUE": "UNIQUE",
    "CONSTR_EXCLUSION": "EXCLUDE",
    "CONSTR_FOREIGN": "FOREIGN KEY",
}


def create_table(statement: RawStatement, services: Services) -> CommandResult:
    """CREATE TABLE [IF NOT EXISTS] with columns, NOT NULL and fillfactor."""
    services.transactions.prevent_if_read_only("CREATE TABLE")
    body = statement.body
    analysis = AnalysisContext(statement, services.catalog, (), RULES)
    relation = body["relation"]
    _refuse_clauses(analysis, body, relation)
    columns = [_column(analysis, element) for element in body.get("tableElts", [])]
    fillfactor = _fillfactor(analysis, body.get("options", []))
    schema, name = relation.get("schemaname"), relation["relname"]
    location = relation.get("location", 0)
    if schema is not None and services.catalog.schema_oid(schema) is None:
        raise analysis.error(
            SqlState.INVALID_SCHEMA_NAME, f'schema "{schema}" does not exist', location
        )
    try:
        services.catalog.create_relation(schema, _cut(name), columns, fillfactor)
    except SqlError as error:
        if error.sqlstate != SqlState.DUPLICATE_TABLE or not body.get("if_not_exists"):
            raise
        message = f'relation "{name}" already exists, skipping'
        services.notices(Notice("NOTICE", SqlState.DUPLICATE_TABLE, message))
    return CommandResult("CREATE TABLE")


def _cut(name: str) -> str:
    return name.encode()[:63].decode(errors="ignore")


def _refuse_clauses(analysis: AnalysisContext, body: Node, relation: Node) -> None:
    for field, name in (
        ("inhRelations", "INHERITS"),
        ("partspec", "PARTITION BY"),
        ("partbound", "PARTITION OF"),
        ("ofTypename", "CREATE TABLE OF"),
        ("tablespacename", "TABLESPACE"),
        ("accessMethod", "USING"),
    ):
        if body.get(field):
            raise analysis.not_supported(name)
    if relation.get("relpersistence") == "t":
        raise analysis.not_supported("CREATE TEMPORARY TABLE")
    if relation.get("relpersistence") == "u":
        raise analysis.not_supported("CREATE UNLOGGED TABLE")
    if body.get("oncommit", "ONCOMMIT_NOOP") != "ONCOMMIT_NOOP":
        raise analysis.not_supported("ON COMMIT")


def _column(analysis: AnalysisContext, element: Node) -> ColumnDefinition:
    kind, fields = kind_and_fields(element)
    if kind == "Constraint":
        raise analysis.not_supported(
            _CONSTRAINTS.get(fields["contype"], "table constraint"), fields.get("location", 0)
        )
    if kind != "ColumnDef":
        raise analysis.not_supported("LIKE in CREATE TABLE")
    not_null = False
    for node in fields.get("constraints", []):
        constraint = node["Constraint"]
        contype = constraint.get("contype", "CONSTR_NULL")
        if contype in _CONSTRAINTS:
            raise analysis.not_supported(_CONSTRAINTS[contype], constraint.get("location", 0))
        if contype == "CONSTR_NOTNULL":
            not_null = True
    if fields.get("collClause"):
        raise analysis.not_supported("COLLATE in CREATE TABLE")
    type_oid, typmod = resolve_type(analysis, fields["typeName"])
    location = fields["typeName"].get("location", 0)
    if type_oid in t.PSEUDO_TYPES:
        raise analysis.error(
            SqlState.INVALID_TABLE_DEFINITION,
            f'column "{fields["colname"]}" has pseudo-type {t.type_display(type_oid)}',
            -1,
        )
    if type_oid not in STORABLE:
        raise analysis.not_supported(f"a column of type {t.type_display(type_oid)}", location)
    return ColumnDefinition(_cut(fields["colname"]), type_oid, typmod, not_null)


def _fillfactor(analysis: AnalysisContext, options: list[Node]) -> int | None:
    fillfactor: int | None = None
    for node in options:
        option = node["DefElem"]
        name = option["defname"]
        if name != "fillfactor":
            raise analysis.error(
                SqlState.INVALID_PARAMETER_VALUE, f'unrecognized parameter "{name}"'
            )
        argument = option.get("arg", {})
        value = argument.get("Integer", {}).get("ival")
        if value is None:
            shown: Node = next(iter(argument.values()), {})
            text = shown.get("sval", shown.get("fval", "true"))
            raise analysis.error(
                SqlState.INVALID_PARAMETER_VALUE,
                f'invalid value for integer option "fillfactor": {text}',
            )
        if not 10 <= value <= 100:
            raise analysis.error(
                SqlState.INVALID_PARAMETER_VALUE,
                f'value {value} out of bounds for option "fillfactor"',
                detail='Valid values are between "10" and "100".',
            )
        fillfactor = value
    return fillfactor


def drop_table(statement: RawStatement, services: Services) -> CommandResult:
    """DROP TABLE [IF EXISTS] a, b [CASCADE | RESTRICT]."""
    body = statement.body
    kind = body["removeType"].removeprefix("OBJECT_").replace("_", " ")
    if kind != "TABLE":
        raise not_supported(f"DROP {kind}")
    services.transactions.prevent_if_read_only("DROP TABLE")
    relations: list[Any] = []
    for item in body["objects"]:
        names = string_values(item["List"]["items"])
        relation = _locked_relation(services, names, missing_ok=bool(body.get("missing_ok")))
        if relation is not None and all(relation.oid != known.oid for known in relations):
            relations.append(relation)
    for relation in relations:
        services.catalog.drop_relation(relation)
    return CommandResult("DROP TABLE")


def _locked_relation(services: Services, names: list[str], *, missing_ok: bool) -> Any | None:
    """The relation under AccessExclusiveLock, looked up again after each wait for it."""
    schema = names[-2] if len(names) > 1 else None
    name = names[-1]
    if schema is not None and services.catalog.schema_oid(schema) is None:
        message = f'schema "{schema}" does not exist'
        _missing(services, SqlState.INVALID_SCHEMA_NAME, message, missing_ok=missing_ok)
        return None
    while True:
        relation = services.catalog.relation_by_name(schema, name)
        if relation is None:
            message = f'table "{name}" does not exist'
            _missing(services, SqlState.UNDEFINED_TABLE, message, missing_ok=missing_ok)
            return None
        if relation.oid < FIRST_NORMAL_OID:
            raise SqlError("42501", f'permission denied: "{name}" is a system catalog')
        if relation.kind != "r":
            raise SqlError(SqlState.WRONG_OBJECT_TYPE, f'"{name}" is not a table')
        tag = LockTag.relation(relation.database, relation.oid)
        services.locks.acquire(tag, LockMode.ACCESS_EXCLUSIVE)
        services.catalog.accept_invalidations()
        again = services.catalog.relation_by_name(schema, name)
        if again is not None and again.oid == relation.oid:
            return again


def _missing(services: Services, sqlstate: str, message: str, *, missing_ok: bool) -> None:
    if not missing_ok:
        raise SqlError(sqlstate, message)
    services.notices(Notice("NOTICE", SqlState.SUCCESSFUL_COMPLETION, f"{message}, skipping"))
