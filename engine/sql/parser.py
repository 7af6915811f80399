"""From text to parse trees: PostgreSQL's own grammar, by way of pglast (libpg_query).

The trees are libpg_query's JSON, loaded as dictionaries: `{"SelectStmt": {...}}`, enums as strings,
fields with their default value (0, false, null) left out. That form is five times cheaper to get
than pglast's node classes and, unlike them, keeps the location of constants. Locations count bytes
of the UTF-8 text from 0; `RawStatement.position` makes of them what an ErrorResponse carries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from pglast.parser import ParseError, parse_sql_json

from engine.errors import SqlError, SqlState

Node = dict[str, Any]
"""A parse node: its fields by name; where several kinds may stand, one key, the kind."""

CACHED_TEXTS: Final = 512
CACHED_TEXT_LENGTH: Final = 8192


@dataclass(frozen=True, slots=True, eq=False)
class RawStatement:
    """One statement of a query string.

    `kind` is the node's name (`SelectStmt`), `body` its fields, `text` the whole query string that
    the locations inside `body` refer to, `source` the part of it that is this statement.
    """

    kind: str
    body: Node
    text: str
    source: str

    def position(self, location: int) -> int | None:
        """The 1-based character position of a parse location; None for an unknown one (-1)."""
        if location < 0:
            return None
        if self.text.isascii():
            return location + 1
        return len(self.text.encode()[:location].decode(errors="ignore")) + 1


class Parser:
    """Parses, and remembers the last texts: clients send the same few again and again."""

    def __init__(self) -> None:
        self._cache: dict[str, tuple[RawStatement, ...]] = {}

    def parse(self, text: str) -> tuple[RawStatement, ...]:
        """The statements of a query string, none if it is empty; 42601 with its position."""
        statements = self._cache.get(text)
        if statements is None:
            statements = parse_statements(text)
            if len(text) <= CACHED_TEXT_LENGTH:
                if len(self._cache) >= CACHED_TEXTS:
                    del self._cache[next(iter(self._cache))]
                self._cache[text] = statements
        return statements


def parse_statements(text: str) -> tuple[RawStatement, ...]:
    """Parse without a cache."""
    try:
        tree = json.loads(parse_sql_json(text))
    except ParseError as error:
        raise _syntax_error(text, error) from None
    except RecursionError:
        raise stack_depth_exceeded() from None
    encoded = text.encode()
    return tuple(_raw_statement(text, encoded, item) for item in tree["stmts"])


def _raw_statement(text: str, encoded: bytes, item: Node) -> RawStatement:
    ((kind, body),) = item["stmt"].items()
    start = item.get("stmt_location", 0)
    length = item.get("stmt_len", 0)
    end = start + length if length else len(encoded)
    source = encoded[start:end].decode(errors="replace").strip()
    return RawStatement(kind, body, text, source)


def _syntax_error(text: str, error: ParseError) -> SqlError:
    message, location = error.args
    position = len(text) + 1 if location is None else location + 1
    sqlstate = SqlState.SYNTAX_ERROR
    if "stack depth" in message or "memory" in message:
        return stack_depth_exceeded()
    if "invalid Unicode" in message or "invalid byte sequence" in message:
        sqlstate = SqlState.CHARACTER_NOT_IN_REPERTOIRE
    return SqlError(sqlstate, message, position=position)


def stack_depth_exceeded() -> SqlError:
    """PostgreSQL's answer to a statement that is nested too deeply."""
    return SqlError(
        SqlState.STATEMENT_TOO_COMPLEX,
        "stack depth limit exceeded",
        hint='Increase the configuration parameter "max_stack_depth" (currently 2048kB), '
        "after ensuring the platform's stack depth limit is adequate.",
    )


def kind_and_fields(node: Node) -> tuple[str, Node]:
    """Split a one-key node `{"ColumnRef": {...}}` into its kind and its fields."""
    ((kind, fields),) = node.items()
    return kind, fields


def string_values(nodes: list[Node]) -> list[str]:
    """The texts of a list of String nodes (a dotted name)."""
    return [node["String"].get("sval", "") for node in nodes]
