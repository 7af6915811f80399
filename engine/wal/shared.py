"""The WAL's part of shared memory: a few u64 words, then the ring of WAL pages.

Page `address` (a multiple of 8192) lies in the ring at place `address / 8192 % pages`. Each word
has one kind of writer, named beside it; an aligned 8-byte store is never seen half done.
"""

from __future__ import annotations

from typing import Final

from engine.config import Config
from engine.types import WAL_BLOCK_SIZE

# Written by the holder of WAL_INSERT.
INSERT_LSN: Final = 0
"""End of the last complete record: all bytes below are in the ring or written."""
PREVIOUS_LSN: Final = 1
"""Start of the last complete record."""
REDO_LSN: Final = 2
"""Redo point of the last checkpoint that has begun; pages at or below it need an image."""
FULL_PAGE_WRITES: Final = 3
"""Whether images are taken."""
LAST_IMPORTANT_LSN: Final = 4
"""Start of the last record that makes a timed checkpoint worth its while."""

# Written by the holder of WAL_WRITE.
WRITTEN_LSN: Final = 5
FLUSHED_LSN: Final = 6

# Written under WAL_INFO_MUTEX.
ASYNC_COMMIT_LSN: Final = 7
"""Newest commit record that nobody waits for: the WAL writer's duty."""

# Written by the checkpointer alone, and by the startup process before.
CHECKPOINT_REDO_LSN: Final = 8
"""As REDO_LSN, for those who decide whether so much WAL was written that a checkpoint is due."""

# Written by the startup process alone, once.
OVERWRITTEN_LSN: Final = 9
"""Address of the page that must say that it overwrites a cut record, 0 if there is none."""
IS_RECOVERY_DONE: Final = 10

# Written by the WAL writer alone.
WAL_WRITER_SLEEPS: Final = 11

_WORDS: Final = 16
HEADER_BYTES: Final = 8 * _WORDS


class WalShared:
    """The WAL's shared memory, as every process sees it. New memory means: in recovery."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        self.words = memory[:HEADER_BYTES].cast("Q")
        self.page_count = config.wal_buffer_pages
        self.ring = memory[HEADER_BYTES : HEADER_BYTES + self.page_count * WAL_BLOCK_SIZE]

    @staticmethod
    def size(config: Config) -> int:
        """Bytes of shared memory."""
        return HEADER_BYTES + config.wal_buffer_pages * WAL_BLOCK_SIZE

    def in_recovery(self) -> bool:
        """Whether the startup process has not yet opened the WAL for everybody."""
        return not self.words[IS_RECOVERY_DONE]
