"""The table of a program, and each step's SQL: what must work alike whatever the columns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from properties.models.steps import (
    Begin,
    BySession,
    Commit,
    Delete,
    Insert,
    Leave,
    Read,
    Rollback,
    Update,
)

FILLERS: Final = (0, 40, 900, 2500)
"""Bytes that make a row long: so many rows fit a page, and so many pages are touched."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that no statement asks for; `literal` is what each row has there."""

    name: str
    type: str
    literal: str


@dataclass(frozen=True, slots=True)
class Schema:
    """One table: a key, a value, other columns, and a filler of so many bytes."""

    table: str = "t"
    key_type: str = "integer"
    value_type: str = "integer"
    others: tuple[Column, ...] = ()
    filler: int = 0

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and types, in order: the value may be anywhere behind the key."""
        columns = [("k", self.key_type), *((one.name, one.type) for one in self.others)]
        columns.append(("v", self.value_type))
        return [*columns, ("filler", "text")] if self.filler else columns

    def create(self) -> str:
        """CREATE TABLE."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns)
        return f"CREATE TABLE {self.table} ({columns})"

    def fill(self, rows: Sequence[tuple[int, int]]) -> str:
        """INSERT of these (key, value)."""
        texts = ", ".join(self._row(key, value) for key, value in rows)
        return f"INSERT INTO {self.table} VALUES {texts}"

    def _row(self, key: int, value: int) -> str:
        cells = [str(key), *(one.literal for one in self.others), str(value)]
        if self.filler:
            cells.append(f"repeat('x', {self.filler})")
        return f"({', '.join(cells)})"

    def read(self) -> str:
        """All rows, by key."""
        return f"SELECT k, v FROM {self.table} ORDER BY k"

    def vacuum(self) -> str:
        """VACUUM."""
        return f"VACUUM {self.table}"

    def sql(self, step: BySession) -> str:
        """What the session says; nothing when it leaves."""
        match step:
            case Begin(_, level):
                return f"BEGIN ISOLATION LEVEL {level}"
            case Insert(_, key, value):
                return self.fill([(key, value)])
            case Update(_, key, by, below):
                where = f"k = {key}" if below is None else f"k = {key} AND v < {below}"
                return f"UPDATE {self.table} SET v = v + {by} WHERE {where} RETURNING v"
            case Delete(_, key):
                return f"DELETE FROM {self.table} WHERE k = {key}"
            case Read():
                return self.read()
            case Commit():
                return "COMMIT"
            case Rollback():
                return "ROLLBACK"
            case Leave():
                return ""
