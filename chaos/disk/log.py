"""The I/O log: every operation on the data directory, in the order of its effects.

Each process appends to one file by its own `LogWriter`. Only the holder of the turn writes, and a
record is one call of writev(2) on a descriptor in append mode, so the order in the file is the
order of the effects, and a process that is killed leaves no part of a record.

The file begins with MAGIC. A record is its length and CRC-32C (over all that follows), the fixed
part, and path, other, site, role and data one after the other. Whatever does not fit, a file cut
short for instance, is a LogError: a log with a hole would make every answer of the model wrong.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from crc32c import crc32c

from chaos.disk.operations import DiskError, Kind, Operation

MAGIC: Final = b"chaos I/O log 1\n"
_FRAME: Final = struct.Struct("<II")
"""The length of what follows, and its CRC."""
_FIXED: Final = struct.Struct("<BQQQHHHH")
"""kind, step, inode, offset, and the lengths of path, other, site, role."""

_KINDS: Final = {int(kind): kind for kind in Kind}

Data = bytes | bytearray | memoryview


class LogError(DiskError):
    """The file is no I/O log, or not a whole one."""


class Position(NamedTuple):
    """A place between two records: where in the file, and how many operations lie before it."""

    offset: int
    number: int


START: Final = Position(0, 0)


class LogWriter:
    """Appends to the log at `path`, which is made when it is not there; a child may inherit it."""

    def __init__(self, path: str | Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        if os.fstat(self._fd).st_size == 0:
            os.write(self._fd, MAGIC)

    def append(
        self,
        kind: Kind,
        step: int,
        inode: int,
        offset: int = 0,
        path: str = "",
        other: str = "",
        data: Data = b"",
        site: str = "",
        role: str = "",
    ) -> None:
        """Log one operation, after its effect; OSError, LogError when it was not written whole."""
        names = [os.fsencode(part) for part in (path, other, site, role)]
        head = _FIXED.pack(kind, step, inode, offset, *map(len, names)) + b"".join(names)
        content = memoryview(data).cast("B")
        length = len(head) + content.nbytes
        frame = _FRAME.pack(length, crc32c(content, crc32c(head)))
        if os.writev(self._fd, [frame, head, content]) != _FRAME.size + length:
            raise LogError(f"the I/O log has no room for an operation on {path!r}")

    def close(self) -> None:
        """Give back the descriptor."""
        os.close(self._fd)


def read_log(path: str | Path, start: Position = START) -> tuple[list[Operation], Position]:
    """The operations from `start` on, and where the next one will begin; LogError, OSError."""
    with Path(path).open("rb") as file:
        offset, number = start
        if offset == 0:
            if file.read(len(MAGIC)) != MAGIC:
                raise LogError(f"{path} is no I/O log: it does not begin with {MAGIC!r}")
            offset = len(MAGIC)
        file.seek(offset)
        content = memoryview(file.read())
    operations: list[Operation] = []
    at = 0
    while at < len(content):
        which = f"{path}: the record at byte {offset + at}"
        body = _body(content, at, which)
        operations.append(_operation(body, number + len(operations), which))
        at += _FRAME.size + len(body)
    return operations, Position(offset + at, number + len(operations))


def _body(content: memoryview, at: int, which: str) -> memoryview:
    """The record without its frame, checked."""
    if at + _FRAME.size > len(content):
        raise LogError(f"{which} is cut short")
    length, crc = _FRAME.unpack_from(content, at)
    body = content[at + _FRAME.size : at + _FRAME.size + length]
    if len(body) < length:
        raise LogError(f"{which} is cut short: {len(body)} bytes of {length}")
    if length < _FIXED.size or crc32c(body) != crc:
        raise LogError(f"{which} is damaged: its CRC does not fit")
    return body


@lru_cache(maxsize=4096)
def _text(encoded: bytes) -> str:
    """Most records name the same few places, roles and files."""
    return os.fsdecode(encoded)


def _operation(body: memoryview, number: int, which: str) -> Operation:
    kind, step, inode, offset, *lengths = _FIXED.unpack_from(body)
    texts = []
    at = _FIXED.size
    for length in lengths:
        texts.append(_text(bytes(body[at : at + length])))
        at += length
    if at > len(body) or kind not in _KINDS:
        raise LogError(f"{which} has no form of an operation (kind {kind})")
    path, other, site, role = texts
    return Operation(
        number, step, _KINDS[kind], inode, path, other, offset, bytes(body[at:]), site, role
    )
