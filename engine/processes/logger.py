"""The logger.

Job: collect what every process writes to stderr, into files in log_directory.
Started by: the postmaster, before all others, when logging_collector is on; again whenever it is
gone. Ends on: the end of its pipe, that is, when all who could write to it are gone. Signals do
not end it. If it dies: the postmaster starts another; lines wait in the pipe. It touches no shared
memory, so nobody else is harmed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from engine.config import Config
from engine.host.api import Host, OpenMode
from engine.shmem.log import Log

_READ_BYTES: Final = 65536
_PAUSE_BEFORE_EXIT_MS: Final = 1000
_FATAL_STATUS: Final = 1
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def main(host: Host, config: Config, pipe: tuple[int, int], restarted: bool = False) -> None:
    """Copy the pipe into log files until its end."""
    reading, writing = pipe
    if restarted:
        _let_go_of_the_pipe(host)
    host.set_title("postgres: logger ")
    host.close(writing)
    try:
        files = LogFiles(host, config)
    except OSError as error:
        # On its own stderr; the postmaster starts another one, which tries again.
        message = f'could not open a log file in directory "{config.log_directory}"'
        Log(host, config).write("FATAL", f"{message}: {error.strerror}")
        host.sleep(_PAUSE_BEFORE_EXIT_MS)
        host.exit(_FATAL_STATUS)
    while True:
        host.wait(read=[reading], postmaster=False)
        host.take_signals()
        try:
            data = host.receive(reading, _READ_BYTES)
        except BlockingIOError:
            continue
        if not data:
            return
        files.append(data)


def _let_go_of_the_pipe(host: Host) -> None:
    """A logger started later has the pipe as its stderr: it would wait for its own end for ever."""
    null = host.open("/dev/null", OpenMode.WRITE)
    host.redirect_output(null)
    host.close(null)


class LogFiles:
    """The current log file, and the change to a new one when it has grown too large."""

    def __init__(self, host: Host, config: Config) -> None:
        self._host = host
        self._directory = str(config.log_directory)
        self._pattern = str(config.log_filename)
        self._rotation_bytes = int(config.log_rotation_size) * 1024
        self._log = Log(host, config)
        if host.stat(self._directory) is None:
            host.make_directory(self._directory)
        self._fd, self._size = self._open()

    def append(self, data: bytes) -> None:
        """Write the data; a disk that is full costs lines, never the server."""
        if self._rotation_bytes and self._size >= self._rotation_bytes:
            self._rotate()
        rest = memoryview(data)
        try:
            while rest:
                written = self._host.pwrite(self._fd, rest, self._size)
                self._size += written
                rest = rest[written:]
        except OSError as error:
            # The line goes to the logger's own stderr, the only place left.
            self._log.warning(f"could not write to log file: {error.strerror}")

    def _rotate(self) -> None:
        """Go on in another file; in the old one if there can be no other."""
        old = self._fd
        try:
            self._fd, self._size = self._open()
            self._host.close(old)
        except OSError as error:
            self._log.warning(f"could not change to another log file: {error.strerror}")

    def _open(self) -> tuple[int, int]:
        moment = _EPOCH + timedelta(microseconds=self._host.now_us())
        path = f"{self._directory}/{moment.strftime(self._pattern)}"
        fd = self._host.open(path, OpenMode.WRITE | OpenMode.CREATE)
        return fd, self._host.file_size(fd)
