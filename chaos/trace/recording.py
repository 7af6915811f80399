"""A trace with the names that it refers to: what is kept of a run's schedule.

In a bundle they are `trace.bin.gz`, the trace file compressed (it holds every decision), and
`names.json`, the paths of the files in order of their numbers, from 1.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Final, cast

from chaos.scheduler.layout import BLOCK, ENTRY_BYTES
from chaos.scheduler.trace import ENTRY

Entry = tuple[int, ...]
"""time_us, slot, call, next slot, 0, checksum, a, b: as in chaos/scheduler/trace.py."""

TRACE_FILE: Final = "trace.bin.gz"
NAMES_FILE: Final = "names.json"
_COMPRESSED: Final = ".gz"
_LEVEL: Final = 4
"""Entries compress to a seventh; more effort gains little."""


class NoRecording(ValueError):
    """There is no trace, or it cannot be read: says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A trace file, compressed or not, and its names."""

    path: Path
    names: tuple[str, ...]

    def save(self, directory: Path) -> Recording:
        """A copy of it in a directory; OSError."""
        kept = directory / TRACE_FILE
        with (
            self.path.open("rb") as source,
            kept.open("wb") as raw,
            gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as target,
        ):
            shutil.copyfileobj(source, target)
        (directory / NAMES_FILE).write_text(json.dumps(self.names, indent=0), encoding="utf-8")
        return Recording(kept, self.names)

    @staticmethod
    def load(directory: Path) -> Recording:
        """What `save` has put there; NoRecording."""
        path = directory / TRACE_FILE
        try:
            names = json.loads((directory / NAMES_FILE).read_text(encoding="utf-8"))
            recording = Recording(path, tuple(str(name) for name in names))
            for _ in recording.blocks():
                pass
        except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
            raise NoRecording(f"no trace can be read in {directory}: {error}") from error
        return recording

    def blocks(self) -> Iterator[bytes]:
        """The trace in pieces of whole entries; what is left over at its end is dropped."""
        with _opened(self.path) as file:
            while piece := file.read(BLOCK * ENTRY_BYTES):
                yield piece[: len(piece) - len(piece) % ENTRY_BYTES]

    def entries(self) -> Iterator[Entry]:
        """The entries of all steps, from step 1 on: number 0 is no step."""
        found = chain.from_iterable(ENTRY.iter_unpack(block) for block in self.blocks())
        next(found, None)
        return found


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == _COMPRESSED:
        with gzip.open(path, "rb") as file:
            yield cast(IO[bytes], file)
    else:
        with path.open("rb") as file:
            yield file
