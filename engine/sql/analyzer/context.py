"""What the analysis of one statement carries along: the text, the parameters, the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.expressions import Param
from engine.sql.parser import RawStatement
from engine.sql.services import Catalog

MAX_PARAMETERS = 65535


@dataclass(frozen=True, slots=True)
class Rules:
    """The entry points that every rule of the analyzer may come back to.

    They are handed down because the rules need each other in circles: an expression holds a
    subquery, which holds expressions. They take the scope and a parse node.
    """

    expression: Callable[[Any, Any], Any]
    subquery: Callable[[Any, Any], Any]
    select: Callable[[Any, Any], Any]


class AnalysisContext:
    """State of the analysis of one statement.

    `parameter_types` holds the types given by the client, 0 where it gave none; those are inferred
    from how the parameters are used.
    """

    def __init__(
        self,
        statement: RawStatement,
        catalog: Catalog,
        parameter_types: Sequence[int] | None,
        rules: Rules,
    ) -> None:
        self.statement = statement
        self.rules = rules
        self.catalog = catalog
        self._has_parameters = parameter_types is not None
        self._types = list(parameter_types or ())

    def error(
        self,
        sqlstate: str,
        message: str,
        location: int = -1,
        *,
        hint: str | None = None,
        detail: str | None = None,
    ) -> SqlError:
        """An error that points at a place in the statement."""
        position = self.statement.position(location)
        return SqlError(sqlstate, message, position=position, hint=hint, detail=detail)

    def not_supported(self, feature: str, location: int = -1) -> SqlError:
        """0A000 for something that the grammar has and the engine has not."""
        return self.error(
            SqlState.FEATURE_NOT_SUPPORTED, f"{feature} is not supported yet", location
        )

    @contextmanager
    def at(self, location: int) -> Iterator[None]:
        """Give an error raised inside the block this location, unless it has one."""
        try:
            yield
        except SqlError as error:
            if error.position is None:
                error.position = self.statement.position(location)
            raise

    def parameter(self, number: int, location: int) -> Param:
        """A reference to `$number`, with its type as far as it is known."""
        if not (self._has_parameters and 1 <= number <= MAX_PARAMETERS):
            raise self.error(
                SqlState.UNDEFINED_PARAMETER, f"there is no parameter ${number}", location
            )
        while len(self._types) < number:
            self._types.append(0)
        return Param(
            type_oid=self._types[number - 1] or t.UNKNOWN, number=number, location=location
        )

    def set_parameter_type(self, parameter: Param, type_oid: int) -> None:
        """Settle the type of a parameter by its use; 42P08 when it was used otherwise before."""
        known = self._types[parameter.number - 1]
        if known in (0, t.UNKNOWN):
            self._types[parameter.number - 1] = type_oid
        elif known != type_oid:
            raise self.error(
                SqlState.AMBIGUOUS_PARAMETER,
                f"inconsistent types deduced for parameter ${parameter.number}",
                parameter.location,
                detail=f"{t.type_display(known)} versus {t.type_display(type_oid)}",
            )

    def settled_parameter_types(self) -> tuple[int, ...]:
        """The types of all parameters; 42P18 when one is never used where its type would show."""
        for number, type_oid in enumerate(self._types, 1):
            if type_oid in (0, t.UNKNOWN):
                raise self.error(
                    SqlState.INDETERMINATE_DATATYPE,
                    f"could not determine data type of parameter ${number}",
                )
        return tuple(self._types)
