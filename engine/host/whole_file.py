"""Small files read and written whole: configuration, maps, versions, lock files.

`write_file` is for a name that nobody reads yet. A file that somebody may read is never rewritten
in place but replaced (`replace_file`), so that a crash leaves the old content or the new.

Source: PostgreSQL 15, `durable_rename` in `storage/file/fd.c`.
"""

from __future__ import annotations

from typing import Final

from engine.host.api import Buffer, Host, OpenMode

READ_SIZE: Final = 1 << 20


def read_file(host: Host, path: str) -> bytes:
    """The whole content of a file."""
    fd = host.open(path)
    try:
        parts: list[bytes] = []
        position = 0
        while part := host.pread(fd, READ_SIZE, position):
            parts.append(part)
            position += len(part)
        return b"".join(parts)
    finally:
        host.close(fd)


def write_file(host: Host, path: str, data: Buffer, *, durable: bool = True) -> None:
    """Create a file, or empty it, and write its content.

    With `durable` the content is synced; the name is durable only after `fsync_directory` (HOST-3).
    """
    fd = host.open(path, OpenMode.WRITE | OpenMode.CREATE | OpenMode.TRUNCATE)
    try:
        view = memoryview(data).cast("B")
        position = 0
        while position < len(view):
            position += host.pwrite(fd, view[position:], position)
        if durable:
            host.fsync(fd)
    finally:
        host.close(fd)


def replace_file(host: Host, path: str, data: Buffer) -> None:
    """Put new content under a name, at once and durably."""
    temporary = f"{path}.tmp"
    write_file(host, temporary, data)
    host.rename(temporary, path)
    host.fsync_directory(directory_of(path))


def directory_of(path: str) -> str:
    """The directory that a path is in; "." for a name in the data directory itself."""
    directory, slash, _ = path.rpartition("/")
    return directory or ("/" if slash else ".")
