"""Copies of a data directory with a few bytes changed, and everything else made to fit again.

The checksums of changed pages are the engine's own function's, so that the two implementations
check each other.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crc32c import crc32c

from engine.storage.checksum import page_checksum

PAGE = 8192
ITEM = struct.Struct("<I")
TUPLE = struct.Struct("<IIIHHHHHB")
NAMES = ("xmin", "xmax", "cid", "high", "low", "number", "infomask2", "infomask", "hoff")
OFFSETS = dict(zip(NAMES, (0, 4, 8, 12, 14, 16, 18, 20, 22), strict=True))
WIDTHS = dict(zip(NAMES, (4, 4, 4, 2, 2, 2, 2, 2, 1), strict=True))

HOT_UPDATED = 0x4000
HEAP_ONLY = 0x8000
XMIN_COMMITTED = 0x0100
XMIN_INVALID = 0x0200
XMAX_COMMITTED = 0x0400
XMAX_INVALID = 0x0800
UPDATED = 0x2000


@dataclass(frozen=True)
class Version:
    """A tuple: where its line pointer and it are, and its header."""

    path: str
    block: int
    item: int
    at: int
    length: int
    xmin: int
    xmax: int
    ctid: tuple[int, int]
    infomask2: int
    infomask: int

    @property
    def is_hot_updated(self) -> bool:
        """A committed HOT update of it, as its marks have it."""
        return bool(self.infomask2 & HOT_UPDATED and self.infomask & XMAX_COMMITTED)


class Cluster:
    """A stopped cluster whose files a test may change. `files`: relation name to path."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self.root = root
        self.files = files

    def copy(self, to: Path) -> Cluster:
        """The same, to be doctored."""
        shutil.copytree(self.root, to)
        return Cluster(to, self.files)

    # pages ---------------------------------------------------------------------------------------

    def page(self, path: str, block: int) -> bytearray:
        """A page of a file."""
        data = (self.root / path).read_bytes()
        return bytearray(data[block * PAGE : (block + 1) * PAGE])

    def put(self, path: str, block: int, page: bytearray, *, right: bool = True) -> None:
        """A page back into its file, with the right checksum."""
        if right:
            struct.pack_into("<H", page, 8, page_checksum(page, block))
        self.write(path, block * PAGE, bytes(page))

    def write(self, path: str, at: int, data: bytes) -> None:
        """Bytes into a file."""
        with (self.root / path).open("r+b") as file:
            file.seek(at)
            file.write(data)

    def set_in_page(self, path: str, block: int, at: int, form: str, value: int) -> None:
        """One number in a page."""
        page = self.page(path, block)
        struct.pack_into(f"<{form}", page, at, value)
        self.put(path, block, page)

    # rows ----------------------------------------------------------------------------------------

    def versions(self, path: str) -> Iterator[Version]:
        """Every tuple of a heap."""
        for block in range((self.root / path).stat().st_size // PAGE):
            page = self.page(path, block)
            for item, raw in self.items(page):
                if raw >> 15 & 3 != 1:
                    continue
                at, length = raw & 0x7FFF, raw >> 17
                xmin, xmax, _, high, low, number, mask2, mask, _ = TUPLE.unpack_from(page, at)
                ctid = high << 16 | low, number
                yield Version(path, block, item, at, length, xmin, xmax, ctid, mask2, mask)

    def items(self, page: bytearray) -> Iterator[tuple[int, int]]:
        """Every line pointer of a page, from 1 on, as its 32 bits."""
        (lower,) = struct.unpack_from("<H", page, 12)
        for item in range(1, (lower - 24) // 4 + 1):
            yield item, ITEM.unpack_from(page, 20 + 4 * item)[0]

    def set_item(self, path: str, block: int, item: int, raw: int) -> None:
        """A line pointer."""
        self.set_in_page(path, block, 20 + 4 * item, "I", raw)

    def set_field(self, version: Version, **fields: int) -> None:
        """Fields of a tuple's header."""
        page = self.page(version.path, version.block)
        for name, value in fields.items():
            at, width = version.at + OFFSETS[name], WIDTHS[name]
            page[at : at + width] = value.to_bytes(width, "little")
        self.put(version.path, version.block, page)

    # pg_control and the like ---------------------------------------------------------------------

    def set_control(self, at: int, data: bytes) -> None:
        """Bytes of pg_control, with the right CRC."""
        content = bytearray((self.root / "global/pg_control").read_bytes())
        content[at : at + len(data)] = data
        struct.pack_into("<I", content, 288, crc32c(bytes(content[:288])))
        (self.root / "global/pg_control").write_bytes(content)

    def control(self, at: int, form: str) -> int:
        """A number in pg_control."""
        content = (self.root / "global/pg_control").read_bytes()
        return int(struct.unpack_from(f"<{form}", content, at)[0])
