"""The lookup table: from a page to the buffer that has it. A hash table with chains in the pool.

A page's partition is the low part of its bucket number, so a chain lies in one partition. Looking
up needs the partition's mapping lock SHARED, changing it EXCLUSIVE; the callers take it.

The hash is Python's of a tuple of integers, which is the same in every process.

Source: PostgreSQL 15, `storage/buffer/buf_table.c`.
"""

from __future__ import annotations

from engine.errors import check
from engine.shmem.lwlock import BUFFER_MAPPING, BUFFER_MAPPING_PARTITIONS
from engine.storage.buffer.pool import BufferPool, PageKey


class LookupTable:
    """Chains of buffers by the hash of their page."""

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self._buckets = pool.buckets
        self._chain_next = pool.chain_next
        self._mask = pool.bucket_count - 1

    def partition_lock(self, key: PageKey) -> int:
        """The mapping lock that protects the page's entry."""
        return BUFFER_MAPPING + hash(key) % BUFFER_MAPPING_PARTITIONS

    def find(self, key: PageKey) -> int:
        """The page's buffer, -1 when it is in none."""
        chain_next = self._chain_next
        has_key = self._pool.has_key
        link = self._buckets[hash(key) & self._mask]
        while link:
            if has_key(link - 1, key):
                return link - 1
            link = chain_next[link - 1]
        return -1

    def insert(self, key: PageKey, buffer: int) -> None:
        """Enter a page that is not in the table; BUF-5."""
        bucket = hash(key) & self._mask
        self._chain_next[buffer] = self._buckets[bucket]
        self._buckets[bucket] = buffer + 1

    def remove(self, key: PageKey, buffer: int) -> None:
        """Take a page out."""
        bucket = hash(key) & self._mask
        chain_next = self._chain_next
        following = chain_next[buffer]
        link = self._buckets[bucket]
        if link == buffer + 1:
            self._buckets[bucket] = following
            return
        while link:
            if chain_next[link - 1] == buffer + 1:
                chain_next[link - 1] = following
                return
            link = chain_next[link - 1]
        check(False, "BUF-5", "a buffer is not in the chain of its page", buffer=buffer)
