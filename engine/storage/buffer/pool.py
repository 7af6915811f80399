"""The memory of the buffer pool: pages, and for each buffer a descriptor, as arrays by field.

A buffer is a number from 0. The fields of its descriptor are changed only under its header mutex
(BUF-3), but for the chain of the lookup table, which belongs to the mapping lock of its partition,
and the free list, which belongs to the mutex BUFFER_STRATEGY_MUTEX.

    refcounts       pins held by processes (each process counts once)
    usages          clock sweep: how often used lately, 0..5
    flags           see below
    generations     goes up whenever the buffer gets or loses a page (BUF-4)
    tablespaces, databases, relations, forks, blocks    the tag: whose page it is
    chain_next, buckets                                 the lookup table, number + 1, 0 ends a chain
    free_next                                           the free list, number + 1
    cleanup_waiters                                     slot that waits to be the only one to pin

Source: PostgreSQL 15, `storage/buf_internals.h`, `storage/buffer/buf_init.c`.
"""

from __future__ import annotations

from struct import pack
from typing import Final, Literal

from engine.config import Config
from engine.shmem.procs import FIRST_BACKEND_SLOT
from engine.types import BLOCK_SIZE, BlockNumber, RelFileLocator, RelFork

TAG_VALID: Final = 1
"""The buffer belongs to the page named by the tag."""
VALID: Final = 2
"""The page's content is there."""
DIRTY: Final = 4
"""The content is newer than the file."""
JUST_DIRTIED: Final = 8
"""Changed since a write of it began."""
IO_IN_PROGRESS: Final = 16
"""One process reads or writes the page."""
IO_ERROR: Final = 32
"""The last read or write failed."""
CHECKPOINT_NEEDED: Final = 64
"""The running checkpoint has to write it."""
CLEANUP_WAITER: Final = 128
"""A process waits for all other pins to go."""
IO_WAITER: Final = 256
"""A process waits for the read or write to end."""

DIRTIED: Final = DIRTY | JUST_DIRTIED
USAGE_LIMIT: Final = 5
SMALLEST_POOL: Final = 16

FREE_LIST_END: Final = 0
NOT_IN_FREE_LIST: Final = 0xFFFFFFFF

# Words of the strategy header.
NEXT_VICTIM: Final = 0
COMPLETE_PASSES: Final = 1
ALLOCATIONS: Final = 2
FIRST_FREE: Final = 3
SWEEPER_TO_WAKE: Final = 4
_STRATEGY_WORDS: Final = 16

_FORKS: Final = tuple(RelFork)
_U32_FIELDS: Final = 12
_OVERHEAD: Final = 8 + 4 * _U32_FIELDS

PageKey = tuple[RelFileLocator, int, int]
"""Locator, fork, block: the identity of a page, and what its hash is taken of."""


class BufferPool:
    """The shared part; made by the postmaster before the first fork."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        count = self.count = int(config.shared_buffers)
        slots = _slots(config)
        buckets = self.bucket_count = _bucket_count(count)
        self.pages = [
            memory[start : start + BLOCK_SIZE] for start in range(0, count * BLOCK_SIZE, BLOCK_SIZE)
        ]
        position = count * BLOCK_SIZE

        def words(length: int, code: Literal["I", "Q"]) -> memoryview:
            nonlocal position
            size = length * (8 if code == "Q" else 4)
            part = memory[position : position + size].cast(code)
            position += size
            return part

        self.generations = words(count, "Q")
        self.refcounts = words(count, "I")
        self.usages = words(count, "I")
        self.flags = words(count, "I")
        self.tablespaces = words(count, "I")
        self.databases = words(count, "I")
        self.relations = words(count, "I")
        self.forks = words(count, "I")
        self.blocks = words(count, "I")
        self.chain_next = words(count, "I")
        self.free_next = words(count, "I")
        self.cleanup_waiters = words(count, "I")
        self.buckets = words(buckets, "I")
        self.strategy = words(_STRATEGY_WORDS, "I")
        self.io_waiting = words(slots, "I")
        """By process slot: number + 1 of the buffer whose I/O the process waits for."""
        # All buffers are free at first, in ascending order.
        following = (*range(2, count + 1), FREE_LIST_END)
        self.free_next[:] = memoryview(pack(f"{count}I", *following)).cast("I")
        self.strategy[FIRST_FREE] = 1

    @staticmethod
    def size(config: Config) -> int:
        """Bytes of shared memory."""
        count = int(config.shared_buffers)
        words = _bucket_count(count) + _STRATEGY_WORDS + _slots(config)
        return count * (BLOCK_SIZE + _OVERHEAD) + 4 * words

    def key(self, buffer: int) -> PageKey:
        """Whose page a buffer with TAG_VALID has, when it is pinned or its header locked."""
        locator = RelFileLocator(
            self.tablespaces[buffer], self.databases[buffer], self.relations[buffer]
        )
        return locator, _FORKS[self.forks[buffer]], BlockNumber(self.blocks[buffer])

    def has_key(self, buffer: int, key: PageKey) -> bool:
        """Whether the buffer's tag is `key`."""
        (tablespace, database, relation), fork, block = key
        return (
            self.blocks[buffer] == block
            and self.relations[buffer] == relation
            and self.forks[buffer] == fork
            and self.databases[buffer] == database
            and self.tablespaces[buffer] == tablespace
        )

    def set_key(self, buffer: int, key: PageKey) -> None:
        """Give the buffer to another page (BUF-4)."""
        (
            (self.tablespaces[buffer], self.databases[buffer], self.relations[buffer]),
            self.forks[buffer],
            self.blocks[buffer],
        ) = key
        self.generations[buffer] += 1

    def clear_key(self, buffer: int) -> None:
        """Take the buffer away from its page (BUF-4)."""
        self.generations[buffer] += 1


def _slots(config: Config) -> int:
    return FIRST_BACKEND_SLOT + int(config.max_connections) + 64


def _bucket_count(buffers: int) -> int:
    return max(SMALLEST_POOL, 1 << (2 * buffers - 1).bit_length())
