"""Entry of the analyzer: one parse tree of a query statement to a `Query` (`parse_analyze`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.sql.analyzer.context import AnalysisContext, Rules
from engine.sql.analyzer.modify import analyze_delete, analyze_insert, analyze_update
from engine.sql.analyzer.query import Query
from engine.sql.analyzer.scope import Scope
from engine.sql.analyzer.select import analyze_select, analyze_subquery
from engine.sql.analyzer.transform import transform
from engine.sql.parser import RawStatement
from engine.sql.services import Catalog

RULES: Final = Rules(expression=transform, subquery=analyze_subquery, select=analyze_select)

QUERY_KINDS: Final = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"})


def analyze_query(
    statement: RawStatement, catalog: Catalog, parameter_types: Sequence[int] | None
) -> tuple[Query, tuple[int, ...]]:
    """The query that the statement means, and the types of its parameters."""
    analysis = AnalysisContext(statement, catalog, parameter_types, RULES)
    body = statement.body
    if statement.kind == "InsertStmt":
        query = analyze_insert(analysis, body)
    elif statement.kind == "UpdateStmt":
        query = analyze_update(analysis, body)
    elif statement.kind == "DeleteStmt":
        query = analyze_delete(analysis, body)
    else:
        query = analyze_select(Scope(analysis, Query("select")), body)
    return query, analysis.settled_parameter_types()
