"""What a client sends after the startup packet: parsed by the server, built by tests and tools.

Each `parse_*` takes a message body and raises 08P01 with PostgreSQL's words when the body does not
have the message's shape (PROTO-3). Strings are decoded as UTF-8, the only client encoding.

Source: `tcop/postgres.c` (PostgresMain, exec_bind_message), `libpq/pqformat.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, error, unpack_from
from typing import NamedTuple, NoReturn

from engine.errors import SqlError, SqlState
from engine.protocol.framing import frame

_SHORT = Struct("!H")
_LONG = Struct("!I")
_SIGNED = Struct("!i")

SYNC: bytes = frame(b"S", b"")
FLUSH: bytes = frame(b"H", b"")
TERMINATE: bytes = frame(b"X", b"")
COPY_DONE: bytes = frame(b"c", b"")


class Parse(NamedTuple):
    """Make a prepared statement; a type OID of 0 leaves the type to the server."""

    statement: str
    text: str
    parameter_types: tuple[int, ...]


class Bind(NamedTuple):
    """Make a portal. Formats: none (all text), one for all, or one each."""

    portal: str
    statement: str
    parameter_formats: tuple[int, ...]
    parameters: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


class Describe(NamedTuple):
    """`kind` is `S` (statement) or `P` (portal)."""

    kind: str
    name: str


class Execute(NamedTuple):
    """Run a portal; `max_rows` 0 is no limit."""

    portal: str
    max_rows: int


class Close(NamedTuple):
    """`kind` is `S` (statement) or `P` (portal)."""

    kind: str
    name: str


class SaslInitialResponse(NamedTuple):
    """The first message of a SASL exchange; `response` is None when there is none yet."""

    mechanism: str
    response: bytes | None


def _malformed(message: str = "invalid message format") -> NoReturn:
    raise SqlError(SqlState.PROTOCOL_VIOLATION, message)


def _string(body: bytes, position: int) -> tuple[str, int]:
    end = body.find(b"\0", position)
    if end < 0:
        _malformed("invalid string in message")
    return decode_text(body[position:end]), end + 1


def decode_text(data: bytes) -> str:
    """UTF-8 bytes from the client as text; 22021 when they are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as failure:
        shown = " ".join(f"0x{byte:02x}" for byte in data[failure.start : failure.end])
        raise SqlError(
            SqlState.CHARACTER_NOT_IN_REPERTOIRE,
            f'invalid byte sequence for encoding "UTF8": {shown}',
        ) from None


def parse_query(body: bytes) -> str:
    """The statement text of a simple Query."""
    text, end = _string(body, 0)
    if end != len(body):
        _malformed()
    return text


def parse_parse(body: bytes) -> Parse:
    """Body of `P`."""
    try:
        statement, position = _string(body, 0)
        text, position = _string(body, position)
        (count,) = _SHORT.unpack_from(body, position)
        types: tuple[int, ...] = unpack_from(f"!{count}I", body, position + 2)
    except error:
        _malformed("insufficient data left in message")
    if position + 2 + 4 * count != len(body):
        _malformed()
    return Parse(statement, text, types)


def parse_bind(body: bytes) -> Bind:
    """Body of `B`."""
    try:
        portal, position = _string(body, 0)
        statement, position = _string(body, position)
        formats, position = _short_list(body, position)
        (count,) = _SHORT.unpack_from(body, position)
        position += 2
        parameters: list[bytes | None] = []
        for _ in range(count):
            (length,) = _SIGNED.unpack_from(body, position)
            position += 4
            if length == -1:
                parameters.append(None)
                continue
            end = position + length
            if length < 0 or end > len(body):
                _malformed("insufficient data left in message")
            parameters.append(body[position:end])
            position = end
        result_formats, position = _short_list(body, position)
    except error:
        _malformed("insufficient data left in message")
    if position != len(body):
        _malformed()
    if len(formats) > 1 and len(formats) != count:
        _malformed(f"bind message has {len(formats)} parameter formats but {count} parameters")
    return Bind(portal, statement, formats, tuple(parameters), result_formats)


def _short_list(body: bytes, position: int) -> tuple[tuple[int, ...], int]:
    (count,) = _SHORT.unpack_from(body, position)
    position += 2
    if not count:
        return (), position
    values: tuple[int, ...] = unpack_from(f"!{count}h", body, position)
    return values, position + 2 * count


def _kind_and_name(body: bytes, message: str) -> tuple[str, str]:
    if not body:
        _malformed("no data left in message")
    kind = chr(body[0])
    name, end = _string(body, 1)
    if end != len(body):
        _malformed()
    if kind not in ("S", "P"):
        _malformed(f"invalid {message} message subtype {body[0]}")
    return kind, name


def parse_describe(body: bytes) -> Describe:
    """Body of `D`."""
    return Describe(*_kind_and_name(body, "DESCRIBE"))


def parse_close(body: bytes) -> Close:
    """Body of `C`."""
    return Close(*_kind_and_name(body, "CLOSE"))


def parse_execute(body: bytes) -> Execute:
    """Body of `E`; a negative row limit means no limit, as in PostgreSQL."""
    portal, position = _string(body, 0)
    if position + 4 != len(body):
        _malformed("insufficient data left in message" if position + 4 > len(body) else "")
    (limit,) = _SIGNED.unpack_from(body, position)
    return Execute(portal, max(limit, 0))


def parse_empty(body: bytes) -> None:
    """Body of `S`, `H`, `X`, `c`."""
    if body:
        _malformed()


def parse_sasl_initial_response(body: bytes) -> SaslInitialResponse:
    """Body of the first `p` of a SASL exchange."""
    mechanism, position = _string(body, 0)
    if position + 4 > len(body):
        _malformed("insufficient data left in message")
    (length,) = _SIGNED.unpack_from(body, position)
    response = body[position + 4 :]
    if length == -1:
        if response:
            _malformed()
        return SaslInitialResponse(mechanism, None)
    if length != len(response):
        _malformed("insufficient data left in message")
    return SaslInitialResponse(mechanism, response)


# building: what tests and small tools need to talk to a server ----------------------------------


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def build_query(text: str) -> bytes:
    """`Q`."""
    return frame(b"Q", _text(text))


def build_parse(statement: str, text: str, parameter_types: Sequence[int] = ()) -> bytes:
    """`P`."""
    types = b"".join(_LONG.pack(oid) for oid in parameter_types)
    return frame(b"P", _text(statement) + _text(text) + _SHORT.pack(len(parameter_types)) + types)


def build_bind(
    portal: str = "",
    statement: str = "",
    parameters: Sequence[bytes | None] = (),
    *,
    parameter_formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    """`B`."""
    parts = [_text(portal), _text(statement), _SHORT.pack(len(parameter_formats))]
    parts.extend(_SHORT.pack(value) for value in parameter_formats)
    parts.append(_SHORT.pack(len(parameters)))
    parts.extend(
        _SIGNED.pack(-1) if value is None else _SIGNED.pack(len(value)) + value
        for value in parameters
    )
    parts.append(_SHORT.pack(len(result_formats)))
    parts.extend(_SHORT.pack(value) for value in result_formats)
    return frame(b"B", b"".join(parts))


def build_describe(kind: str, name: str = "") -> bytes:
    """`D`; `kind` is `S` or `P`."""
    return frame(b"D", kind.encode() + _text(name))


def build_execute(portal: str = "", max_rows: int = 0) -> bytes:
    """`E`."""
    return frame(b"E", _text(portal) + _SIGNED.pack(max_rows))


def build_close(kind: str, name: str = "") -> bytes:
    """`C`; `kind` is `S` or `P`."""
    return frame(b"C", kind.encode() + _text(name))


def build_sasl_initial_response(mechanism: str, response: bytes) -> bytes:
    """The first `p` of a SASL exchange."""
    return frame(b"p", _text(mechanism) + _SIGNED.pack(len(response)) + response)


def build_sasl_response(response: bytes) -> bytes:
    """The later `p`s of a SASL exchange."""
    return frame(b"p", response)
