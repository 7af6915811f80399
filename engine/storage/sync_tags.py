"""What can be synced, named by numbers that fit into a queue in shared memory."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.datadir import clog_segment_path, database_directory
from engine.storage.paths import relation_path
from engine.types import RelFileLocator

KIND_RELATION: Final = 1
KIND_DIRECTORY: Final = 2
KIND_CLOG: Final = 3


class SyncTag(NamedTuple):
    """One file or directory (`FileTag`, storage/sync.h). Fields that a kind does not need are 0."""

    kind: int
    tablespace: int
    database: int
    relation: int
    fork: int
    segment: int

    @property
    def path(self) -> str:
        """Relative to the data directory."""
        if self.kind == KIND_RELATION:
            locator = RelFileLocator(self.tablespace, self.database, self.relation)
            return relation_path(locator, self.fork, self.segment)
        if self.kind == KIND_CLOG:
            return clog_segment_path(self.segment)
        return database_directory(self.tablespace, self.database)


def relation_tag(locator: RelFileLocator, fork: int, segment: int) -> SyncTag:
    """One segment of a relation fork."""
    tablespace, database, relation = locator
    return SyncTag(KIND_RELATION, tablespace, database, relation, fork, segment)


def directory_tag(locator: RelFileLocator) -> SyncTag:
    """The directory that has the relation's files: it makes their names durable."""
    return SyncTag(KIND_DIRECTORY, locator.tablespace, locator.database, 0, 0, 0)


def clog_tag(segment: int) -> SyncTag:
    """One file of pg_xact."""
    return SyncTag(KIND_CLOG, 0, 0, 0, 0, segment)
