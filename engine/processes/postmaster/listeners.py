"""The listening sockets: TCP on listen_addresses, Unix in unix_socket_directories."""

from __future__ import annotations

import errno
from contextlib import suppress

from engine.config import Config
from engine.errors import FatalError, SqlState
from engine.host.api import Host
from engine.shmem.log import Log


class Listeners:
    """Opens the sockets, and removes what they leave in the file system."""

    def __init__(self, host: Host, config: Config, log: Log) -> None:
        self._host = host
        self._config = config
        self._log = log
        self.descriptors: list[int] = []
        self._files: list[str] = []
        self._locks: list[int] = []
        self.first_socket_directory = ""
        self.first_address = ""

    def open(self) -> None:
        """Open every socket that is configured; FATAL when one kind has none that works."""
        self._open_tcp()
        self._open_unix()
        if not self.descriptors:
            raise FatalError(SqlState.CONFIG_FILE_ERROR, "no socket created for listening")

    def close_in_child(self) -> None:
        """A child does not listen."""
        for fd in self.descriptors:
            # What cannot be closed is closed when this process ends.
            with suppress(OSError):
                self._host.close(fd)
        self.descriptors = []

    def close(self) -> None:
        """Stop listening and remove the socket files; the next start passes over one that stays."""
        self.close_in_child()
        for path in self._files:
            with suppress(OSError):
                self._host.unlink(path)
        for lock in self._locks:
            with suppress(OSError):
                self._host.close(lock)
        self._files, self._locks = [], []

    def _open_tcp(self) -> None:
        port = int(self._config.port)
        names = [name.strip() for name in str(self._config.listen_addresses).split(",")]
        names = [name for name in names if name]
        for name in names:
            address = {"localhost": "127.0.0.1", "*": "0.0.0.0"}.get(name, name)
            try:
                self.descriptors.append(self._host.listen_tcp(address, port))
            except OSError as error:
                self._log.log(
                    f'could not bind IPv4 address "{address}": {error.strerror}',
                    hint=f"Is another postmaster already running on port {port}? "
                    "If not, wait a few seconds and retry."
                    if error.errno == errno.EADDRINUSE
                    else "",
                )
                self._log.warning(f'could not create listen socket for "{name}"')
                continue
            self.first_address = self.first_address or name
            self._log.log(f'listening on IPv4 address "{address}", port {port}')
        if names and not self.descriptors:
            raise FatalError(
                SqlState.CONFIG_FILE_ERROR,
                "could not create any TCP/IP sockets",
                hint="Choose another port (-p), or listen_addresses = '' for Unix sockets only.",
            )

    def _open_unix(self) -> None:
        directories = str(self._config.unix_socket_directories).split(",")
        for directory in filter(None, (name.strip() for name in directories)):
            path = f"{directory}/.s.PGSQL.{self._config.port}"
            lock = self._lock_socket(path)
            if self._host.stat(path) is not None:
                self._host.unlink(path)
            try:
                self.descriptors.append(self._host.listen_unix(path))
            except OSError as error:
                raise FatalError(
                    SqlState.CONFIG_FILE_ERROR,
                    f'could not create Unix socket "{path}": {error.strerror or error}',
                    hint="Choose another socket directory (-k); a path may have 107 bytes.",
                ) from None
            self._files += [path, f"{path}.lock"]
            self._locks.append(lock)
            self.first_socket_directory = self.first_socket_directory or directory
            self._log.log(f'listening on Unix socket "{path}"')

    def _lock_socket(self, path: str) -> int:
        lock_path = f"{path}.lock"
        try:
            lock = self._host.lock_file(lock_path)
        except OSError as error:
            raise FatalError(
                SqlState.CONFIG_FILE_ERROR,
                f'could not create lock file "{lock_path}": {error.strerror}',
                hint="Choose another socket directory (-k).",
            ) from None
        if lock is None:
            raise FatalError(
                SqlState.LOCK_FILE_EXISTS,
                f'lock file "{lock_path}" already exists',
                hint=f'Is another postmaster using socket file "{path}"? Choose another port (-p).',
            )
        self._host.truncate(lock, 0)
        self._host.pwrite(lock, f"{self._host.pid()}\n".encode(), 0)
        return lock
