"""The checkpoint's part of the pool: write every page that was dirty when the checkpoint began.

First all dirty buffers are marked CHECKPOINT_NEEDED, then the marked ones are written in the order
of the files. Pages dirtied later are not the checkpoint's business, and a marked page that somebody
else has written meanwhile loses its mark.

Source: PostgreSQL 15, `BufferSync` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from engine.storage.buffer.page_writer import PageWriter
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import CHECKPOINT_NEEDED, DIRTY, BufferPool


class CheckpointWriter:
    """Writes the pool's dirty pages for one process, the checkpointer."""

    def __init__(self, pool: BufferPool, pins: Pins, writer: PageWriter) -> None:
        self._pool = pool
        self._pins = pins
        self._writer = writer
        self._flags: NDArray[np.uint32] = np.frombuffer(pool.flags, dtype=np.uint32)

    def flush_all(self, on_progress: Callable[[float], None] | None = None) -> int:
        """Write what is dirty now; how many pages.

        `on_progress(fraction)` is called now and then with the part that is done; it may sleep, to
        spread the checkpoint.
        """
        buffers = self._sort(self._mark())
        total = len(buffers)

        def on_batch(done: int) -> None:
            if on_progress is not None and total:
                on_progress(done / total)

        return self._writer.write_all(self._still_needed(buffers), on_batch)

    def _mark(self) -> list[int]:
        """Mark the dirty buffers.

        The search without locks misses none that matter: a page changed before the redo point was
        made dirty before its record went into the WAL (BUF-10).
        """
        pins, flags = self._pins, self._pool.flags
        marked = []
        for buffer in np.flatnonzero(self._flags & DIRTY).tolist():
            pins.lock_header[buffer & HEADER_MASK]()
            if flags[buffer] & DIRTY:
                flags[buffer] |= CHECKPOINT_NEEDED
                marked.append(buffer)
            pins.unlock_header[buffer & HEADER_MASK]()
        return marked

    def _sort(self, buffers: list[int]) -> list[int]:
        """In the order of files and blocks. A tag that changes meanwhile costs only order."""
        pool = self._pool
        fields = (pool.blocks, pool.forks, pool.relations, pool.databases, pool.tablespaces)
        columns = [np.frombuffer(field, dtype=np.uint32)[buffers] for field in fields]
        order: list[int] = np.lexsort(columns).tolist()
        return [buffers[position] for position in order]

    def _still_needed(self, buffers: list[int]) -> Iterator[int]:
        flags = self._pool.flags
        for buffer in buffers:
            if flags[buffer] & CHECKPOINT_NEEDED:
                yield buffer
