"""SQL's special forms: CASE, COALESCE, GREATEST, NULLIF, IN, BETWEEN, IS ..., ROW, subqueries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import (
    coerce,
    coerce_to_boolean,
    coerce_to_common,
    common_type,
    common_typmod,
    find_common_type,
    resolve_unknown,
)
from engine.sql.analyzer.expressions import (
    BooleanLogic,
    BooleanTest,
    Case,
    CaseSubject,
    Coalesce,
    Const,
    Distinct,
    Expression,
    Extreme,
    InList,
    NullIf,
    NullTest,
    OperatorCall,
    Row,
    SubqueryResult,
    Var,
    walk,
)
from engine.sql.analyzer.operators import binary_operator, operator_name
from engine.sql.analyzer.scope import Scope
from engine.sql.functions.comparison import NOT_SORTABLE
from engine.sql.parser import Node

_SUBQUERIES: Final = {
    "EXISTS_SUBLINK": "exists",
    "EXPR_SUBLINK": "scalar",
    "ANY_SUBLINK": "any",
    "ALL_SUBLINK": "all",
}

_TESTS: Final[dict[str, tuple[bool | None, bool, str]]] = {
    "IS_TRUE": (True, False, "IS TRUE"),
    "IS_NOT_TRUE": (True, True, "IS NOT TRUE"),
    "IS_FALSE": (False, False, "IS FALSE"),
    "IS_NOT_FALSE": (False, True, "IS NOT FALSE"),
    "IS_UNKNOWN": (None, False, "IS UNKNOWN"),
    "IS_NOT_UNKNOWN": (None, True, "IS NOT UNKNOWN"),
}


def null_test(scope: Scope, fields: Node) -> Expression:
    """IS NULL and IS NOT NULL."""
    argument = resolve_unknown(scope.analysis, scope.transform(fields["arg"]))
    if argument.type_oid == t.RECORD:
        raise scope.analysis.not_supported("IS NULL of a row", fields.get("location", 0))
    return NullTest(
        type_oid=t.BOOL,
        argument=argument,
        negated=fields.get("nulltesttype") == "IS_NOT_NULL",
        location=argument.location,
    )


def boolean_test(scope: Scope, fields: Node) -> Expression:
    """IS TRUE and its five siblings."""
    tested, negated, name = _TESTS[fields["booltesttype"]]
    argument = coerce_to_boolean(scope.analysis, scope.transform(fields["arg"]), name)
    return BooleanTest(
        type_oid=t.BOOL,
        argument=argument,
        tested=tested,
        negated=negated,
        location=argument.location,
    )


def case(scope: Scope, fields: Node) -> Expression:
    """CASE, with and without a subject."""
    analysis = scope.analysis
    subject = None
    if "arg" in fields:
        subject = resolve_unknown(analysis, scope.transform(fields["arg"]))
    conditions: list[Expression] = []
    results: list[Expression] = []
    for when in fields["args"]:
        parts = when["CaseWhen"]
        condition = scope.transform(parts["expr"])
        if subject is not None:
            placeholder = CaseSubject(
                type_oid=subject.type_oid, typmod=subject.typmod, location=subject.location
            )
            condition = binary_operator(
                scope, "=", placeholder, condition, parts.get("location", 0)
            )
        conditions.append(coerce_to_boolean(analysis, condition, "CASE/WHEN"))
        results.append(scope.transform(parts["result"]))
    default: Expression = Const(type_oid=t.UNKNOWN, value=None)
    if "defresult" in fields:
        default = scope.transform(fields["defresult"])
    everything = [default, *results]
    target = common_type(analysis, everything, "CASE")
    coerced = [coerce_to_common(analysis, one, target, "CASE/WHEN") for one in results]
    return Case(
        type_oid=target,
        typmod=common_typmod([*coerced]),
        subject=subject,
        branches=tuple(zip(conditions, coerced, strict=True)),
        default=coerce_to_common(analysis, default, target, "CASE/ELSE"),
        location=fields.get("location", 0),
    )


def _common_arguments(
    scope: Scope, nodes: Sequence[Node], name: str
) -> tuple[int, tuple[Expression, ...]]:
    arguments = [scope.transform(node) for node in nodes]
    target = common_type(scope.analysis, arguments, name)
    return target, tuple(coerce_to_common(scope.analysis, one, target, name) for one in arguments)


def coalesce(scope: Scope, fields: Node) -> Expression:
    """COALESCE."""
    target, arguments = _common_arguments(scope, fields["args"], "COALESCE")
    return Coalesce(
        type_oid=target,
        typmod=common_typmod(arguments),
        arguments=arguments,
        location=fields.get("location", 0),
    )


def extreme(scope: Scope, fields: Node) -> Expression:
    """GREATEST and LEAST."""
    greatest = fields.get("op") == "IS_GREATEST"
    name = "GREATEST" if greatest else "LEAST"
    target, arguments = _common_arguments(scope, fields["args"], name)
    if target in NOT_SORTABLE:
        raise scope.error(
            SqlState.UNDEFINED_FUNCTION,
            f"could not identify a comparison function for type {t.type_display(target)}",
            fields.get("location", 0),
        )
    return Extreme(
        type_oid=target,
        typmod=common_typmod(arguments),
        greatest=greatest,
        arguments=arguments,
        location=fields.get("location", 0),
    )


def null_if(scope: Scope, fields: Node) -> Expression:
    """NULLIF: its type is the left operand's after the coercion that equality asks for."""
    left, right = scope.transform(fields["lexpr"]), scope.transform(fields["rexpr"])
    equality = binary_operator(scope, "=", left, right, fields.get("location", 0))
    if not isinstance(equality, OperatorCall):
        raise scope.analysis.not_supported("NULLIF", fields.get("location", 0))
    result = equality.arguments[0]
    return NullIf(
        type_oid=result.type_oid,
        typmod=result.typmod,
        operator=equality.operator,
        arguments=equality.arguments,
        result=result,
        location=fields.get("location", 0),
    )


def distinct(scope: Scope, fields: Node) -> Expression:
    """IS [NOT] DISTINCT FROM; with a literal NULL it is a null test."""
    location = fields.get("location", 0)
    negated = fields["kind"] == "AEXPR_NOT_DISTINCT"
    left, right = scope.transform(fields["lexpr"]), scope.transform(fields["rexpr"])
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Const) and other.type_oid == t.UNKNOWN and other.value is None:
            argument = resolve_unknown(scope.analysis, one)
            return NullTest(
                type_oid=t.BOOL, argument=argument, negated=not negated, location=location
            )
    equality = binary_operator(scope, "=", left, right, location)
    if not isinstance(equality, OperatorCall):
        raise scope.analysis.not_supported("IS DISTINCT FROM", location)
    return Distinct(
        type_oid=t.BOOL,
        operator=equality.operator,
        arguments=equality.arguments,
        negated=negated,
        location=equality.location,
    )


def in_list(scope: Scope, fields: Node) -> Expression:
    """`x IN (...)`, `x NOT IN (...)`: one comparison type for all items if there is one."""
    location = fields.get("location", 0)
    name = operator_name(scope, fields)
    negated = name == "<>"
    nodes = fields["rexpr"]["List"]["items"]
    if any("RowExpr" in node for node in (*nodes, fields["lexpr"])):
        raise scope.analysis.not_supported("row comparison", location)
    argument = scope.transform(fields["lexpr"])
    items = [scope.transform(node) for node in nodes]
    plain = [item for item in items if not _has_column(item)]
    target = find_common_type([argument, *items])
    if len(plain) == len(items) and len(items) > 1 and isinstance(target, int):
        return _uniform_in_list(scope, name, argument, items, target, location)
    comparisons = [binary_operator(scope, name, argument, item, location) for item in items]
    if len(comparisons) == 1:
        return comparisons[0]
    return BooleanLogic(
        type_oid=t.BOOL,
        kind="and" if negated else "or",
        arguments=tuple(comparisons),
        location=argument.location,
    )


def _has_column(expression: Expression) -> bool:
    return any(isinstance(node, Var) for node in walk(expression))


def _uniform_in_list(
    scope: Scope,
    name: str,
    argument: Expression,
    items: list[Expression],
    target: int,
    location: int,
) -> Expression:
    analysis = scope.analysis
    coerced = [coerce_to_common(analysis, item, target, "IN") for item in items]
    probe = binary_operator(scope, name, argument, coerced[0], location)
    if not isinstance(probe, OperatorCall):
        raise analysis.not_supported("IN", location)
    operand_type = probe.operator.right
    return InList(
        type_oid=t.BOOL,
        operator=probe.operator,
        argument=probe.arguments[0],
        items=tuple(coerce(analysis, item, operand_type, "i", implicit=True) for item in coerced),
        negated=name == "<>",
        location=probe.location,
    )


def array_comparison(scope: Scope, fields: Node) -> Expression:
    """`x op ANY (ARRAY[...])`: only with an array constructor, as there are no arrays yet."""
    location = fields.get("location", 0)
    elements = fields["rexpr"].get("A_ArrayExpr", {}).get("elements")
    if not elements:
        raise scope.analysis.not_supported("ANY/ALL over an array", location)
    name = operator_name(scope, fields)
    argument = scope.transform(fields["lexpr"])
    items = [scope.transform(node) for node in elements]
    target = common_type(scope.analysis, items, "ARRAY")
    coerced = [coerce_to_common(scope.analysis, item, target, "ARRAY") for item in items]
    comparisons = tuple(binary_operator(scope, name, argument, item, location) for item in coerced)
    kind = "or" if fields["kind"] == "AEXPR_OP_ANY" else "and"
    return BooleanLogic(type_oid=t.BOOL, kind=kind, arguments=comparisons, location=location)


def between(scope: Scope, fields: Node) -> Expression:
    """BETWEEN, as the pair of comparisons that it stands for."""
    location = fields.get("location", 0)
    low_node, high_node = fields["rexpr"]["List"]["items"]
    argument = scope.transform(fields["lexpr"])
    low, high = scope.transform(low_node), scope.transform(high_node)
    negated = "NOT" in fields["kind"]

    def inside(lowest: Expression, highest: Expression) -> Expression:
        first, second = ("<", ">") if negated else (">=", "<=")
        return BooleanLogic(
            type_oid=t.BOOL,
            kind="or" if negated else "and",
            arguments=(
                binary_operator(scope, first, argument, lowest, location),
                binary_operator(scope, second, argument, highest, location),
            ),
            location=argument.location,
        )

    if not fields["kind"].endswith("_SYM"):
        return inside(low, high)
    return BooleanLogic(
        type_oid=t.BOOL,
        kind="and" if negated else "or",
        arguments=(inside(low, high), inside(high, low)),
        location=argument.location,
    )


def row(scope: Scope, fields: Node) -> Expression:
    """ROW(...)."""
    arguments = tuple(
        resolve_unknown(scope.analysis, scope.transform(node)) for node in fields.get("args", [])
    )
    return Row(type_oid=t.RECORD, arguments=arguments, location=fields.get("location", 0))


def subquery(scope: Scope, fields: Node) -> Expression:
    """EXISTS (...), (SELECT ...), x IN (SELECT ...), x op ANY (SELECT ...), x op ALL (...)."""
    analysis = scope.analysis
    location = fields.get("location", 0)
    kind = _SUBQUERIES.get(fields["subLinkType"])
    if kind is None:
        raise analysis.not_supported("this form of subquery", location)
    query = analysis.rules.subquery(scope, fields["subselect"])
    scope.query.has_subqueries = True
    references = _own_references(query.outer_references)
    if kind == "exists":
        return SubqueryResult(
            type_oid=t.BOOL, kind=kind, query=query, references=references, location=location
        )
    output = query.output
    if len(output) != 1:
        many = "subquery has too many columns"
        message = "subquery must return only one column" if kind == "scalar" else many
        raise scope.error(SqlState.SYNTAX_ERROR, message, location)
    column = output[0].expression
    if kind == "scalar":
        return SubqueryResult(
            type_oid=column.type_oid,
            typmod=column.typmod,
            kind=kind,
            query=query,
            references=references,
            location=location,
        )
    argument = scope.transform(fields["testexpr"])
    name = fields["operName"][-1]["String"]["sval"] if "operName" in fields else "="
    placeholder = CaseSubject(type_oid=column.type_oid, typmod=column.typmod)
    comparison = binary_operator(scope, name, argument, placeholder, location)
    if not isinstance(comparison, OperatorCall) or comparison.type_oid != t.BOOL:
        raise analysis.not_supported("this operator over a subquery", location)
    # The subquery's column takes the type that the operator wants, whatever the query is like.
    output[0].expression = coerce(analysis, column, comparison.operator.right, "i", implicit=True)
    return SubqueryResult(
        type_oid=t.BOOL,
        kind=kind,
        query=query,
        operator=comparison.operator,
        argument=comparison.arguments[0],
        references=references,
        location=location,
    )


def _own_references(outer: Sequence[Var]) -> tuple[Var, ...]:
    """The subquery's references to outer levels, as seen from the level that it stands in."""
    return tuple(
        Var(
            type_oid=var.type_oid,
            typmod=var.typmod,
            location=var.location,
            entry=var.entry,
            attribute=var.attribute,
            levels_up=var.levels_up - 1,
            name=var.name,
        )
        for var in outer
    )
