"""Function and aggregate calls, and the keywords that are calls (`parse_func.c`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import (
    as_text,
    can_coerce,
    coerce,
    coerce_to_boolean,
    resolve_unknown,
)
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.analyzer.expressions import (
    AggregateCall,
    Const,
    Expression,
    FunctionCall,
    SortKey,
    contains_aggregate,
)
from engine.sql.analyzer.resolution import accepts, choose
from engine.sql.analyzer.scope import Scope
from engine.sql.analyzer.sorting import sort_direction
from engine.sql.functions.entries import Aggregate, Function
from engine.sql.functions.lookup import AGGREGATES, FUNCTIONS
from engine.sql.functions.missing import KNOWN_NAMES
from engine.sql.parser import Node, string_values

_NO_AGGREGATE: Final = {
    "WHERE": "aggregate functions are not allowed in WHERE",
    "GROUP BY": "aggregate functions are not allowed in GROUP BY",
    "JOIN/ON": "aggregate functions are not allowed in JOIN conditions",
    "FROM": "aggregate functions are not allowed in functions in FROM",
    "VALUES": "aggregate functions are not allowed in VALUES",
    "UPDATE": "aggregate functions are not allowed in UPDATE",
    "RETURNING": "aggregate functions are not allowed in RETURNING",
    "LIMIT": "aggregate functions are not allowed in LIMIT",
    "OFFSET": "aggregate functions are not allowed in OFFSET",
    "FILTER": "aggregate functions are not allowed in FILTER",
}

_VALUE_FUNCTIONS: Final = {
    "SVFOP_CURRENT_TIMESTAMP": "now",
    "SVFOP_CURRENT_TIMESTAMP_N": "now",
    "SVFOP_CURRENT_ROLE": "current_user",
    "SVFOP_CURRENT_USER": "current_user",
    "SVFOP_USER": "current_user",
    "SVFOP_SESSION_USER": "session_user",
    "SVFOP_CURRENT_CATALOG": "current_database",
    "SVFOP_CURRENT_SCHEMA": "current_schema",
}


def function_call(scope: Scope, fields: Node) -> Expression:
    """`name(arguments)`: an aggregate, a function, or a type's name used as a cast."""
    location = fields.get("location", 0)
    names = string_values(fields["funcname"])
    _refuse_options(scope, fields, location)
    name = names[-1]
    is_builtin = len(names) == 1 or names[0] == "pg_catalog"
    arguments = _arguments(scope, fields, name, is_builtin)
    types = [argument.type_oid for argument in arguments]
    if is_builtin:
        if name in AGGREGATES:
            return _aggregate_call(scope, fields, name, arguments)
        special = _SPECIAL.get(name)
        if special is not None:
            return special(scope, arguments, location)
        function = _find_function(scope, name, types, location)
        if function is not None:
            _refuse_aggregate_syntax(scope, fields, name, location)
            return _call(scope, function, arguments, location)
        if len(arguments) == 1 and name in t.BY_NAME:
            target = t.BY_NAME[name].oid
            if target not in t.PSEUDO_TYPES and can_coerce(types[0], target, "e"):
                return coerce(scope.analysis, arguments[0], target, "e", implicit=False)
    elif scope.analysis.catalog.schema_oid(names[0]) is None:
        raise scope.error(
            SqlState.INVALID_SCHEMA_NAME, f'schema "{names[0]}" does not exist', location
        )
    raise _no_function(scope.analysis, ".".join(names), types, location)


def sql_value_function(scope: Scope, fields: Node) -> Expression:
    """CURRENT_TIMESTAMP, CURRENT_USER and the like."""
    location = fields.get("location", 0)
    operation = fields["op"]
    if operation in ("SVFOP_LOCALTIMESTAMP", "SVFOP_CURRENT_DATE"):
        now = FunctionCall(type_oid=t.TIMESTAMPTZ, function=FUNCTIONS["now"][0], arguments=())
        target = t.DATE if operation == "SVFOP_CURRENT_DATE" else t.TIMESTAMP
        return coerce(scope.analysis, now, target, "a", implicit=False)
    name = _VALUE_FUNCTIONS.get(operation)
    if name is None:
        shown = operation.removeprefix("SVFOP_")
        raise scope.analysis.not_supported(shown, location)
    return _call(scope, FUNCTIONS[name][0], [], location)


def _refuse_options(scope: Scope, fields: Node, location: int) -> None:
    for field, name in (
        ("over", "OVER (window functions)"),
        ("agg_within_group", "WITHIN GROUP"),
        ("func_variadic", "VARIADIC"),
    ):
        if fields.get(field):
            raise scope.analysis.not_supported(name, location)


def _refuse_aggregate_syntax(scope: Scope, fields: Node, name: str, location: int) -> None:
    for field, syntax in (("agg_distinct", "DISTINCT"), ("agg_filter", "FILTER")):
        if fields.get(field):
            raise scope.error(
                SqlState.WRONG_OBJECT_TYPE,
                f"{syntax} specified, but {name} is not an aggregate function",
                location,
            )
    if fields.get("agg_star"):
        raise scope.error(
            SqlState.WRONG_OBJECT_TYPE,
            f"{name}(*) specified, but {name} is not an aggregate function",
            location,
        )
    if fields.get("agg_order"):
        raise scope.error(
            SqlState.WRONG_OBJECT_TYPE,
            f"ORDER BY specified, but {name} is not an aggregate function",
            location,
        )


def _arguments(scope: Scope, fields: Node, name: str, is_builtin: bool) -> list[Expression]:
    is_aggregate = is_builtin and name in AGGREGATES
    before = scope.in_aggregate
    if is_aggregate:
        _check_aggregate_place(scope, fields.get("location", 0))
        scope.in_aggregate = True
    arguments = [scope.transform(node) for node in fields.get("args", [])]
    scope.in_aggregate = before
    return arguments


def _check_aggregate_place(scope: Scope, location: int) -> None:
    if scope.in_aggregate:
        raise scope.error(
            SqlState.GROUPING_ERROR, "aggregate function calls cannot be nested", location
        )
    message = _NO_AGGREGATE.get(scope.clause)
    if message is not None:
        raise scope.error(SqlState.GROUPING_ERROR, message, location)


def _find_function(scope: Scope, name: str, types: Sequence[int], location: int) -> Function | None:
    entries = FUNCTIONS.get(name, ())
    for entry in entries:
        if entry.arguments == tuple(types):
            return entry
    fitting = [(entry.arguments, entry) for entry in entries if accepts(entry.arguments, types)]
    if len(fitting) == 1:
        return fitting[0][1]
    if not fitting:
        return None
    chosen = choose(fitting, types)
    if chosen is None:
        raise _not_unique(scope.analysis, name, types, location)
    return chosen


def _find_aggregate(
    scope: Scope, name: str, types: Sequence[int], location: int
) -> Aggregate | None:
    entries = AGGREGATES[name]
    for entry in entries:
        if entry.arguments == tuple(types):
            return entry
    fitting = [(entry.arguments, entry) for entry in entries if accepts(entry.arguments, types)]
    if len(fitting) == 1:
        return fitting[0][1]
    if not fitting:
        return None
    chosen = choose(fitting, types)
    if chosen is None:
        raise _not_unique(scope.analysis, name, types, location)
    return chosen


def _call(
    scope: Scope, function: Function, arguments: Sequence[Expression], location: int
) -> Expression:
    if function.returns_set and scope.clause not in ("FROM", "SELECT"):
        raise scope.error(
            SqlState.FEATURE_NOT_SUPPORTED,
            f"set-returning functions are not allowed in {scope.clause or 'this context'}",
            location,
        )
    if function.returns_set:
        scope.query.has_set_functions = True
    coerced = tuple(
        coerce(scope.analysis, argument, declared, "i", implicit=True)
        for argument, declared in zip(arguments, function.arguments, strict=True)
    )
    return FunctionCall(
        type_oid=function.result, function=function, arguments=coerced, location=location
    )


def _aggregate_call(
    scope: Scope, fields: Node, name: str, arguments: list[Expression]
) -> Expression:
    location = fields.get("location", 0)
    types = [argument.type_oid for argument in arguments]
    if fields.get("agg_star") and name != "count":
        raise _no_function(scope.analysis, name, types, location)
    if not arguments and not fields.get("agg_star"):
        if name == "count":
            raise scope.error(
                SqlState.WRONG_OBJECT_TYPE,
                "count(*) must be used to call a parameterless aggregate function",
                location,
            )
        raise _no_function(scope.analysis, name, types, location)
    aggregate = _find_aggregate(scope, name, types, location)
    if aggregate is None:
        raise _no_function(scope.analysis, name, types, location)
    coerced = tuple(
        resolve_unknown(
            scope.analysis, coerce(scope.analysis, argument, declared, "i", implicit=True)
        )
        for argument, declared in zip(arguments, aggregate.arguments, strict=True)
    )
    scope.query.has_aggregates = True
    return AggregateCall(
        type_oid=aggregate.result,
        aggregate=aggregate,
        arguments=coerced,
        distinct=bool(fields.get("agg_distinct")),
        condition=_filter(scope, fields),
        order=_aggregate_order(scope, fields),
        location=location,
    )


def _filter(scope: Scope, fields: Node) -> Expression | None:
    if "agg_filter" not in fields:
        return None
    before = scope.clause
    scope.clause = "FILTER"
    condition = scope.transform(fields["agg_filter"])
    scope.clause = before
    return coerce_to_boolean(scope.analysis, condition, "FILTER")


def _aggregate_order(scope: Scope, fields: Node) -> tuple[SortKey, ...]:
    keys: list[SortKey] = []
    for node in fields.get("agg_order", []):
        item = node["SortBy"]
        expression = resolve_unknown(scope.analysis, scope.transform(item["node"]))
        if contains_aggregate(expression):
            raise scope.error(
                SqlState.GROUPING_ERROR,
                "aggregate function calls cannot be nested",
                expression.location,
            )
        descending, nulls_first = sort_direction(scope, item)
        keys.append(SortKey(expression, descending, nulls_first))
    return tuple(keys)


def _concatenation(scope: Scope, arguments: list[Expression], location: int) -> Expression:
    """concat(...): every argument as text, nulls left out."""
    texts = tuple(as_text(scope.analysis, argument) for argument in arguments)
    function = Function(3058, "concat", (), t.TEXT, _join_not_null, strict=False)
    if not texts:
        raise _no_function(scope.analysis, "concat", [], location)
    return FunctionCall(type_oid=t.TEXT, function=function, arguments=texts, location=location)


def _separated(scope: Scope, arguments: list[Expression], location: int) -> Expression:
    """concat_ws(separator, ...)."""
    if len(arguments) < 2:
        types = [argument.type_oid for argument in arguments]
        raise _no_function(scope.analysis, "concat_ws", types, location)
    texts = tuple(as_text(scope.analysis, argument) for argument in arguments)
    function = Function(3059, "concat_ws", (), t.TEXT, _join_separated, strict=False)
    return FunctionCall(type_oid=t.TEXT, function=function, arguments=texts, location=location)


def _type_of(scope: Scope, arguments: list[Expression], location: int) -> Expression:
    """pg_typeof(any)."""
    if len(arguments) != 1:
        types = [argument.type_oid for argument in arguments]
        raise _no_function(scope.analysis, "pg_typeof", types, location)
    return Const(type_oid=t.REGTYPE, value=arguments[0].type_oid, location=location)


def _join_not_null(*texts: str | None) -> str:
    return "".join(text for text in texts if text is not None)


def _join_separated(separator: str | None, *texts: str | None) -> str | None:
    if separator is None:
        return None
    return separator.join(text for text in texts if text is not None)


_SPECIAL: Final = {
    "concat": _concatenation,
    "concat_ws": _separated,
    "pg_typeof": _type_of,
}


def _signature(name: str, types: Sequence[int]) -> str:
    return f"{name}({', '.join(t.type_display(kind) for kind in types)})"


def _no_function(
    analysis: AnalysisContext, name: str, types: Sequence[int], location: int
) -> SqlError:
    last = name.removeprefix("pg_catalog.")
    if last in KNOWN_NAMES and last not in FUNCTIONS and last not in AGGREGATES:
        return analysis.not_supported(f"function {last}", location)
    return analysis.error(
        SqlState.UNDEFINED_FUNCTION,
        f"function {_signature(name, types)} does not exist",
        location,
        hint="No function matches the given name and argument types. "
        "You might need to add explicit type casts.",
    )


def _not_unique(
    analysis: AnalysisContext, name: str, types: Sequence[int], location: int
) -> SqlError:
    return analysis.error(
        SqlState.AMBIGUOUS_FUNCTION,
        f"function {_signature(name, types)} is not unique",
        location,
        hint="Could not choose a best candidate function. "
        "You might need to add explicit type casts.",
    )
