"""What the server sends: building for the server, taking apart for tests and tools.

Builders return complete messages as bytes; the caller collects them and writes once per answer.

Source: PostgreSQL 15 manual, chapter 55; `tcop/dest.c`, `access/common/printtup.c`,
`utils/error/elog.c` (send_message_to_frontend).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from engine.protocol.framing import frame

AUTHENTICATION_OK: Final = frame(b"R", b"\0\0\0\0")
PARSE_COMPLETE: Final = frame(b"1", b"")
BIND_COMPLETE: Final = frame(b"2", b"")
CLOSE_COMPLETE: Final = frame(b"3", b"")
NO_DATA: Final = frame(b"n", b"")
EMPTY_QUERY_RESPONSE: Final = frame(b"I", b"")
PORTAL_SUSPENDED: Final = frame(b"s", b"")
SSL_REFUSED: Final = b"N"

_LONG = Struct("!I")
_SHORT = Struct("!H")
_SIGNED = Struct("!i")
_FIELD_TAIL = Struct("!IhIhih")
_ROW_HEAD = Struct("!cIH")
_KEY_DATA = Struct("!cIII")

_NULL: Final = b"\xff\xff\xff\xff"


class FieldDescription(NamedTuple):
    """One column of a RowDescription."""

    name: str
    table_oid: int
    attribute_number: int
    type_oid: int
    type_length: int
    type_modifier: int
    format: int


def ready_for_query(status: bytes) -> bytes:
    """`Z`; `status` is `I` (idle), `T` (in a transaction) or `E` (in a failed one)."""
    return b"Z\0\0\0\5" + status


def parameter_status(name: str, value: str) -> bytes:
    """`S`: the value of a setting that the client is told about."""
    return frame(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def backend_key_data(pid: int, key: int) -> bytes:
    """`K`: what a CancelRequest must carry."""
    return _KEY_DATA.pack(b"K", 12, pid, key)


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    """`R` 10: the mechanisms offered."""
    names = b"".join(name.encode() + b"\0" for name in mechanisms)
    return frame(b"R", _LONG.pack(10) + names + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    """`R` 11: a challenge."""
    return frame(b"R", _LONG.pack(11) + data)


def authentication_sasl_final(data: bytes) -> bytes:
    """`R` 12: the server's proof."""
    return frame(b"R", _LONG.pack(12) + data)


def negotiate_protocol_version(newest: int, unknown: Sequence[str]) -> bytes:
    """`v`: the newest version served, and the protocol options not understood.

    PostgreSQL 15 sends the whole version where its manual says minor version.
    """
    names = b"".join(name.encode() + b"\0" for name in unknown)
    return frame(b"v", _LONG.pack(newest) + _LONG.pack(len(unknown)) + names)


def command_complete(tag: str) -> bytes:
    """`C`."""
    return frame(b"C", tag.encode() + b"\0")


def parameter_description(type_oids: Sequence[int]) -> bytes:
    """`t`."""
    return frame(b"t", _SHORT.pack(len(type_oids)) + b"".join(_LONG.pack(oid) for oid in type_oids))


def row_description(fields: Iterable[FieldDescription]) -> bytes:
    """`T`."""
    parts: list[bytes] = []
    for field in fields:
        parts.append(field.name.encode() + b"\0")
        parts.append(
            _FIELD_TAIL.pack(
                field.table_oid,
                field.attribute_number,
                field.type_oid,
                field.type_length,
                field.type_modifier,
                field.format,
            )
        )
    return frame(b"T", _SHORT.pack(len(parts) // 2) + b"".join(parts))


def append_data_rows(
    out: bytearray,
    rows: Iterable[Sequence[Any]],
    output_functions: Sequence[Callable[[Any], bytes]],
) -> None:
    """Append one `D` per row to `out`; each column has its function from value to bytes."""
    columns = len(output_functions)
    pack_length = _LONG.pack
    pack_head = _ROW_HEAD.pack
    if columns == 1:
        (output,) = output_functions
        for (value,) in rows:
            if value is None:
                out += b"D\0\0\0\n\0\1" + _NULL
            else:
                data = output(value)
                length = len(data)
                out += pack_head(b"D", 10 + length, 1) + pack_length(length) + data
        return
    for row in rows:
        body = b""
        for value, output in zip(row, output_functions, strict=True):
            if value is None:
                body += _NULL
            else:
                data = output(value)
                body += pack_length(len(data)) + data
        out += pack_head(b"D", 6 + len(body), columns)
        out += body


class ErrorFields(NamedTuple):
    """The fields of an ErrorResponse or NoticeResponse that this server sends."""

    severity: str
    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: int | None = None
    context: str | None = None
    schema: str | None = None
    table: str | None = None
    column: str | None = None


def error_response(fields: ErrorFields) -> bytes:
    """`E`."""
    return frame(b"E", _error_body(fields))


def notice_response(fields: ErrorFields) -> bytes:
    """`N`."""
    return frame(b"N", _error_body(fields))


def _error_body(fields: ErrorFields) -> bytes:
    pairs: tuple[tuple[str, str | int | None], ...] = (
        ("S", fields.severity),
        ("V", fields.severity),
        ("C", fields.sqlstate),
        ("M", fields.message),
        ("D", fields.detail),
        ("H", fields.hint),
        ("P", fields.position),
        ("W", fields.context),
        ("s", fields.schema),
        ("t", fields.table),
        ("c", fields.column),
    )
    body = b"".join(
        code.encode() + str(value).encode() + b"\0" for code, value in pairs if value is not None
    )
    return body + b"\0"


# taking apart -----------------------------------------------------------------------------------


class BackendMessage(NamedTuple):
    """A message of the server: its type letter and its body."""

    kind: str
    body: bytes


def split_messages(data: bytes) -> tuple[list[BackendMessage], bytes]:
    """The complete messages at the front of `data`, and what is left."""
    messages: list[BackendMessage] = []
    position = 0
    while len(data) - position >= 5:
        (length,) = _LONG.unpack_from(data, position + 1)
        end = position + 1 + length
        if end > len(data):
            break
        messages.append(BackendMessage(chr(data[position]), data[position + 5 : end]))
        position = end
    return messages, data[position:]


def parse_error_fields(body: bytes) -> dict[str, str]:
    """The fields of an `E` or `N` by their letters."""
    fields: dict[str, str] = {}
    position = 0
    while body[position] != 0:
        end = body.index(b"\0", position + 1)
        fields[chr(body[position])] = body[position + 1 : end].decode()
        position = end + 1
    return fields


def parse_data_row(body: bytes) -> list[bytes | None]:
    """The column values of a `D`."""
    (count,) = _SHORT.unpack_from(body)
    values: list[bytes | None] = []
    position = 2
    for _ in range(count):
        (length,) = _SIGNED.unpack_from(body, position)
        position += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[position : position + length])
        position += length
    return values


def parse_row_description(body: bytes) -> list[FieldDescription]:
    """The columns of a `T`."""
    (count,) = _SHORT.unpack_from(body)
    fields: list[FieldDescription] = []
    position = 2
    for _ in range(count):
        end = body.index(b"\0", position)
        name = body[position:end].decode()
        tail = _FIELD_TAIL.unpack_from(body, end + 1)
        fields.append(FieldDescription(name, *tail))
        position = end + 1 + _FIELD_TAIL.size
    return fields
