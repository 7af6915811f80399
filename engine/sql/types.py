"""Type input and output, as the protocol needs it: from bytes to values and back, text and binary.

`output_function(type_oid, binary)` and `input_function(type_oid, binary)` are what a message loop
asks for once per column; `input_value` and `output_value` are the same for one value. Text is
UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from engine.errors import SqlError, SqlState, not_supported
from engine.sql import type_table as t
from engine.sql.numeric import apply_typmod as numeric_typmod
from engine.sql.numeric import numeric_binary, numeric_from_binary
from engine.sql.text_io import INPUT, OUTPUT

_INT2: Final = struct.Struct("!h")
_INT4: Final = struct.Struct("!i")
_INT8: Final = struct.Struct("!q")
_U4: Final = struct.Struct("!I")
_U8: Final = struct.Struct("!Q")
_FLOAT4: Final = struct.Struct("!f")
_FLOAT8: Final = struct.Struct("!d")
_TID: Final = struct.Struct("!IH")

_FIXED: Final[dict[int, struct.Struct]] = {
    t.INT2: _INT2,
    t.INT4: _INT4,
    t.INT8: _INT8,
    t.OID: _U4,
    t.XID: _U4,
    t.CID: _U4,
    t.REGCLASS: _U4,
    t.REGTYPE: _U4,
    t.REGPROC: _U4,
    t.REGNAMESPACE: _U4,
    t.XID8: _U8,
    t.PG_LSN: _U8,
    t.FLOAT4: _FLOAT4,
    t.FLOAT8: _FLOAT8,
    t.DATE: _INT4,
    t.TIMESTAMP: _INT8,
    t.TIMESTAMPTZ: _INT8,
}
_STRINGS: Final = (t.TEXT, t.VARCHAR, t.BPCHAR, t.NAME, t.UNKNOWN, t.CSTRING, t.CHAR)


def input_value(type_oid: int, data: bytes, binary: bool) -> Any:
    """The value that a Bind message carries; SqlError for what the type refuses."""
    return input_function(type_oid, binary)(data)


def output_value(type_oid: int, value: Any, binary: bool) -> bytes:
    """The bytes of a value (never None) for a DataRow."""
    return output_function(type_oid, binary)(value)


def input_function(type_oid: int, binary: bool) -> Callable[[bytes], Any]:
    """The function that turns a parameter's bytes into its value."""
    if binary:
        function = _BINARY_INPUT.get(type_oid)
        if function is None:
            raise not_supported(f"binary input of type {t.type_display(type_oid)}")
        return function
    read = text_input(type_oid)
    return lambda data: read(decode_text(data))


def output_function(type_oid: int, binary: bool) -> Callable[[Any], bytes]:
    """The function that turns a value into its bytes.

    Some columns of the catalogs have types that nothing else has here, and are mostly null: that
    such a type has no output function matters when there is a value.
    """
    function = (_BINARY_OUTPUT if binary else _TEXT_OUTPUT).get(type_oid)
    if function is not None:
        return function

    def refuse(value: Any) -> bytes:
        form = "binary" if binary else "text"
        raise not_supported(f"{form} output of type {t.type_display(type_oid)}")

    return refuse


def text_input(type_oid: int) -> Callable[[str], Any]:
    """The type's input function over text, as a quoted literal goes through it."""
    function = INPUT.get(type_oid)
    if function is None:
        raise not_supported(f"input of type {t.type_display(type_oid)}")
    return function


def text_output(type_oid: int) -> Callable[[Any], str]:
    """The type's output function."""
    function = OUTPUT.get(type_oid)
    if function is None:
        raise not_supported(f"output of type {t.type_display(type_oid)}")
    return function


def decode_text(data: bytes) -> str:
    """UTF-8 from a client; 22021 for what is not, and for a zero byte."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.end][:4])
        raise SqlError(
            SqlState.CHARACTER_NOT_IN_REPERTOIRE,
            f'invalid byte sequence for encoding "UTF8": {shown}',
        ) from None
    if "\x00" in text:
        raise SqlError(
            SqlState.CHARACTER_NOT_IN_REPERTOIRE,
            'invalid byte sequence for encoding "UTF8": 0x00',
        )
    return text


def typmod_function(type_oid: int, typmod: int, *, explicit: bool) -> Callable[[Any], Any] | None:
    """The length coercion to `type(typmod)`, None when there is nothing to do."""
    if typmod < 4:
        return None
    if type_oid in (t.VARCHAR, t.BPCHAR):
        limit, padded = typmod - 4, type_oid == t.BPCHAR
        return lambda value: _fit_string(value, limit, padded, explicit)
    if type_oid == t.NUMERIC:
        return lambda value: numeric_typmod(value, typmod)
    return None


def _fit_string(value: str, limit: int, padded: bool, explicit: bool) -> str:
    if len(value) > limit:
        if not explicit and value[limit:].strip(" "):
            kind = "character" if padded else "character varying"
            raise SqlError("22001", f"value too long for type {kind}({limit})")
        return value[:limit]
    return value.ljust(limit) if padded else value


def _wrong_length() -> SqlError:
    return SqlError(
        SqlState.INVALID_BINARY_REPRESENTATION, "incorrect binary data format in bind parameter"
    )


def _too_short() -> SqlError:
    return SqlError(SqlState.PROTOCOL_VIOLATION, "insufficient data left in message")


def _fixed_input(layout: struct.Struct) -> Callable[[bytes], Any]:
    size, unpack = layout.size, layout.unpack

    def read(data: bytes) -> Any:
        if len(data) != size:
            raise _wrong_length() if len(data) > size else _too_short()
        return unpack(data)[0]

    return read


def _bool_input(data: bytes) -> bool:
    if len(data) != 1:
        raise _wrong_length()
    return data[0] != 0


def _numeric_input(data: bytes) -> Any:
    try:
        return numeric_from_binary(data)
    except ValueError:
        raise _wrong_length() from None


def _tid_input(data: bytes) -> tuple[int, ...]:
    if len(data) != _TID.size:
        raise _wrong_length()
    return _TID.unpack(data)


def _text_bytes(output: Callable[[Any], str]) -> Callable[[Any], bytes]:
    return lambda value: output(value).encode()


def _integer_bytes(value: Any) -> bytes:
    return b"%d" % value


def _text_outputs() -> dict[int, Callable[[Any], bytes]]:
    functions: dict[int, Callable[[Any], bytes]] = {
        oid: _text_bytes(output) for oid, output in OUTPUT.items()
    }
    for oid in _STRINGS:
        functions[oid] = str.encode
    for oid in (t.INT2, t.INT4, t.INT8, t.OID, t.XID):
        functions[oid] = _integer_bytes
    functions[t.BOOL] = lambda value: b"t" if value else b"f"
    return functions


def _binary_outputs() -> dict[int, Callable[[Any], bytes]]:
    functions: dict[int, Callable[[Any], bytes]] = {
        oid: layout.pack for oid, layout in _FIXED.items()
    }
    for oid in _STRINGS:
        functions[oid] = str.encode
    functions[t.CHAR] = lambda value: value.encode() or b"\0"
    functions[t.BOOL] = lambda value: b"\1" if value else b"\0"
    functions[t.NUMERIC] = numeric_binary
    functions[t.BYTEA] = bytes
    functions[t.VOID] = lambda value: b""
    functions[t.TID] = lambda value: _TID.pack(*value)
    return functions


def _binary_inputs() -> dict[int, Callable[[bytes], Any]]:
    functions: dict[int, Callable[[bytes], Any]] = {
        oid: _fixed_input(layout) for oid, layout in _FIXED.items()
    }
    for oid in _STRINGS:
        functions[oid] = decode_text
    functions[t.CHAR] = lambda data: decode_text(data.rstrip(b"\0"))
    functions[t.BOOL] = _bool_input
    functions[t.NUMERIC] = _numeric_input
    functions[t.BYTEA] = bytes
    functions[t.TID] = _tid_input
    return functions


_TEXT_OUTPUT: Final = _text_outputs()
_BINARY_OUTPUT: Final = _binary_outputs()
_BINARY_INPUT: Final = _binary_inputs()
