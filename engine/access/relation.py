"""A table as the access methods see it: its name, its file, how its rows are stored."""

from __future__ import annotations

from dataclasses import dataclass

from engine.access.heap.tuple import TupleDescriptor
from engine.types import BLOCK_SIZE, RelFileLocator

KIND_TABLE = "r"
"""pg_class.relkind of an ordinary table."""


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """One table, as the catalogs describe it at a moment. `fillfactor` is a percentage;
    `database` is 0 for a table that all databases share."""

    oid: int
    name: str
    schema_oid: int
    kind: str
    locator: RelFileLocator
    descriptor: TupleDescriptor
    database: int
    fillfactor: int = 100

    @property
    def target_free_space(self) -> int:
        """Bytes of each page that INSERT leaves to later updates
        (`RelationGetTargetPageFreeSpace`)."""
        return BLOCK_SIZE * (100 - self.fillfactor) // 100
