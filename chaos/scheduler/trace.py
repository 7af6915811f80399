"""The trace: every step, and a digest that two runs share exactly when they are the same run.

An entry is 32 bytes: virtual time, slot, call, the slot that was next (NOBODY: the same), a
checksum of the bytes that the call carried, and two numbers that say what the call was about. The
step's number is its place. Entries go into a ring of two blocks; a full block is folded into the
digest (SHA-256 of the digest before and the block) and appended to the trace's file, by whoever has
the turn.

TRACE-1  The digest covers every step since the world began, arguments and checksums included, and
         the names that arguments refer to.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from struct import Struct
from typing import Final

from chaos.scheduler.layout import BLOCK, BLOCKS_CLOSED, ENTRY_BYTES, NAMES_USED, RING, STEP, Layout

ENTRY: Final = Struct("<QBBBBIqq")
NOBODY: Final = 255


class Trace:
    """One participant's end of the trace; `path` is where full blocks go, None for nowhere."""

    def __init__(self, layout: Layout, path: str | None) -> None:
        self._layout = layout
        self._path = path
        self._file = -1

    def close_blocks(self) -> None:
        """Fold in the block that was completed, if one was since the last call."""
        words = self._layout.words
        if words[BLOCKS_CLOSED] < words[STEP] // BLOCK:
            start = ((words[BLOCKS_CLOSED] * BLOCK) & (RING - 1)) * ENTRY_BYTES
            self._fold(self._layout.ring[start : start + BLOCK * ENTRY_BYTES])
            words[BLOCKS_CLOSED] += 1

    def finish(self) -> str:
        """Fold in what is left; the digest in hexadecimal. For the controller, once, at the end."""
        self.close_blocks()
        layout = self._layout
        count = (layout.words[STEP] & (BLOCK - 1)) + 1
        first = layout.words[STEP] + 1 - count
        start = (first & (RING - 1)) * ENTRY_BYTES
        self._fold(layout.ring[start : start + count * ENTRY_BYTES])
        self.close()
        names = layout.names[: layout.words[NAMES_USED]]
        layout.digest[:] = hashlib.sha256(bytes(layout.digest) + bytes(names)).digest()
        return bytes(layout.digest).hex()

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _fold(self, block: memoryview) -> None:
        layout = self._layout
        digest = hashlib.sha256(bytes(layout.digest))
        digest.update(block)
        layout.digest[:] = digest.digest()
        if self._path is None:
            return
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
        rest = block
        while rest:
            rest = rest[os.write(self._file, rest) :]


def read_entries(path: Path) -> list[tuple[int, ...]]:
    """All steps of a trace file, entry 0 being no step."""
    data = path.read_bytes()
    usable = len(data) - len(data) % ENTRY_BYTES
    return list(ENTRY.iter_unpack(data[:usable]))
