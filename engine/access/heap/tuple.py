"""Heap tuples: the 23-byte header, and values to bytes and back.

    0     4     8    12    18         20        22    23
    xmin  xmax  cid  ctid  infomask2  infomask  hoff  null bitmap, padding | data, from hoff on

The data are the values one after the other, each aligned as its type wants, from a start aligned
to 8. A null takes no space. Values of variable length carry a header of one byte (unaligned, up
to 126 bytes) or of four.

Values here are Python's: int, bool, float, str (text, varchar, bpchar, name, "char"), bytes (bytea
and every type not known by name), None for null.

Source: PostgreSQL 15, `access/htup_details.h`, `access/common/heaptuple.c`, `postgres.h` (varlena).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from engine.errors import SqlError, SqlState, not_supported
from engine.types import Tid, align8

AnyPage = bytes | bytearray | memoryview
Page = bytearray | memoryview

HEADER_SIZE: Final = 23
HEADER: Final = Struct("<IIIHHHHHB")
"""xmin, xmax, cid, ctid block high, block low, offset, infomask2, infomask, hoff."""

XMIN_OFFSET: Final = 0
XMAX_OFFSET: Final = 4
CID_OFFSET: Final = 8
CTID_OFFSET: Final = 12
INFOMASK2_OFFSET: Final = 18
INFOMASK_OFFSET: Final = 20
HOFF_OFFSET: Final = 22

HAS_NULL: Final = 0x0001
HAS_VARWIDTH: Final = 0x0002
HAS_EXTERNAL: Final = 0x0004
XMAX_KEYSHR_LOCK: Final = 0x0010
COMBO_CID: Final = 0x0020
XMAX_EXCL_LOCK: Final = 0x0040
XMAX_SHR_LOCK: Final = XMAX_EXCL_LOCK | XMAX_KEYSHR_LOCK
XMAX_LOCK_ONLY: Final = 0x0080
XMIN_COMMITTED: Final = 0x0100
XMIN_INVALID: Final = 0x0200
XMIN_FROZEN: Final = XMIN_COMMITTED | XMIN_INVALID
XMAX_COMMITTED: Final = 0x0400
XMAX_INVALID: Final = 0x0800
XMAX_IS_MULTI: Final = 0x1000
UPDATED: Final = 0x2000
MOVED_OFF: Final = 0x4000
MOVED_IN: Final = 0x8000
MOVED: Final = MOVED_OFF | MOVED_IN
LOCK_MASK: Final = XMAX_SHR_LOCK
XMAX_BITS: Final = XMAX_COMMITTED | XMAX_INVALID | XMAX_IS_MULTI | LOCK_MASK | XMAX_LOCK_ONLY
"""Every infomask bit that says something of xmax."""
HINT_BITS: Final = XMIN_COMMITTED | XMIN_INVALID | XMAX_COMMITTED | XMAX_INVALID

NATTS_MASK: Final = 0x07FF
KEYS_UPDATED: Final = 0x2000
HOT_UPDATED: Final = 0x4000
ONLY_TUPLE: Final = 0x8000
"""HEAP_ONLY_TUPLE: a later version in a HOT chain, which no index points to."""

SPECULATIVE_OFFSET: Final = 0xFFFE
MOVED_PARTITIONS_OFFSET: Final = 0xFFFD

_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_CTID: Final = Struct("<HHH")
_read_u16 = _U16.unpack_from
_write_u16 = _U16.pack_into
_read_u32 = _U32.unpack_from
_write_u32 = _U32.pack_into
_read_ctid = _CTID.unpack_from
_write_ctid = _CTID.pack_into


# header: `at` is where the tuple begins in the page ---------------------------------------------


def tuple_xmin(page: AnyPage, at: int) -> int:
    return int(_read_u32(page, at)[0])


def set_tuple_xmin(page: Page, at: int, xid: int) -> None:
    _write_u32(page, at, xid)


def tuple_xmax(page: AnyPage, at: int) -> int:
    """The raw xmax: an xid or a multixact, valid or not."""
    return int(_read_u32(page, at + XMAX_OFFSET)[0])


def set_tuple_xmax(page: Page, at: int, xid: int) -> None:
    _write_u32(page, at + XMAX_OFFSET, xid)


def tuple_cid(page: AnyPage, at: int) -> int:
    """cmin, cmax or a combo command id."""
    return int(_read_u32(page, at + CID_OFFSET)[0])


def set_tuple_cid(page: Page, at: int, cid: int) -> None:
    _write_u32(page, at + CID_OFFSET, cid)


def tuple_ctid(page: AnyPage, at: int) -> Tid:
    """The next version's place, or the tuple's own."""
    high, low, offset = _read_ctid(page, at + CTID_OFFSET)
    return Tid(high << 16 | low, offset)


def set_tuple_ctid(page: Page, at: int, block: int, offset: int) -> None:
    _write_ctid(page, at + CTID_OFFSET, block >> 16, block & 0xFFFF, offset)


def tuple_infomask(page: AnyPage, at: int) -> int:
    return int(_read_u16(page, at + INFOMASK_OFFSET)[0])


def set_tuple_infomask(page: Page, at: int, infomask: int) -> None:
    _write_u16(page, at + INFOMASK_OFFSET, infomask)


def tuple_infomask2(page: AnyPage, at: int) -> int:
    return int(_read_u16(page, at + INFOMASK2_OFFSET)[0])


def set_tuple_infomask2(page: Page, at: int, infomask2: int) -> None:
    _write_u16(page, at + INFOMASK2_OFFSET, infomask2)


def tuple_hoff(page: AnyPage, at: int) -> int:
    return page[at + HOFF_OFFSET]


def form_tuple(
    xmin: int,
    xmax: int,
    cid: int,
    block: int,
    offset: int,
    infomask2: int,
    infomask: int,
    hoff: int,
    body: AnyPage,
) -> bytes:
    """The whole tuple. `body` is everything from byte 23 on (null bitmap, padding, data)."""
    return (
        HEADER.pack(xmin, xmax, cid, block >> 16, block & 0xFFFF, offset, infomask2, infomask, hoff)
        + body
    )


# values -----------------------------------------------------------------------------------------

_ALIGNMENTS: Final = {"c": 1, "s": 2, "i": 4, "d": 8}

# Types whose fixed-width value is not a signed integer of its length: struct format characters.
_FORMATS: Final = {
    16: "?",  # bool
    18: "c",  # "char"
    24: "I",  # regproc
    26: "I",  # oid
    28: "I",  # xid
    29: "I",  # cid
    700: "f",  # float4
    701: "d",  # float8
    2202: "I",  # regprocedure
    2205: "I",  # regclass
    2206: "I",  # regtype
    3220: "Q",  # pg_lsn
    5069: "Q",  # xid8
}
_NAME: Final = 19
_CHAR: Final = 18
_TEXT_TYPES: Final = frozenset((25, 194, 705, 1042, 1043))
_PLAIN_STORAGE: Final = frozenset((22, 30))
"""int2vector and oidvector never get the short header."""
_SIGNED: Final = {1: "b", 2: "h", 4: "i", 8: "q"}

_MAX_SHORT: Final = 126
_FIXED: Final = 0
_VARLENA: Final = 1


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column as pg_attribute has it. `length` is -1 for varlena; `align` is c, s, i or d."""

    name: str
    type_oid: int
    length: int
    align: str
    by_value: bool = True
    not_null: bool = False
    typmod: int = -1
    dropped: bool = False


class _Codec:
    """How the values of one attribute are stored."""

    __slots__ = ("alignment", "decode", "encode", "format", "kind", "pack", "size", "unpack")

    def __init__(self, attribute: Attribute) -> None:
        self.alignment = _ALIGNMENTS[attribute.align]
        self.size = attribute.length
        self.format = ""
        self.decode: Any = None
        self.encode: Any = None
        if attribute.length == -1:
            self.kind = _VARLENA
            self.pack = None
            self.unpack = None
            if attribute.type_oid in _TEXT_TYPES:
                self.decode, self.encode = _decode_utf8, str.encode
            else:
                self.decode = bytes
            return
        if attribute.length < 0:
            raise not_supported(f"a column of storage length {attribute.length}")
        self.kind = _FIXED
        self.format = _FORMATS.get(attribute.type_oid) or (
            _SIGNED[attribute.length]
            if attribute.by_value and attribute.length in _SIGNED
            else f"{attribute.length}s"
        )
        packer = Struct("<" + self.format)
        self.pack = packer.pack
        self.unpack = packer.unpack_from
        if attribute.type_oid == _NAME:
            self.decode, self.encode = _decode_name, str.encode
        elif attribute.type_oid == _CHAR:
            self.decode, self.encode = _decode_char, _encode_char


class TupleDescriptor:
    """The columns of a table, ready to make tuples of values and values of tuples.

    The leading columns of fixed width are done by one precompiled struct when no value is null.
    """

    __slots__ = (
        "_codecs",
        "_heads",
        "_plain",
        "_prefix",
        "_prefix_bits",
        "_prefix_converted",
        "_prefix_count",
        "_prefix_size",
        "attributes",
        "has_varlena",
        "natts",
    )

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self.attributes = tuple(attributes)
        self.natts = len(self.attributes)
        self._codecs = tuple(_Codec(attribute) for attribute in self.attributes)
        self._plain = tuple(attribute.type_oid in _PLAIN_STORAGE for attribute in self.attributes)
        self.has_varlena = any(codec.kind == _VARLENA for codec in self._codecs)
        count = next(
            (at for at, codec in enumerate(self._codecs) if codec.kind != _FIXED), self.natts
        )
        self._prefix = Struct(self._leading_format(count))
        self._prefix_count = count
        self._prefix_size = self._prefix.size
        self._prefix_bits = (1 << count) - 1
        self._heads: dict[int, Struct] = {}
        self._prefix_converted = tuple(
            at for at in range(count) if self._codecs[at].decode is not None
        )

    def _leading_format(self, count: int) -> str:
        """The struct format of the first columns, which are all of fixed width."""
        text = "<"
        size = 0
        for codec in self._codecs[:count]:
            padding = -size % codec.alignment
            text += f"{padding}x" * (padding > 0) + codec.format
            size += padding + codec.size
        return text

    def __len__(self) -> int:
        return self.natts

    def index_of(self, name: str) -> int | None:
        """The position (from 0) of the column that is not dropped and has this name."""
        for at, attribute in enumerate(self.attributes):
            if attribute.name == name and not attribute.dropped:
                return at
        return None

    # form ---------------------------------------------------------------------------------------

    def form(self, values: Sequence[Any]) -> tuple[bytes, int, int]:
        """(body from byte 23 on, infomask's HAS_NULL and HAS_VARWIDTH bits, hoff)."""
        if None in values:
            return self._form_with_nulls(values)
        codecs = self._codecs
        count = self._prefix_count
        if self._prefix_converted:
            head = [
                value if codec.encode is None else codec.encode(value)
                for codec, value in zip(codecs[:count], values, strict=False)
            ]
        else:
            head = list(values[:count])
        fixed = self._prefix.pack(*head)
        if count == self.natts:
            return b"\x00" + fixed, 0, 24
        data = bytearray(fixed)
        for at in range(count, self.natts):
            self._append(data, at, values[at])
        return b"\x00" + data, HAS_VARWIDTH if self.has_varlena else 0, 24

    def _form_with_nulls(self, values: Sequence[Any]) -> tuple[bytes, int, int]:
        bits = 0
        infomask = HAS_NULL
        data = bytearray()
        for at, value in enumerate(values):
            if value is None:
                continue
            bits |= 1 << at
            if self._codecs[at].kind == _VARLENA:
                infomask |= HAS_VARWIDTH
            self._append(data, at, value)
        hoff = align8(HEADER_SIZE + (self.natts + 7 >> 3))
        return bits.to_bytes(hoff - HEADER_SIZE, "little") + data, infomask, hoff

    def _append(self, data: bytearray, at: int, value: Any) -> None:
        codec = self._codecs[at]
        if codec.encode is not None:
            value = codec.encode(value)
        if codec.pack is not None:
            padding = -len(data) % codec.alignment
            if padding:
                data += bytes(padding)
            data += codec.pack(value)
            return
        length = len(value)
        if length <= _MAX_SHORT and not self._plain[at]:
            data.append(length + 1 << 1 | 1)
        else:
            data += bytes(-len(data) % codec.alignment)
            data += _U32.pack(length + 4 << 2)
        data += value

    # deform -------------------------------------------------------------------------------------

    def deform(
        self, page: AnyPage, offset: int, length: int, natts_needed: int | None = None
    ) -> list[Any]:
        """The values of the tuple at `offset` of `page`: the first `natts_needed`, or all.

        A column that was added after the tuple was written is None.
        """
        wanted = self.natts if natts_needed is None else natts_needed
        infomask2, infomask, hoff = _unpack_counts(page, offset + INFOMASK2_OFFSET)
        stored = infomask2 & NATTS_MASK
        start = offset + hoff
        bitmap = -1
        if infomask & HAS_NULL:
            bitmap = int.from_bytes(page[offset + HEADER_SIZE : start], "little")
        count = self._prefix_count
        if stored >= count and bitmap & self._prefix_bits == self._prefix_bits:
            if wanted < count:
                return self._head_values(page, start, wanted)
            values = list(self._prefix.unpack_from(page, start))
            for at in self._prefix_converted:
                values[at] = self._codecs[at].decode(values[at])
            if wanted > count:
                values += self._walk(
                    page,
                    start,
                    offset + length,
                    self._prefix_size,
                    count,
                    min(wanted, stored),
                    bitmap,
                )
        else:
            values = self._walk(page, start, offset + length, 0, 0, min(wanted, stored), bitmap)
        if len(values) < wanted:
            values += [None] * (wanted - len(values))
        return values

    def _head_values(self, page: AnyPage, start: int, count: int) -> list[Any]:
        """The first of the leading columns of fixed width: a scan that looks for one row asks."""
        head = self._heads.get(count)
        if head is None:
            head = self._heads[count] = Struct(self._leading_format(count))
        values = list(head.unpack_from(page, start))
        for at in self._prefix_converted:
            if at >= count:
                break
            values[at] = self._codecs[at].decode(values[at])
        return values

    def _walk(
        self, page: AnyPage, start: int, end: int, at: int, first: int, stop: int, bitmap: int
    ) -> list[Any]:
        """Values number first..stop-1, the first of which is stored `at` bytes after `start`.

        Bit n of `bitmap` says whether value n is there.
        """
        values: list[Any] = []
        codecs = self._codecs
        for number in range(first, stop):
            if not bitmap >> number & 1:
                values.append(None)
                continue
            codec = codecs[number]
            unpack = codec.unpack
            if unpack is not None:
                at = at + codec.alignment - 1 & -codec.alignment
                value = unpack(page, start + at)[0]
                at += codec.size
                values.append(value if codec.decode is None else codec.decode(value))
                continue
            head = page[start + at]
            if head & 1:
                size = head >> 1
                begin = start + at + 1
                if size == 0:
                    raise not_supported("a toasted value")
            else:
                # Zero is padding, or the low byte of an aligned header: aligning is right for both.
                at = at + codec.alignment - 1 & -codec.alignment
                word = _read_u32(page, start + at)[0]
                if word & 3:
                    raise not_supported("a compressed value")
                size = word >> 2
                begin = start + at + 4
            at += size
            if start + at > end or begin > start + at:
                raise SqlError(SqlState.DATA_CORRUPTED, "tuple data reaches past its end")
            values.append(codec.decode(page[begin : start + at]))
        return values


_unpack_counts = Struct("<HHB").unpack_from


def _decode_utf8(data: AnyPage) -> str:
    return str(data, "utf-8")


def _decode_name(data: bytes) -> str:
    return data[: data.index(0)].decode()


def _decode_char(data: bytes) -> str:
    return "" if data == b"\x00" else data.decode("latin-1")


def _encode_char(value: str) -> bytes:
    return value.encode("latin-1") if value else b"\x00"
