"""Sockets and pipes under the baton: the kernel's own, and who may have something to read.

A Unix socket hands over what was sent at once, so what a descriptor is ready for depends only on
what others did when they had the turn. A *channel* is what a connection or a pipe is to the
scheduler: who does something to one end hints at the channel, and whoever waits at the other end
looks again. The kernel says what is there; a hint only says that looking may be worth it.

Connections come to `accept` in the order in which they were made, so the channels that the clients
make wait in a queue for that call.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from zlib import crc32

from chaos.faults.places import DROP, SHORT
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import Call
from chaos.scheduler.layout import (
    CHANNELS,
    CHANNELS_MADE,
    CONNECTIONS_HEAD,
    CONNECTIONS_TAIL,
    FOR_CHANNEL,
    LISTENER_CHANNEL,
    PENDING_CONNECTIONS,
)
from engine.host.api import Buffer, Peer

_BACKLOG = 128
_STDERR = 2


class BatonSockets:
    """The socket calls of `Host`."""

    _baton: Baton
    real_path: Callable[[str], str]
    _wait_for_channels: Callable[[tuple[int, ...]], int]

    def __init__(self) -> None:
        self._channels: dict[int, int] = {}
        self._clients: set[int] = set()
        self._pipes: set[int] = set()

    def listen_unix(self, path: str) -> int:
        baton = self._baton
        baton.step(Call.LISTEN_UNIX)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.real_path(path))
            os.chmod(self.real_path(path), 0o777)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            fd = listener.detach()
        words = baton.words
        words[CONNECTIONS_HEAD] = words[CONNECTIONS_TAIL]  # who waited waited for another listener
        self._channels[fd] = new_channel(baton)
        words[LISTENER_CHANNEL] = self._channels[fd] + 1
        return fd

    def listen_tcp(self, address: str, port: int) -> int:
        self._baton.step(Call.LISTEN_TCP, port)
        # What the kernel carries over TCP arrives when it arrives.
        raise OSError(97, "there is no TCP under the baton, set listen_addresses = ''")

    def accept(self, listener: int) -> tuple[int, Peer]:
        baton = self._baton
        baton.step(Call.ACCEPT)
        with socket.socket(fileno=os.dup(listener)) as listening:
            connection, _ = listening.accept()
        with connection:
            connection.setblocking(False)
            fd = connection.detach()
        words = baton.words
        head = words[CONNECTIONS_HEAD]
        if head < words[CONNECTIONS_TAIL]:
            self._channels[fd] = baton.layout.connections[head % PENDING_CONNECTIONS]
            words[CONNECTIONS_HEAD] = head + 1
        else:
            self._channels[fd] = new_channel(baton)
        self._clients.add(fd)
        return fd, Peer(None, 0)

    def receive(self, fd: int, length: int) -> bytes:
        struck = self._baton.step(Call.RECEIVE, self._channels.get(fd, 0), length)
        if struck is not None and struck.kind == DROP:
            self._drop(fd)
        if struck is not None and struck.kind == SHORT:
            length = max(1, length // 2)
        received = os.read(fd, length)
        if fd in self._clients:
            self._baton.hint_clients()
        elif fd in self._channels:
            self._baton.hint(self._channels[fd])  # there is room for who waits to write
        return received

    def send(self, fd: int, data: Buffer) -> int:
        struck = self._baton.step(Call.SEND, self._channels.get(fd, 0), len(data), crc32(data))
        if struck is not None and struck.kind == DROP:
            self._drop(fd)
        if struck is not None and struck.kind == SHORT:
            data = memoryview(data)[: max(1, len(data) // 2)]
        sent = os.write(fd, data)
        self._sent(fd)
        return sent

    def _sent(self, fd: int) -> None:
        if fd in self._clients:
            self._baton.hint_clients()
        elif fd in self._channels:
            self._baton.hint(self._channels[fd])

    def _drop(self, fd: int) -> None:
        """The connection is reset: for both ends, now."""
        with socket.socket(fileno=os.dup(fd)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
        self._sent(fd)
        raise ConnectionResetError(104, "Connection reset by peer")

    def _forget_channel(self, fd: int) -> None:
        """The descriptor is about to be closed."""
        channel = self._channels.pop(fd, None)
        if channel is None:
            return
        self._pipes.discard(fd)
        if fd in self._clients:
            self._clients.discard(fd)
            self._baton.hint_clients()
        else:
            self._baton.hint(channel)

    def pipe(self) -> tuple[int, int]:
        self._baton.step(Call.PIPE)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._channels[reading] = self._channels[writing] = new_channel(self._baton)
        self._pipes |= {reading, writing}
        return reading, writing

    def redirect_output(self, fd: int) -> None:
        self._baton.step(Call.REDIRECT_OUTPUT)
        os.dup2(fd, 1)
        os.dup2(fd, _STDERR)
        if fd in self._channels:
            self._channels[_STDERR] = self._channels[fd]
        if fd in self._pipes:
            self._pipes.add(_STDERR)

    def write_log(self, data: Buffer) -> None:
        self._baton.step(Call.WRITE_LOG, len(data), 0, crc32(data))
        rest = memoryview(data)
        while rest:
            self._wait_for_room()
            try:
                rest = rest[os.write(_STDERR, rest[: select.PIPE_BUF]) :]
            except OSError:
                return
            self._sent(_STDERR)

    def _wait_for_room(self) -> None:
        """A full pipe would hold up the turn with the one who could empty it waiting for it."""
        if _STDERR not in self._channels:
            return
        poll = select.poll()
        poll.register(_STDERR, select.POLLOUT)
        while not poll.poll(0):
            self._baton.block(FOR_CHANNEL | self._wait_for_channels((_STDERR,)))


def new_channel(baton: Baton) -> int:
    """A number for a connection, a listener or a pipe."""
    words = baton.words
    words[CHANNELS_MADE] += 1
    return int(words[CHANNELS_MADE]) % CHANNELS


def announce_connection(baton: Baton) -> int:
    """A client has connected: its channel, which `accept` will give to the server's end."""
    words = baton.words
    channel = new_channel(baton)
    tail = words[CONNECTIONS_TAIL]
    baton.layout.connections[tail % PENDING_CONNECTIONS] = channel
    words[CONNECTIONS_TAIL] = tail + 1
    if words[LISTENER_CHANNEL]:
        baton.hint(words[LISTENER_CHANNEL] - 1)
    return channel
