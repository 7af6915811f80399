"""Expressions to Python closures, made anew for each execution with the parameters bound in.

A closure takes the input row and returns the value, None for null. Columns become `itemgetter`s and
the common shapes (column against constant) get closures of their own, since a qualification is
evaluated once per row of a scan.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.errors import not_supported
from engine.sql.analyzer.expressions import (
    BooleanLogic,
    BooleanTest,
    Case,
    CaseSubject,
    Coalesce,
    Coercion,
    Const,
    Distinct,
    Expression,
    Extreme,
    FunctionCall,
    InList,
    NullIf,
    NullTest,
    OperatorCall,
    Param,
    Row,
    SubqueryResult,
    Var,
)
from engine.sql.executor.context import Evaluate, ExecutionContext
from engine.sql.executor.subqueries import compile_subquery
from engine.sql.functions.comparison import comparison_key
from engine.sql.planner.plans import Layout

Compiler = Callable[[Any, Layout, ExecutionContext], Evaluate]


def compile_expression(
    expression: Expression, layout: Layout, context: ExecutionContext
) -> Evaluate:
    """The closure that computes `expression` over rows of `layout`."""
    if layout.computed:
        position = layout.computed_position(expression)
        if position is not None:
            return operator.itemgetter(position)
    compiler = _COMPILERS.get(type(expression))
    if compiler is None:
        raise not_supported(f"expression {type(expression).__name__}")
    return compiler(expression, layout, context)


def compile_all(
    expressions: Sequence[Expression], layout: Layout, context: ExecutionContext
) -> list[Evaluate]:
    """One closure for each expression."""
    return [compile_expression(expression, layout, context) for expression in expressions]


def evaluate_once(expression: Expression, context: ExecutionContext) -> Any:
    """The value of an expression without columns."""
    return compile_expression(expression, Layout(), context)(())


def constant_value(expression: Expression, context: ExecutionContext) -> tuple[bool, Any]:
    """(True, its value) for a constant or parameter."""
    if isinstance(expression, Const):
        return True, expression.value
    if isinstance(expression, Param):
        return True, context.parameters[expression.number - 1]
    return False, None


def _constant(value: Any) -> Evaluate:
    return lambda row: value


def _compile_const(node: Const, layout: Layout, context: ExecutionContext) -> Evaluate:
    return _constant(node.value)


def _compile_param(node: Param, layout: Layout, context: ExecutionContext) -> Evaluate:
    return _constant(context.parameters[node.number - 1])


def _compile_var(node: Var, layout: Layout, context: ExecutionContext) -> Evaluate:
    if node.levels_up:
        # A correlated subquery is compiled anew for each outer row, so this is a constant to it.
        outer_layout, row = context.outer[-node.levels_up]
        return _constant(_outer_value(node, outer_layout, row))
    return operator.itemgetter(layout.position(node))


def _outer_value(node: Var, layout: Layout, row: Sequence[Any]) -> Any:
    column = Var(
        type_oid=node.type_oid, typmod=node.typmod, entry=node.entry, attribute=node.attribute
    )
    position = layout.computed_position(column)
    return row[layout.position(column) if position is None else position]


def _compile_operator(node: OperatorCall, layout: Layout, context: ExecutionContext) -> Evaluate:
    function = node.operator.implementation
    if len(node.arguments) == 1:
        return strict_call(function, compile_all(node.arguments, layout, context))
    left, right = node.arguments
    is_constant, value = constant_value(right, context)
    if is_constant:
        if value is None:
            return _constant(None)
        if isinstance(left, Var) and not left.levels_up and not layout.computed:
            position = layout.position(left)
            if function is operator.eq:
                return _column_equals(position, value)
            return _column_and_constant(function, position, value)
        return _any_and_constant(function, compile_expression(left, layout, context), value)
    return _binary(
        function,
        compile_expression(left, layout, context),
        compile_expression(right, layout, context),
    )


def _column_equals(position: int, value: Any) -> Evaluate:
    def equals(row: Sequence[Any]) -> Any:
        found = row[position]
        return None if found is None else found == value

    return equals


def _column_and_constant(function: Callable[..., Any], position: int, value: Any) -> Evaluate:
    def compute(row: Sequence[Any]) -> Any:
        found = row[position]
        return None if found is None else function(found, value)

    return compute


def _any_and_constant(function: Callable[..., Any], left: Evaluate, value: Any) -> Evaluate:
    def compute(row: Sequence[Any]) -> Any:
        found = left(row)
        return None if found is None else function(found, value)

    return compute


def _binary(function: Callable[..., Any], left: Evaluate, right: Evaluate) -> Evaluate:
    def compute(row: Sequence[Any]) -> Any:
        one = left(row)
        if one is None:
            return None
        other = right(row)
        return None if other is None else function(one, other)

    return compute


def strict_call(function: Callable[..., Any], arguments: Sequence[Evaluate]) -> Evaluate:
    """A call that is null when an argument is."""
    if len(arguments) == 1:
        only = arguments[0]

        def compute_one(row: Sequence[Any]) -> Any:
            value = only(row)
            return None if value is None else function(value)

        return compute_one

    def compute(row: Sequence[Any]) -> Any:
        values = [argument(row) for argument in arguments]
        for value in values:
            if value is None:
                return None
        return function(*values)

    return compute


def _compile_function(node: FunctionCall, layout: Layout, context: ExecutionContext) -> Evaluate:
    function = node.function
    if function.returns_set:
        raise not_supported("a set-returning function in this place")
    implementation = function.implementation
    arguments = compile_all(node.arguments, layout, context)
    if function.needs_context:
        plain, services = implementation, context.services

        def implementation(*values: Any) -> Any:
            return plain(services, *values)

    if function.strict:
        if not arguments:
            return lambda row: implementation()
        return strict_call(implementation, arguments)
    return lambda row: implementation(*[argument(row) for argument in arguments])


def _compile_coercion(node: Coercion, layout: Layout, context: ExecutionContext) -> Evaluate:
    argument = compile_expression(node.argument, layout, context)
    if node.implementation is None:
        return argument
    return strict_call(node.implementation, [argument])


def _compile_logic(node: BooleanLogic, layout: Layout, context: ExecutionContext) -> Evaluate:
    arguments = compile_all(node.arguments, layout, context)
    if node.kind == "not":
        return strict_call(operator.not_, arguments)
    return _conjunction(arguments) if node.kind == "and" else _disjunction(arguments)


def _conjunction(arguments: list[Evaluate]) -> Evaluate:
    def compute(row: Sequence[Any]) -> Any:
        result: Any = True
        for argument in arguments:
            value = argument(row)
            if value is None:
                result = None
            elif not value:
                return False
        return result

    return compute


def _disjunction(arguments: list[Evaluate]) -> Evaluate:
    def compute(row: Sequence[Any]) -> Any:
        result: Any = False
        for argument in arguments:
            value = argument(row)
            if value:
                return True
            if value is None:
                result = None
        return result

    return compute


def _compile_null_test(node: NullTest, layout: Layout, context: ExecutionContext) -> Evaluate:
    argument = compile_expression(node.argument, layout, context)
    if node.negated:
        return lambda row: argument(row) is not None
    return lambda row: argument(row) is None


def _compile_boolean_test(node: BooleanTest, layout: Layout, context: ExecutionContext) -> Evaluate:
    argument = compile_expression(node.argument, layout, context)
    tested = node.tested
    if node.negated:
        return lambda row: argument(row) is not tested
    return lambda row: argument(row) is tested


def _compile_case(node: Case, layout: Layout, context: ExecutionContext) -> Evaluate:
    cell: list[Any] = [None]
    subject = None
    if node.subject is not None:
        subject = compile_expression(node.subject, layout, context)
        context.case_subjects.append(cell)
    branches = [
        (
            compile_expression(condition, layout, context),
            compile_expression(result, layout, context),
        )
        for condition, result in node.branches
    ]
    if node.subject is not None:
        context.case_subjects.pop()
    default = compile_expression(node.default, layout, context)

    def compute(row: Sequence[Any]) -> Any:
        if subject is not None:
            cell[0] = subject(row)
        for condition, result in branches:
            if condition(row):
                return result(row)
        return default(row)

    return compute


def _compile_case_subject(node: CaseSubject, layout: Layout, context: ExecutionContext) -> Evaluate:
    cell = context.case_subjects[-1]
    return lambda row: cell[0]


def _compile_coalesce(node: Coalesce, layout: Layout, context: ExecutionContext) -> Evaluate:
    arguments = compile_all(node.arguments, layout, context)

    def compute(row: Sequence[Any]) -> Any:
        for argument in arguments:
            value = argument(row)
            if value is not None:
                return value
        return None

    return compute


def _compile_extreme(node: Extreme, layout: Layout, context: ExecutionContext) -> Evaluate:
    arguments = compile_all(node.arguments, layout, context)
    key = comparison_key(node.type_oid)
    choose: Callable[..., Any] = max if node.greatest else min

    def compute(row: Sequence[Any]) -> Any:
        values = [value for argument in arguments if (value := argument(row)) is not None]
        return choose(values, key=key) if values else None

    return compute


def _compile_null_if(node: NullIf, layout: Layout, context: ExecutionContext) -> Evaluate:
    left, right = compile_all(node.arguments, layout, context)
    equal = node.operator.implementation

    def compute(row: Sequence[Any]) -> Any:
        one = left(row)
        if one is None:
            return None
        other = right(row)
        return None if other is not None and equal(one, other) else one

    return compute


def _compile_distinct(node: Distinct, layout: Layout, context: ExecutionContext) -> Evaluate:
    left, right = compile_all(node.arguments, layout, context)
    equal, negated = node.operator.implementation, node.negated

    def compute(row: Sequence[Any]) -> Any:
        one, other = left(row), right(row)
        if one is None or other is None:
            same = one is other
        else:
            same = bool(equal(one, other))
        return same is negated

    return compute


def _compile_in_list(node: InList, layout: Layout, context: ExecutionContext) -> Evaluate:
    argument = compile_expression(node.argument, layout, context)
    negated = node.negated
    constants = [constant_value(item, context) for item in node.items]
    plain = node.operator.implementation in (operator.eq, operator.ne)
    if plain and all(is_constant for is_constant, _ in constants):
        values = [value for _, value in constants]
        return _membership(argument, values, negated)
    items = compile_all(node.items, layout, context)
    compare = node.operator.implementation

    def compute(row: Sequence[Any]) -> Any:
        value = argument(row)
        if value is None:
            return None
        result: Any = negated
        for item in items:
            other = item(row)
            if other is None:
                result = None
            elif bool(compare(value, other)) is not negated:
                return not negated
        return result

    return compute


def _membership(argument: Evaluate, values: list[Any], negated: bool) -> Evaluate:
    members = frozenset(value for value in values if value is not None)
    missing: Any = None if None in values else negated

    def compute(row: Sequence[Any]) -> Any:
        value = argument(row)
        if value is None:
            return None
        return not negated if value in members else missing

    return compute


def _compile_row(node: Row, layout: Layout, context: ExecutionContext) -> Evaluate:
    arguments = compile_all(node.arguments, layout, context)
    return lambda row: tuple([argument(row) for argument in arguments])


def _compile_subquery(node: SubqueryResult, layout: Layout, context: ExecutionContext) -> Evaluate:
    argument = None
    if node.argument is not None:
        argument = compile_expression(node.argument, layout, context)
    return compile_subquery(node, argument, layout, context)


_COMPILERS: Final[dict[type, Compiler]] = {
    Const: _compile_const,
    Param: _compile_param,
    Var: _compile_var,
    OperatorCall: _compile_operator,
    FunctionCall: _compile_function,
    Coercion: _compile_coercion,
    BooleanLogic: _compile_logic,
    NullTest: _compile_null_test,
    BooleanTest: _compile_boolean_test,
    Case: _compile_case,
    CaseSubject: _compile_case_subject,
    Coalesce: _compile_coalesce,
    Extreme: _compile_extreme,
    NullIf: _compile_null_if,
    Distinct: _compile_distinct,
    InList: _compile_in_list,
    Row: _compile_row,
    SubqueryResult: _compile_subquery,
}
