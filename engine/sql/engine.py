"""The SQL engine of one session: parse, analyze, start, fetch.

    statements = engine.parse(text)              # RawStatement, one per statement of the text
    analyzed = engine.analyze(statements[0])     # names and types settled, columns known, planned
    execution = engine.start(analyzed, values)   # locks taken, snapshot taken
    rows = execution.fetch(None)                 # and execution.tag, execution.done

The transaction is the session's business: it calls `start_command` before `analyze`, and
`commit_command` or `abort_current` afterwards. An analyzed statement can be started many times;
when the catalog has changed since, `start` analyzes it again by itself (SQL-2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from engine.errors import SqlError, SqlState
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.sql import type_table as t
from engine.sql.analyzer.expressions import Expression, SubqueryResult, Var, walk
from engine.sql.analyzer.query import Query, RangeTableEntry
from engine.sql.analyzer.statements import QUERY_KINDS, analyze_query
from engine.sql.commands.dispatch import COMMANDS, unsupported_statement
from engine.sql.commands.result import Command
from engine.sql.commands.transaction import is_exit
from engine.sql.executor.context import ExecutionContext
from engine.sql.executor.run import QueryExecution, run_plan
from engine.sql.functions.system import OID_NAMES
from engine.sql.parser import Parser, RawStatement, stack_depth_exceeded
from engine.sql.planner.planner import all_expressions, plan_query
from engine.sql.planner.plans import Plan
from engine.sql.services import Services

CACHED_STATEMENTS: Final = 256

_LOCK_MODES: Final = {
    "select": LockMode.ACCESS_SHARE,
    "insert": LockMode.ROW_EXCLUSIVE,
    "update": LockMode.ROW_EXCLUSIVE,
    "delete": LockMode.ROW_EXCLUSIVE,
}


class ResultColumn(NamedTuple):
    """One field of a row description."""

    name: str
    table_oid: int
    attribute_number: int
    type_oid: int
    type_length: int
    typmod: int


class Execution(Protocol):
    """A started statement."""

    done: bool
    tag: str

    def fetch(self, limit: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows; sets `tag`, and `done` when there are no more."""

    def close(self) -> None:
        """Give up what is left."""


@dataclass(slots=True, eq=False)
class AnalyzedStatement:
    """A statement whose meaning is known.

    `kind` is select, insert, update, delete, or the parse node's name of a command. `columns` is
    empty for a statement that returns no rows (`returns_rows` tells it from a row without columns).
    """

    raw: RawStatement
    kind: str
    columns: tuple[ResultColumn, ...] = ()
    parameter_types: tuple[int, ...] = ()
    needs_snapshot: bool = False
    returns_rows: bool = False
    is_transaction_exit: bool = False
    generation: int = 0
    given_types: tuple[int, ...] | None = ()
    plan: Plan | None = None
    command: Command | None = None
    locks: list[tuple[LockTag, LockMode]] = field(default_factory=list)


class SqlEngine:
    """Parses, analyzes and runs statements for one session."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._parser = Parser()
        self._cache: dict[tuple[str, str, tuple[int, ...] | None], AnalyzedStatement] = {}

    def parse(self, text: str) -> list[RawStatement]:
        """The statements of a query string; 42601 with its position for a syntax error."""
        return list(self._parser.parse(text))

    def analyze(
        self, raw: RawStatement, parameter_types: Sequence[int] | None = ()
    ) -> AnalyzedStatement:
        """Settle names and types, and plan. Types that are 0 or missing are inferred; with None
        the statement must not have parameters (the simple protocol)."""
        self.services.catalog.accept_invalidations()
        if raw.kind not in QUERY_KINDS:
            return self._analyze_command(raw)
        given = None if parameter_types is None else tuple(parameter_types)
        key = (raw.text, raw.source, given)
        known = self._cache.get(key)
        if known is not None and known.generation == self.services.catalog.generation:
            return known
        with _deep_nesting_reported():
            analyzed = self._analyze_query(raw, given)
        if len(self._cache) >= CACHED_STATEMENTS:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = analyzed
        return analyzed

    def is_current(self, analyzed: AnalyzedStatement) -> bool:
        """Whether nothing that the analysis rests on has changed since."""
        self.services.catalog.accept_invalidations()
        return analyzed.generation == self.services.catalog.generation

    def start(self, analyzed: AnalyzedStatement, parameters: Sequence[Any] = ()) -> Execution:
        """Lock the tables, take a snapshot, and hand out what rows can be fetched from."""
        if analyzed.command is not None:
            return CommandExecution(analyzed.raw, analyzed.command, self.services)
        if len(parameters) < len(analyzed.parameter_types):
            raise SqlError(
                SqlState.UNDEFINED_PARAMETER,
                f"there is no value for parameter ${len(parameters) + 1}",
            )
        current = self._lock_and_validate(analyzed)
        plan = current.plan
        if plan is None:
            raise unsupported_statement(analyzed.raw)
        services = self.services
        if current.kind != "select":
            services.transactions.prevent_if_read_only(current.kind.upper())
        context = ExecutionContext(services, parameters, services.transactions.snapshot(), run_plan)
        names = [
            (position, column.type_oid)
            for position, column in enumerate(current.columns)
            if column.type_oid in OID_NAMES
        ]
        return QueryExecution(plan, current.kind, context, len(current.columns), names)

    def _analyze_command(self, raw: RawStatement) -> AnalyzedStatement:
        command = COMMANDS.get(raw.kind)
        if command is None:
            raise unsupported_statement(raw)
        columns = tuple(
            ResultColumn(name, 0, 0, type_oid, t.type_length(type_oid), -1)
            for name, type_oid in command.columns(raw, self.services)
        )
        return AnalyzedStatement(
            raw,
            raw.kind,
            columns,
            needs_snapshot=command.needs_snapshot,
            returns_rows=bool(columns),
            is_transaction_exit=is_exit(raw),
            generation=self.services.catalog.generation,
            command=command,
        )

    def _analyze_query(self, raw: RawStatement, given: tuple[int, ...] | None) -> AnalyzedStatement:
        catalog = self.services.catalog
        generation = catalog.generation
        query, parameter_types = analyze_query(raw, catalog, given)
        locks = _locks(query)
        columns = tuple(
            _result_column(query, target.expression, target.name) for target in query.output
        )
        return AnalyzedStatement(
            raw,
            query.command,
            columns,
            parameter_types,
            needs_snapshot=True,
            returns_rows=query.command == "select" or query.returns_rows,
            generation=generation,
            given_types=given,
            plan=plan_query(query),
            locks=locks,
        )

    def _lock_and_validate(self, analyzed: AnalyzedStatement) -> AnalyzedStatement:
        """SQL-2: after the locks are held, the plan is of the tables as they are now."""
        catalog, locks = self.services.catalog, self.services.locks
        current = analyzed
        while True:
            for tag, mode in current.locks:
                if not locks.holds(tag, mode):
                    locks.acquire(tag, mode)
            catalog.accept_invalidations()
            if current.generation == catalog.generation:
                return current
            current = self.analyze(
                analyzed.raw,
                None if analyzed.given_types is None else analyzed.parameter_types,
            )
            if _shape(current) != _shape(analyzed):
                raise SqlError(
                    SqlState.FEATURE_NOT_SUPPORTED,
                    "cached plan must not change result type",
                )


def _shape(analyzed: AnalyzedStatement) -> list[tuple[str, int, int]]:
    return [(column.name, column.type_oid, column.typmod) for column in analyzed.columns]


@contextmanager
def _deep_nesting_reported() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise stack_depth_exceeded() from None


class CommandExecution:
    """A command: it runs at the first `fetch`, whole."""

    def __init__(self, raw: RawStatement, command: Command, services: Services) -> None:
        self._raw = raw
        self._command = command
        self._services = services
        self._rows: list[tuple[Any, ...]] | None = None
        self.done = False
        self.tag = ""

    def fetch(self, limit: int | None = None) -> list[tuple[Any, ...]]:
        """Run the command if it has not run, and hand out its rows."""
        if self._rows is None:
            result = self._command.run(self._raw, self._services)
            self.tag = result.tag
            self._rows = result.rows
        count = len(self._rows) if limit is None else limit
        rows, self._rows = self._rows[:count], self._rows[count:]
        self.done = not self._rows
        return rows

    def close(self) -> None:
        """Give up the rows that are left."""
        self.done = True
        self._rows = []


def _result_column(query: Query, expression: Expression, name: str) -> ResultColumn:
    table_oid = attribute = 0
    if isinstance(expression, Var):
        entry = query.range_table[expression.entry]
        if entry.relation is not None:
            table_oid, attribute = entry.relation.oid, expression.attribute
    type_oid = expression.type_oid
    return ResultColumn(
        name, table_oid, attribute, type_oid, t.type_length(type_oid), expression.typmod
    )


def _locks(query: Query) -> list[tuple[LockTag, LockMode]]:
    """The relation locks that the query needs, each once, the strongest first."""
    found: dict[tuple[int, int], LockMode] = {}
    for relation, mode in _relations(query):
        key = (relation.database, relation.oid)
        found[key] = max(mode, found.get(key, mode))
    return [(LockTag.relation(database, oid), mode) for (database, oid), mode in found.items()]


def _relations(query: Query) -> Iterator[tuple[Any, LockMode]]:
    for index, entry in enumerate(query.range_table):
        is_result = query.command != "select" and index == query.result_entry
        mode = _LOCK_MODES[query.command] if is_result else LockMode.ACCESS_SHARE
        yield from _entry_relations(entry, mode)
    if query.set_operation is not None:
        yield from _relations(query.set_operation.left)
        yield from _relations(query.set_operation.right)
    if not query.has_subqueries:
        return
    for expression in all_expressions(query):
        for node in walk(expression):
            if isinstance(node, SubqueryResult) and isinstance(node.query, Query):
                yield from _relations(node.query)


def _entry_relations(entry: RangeTableEntry, mode: LockMode) -> Iterator[tuple[Any, LockMode]]:
    if entry.relation is not None:
        yield entry.relation, mode
    if entry.subquery is not None:
        yield from _relations(entry.subquery)
