"""Where this process found pages lately: the fast way to a page that is still in its buffer.

The process notes in which buffer it found each page, with the buffer's generation then. As long as
the generation is the same under the header mutex, the buffer still has that page, valid (BUF-4): it
is pinned there and then, without the lookup table and its lock.

Source: PostgreSQL 15, `ReadRecentBuffer` in `storage/buffer/bufmgr.c`, made the normal way here.
"""

from __future__ import annotations

from typing import Final

from engine.errors import check
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import USAGE_LIMIT, BufferPool, PageKey
from engine.types import RelFileLocator

_NOWHERE: Final = (RelFileLocator(0, 0, 0), 0, 0)


class KnownPages:
    """At most one page for each buffer of the pool."""

    def __init__(self, pool: BufferPool, pins: Pins) -> None:
        self._buffers: dict[PageKey, int] = {}
        self._keys: list[PageKey] = [_NOWHERE] * pool.count
        self._seen = [0] * pool.count
        self._generations = pool.generations
        self._refcounts = pool.refcounts
        self._usages = pool.usages
        self._counts = pins.counts
        self._lock_header = pins.lock_header
        self._unlock_header = pins.unlock_header

    def pin(self, key: PageKey) -> int:
        """The page's buffer, pinned; -1 when it is not known where the page is."""
        buffer = self._buffers.get(key, -1)
        if buffer < 0:
            return -1
        counts = self._counts
        if buffer in counts:
            counts[buffer] += 1
            return buffer
        mutex = buffer & HEADER_MASK
        self._lock_header[mutex]()
        if self._generations[buffer] != self._seen[buffer]:
            self._unlock_header[mutex]()
            return -1
        self._refcounts[buffer] += 1
        usage = self._usages[buffer]
        if usage < USAGE_LIMIT:
            self._usages[buffer] = usage + 1
        self._unlock_header[mutex]()
        counts[buffer] = 1
        return buffer

    def remember(self, key: PageKey, buffer: int) -> None:
        """Note where a pinned, valid page is, in place of what its buffer had before."""
        old_key = self._keys[buffer]
        if self._buffers.get(old_key) == buffer:
            del self._buffers[old_key]
        self._buffers[key] = buffer
        self._keys[buffer] = key
        self._seen[buffer] = self._generations[buffer]

    def key(self, buffer: int) -> PageKey:
        """The page of a buffer that this process has pinned."""
        check(buffer in self._counts, "BUF-2", "the buffer is not pinned", buffer=buffer)
        return self._keys[buffer]
