"""Which names mean which columns at one place of a query (`parse_relation.c`, `parse_colref.c`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.analyzer.expressions import Expression, Var
from engine.sql.analyzer.query import Query, RangeTableEntry
from engine.sql.parser import Node

SYSTEM_COLUMNS: Final = {
    "ctid": (-1, t.TID),
    "xmin": (-2, t.XID),
    "cmin": (-3, t.CID),
    "xmax": (-4, t.XID),
    "cmax": (-5, t.CID),
    "tableoid": (-6, t.OID),
}


@dataclass(slots=True)
class NamespaceItem:
    """A source of columns that names can refer to: its alias and its columns as expressions."""

    alias: str
    columns: list[tuple[str, Expression]]
    entry: int | None = None
    has_system_columns: bool = False


@dataclass(slots=True)
class Scope:
    """The names visible in one clause of one query level.

    `clause` is what error messages call it. `merged` are the columns of JOIN USING: they come first
    in `*` and hide the columns that they stand for from unqualified names. `parent` is the scope
    around a subquery; `outer_references` are the columns that were found there, as seen from here.
    """

    analysis: AnalysisContext
    query: Query
    items: list[NamespaceItem] = field(default_factory=list)
    merged: list[tuple[str, Expression]] = field(default_factory=list)
    clause: str = ""
    parent: Scope | None = None
    in_aggregate: bool = False
    outer_references: list[Var] = field(default_factory=list)

    def error(
        self, sqlstate: str, message: str, location: int, hint: str | None = None
    ) -> SqlError:
        """An error of the statement at that place."""
        return self.analysis.error(sqlstate, message, location, hint=hint)

    def transform(self, node: Node) -> Expression:
        """The typed expression of a parse node (`transform.py`)."""
        expression: Expression = self.analysis.rules.expression(self, node)
        return expression

    def column(self, name: str, location: int) -> Expression | None:
        """The column that an unqualified name means; 42702 when there are several."""
        for merged_name, expression in self.merged:
            if merged_name == name:
                return expression
        found: Expression | None = None
        for item in self.items:
            for column_name, expression in item.columns:
                if column_name == name:
                    if found is not None:
                        raise self.ambiguous(name, location)
                    found = expression
        if found is None:
            found = self._system_column(name)
        if found is None and self.parent is not None:
            outer = self.parent.column(name, location)
            return None if outer is None else self._outer(outer, location)
        return found

    def qualified_column(self, qualifier: str, name: str, location: int) -> Expression:
        """The column that `qualifier.name` means; 42P01 or 42703 without one."""
        if self.parent is not None and self.parent.knows(qualifier) and not self.offers(qualifier):
            outer = self.parent.qualified_column(qualifier, name, location)
            return self._outer(outer, location)
        item = self.item(qualifier, location)
        found: Expression | None = None
        for column_name, expression in item.columns:
            if column_name == name:
                if found is not None:
                    raise self.ambiguous(name, location)
                found = expression
        if found is None and item.has_system_columns and name in SYSTEM_COLUMNS:
            found = _system_var(item, name)
        if found is None:
            raise self.error(
                SqlState.UNDEFINED_COLUMN, f"column {qualifier}.{name} does not exist", location
            )
        return found

    def offers(self, qualifier: str) -> bool:
        """Whether this query level has a source with that alias."""
        return any(item.alias == qualifier for item in self.items)

    def knows(self, qualifier: str) -> bool:
        """Whether this or an outer level has one."""
        if self.offers(qualifier):
            return True
        return self.parent is not None and self.parent.knows(qualifier)

    def _outer(self, expression: Expression, location: int) -> Expression:
        """A column of an outer level, as it is referred to from here."""
        if not isinstance(expression, Var):
            raise self.analysis.not_supported("a merged column in a subquery", location)
        var = Var(
            type_oid=expression.type_oid,
            typmod=expression.typmod,
            location=location,
            entry=expression.entry,
            attribute=expression.attribute,
            levels_up=expression.levels_up + 1,
            name=expression.name,
        )
        self.outer_references.append(var)
        return var

    def item(self, qualifier: str, location: int) -> NamespaceItem:
        """The source with that alias; 42P01 without one."""
        matches = [item for item in self.items if item.alias == qualifier]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise self.error("42P09", f'table reference "{qualifier}" is ambiguous', location)
        hint = None
        for entry in self.query.range_table:
            if entry.relation is not None and entry.relation.name == qualifier:
                hint = f'Perhaps you meant to reference the table alias "{entry.alias}".'
                raise self.error(
                    SqlState.UNDEFINED_TABLE,
                    f'invalid reference to FROM-clause entry for table "{qualifier}"',
                    location,
                    hint,
                )
        raise self.error(
            SqlState.UNDEFINED_TABLE,
            f'missing FROM-clause entry for table "{qualifier}"',
            location,
        )

    def ambiguous(self, name: str, location: int) -> SqlError:
        """42702."""
        return self.error(
            SqlState.AMBIGUOUS_COLUMN, f'column reference "{name}" is ambiguous', location
        )

    def all_columns(self) -> list[tuple[str, Expression]]:
        """What `*` stands for."""
        hidden = [name for name, _ in self.merged]
        rest = [column for item in self.items for column in item.columns if column[0] not in hidden]
        return [*self.merged, *rest]

    def _system_column(self, name: str) -> Expression | None:
        if name not in SYSTEM_COLUMNS:
            return None
        matches = [item for item in self.items if item.has_system_columns]
        return _system_var(matches[0], name) if len(matches) == 1 else None


def _system_var(item: NamespaceItem, name: str) -> Var:
    attribute, type_oid = SYSTEM_COLUMNS[name]
    return Var(type_oid=type_oid, entry=item.entry or 0, attribute=attribute, name=name)


def item_for_entry(entry: RangeTableEntry, index: int) -> NamespaceItem:
    """The namespace item of a range table entry: each column a `Var`."""
    columns: list[tuple[str, Expression]] = [
        (
            column.name,
            Var(
                type_oid=column.type_oid,
                typmod=column.typmod,
                entry=index,
                attribute=column.attribute,
                name=column.name,
            ),
        )
        for column in entry.columns
    ]
    return NamespaceItem(entry.alias, columns, index, has_system_columns=entry.relation is not None)


def at_location(expression: Expression, location: int) -> Expression:
    """A copy of a column's `Var` that knows where it was written; other nodes as they are."""
    if isinstance(expression, Var):
        return Var(
            type_oid=expression.type_oid,
            typmod=expression.typmod,
            location=location,
            entry=expression.entry,
            attribute=expression.attribute,
            levels_up=expression.levels_up,
            name=expression.name,
        )
    return expression


def add_item(scope: Scope, item: NamespaceItem, location: int) -> None:
    """Make a source visible; 42712 when its alias is taken."""
    check_alias(scope, [other.alias for other in scope.items], item.alias, location)
    scope.items.append(item)


def check_alias(scope: Scope, aliases: Sequence[str], alias: str, location: int) -> None:
    """42712 for an alias that is there already."""
    if alias and alias in aliases:
        raise scope.error(
            SqlState.DUPLICATE_ALIAS, f'table name "{alias}" specified more than once', location
        )
