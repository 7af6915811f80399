"""The connection to the client: a socket, what was received and not yet read, what is to be sent.

Sending is buffered: a session collects its answer in `out` and calls `flush` once, when the client
waits for it. Every wait for the client is here, and is where a session that has nothing to do
notices that it shall end.
"""

from __future__ import annotations

from typing import Final

from engine.errors import FatalError, SqlState
from engine.host.api import Host, Ready
from engine.protocol.framing import ReceiveBuffer
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log

RECEIVE_BYTES: Final = 65_536
LARGE_OUTPUT_BYTES: Final = 65_536
SHORT_OUTPUT_BYTES: Final = 4096


class ClientGone(Exception):
    """The client closed the connection, or it broke: nobody is there to tell.

    `reason` is for the log; None when the client left between two messages.
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason or "the client left")
        self.reason = reason


class ConnectionLost(FatalError):
    """A send failed: the session ends and tells the client nothing."""


class Deadline:
    """When a wait for the client ends by itself, and the error of the session then."""

    __slots__ = ("at_us", "error")

    def __init__(self, at_us: int, error: Exception) -> None:
        self.at_us = at_us
        self.error = error


class Client:
    """One client. `out` is the answer so far."""

    def __init__(self, host: Host, descriptor: int, interrupts: Interrupts, log: Log) -> None:
        self._host = host
        self._descriptor = descriptor
        self._readable = (descriptor,)
        self._interrupts = interrupts
        self._log = log
        self._buffer = ReceiveBuffer()
        self.out = bytearray()
        self.is_lost = False
        self.is_sending = False
        """Whether the client has, or may have, a part of a message: nothing else may be sent."""

    # receiving ------------------------------------------------------------------------------------

    def read_message(
        self, limits: dict[int, int], deadline: Deadline | None = None
    ) -> tuple[int, bytes]:
        """The next message. Raises ClientGone, ProtocolViolation, 57P01, the deadline's error."""
        buffer = self._buffer
        message = buffer.next_message(limits)
        while message is None:
            self._receive(deadline)
            message = buffer.next_message(limits)
        return message

    def read_startup_packet(self, deadline: Deadline | None) -> bytes:
        """The next startup packet, without its length."""
        packet = self._buffer.next_startup_packet()
        while packet is None:
            self._receive(deadline)
            packet = self._buffer.next_startup_packet()
        return packet

    def _receive(self, deadline: Deadline | None) -> None:
        """Wait for bytes and put them into the buffer."""
        host = self._host
        while True:
            self._act_on_interrupts()
            left = None
            if deadline is not None:
                left = (deadline.at_us - host.monotonic_us()) / 1000
                if left <= 0:
                    raise deadline.error
            if not host.wait(left, read=self._readable) & Ready.READ:
                continue
            try:
                data = host.receive(self._descriptor, RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ClientGone(f"could not receive data from client: {error.strerror}") from None
            if not data:
                raise ClientGone("incomplete message from client" if self._buffer else None)
            self._buffer.feed(data)
            self._act_on_interrupts()
            return

    def _act_on_interrupts(self) -> None:
        """What was asked of a process that waits for its client."""
        interrupts = self._interrupts
        interrupts.poll()
        if interrupts.shutdown_requested:
            interrupts.check()
        if interrupts.reload_requested and interrupts.on_reload is not None:
            interrupts.on_reload()
        # Nothing runs, so there was nothing to cancel.
        interrupts.cancel_pending = False

    # sending --------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send everything in `out`. Raises ConnectionLost when the client is gone."""
        out = self.out
        if not out:
            return
        if self.is_lost:
            out.clear()
            return
        data = bytes(out)
        out.clear()
        # A short message is sent whole or not at all, unless the client has not read for long.
        self.is_sending = len(data) > SHORT_OUTPUT_BYTES
        sent = self._send(data)
        if sent < len(data):
            self.is_sending = True
            view = memoryview(data)
            while sent < len(data):
                self._wait_until_writable()
                sent += self._send(view[sent:])
        self.is_sending = False

    def flush_if_large(self) -> None:
        """Send what there is when that is much, so that a long result needs little memory."""
        if len(self.out) >= LARGE_OUTPUT_BYTES:
            self.flush()

    def send_urgently(self, data: bytes) -> None:
        """One attempt to send a few bytes, from wherever the process is; nothing if it is sending.

        The bytes would come in the middle of another message otherwise.
        """
        if self.is_sending or self.is_lost:
            return
        try:
            self._host.send(self._descriptor, data)
        except OSError:
            self.is_lost = True

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self._host.send(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(f"could not send data to client: {error.strerror}") from None

    def _wait_until_writable(self) -> None:
        """A client that does not read keeps the session, but not from ending."""
        self._host.wait(None, write=self._readable)
        self._interrupts.poll()
        if self._interrupts.shutdown_requested and self._interrupts.terminate_raises:
            self.is_lost = True
            raise ConnectionLost(
                SqlState.ADMIN_SHUTDOWN, "terminating connection due to administrator command"
            )

    def _lost(self, message: str) -> ConnectionLost:
        self.is_lost = True
        self._log.log(message)
        return ConnectionLost(SqlState.CONNECTION_FAILURE, "connection to client lost")
