"""text[] as it is stored: what reloptions holds, such as {fillfactor=70}.

A one-dimensional array without nulls, after the varlena header: i32 dimensions (0 when empty),
i32 0, u32 element type, i32 length, i32 lower bound, then the elements as varlenas with 4-byte
headers, each aligned to 4 from the start of the header.

Source: PostgreSQL 15, `utils/array.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

TEXT_OID: Final = 25
HEADER: Final = struct.Struct("<iiIii")
EMPTY_HEADER: Final = struct.Struct("<iiI")
ELEMENT_LENGTH: Final = struct.Struct("<I")


def pack_text_array(items: Sequence[str]) -> bytes:
    """The stored form of an array of strings, without the varlena header."""
    if not items:
        return EMPTY_HEADER.pack(0, 0, TEXT_OID)
    packed = bytearray(HEADER.pack(1, 0, TEXT_OID, len(items), 1))
    for item in items:
        encoded = item.encode()
        packed += ELEMENT_LENGTH.pack((len(encoded) + 4) << 2) + encoded
        packed += bytes(-len(packed) % 4)
    return bytes(packed)


def unpack_text_array(stored: bytes) -> list[str]:
    """The strings of a stored array."""
    dimensions, _, _ = EMPTY_HEADER.unpack_from(stored)
    if dimensions == 0:
        return []
    count = HEADER.unpack_from(stored)[3]
    items, position = [], HEADER.size
    for _ in range(count):
        length = ELEMENT_LENGTH.unpack_from(stored, position)[0] >> 2
        items.append(stored[position + 4 : position + length].decode())
        position += length + (-length % 4)
    return items
