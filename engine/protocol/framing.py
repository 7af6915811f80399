"""Cutting the byte stream of a connection into messages, with PostgreSQL's size limits.

A message is one type byte, a u32 length that counts itself, and the body. A startup packet has no
type byte. `ReceiveBuffer` is fed with whatever the socket gave and hands out complete messages; it
refuses a wrong type or length as soon as it can see it.

Source: `libpq/pqcomm.c` (pq_getmessage), `tcop/postgres.c` (SocketBackend), `postmaster.c`
(ProcessStartupPacket).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

SMALL_MESSAGE_LIMIT: Final = 10_000
LARGE_MESSAGE_LIMIT: Final = 0x3FFFFFFF - 1
STARTUP_PACKET_LIMIT: Final = 10_000

MESSAGE_LIMITS: Final[dict[int, int]] = {
    ord("Q"): LARGE_MESSAGE_LIMIT,
    ord("P"): LARGE_MESSAGE_LIMIT,
    ord("B"): LARGE_MESSAGE_LIMIT,
    ord("F"): LARGE_MESSAGE_LIMIT,
    ord("d"): LARGE_MESSAGE_LIMIT,
    ord("X"): SMALL_MESSAGE_LIMIT,
    ord("C"): SMALL_MESSAGE_LIMIT,
    ord("D"): SMALL_MESSAGE_LIMIT,
    ord("E"): SMALL_MESSAGE_LIMIT,
    ord("H"): SMALL_MESSAGE_LIMIT,
    ord("S"): SMALL_MESSAGE_LIMIT,
    ord("c"): SMALL_MESSAGE_LIMIT,
    ord("f"): SMALL_MESSAGE_LIMIT,
}
"""The largest length word that each type of frontend message may have, after authentication."""

PASSWORD_LIMITS: Final[dict[int, int]] = {ord("p"): 65_535}
"""While the server waits for a password or SASL message, nothing else may come."""

_HEADER = Struct("!BI")
_LENGTH = Struct("!I")


class ProtocolViolation(Exception):
    """The peer sent what the protocol does not allow; the stream cannot be followed any further.

    PostgreSQL logs these at COMMERROR level: the client, which is out of step, is told nothing
    unless `tell_client`.
    """

    def __init__(self, message: str, *, tell_client: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.tell_client = tell_client


class ReceiveBuffer:
    """Bytes received and not yet consumed (PROTO-1: nothing is consumed before it is complete)."""

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._position = 0

    def feed(self, data: bytes) -> None:
        """Append what the socket gave."""
        held = self._data
        if self._position == len(held):
            self._data = data
        elif isinstance(held, bytearray):
            del held[: self._position]
            held += data
        else:
            self._data = bytearray(held[self._position :])
            self._data += data
        self._position = 0

    def __len__(self) -> int:
        return len(self._data) - self._position

    def next_message(self, limits: dict[int, int]) -> tuple[int, bytes] | None:
        """The next complete message as (type, body), or None when more bytes are needed.

        The type is checked as soon as its byte is there and the length as soon as its four are, so
        garbage is recognized without waiting for its "body" (PROTO-2).
        """
        data = self._data
        start = self._position
        available = len(data) - start
        if available < 5:
            if available and data[start] not in limits:
                raise _unexpected_type(data[start], limits)
            return None
        kind, length = _HEADER.unpack_from(data, start)
        limit = limits.get(kind)
        if limit is None:
            raise _unexpected_type(kind, limits)
        if length < 4 or length > limit:
            raise ProtocolViolation("invalid message length")
        end = start + 1 + length
        if end > len(data):
            return None
        self._position = end
        return kind, bytes(data[start + 5 : end])

    def next_startup_packet(self) -> bytes | None:
        """The next complete startup packet without its length word, or None."""
        if len(self) < 4:
            return None
        (length,) = _LENGTH.unpack_from(self._data, self._position)
        if length < 8 or length > STARTUP_PACKET_LIMIT + 4:
            raise ProtocolViolation("invalid length of startup packet")
        end = self._position + length
        if end > len(self._data):
            return None
        body = bytes(self._data[self._position + 4 : end])
        self._position = end
        return body


def _unexpected_type(kind: int, limits: dict[int, int]) -> ProtocolViolation:
    if limits is PASSWORD_LIMITS:
        return ProtocolViolation(f"expected password response, got message type {kind}")
    return ProtocolViolation(f"invalid frontend message type {kind}", tell_client=True)


def frame(kind: bytes, body: bytes | bytearray) -> bytes:
    """One message: type, length, body."""
    return kind + _LENGTH.pack(len(body) + 4) + body
