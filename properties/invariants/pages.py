"""Pages, many at a time: checksums and headers.

A page is 8192 bytes, a batch of them a matrix with a row for each.

    0    8         10     12     14     16       18            20         24
    LSN  checksum  flags  lower  upper  special  size|version  prune xid  line pointers ...

PAGE-1  The checksum is that of the content and of the block's number.
PAGE-2  The header can be: 24 <= lower <= upper <= special <= 8192, known flags, size and version.
PAGE-3  A page without a header (upper = 0) is all zero: it was never written.

Source: PostgreSQL 15, `storage/checksum_impl.h`, `storage/page/bufpage.c` (PageIsVerifiedExtended).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

PAGE: Final = 8192
HEADER: Final = 24
SIZE_AND_VERSION: Final = PAGE | 4
VALID_FLAGS: Final = 7
HAS_FREE_LINES: Final = 1
ALL_VISIBLE: Final = 4
AT_ONCE: Final = 256
"""Pages whose checksums are made together: 2 MB, so that they stay in the processor's cache."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Pages = npt.NDArray[np.uint8]

_PRIME: Final = np.uint32(16777619)
_SHIFT: Final = np.uint32(17)
_ROWS: Final = 64
_LANES: Final = 32
_BASES: Final = np.frombuffer(
    bytes.fromhex(
        "5B1F36E9 B8525960 02AB50AA 1DE66D2A 79FF467A 9BB9F8A3 217E7CD2 83E13D2C "
        "F8D4474F E39EB970 42C6AE16 993216FA 7B093B5D 98DAFF3C F718902A 0B1C9CDB "
        "E58F764B 187636BC 5D7B3BB1 E73DE7DE 92BEC979 CCA6C0B2 304A0979 85AA43D4 "
        "783125BB 6CA8EAA2 E407EAC6 4B5CFC3E 9FBF8C76 15CA20BE F2CA9FD3 959BD756"
    ),
    dtype=">u4",
).astype(np.uint32)


class Headers(NamedTuple):
    """The headers of a batch, an array for each field."""

    lsn: npt.NDArray[np.uint64]
    checksum: Ints
    flags: Ints
    lower: Ints
    upper: Ints
    special: Ints
    version: Ints
    is_new: Bools

    @property
    def is_valid(self) -> Bools:
        """PAGE-2, for pages that are not new."""
        valid: Bools = (
            (self.version == SIZE_AND_VERSION)
            & (self.flags & ~VALID_FLAGS == 0)
            & (self.lower >= HEADER)
            & (self.lower <= self.upper)
            & (self.upper <= self.special)
            & (self.special <= PAGE)
        )
        return valid


class PageFacts(NamedTuple):
    """Of one page: which invariant is broken and how ('' where none is), and its LSN (0 where that
    means nothing).
    """

    invariant: str
    problem: str
    lsn: int


def as_pages(data: bytes | bytearray | memoryview) -> Pages:
    """Whole pages that lie one after the other."""
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, PAGE)


def headers(pages: Pages) -> Headers:
    """The header of each page."""
    words = pages[:, :HEADER].view("<u4")
    halves = pages[:, :HEADER].view("<u2").astype(np.int64)
    high, low = words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
    upper = halves[:, 7]
    return Headers(
        high << np.uint64(32) | low,
        halves[:, 4],
        halves[:, 5],
        halves[:, 6],
        upper,
        halves[:, 8],
        halves[:, 9],
        upper == 0,
    )


def checksums(pages: Pages, blocks: Ints) -> Ints:
    """The checksum that each page should have, as block number so-and-so of its fork."""
    parts = [
        _checksums(pages[at : at + AT_ONCE], blocks[at : at + AT_ONCE])
        for at in range(0, len(pages), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _checksums(pages: Pages, blocks: Ints) -> Ints:
    count = len(pages)
    words = pages.reshape(-1).view("<u4").reshape(count, _ROWS, _LANES)
    rows = words.transpose(1, 0, 2).copy()
    rows[0, :, 2] &= np.uint32(0xFFFF0000)
    sums: npt.NDArray[np.uint32] = np.tile(_BASES, (count, 1))
    shifted = np.empty_like(sums)
    for row in range(_ROWS + 2):
        if row < _ROWS:
            np.bitwise_xor(sums, rows[row], out=sums)
        np.right_shift(sums, _SHIFT, out=shifted)
        np.multiply(sums, _PRIME, out=sums)
        np.bitwise_xor(sums, shifted, out=sums)
    folded: Ints = np.bitwise_xor.reduce(sums, axis=1).astype(np.int64)
    right: Ints = (folded ^ blocks) % 65535 + 1
    return right


def page_facts(
    pages: Pages, blocks: Ints, *, with_checksums: bool, head: Headers | None = None
) -> list[PageFacts | None]:
    """What is wrong with each page by itself; None where nothing is."""
    head = headers(pages) if head is None else head
    found: list[PageFacts | None] = [None] * len(pages)
    wrong = ~head.is_valid
    right = head.checksum
    if with_checksums:
        right = checksums(pages, blocks)
        wrong |= right != head.checksum
    for at in np.nonzero(wrong)[0].tolist():
        if head.is_new[at]:
            if pages[at].any():
                found[at] = PageFacts("PAGE-3", "it has no header and is not all zero", 0)
        elif head.checksum[at] != right[at]:
            said = f"its checksum is {head.checksum[at]}, that of its content {right[at]}"
            found[at] = PageFacts("PAGE-1", said, 0)
        else:
            found[at] = PageFacts("PAGE-2", _header_problem(head, at), 0)
    return found


def _header_problem(head: Headers, at: int) -> str:
    version, flags = int(head.version[at]), int(head.flags[at])
    if version != SIZE_AND_VERSION or flags & ~VALID_FLAGS:
        return f"its header has the size and version {version:#06x} and the flags {flags:#x}"
    return (
        f"its header has lower {head.lower[at]}, upper {head.upper[at]}, special {head.special[at]}"
    )


def page_checksums(pages: bytes, blocks: Sequence[int]) -> list[int]:
    """The checksums of pages that lie one after the other, with their block numbers."""
    sums: list[Any] = checksums(as_pages(pages), np.array(blocks, dtype=np.int64)).tolist()
    return sums
