"""What was done to the files of a data directory: the vocabulary of the I/O log.

A file is known by its inode number as the host saw it, never by its name; CREATE and
MAKE_DIRECTORY begin a new file, whatever had that number before. Opening with truncation is a
TRUNCATE. Closing is no operation: it syncs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class DiskError(Exception):
    """The log, an image or a choice does not fit the disk it is given to."""


class Kind(IntEnum):
    """What an operation does. The numbers are in the log's bytes: never change them."""

    WRITE = 1
    TRUNCATE = 2
    CREATE = 3
    MAKE_DIRECTORY = 4
    RENAME = 5
    LINK = 6
    UNLINK = 7
    REMOVE_DIRECTORY = 8
    FSYNC = 9
    FSYNC_DIRECTORY = 10
    FSYNC_FAILED = 11


SYNCS = (Kind.FSYNC, Kind.FSYNC_DIRECTORY, Kind.FSYNC_FAILED)
"""They change no file: they change what is durable."""

NAMES = (
    Kind.CREATE,
    Kind.MAKE_DIRECTORY,
    Kind.RENAME,
    Kind.LINK,
    Kind.UNLINK,
    Kind.REMOVE_DIRECTORY,
)
"""They change directories, not the content of files."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One effect on the files, after it took place.

    number: its place in the log, from 0.  step: the scheduler's step in which it was done.
    inode: st_ino of the file it is about: the new one for CREATE and MAKE_DIRECTORY, the one
    that had the name for RENAME, LINK, UNLINK, REMOVE_DIRECTORY, the directory's for
    FSYNC_DIRECTORY.
    path: relative to the data directory, '' is its root; for RENAME and LINK the old name, and
    `other` the new one. For WRITE, TRUNCATE and FSYNC the name it was opened by, for readers only.
    offset: where a WRITE began; the new size of a TRUNCATE.  data: what a WRITE wrote.
    site: the innermost frame of the engine: 'engine/wal/flush.py: WalFlusher._sync:120'.
    role: the process: 'checkpointer'.
    """

    number: int
    step: int
    kind: Kind
    inode: int
    path: str
    other: str = ""
    offset: int = 0
    data: bytes = b""
    site: str = ""
    role: str = ""
