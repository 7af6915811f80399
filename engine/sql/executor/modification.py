"""INSERT, UPDATE, DELETE (`nodeModifyTable.c`), and looking again at rows that others changed.

Under READ COMMITTED a row that a concurrent transaction updated is looked at again in its newest
version (EvalPlanQual): if that still qualifies, it is what gets changed. Under REPEATABLE READ that
is 40001. Rows that this statement itself wrote carry its command id, which its snapshot does not
see (SQL-3), so an UPDATE never meets its own results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from engine.access.heap.visibility import TupleUpdate
from engine.errors import SqlError, SqlState, not_supported
from engine.sql.executor.context import Evaluate, ExecutionContext, Row
from engine.sql.executor.expressions import compile_all, compile_expression
from engine.sql.executor.scans import qualifying_versions, system_values
from engine.sql.planner.plans import ModifyTable, SeqScan
from engine.sql.services import RowVersion
from engine.sql.text_io import OUTPUT
from engine.types import Tid

INSERT_BATCH: Final = 256
_LONGEST_SHOWN_VALUE: Final = 64


def modify_table(plan: ModifyTable, context: ExecutionContext) -> Iterator[Row]:
    """Make the changes; the rows of RETURNING, of which there are none without it."""
    returning: list[Evaluate] | None = None
    if plan.returning is not None:
        returning = compile_all(plan.returning, plan.layout, context)
    if plan.command == "insert":
        return _insert(plan, returning, context)
    if not isinstance(plan.input, SeqScan):
        raise not_supported(f"{plan.command.upper()} over this kind of source")
    if plan.command == "update":
        return _update(plan, plan.input, returning, context)
    return _delete(plan, plan.input, returning, context)


def _insert(
    plan: ModifyTable, returning: list[Evaluate] | None, context: ExecutionContext
) -> Iterator[Row]:
    table, relation = context.services.table, plan.relation
    source = context.run(plan.input, context)
    while rows := list(islice(source, INSERT_BATCH)):
        for row in rows:
            check_not_null(plan, row)
        if len(rows) == 1:
            tids = [table.insert(relation, rows[0])]
        else:
            tids = table.multi_insert(relation, rows)
        context.processed += len(rows)
        if returning is not None:
            for row, tid in zip(rows, tids, strict=True):
                yield _returned(plan, returning, row, tid, context)


def _update(
    plan: ModifyTable,
    scan: SeqScan,
    returning: list[Evaluate] | None,
    context: ExecutionContext,
) -> Iterator[Row]:
    table, relation = context.services.table, plan.relation
    assignments = [
        (number - 1, compile_expression(expression, plan.layout, context))
        for number, expression in plan.assignments
    ]
    recheck: Evaluate | None = None
    system = plan.system
    for found in qualifying_versions(scan, context):
        version: RowVersion | None = found
        while version is not None:
            old = version.values()
            new = old.copy()
            seen = old + system_values(relation, version, system) if system else old
            for position, compute in assignments:
                new[position] = compute(seen)
            check_not_null(plan, new)
            outcome = table.update(relation, version.tid, new)
            if outcome.is_ok:
                context.processed += 1
                if returning is not None:
                    yield _returned(plan, returning, new, outcome.tid, context)
                break
            if recheck is None:
                recheck = _recheck(scan, context)
            version = _next_version(plan, outcome, recheck, context)


def _delete(
    plan: ModifyTable,
    scan: SeqScan,
    returning: list[Evaluate] | None,
    context: ExecutionContext,
) -> Iterator[Row]:
    table, relation = context.services.table, plan.relation
    recheck: Evaluate | None = None
    for found in qualifying_versions(scan, context):
        version: RowVersion | None = found
        while version is not None:
            outcome = table.delete(relation, version.tid)
            if outcome.is_ok:
                context.processed += 1
                if returning is not None:
                    row = version.values()
                    yield _returned(plan, returning, row, version.tid, context, version)
                break
            if recheck is None:
                recheck = _recheck(scan, context)
            version = _next_version(plan, outcome, recheck, context)


def _recheck(scan: SeqScan, context: ExecutionContext) -> Evaluate:
    if scan.condition is None:
        return lambda row: True
    return compile_expression(scan.condition, scan.layout, context)


def _next_version(
    plan: ModifyTable, outcome: Any, recheck: Evaluate, context: ExecutionContext
) -> RowVersion | None:
    """The version to try instead after a change failed, None to leave the row alone."""
    result = outcome.result
    if result is TupleUpdate.SELF_MODIFIED:
        return None
    if result is TupleUpdate.INVISIBLE:
        verb = "update" if plan.command == "update" else "delete"
        raise SqlError(SqlState.INTERNAL_ERROR, f"attempted to {verb} invisible tuple")
    if context.services.transactions.uses_transaction_snapshot:
        verb = "delete" if result is TupleUpdate.DELETED else "update"
        raise SqlError(
            SqlState.SERIALIZATION_FAILURE,
            f"could not serialize access due to concurrent {verb}",
        )
    if result is TupleUpdate.DELETED:
        return None
    latest = context.services.table.latest_version(plan.relation, outcome)
    if latest is None:
        return None
    row = latest.values()
    if plan.system:
        row = row + system_values(plan.relation, latest, plan.system)
    return latest if recheck(row) else None


def _returned(
    plan: ModifyTable,
    returning: Sequence[Evaluate],
    row: Sequence[Any],
    tid: Tid | None,
    context: ExecutionContext,
    version: RowVersion | None = None,
) -> Row:
    if plan.system:
        row = [*row, *_system_of(plan, tid, context, version)]
    return tuple([column(row) for column in returning])


def _system_of(
    plan: ModifyTable, tid: Tid | None, context: ExecutionContext, version: RowVersion | None
) -> list[Any]:
    """System columns in RETURNING: of the deleted version, or of the one just written."""
    if version is not None:
        return system_values(plan.relation, version, plan.system)
    transactions = context.services.transactions
    command = transactions.command_id(False)
    values = {
        -1: tid,
        -2: transactions.current_xid(),
        -3: command,
        -4: 0,
        -5: command,
        -6: plan.relation.oid,
    }
    return [values[attribute] for attribute in plan.system]


def check_not_null(plan: ModifyTable, row: Sequence[Any]) -> None:
    """23502 for a null where the column says NOT NULL."""
    for position in plan.not_null:
        if row[position] is None:
            raise _null_violation(plan.relation, position, row)


def _null_violation(relation: Any, position: int, row: Sequence[Any]) -> SqlError:
    attributes = relation.descriptor.attributes
    name = attributes[position].name
    shown = [
        _shown(value, attribute.type_oid)
        for value, attribute in zip(row, attributes, strict=True)
        if not attribute.dropped
    ]
    return SqlError(
        SqlState.NOT_NULL_VIOLATION,
        f'null value in column "{name}" of relation "{relation.name}" violates not-null constraint',
        detail=f"Failing row contains ({', '.join(shown)}).",
        schema="public",
        table=relation.name,
        column=name,
    )


def _shown(value: Any, type_oid: int) -> str:
    if value is None:
        return "null"
    output = OUTPUT.get(type_oid, str)
    text = output(value)
    if len(text) > _LONGEST_SHOWN_VALUE:
        return text[:_LONGEST_SHOWN_VALUE] + "..."
    return text
