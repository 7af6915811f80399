"""Type coercion: which casts apply where, and making them (`parse_coerce.c`).

Contexts are the letters of `pg_cast.castcontext`: "i" implicit, "a" assignment, "e" explicit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.analyzer.expressions import Coercion, Const, Expression, FunctionCall, Param
from engine.sql.functions.lookup import CASTS
from engine.sql.functions.system import OID_NAMES
from engine.sql.text_io import OUTPUT
from engine.sql.types import text_input, typmod_function

_ALLOWED: Final = {"i": "i", "a": "ia", "e": "iae"}


def can_coerce(source: int, target: int, context: str) -> bool:
    """Whether a value of `source` may become one of `target` in that context."""
    if source == target or source == t.UNKNOWN or target in (t.ANY, t.ANYELEMENT):
        return True
    cast = CASTS.get((source, target))
    if cast is not None:
        return cast.context in _ALLOWED[context]
    return _via_text(source, target, context)


def _via_text(source: int, target: int, context: str) -> bool:
    """Whether the conversion goes through the types' text forms (COERCION_PATH_COERCEVIAIO)."""
    if source in (t.ANY, t.ANYELEMENT, t.VOID) or target in t.PSEUDO_TYPES:
        return False
    if context == "i":
        return False
    if t.type_category(target) == "S":
        return source in OUTPUT
    return context == "e" and t.type_category(source) == "S"


def coerce(
    analysis: AnalysisContext, expression: Expression, target: int, context: str, *, implicit: bool
) -> Expression:
    """`expression` as `target`; the caller has checked `can_coerce`, or accepts 42846."""
    source = expression.type_oid
    if source == target or target in (t.ANY, t.ANYELEMENT):
        return expression
    if source == t.UNKNOWN:
        return _coerce_unknown(analysis, expression, target, implicit)
    if not can_coerce(source, target, context):
        raise cannot_cast(analysis, expression, target)
    cast = CASTS.get((source, target))
    if cast is None and source in OID_NAMES:
        return FunctionCall(
            type_oid=target,
            function=OID_NAMES[source],
            arguments=(expression,),
            location=expression.location,
        )
    implementation = _text_conversion(source, target) if cast is None else cast.implementation
    return Coercion(
        type_oid=target,
        argument=expression,
        implementation=implementation,
        location=expression.location,
        implicit=implicit,
    )


def _text_conversion(source: int, target: int) -> Callable[[Any], Any]:
    write, read = OUTPUT[source], text_input(target)
    return lambda value: read(write(value))


def _coerce_unknown(
    analysis: AnalysisContext, expression: Expression, target: int, implicit: bool
) -> Expression:
    if isinstance(expression, Const):
        value = expression.value
        if value is not None:
            read = text_input(target)
            with analysis.at(expression.location):
                value = read(value)
        return Const(type_oid=target, value=value, location=expression.location)
    if isinstance(expression, Param):
        analysis.set_parameter_type(expression, target)
        return Param(type_oid=target, number=expression.number, location=expression.location)
    return Coercion(
        type_oid=target,
        argument=expression,
        implementation=text_input(target),
        location=expression.location,
        implicit=implicit,
    )


def cannot_cast(analysis: AnalysisContext, expression: Expression, target: int) -> SqlError:
    """42846."""
    source = t.type_display(expression.type_oid)
    return analysis.error(
        SqlState.CANNOT_COERCE,
        f"cannot cast type {source} to {t.type_display(target)}",
        expression.location,
    )


def apply_typmod(expression: Expression, typmod: int, *, explicit: bool) -> Expression:
    """Enforce a declared length on top of a coerced expression."""
    if expression.typmod == typmod:
        return expression
    function = typmod_function(expression.type_oid, typmod, explicit=explicit)
    if function is None:
        return expression
    if isinstance(expression, Const):
        value = None if expression.value is None else function(expression.value)
        return Const(
            type_oid=expression.type_oid, typmod=typmod, value=value, location=expression.location
        )
    return Coercion(
        type_oid=expression.type_oid,
        typmod=typmod,
        argument=expression,
        implementation=function,
        location=expression.location,
        implicit=not explicit,
    )


def coerce_to_boolean(
    analysis: AnalysisContext, expression: Expression, construct: str
) -> Expression:
    """The operand of WHERE, AND, ...: 42804 when it is not a boolean."""
    if not can_coerce(expression.type_oid, t.BOOL, "a"):
        raise analysis.error(
            SqlState.DATATYPE_MISMATCH,
            f"argument of {construct} must be type boolean, "
            f"not type {t.type_display(expression.type_oid)}",
            expression.location,
        )
    return coerce(analysis, expression, t.BOOL, "a", implicit=True)


def common_type(
    analysis: AnalysisContext, expressions: Sequence[Expression], construct: str
) -> int:
    """`select_common_type`: the type of CASE, COALESCE, VALUES, IN, UNION; 42804 without one."""
    found = find_common_type(expressions)
    if isinstance(found, int):
        return found
    chosen, expression = found
    raise analysis.error(
        SqlState.DATATYPE_MISMATCH,
        f"{construct} types {t.type_display(chosen)} and "
        f"{t.type_display(expression.type_oid)} cannot be matched",
        expression.location,
    )


def find_common_type(expressions: Sequence[Expression]) -> int | tuple[int, Expression]:
    """The common type, or the type so far and the first expression that does not go with it."""
    chosen = expressions[0].type_oid
    for expression in expressions[1:]:
        other = expression.type_oid
        if other in (t.UNKNOWN, chosen):
            continue
        if chosen == t.UNKNOWN:
            chosen = other
        elif t.type_category(chosen) != t.type_category(other):
            return chosen, expression
        elif (
            not t.is_preferred(chosen)
            and can_coerce(chosen, other, "i")
            and not can_coerce(other, chosen, "i")
        ):
            chosen = other
    return t.TEXT if chosen == t.UNKNOWN else chosen


def coerce_to_common(
    analysis: AnalysisContext, expression: Expression, target: int, construct: str
) -> Expression:
    """One of the expressions as the common type; 42846 when that does not work."""
    if not can_coerce(expression.type_oid, target, "i"):
        raise analysis.error(
            SqlState.CANNOT_COERCE,
            f"{construct} could not convert type {t.type_display(expression.type_oid)} "
            f"to {t.type_display(target)}",
            expression.location,
        )
    return coerce(analysis, expression, target, "i", implicit=True)


def common_typmod(expressions: Sequence[Expression]) -> int:
    """The typmod that all expressions share, else -1."""
    first = expressions[0]
    for expression in expressions[1:]:
        if expression.type_oid != first.type_oid or expression.typmod != first.typmod:
            return -1
    return first.typmod


def resolve_unknown(analysis: AnalysisContext, expression: Expression) -> Expression:
    """An output column of unknown type becomes text."""
    if expression.type_oid == t.UNKNOWN:
        return coerce(analysis, expression, t.TEXT, "i", implicit=True)
    return expression


def as_text(analysis: AnalysisContext, expression: Expression) -> Expression:
    """The text form of a value of any type, as `concat` and `||` take it."""
    type_oid = expression.type_oid
    if type_oid == t.UNKNOWN or t.type_category(type_oid) == "S":
        return coerce(analysis, expression, t.TEXT, "e", implicit=True)
    output = OUTPUT.get(type_oid)
    if output is None:
        raise cannot_cast(analysis, expression, t.TEXT)
    return Coercion(
        type_oid=t.TEXT,
        argument=expression,
        implementation=output,
        implicit=True,
        location=expression.location,
    )
