"""Making the whole data directory durable before a crash recovery begins (REDO-3).

After the death of processes the files have all that was written, but perhaps only in memory. Replay
relies on it: a page that is found up to date is not written again, and a later checkpoint would not
sync it. A power loss would then take it back, after the WAL that could repeat it is gone.

Source: PostgreSQL 15, `SyncDataDirectory`, storage/file/fd.c.
"""

from __future__ import annotations

from typing import Final

from engine.host.api import FileStatus, Host, OpenMode
from engine.wal.file_error import close_written, file_panic

_KIND: Final = 0o170000
_REGULAR: Final = 0o100000
"""In a file's mode: what kind of file it is (S_IFMT, S_IFREG)."""


def sync_data_directory(host: Host, skip: tuple[str, ...] = ()) -> int:
    """Sync every file and directory but those in `skip` (paths, for files that need no
    durability); how many files.

    What is no file is passed over: a socket, for which `unix_socket_directories` may name the data
    directory, cannot be opened, and a pipe would wait for its other end.
    """
    count = 0
    pending = ["."]
    while pending:
        directory = pending.pop()
        for name in _names(host, directory):
            path = name if directory == "." else f"{directory}/{name}"
            status = _status(host, path)
            if status is None or path in skip:
                continue
            if status.is_directory:
                pending.append(path)
            elif status.mode & _KIND == _REGULAR:
                _sync_file(host, path)
                count += 1
        try:
            host.fsync_directory(directory)
        except OSError as error:
            raise file_panic(error, f'could not fsync file "{directory}"') from error
    return count


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.list_directory(directory)
    except OSError as error:
        raise file_panic(error, f'could not open directory "{directory}"') from error


def _status(host: Host, path: str) -> FileStatus | None:
    try:
        return host.stat(path)
    except OSError as error:
        raise file_panic(error, f'could not stat file "{path}"') from error


def _sync_file(host: Host, path: str) -> None:
    try:
        fd = host.open(path, OpenMode.READ)
    except (FileNotFoundError, PermissionError):
        # What the server may not open it has not written either.
        return
    except OSError as error:
        raise file_panic(error, f'could not open file "{path}"') from error
    try:
        host.fsync(fd)
    except OSError as error:
        raise file_panic(error, f'could not fsync file "{path}"') from error
    finally:
        close_written(host, fd, path)
