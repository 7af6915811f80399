"""Plans of INSERT, UPDATE and DELETE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.sql.analyzer.query import Query, RangeReference
from engine.sql.planner.plans import Layout, ModifyTable, Plan, Project

if TYPE_CHECKING:
    from engine.sql.planner.planner import Planner


def plan_modification(query: Query, planner: Planner) -> Plan:
    """The plan of a statement that changes a table."""
    relation = query.range_table[query.result_entry or 0].relation
    if query.command == "insert":
        source = _insert_source(query, planner)
    else:
        source, _ = planner.plan_from()
    width = _width(relation)
    layout = Layout({0: 0}, {0: width}, planner.system)
    returning = [target.expression for target in query.returning] if query.returns_rows else None
    return ModifyTable(
        command=query.command,
        relation=relation,
        input=source,
        layout=layout,
        assignments=query.assignments,
        returning=returning,
        not_null=_not_null(relation, query),
        system=planner.system,
        width=len(query.returning),
    )


def _insert_source(query: Query, planner: Planner) -> Plan:
    (item,) = query.from_items
    index = item.entry if isinstance(item, RangeReference) else 0
    plan, layout = planner.scan(index, [])
    if query.targets:
        expressions = [target.expression for target in query.targets]
        return Project(input=plan, layout=layout, expressions=expressions, width=len(expressions))
    return plan


def _width(relation: Any) -> int:
    return len(relation.descriptor.attributes)


def _not_null(relation: Any, query: Query) -> list[int]:
    """The positions of the columns that the statement could set to null and must not."""
    assigned = [number for number, _ in query.assignments]
    return [
        position
        for position, attribute in enumerate(relation.descriptor.attributes)
        if attribute.not_null
        and not attribute.dropped
        and (query.command == "insert" or position + 1 in assigned)
    ]
