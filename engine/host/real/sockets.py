"""Sockets and pipes of the real host, all non-blocking and known by their descriptor."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from engine.host.api import Buffer, Peer

_BACKLOG = 128


class RealSockets:
    """The socket calls of `Host`."""

    _path: Callable[[str], str]

    def listen_unix(self, path: str) -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            where = self._path(path)
            listener.bind(where)
            os.chmod(where, 0o777)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            return listener.detach()

    def listen_tcp(self, address: str, port: int) -> int:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            return listener.detach()

    def accept(self, listener: int) -> tuple[int, Peer]:
        with socket.socket(fileno=os.dup(listener)) as listening:
            connection, _ = listening.accept()
        with connection:
            connection.setblocking(False)
            if connection.family == socket.AF_UNIX:
                peer = Peer(None, 0)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                address = connection.getpeername()
                peer = Peer(str(address[0]), int(address[1]))
            return connection.detach(), peer

    def receive(self, fd: int, length: int) -> bytes:
        return os.read(fd, length)

    def send(self, fd: int, data: Buffer) -> int:
        return os.write(fd, data)

    def pipe(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        return reading, writing

    def redirect_output(self, fd: int) -> None:
        os.dup2(fd, 1)
        os.dup2(fd, 2)

    def write_log(self, data: Buffer) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(2, rest) :]
            except OSError:
                return
