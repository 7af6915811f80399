"""The catalog generation: one shared number that tells every process to forget what it remembers.

CAT-5  The number grows after a transaction that changed catalogs left the proc array and before it
       lets go of its locks. So whoever gets a lock that the change was made under reads a new
       number, and whoever reads a new number sees the change.

PostgreSQL sends each process the list of what changed (sinvaladt.c). Here everything is forgotten:
catalogs are small, and reading them again is cheaper than the bookkeeping.
"""

from __future__ import annotations

from typing import Final

from engine.shmem.lwlock import EXCLUSIVE, SINVAL, LWLocks

SIZE: Final = 64


class CatalogGenerationShared:
    """The shared word."""

    def __init__(self, memory: memoryview, config: object = None) -> None:
        self.words = memory.cast("Q")

    @staticmethod
    def size(config: object = None) -> int:
        """Bytes of shared memory."""
        return SIZE


class CatalogGeneration:
    """The number as one process reads and advances it."""

    def __init__(self, shared: CatalogGenerationShared, locks: LWLocks) -> None:
        self._words = shared.words
        self._locks = locks

    def current(self) -> int:
        """The number now."""
        return self._words[0]

    def advance(self) -> None:
        """Tell everybody: catalogs have changed."""
        self._locks.acquire(SINVAL, EXCLUSIVE)
        self._words[0] += 1
        self._locks.release(SINVAL)
