"""The checksum of a data page: 32 interleaved FNV-1a-like sums over its 2048 words.

The page is 64 rows of 32 words; column j feeds sum j, so that a processor can do 32 sums at once.
Here that is done in two ways: for one page with one 2048-bit Python integer of 32 lanes (about
50 us), for many pages with numpy (below 10 us each).

Source: PostgreSQL 15, `storage/checksum_impl.h`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.storage.page import CHECKSUM_OFFSET, AnyPage, stored_checksum
from engine.types import BLOCK_SIZE

FNV_PRIME: Final = 16777619
LANES: Final = 32
ROWS: Final = 64
FINAL_ROUNDS: Final = 2

BASE_OFFSETS: Final = (
    *(0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2),
    *(0x83E13D2C, 0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C),
    *(0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979),
    *(0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E),
    *(0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756),
)

# One lane is 64 bits of a big integer: a 32-bit sum times the 25-bit prime stays inside it.
_LANE_BITS: Final = 64
_LANE_MASK: Final = sum(0xFFFFFFFF << _LANE_BITS * lane for lane in range(LANES))
_START: Final = sum(base << _LANE_BITS * lane for lane, base in enumerate(BASE_OFFSETS))
_CHECKSUM_LANE: Final = CHECKSUM_OFFSET // 4
_WITHOUT_CHECKSUM: Final = ~(0xFFFF << _LANE_BITS * _CHECKSUM_LANE)
_ROW_BYTES: Final = LANES * _LANE_BITS // 8

_FEW_PAGES: Final = 2


def page_checksum(page: AnyPage, block: int) -> int:
    """The checksum (1..65535) of a page that is block number `block` of its fork.

    The checksum stored in the page does not matter.
    """
    wide = np.frombuffer(page, "<u4", count=BLOCK_SIZE // 4).astype("<u8").tobytes()
    read = int.from_bytes
    mask = _LANE_MASK
    term = _START ^ (read(wide[:_ROW_BYTES], "little") & _WITHOUT_CHECKSUM)
    sums = (term * FNV_PRIME ^ term >> 17) & mask
    for at in range(_ROW_BYTES, ROWS * _ROW_BYTES, _ROW_BYTES):
        term = sums ^ read(wide[at : at + _ROW_BYTES], "little")
        # The shift lets bits of the next lane in, above bit 46 of this one: the mask drops them.
        sums = (term * FNV_PRIME ^ term >> 17) & mask
    for _ in range(FINAL_ROUNDS):
        sums = (sums * FNV_PRIME ^ sums >> 17) & mask
    for half in (1024, 512, 256, 128, 64):
        sums ^= sums >> half
    return _finish(sums & 0xFFFFFFFF, block)


def page_checksums(pages: bytes | bytearray | memoryview, blocks: Sequence[int]) -> list[int]:
    """The checksums of consecutive pages, the n-th being block number `blocks[n]` of its fork."""
    count = len(blocks)
    if count <= _FEW_PAGES:
        view = memoryview(pages)
        return [
            page_checksum(view[at * BLOCK_SIZE : (at + 1) * BLOCK_SIZE], block)
            for at, block in enumerate(blocks)
        ]
    words = np.frombuffer(pages, "<u4", count=count * BLOCK_SIZE // 4)
    rows = np.ascontiguousarray(words.reshape(count, ROWS, LANES).transpose(1, 0, 2))
    rows[0, :, _CHECKSUM_LANE] &= np.uint32(0xFFFF0000)
    sums = np.tile(np.array(BASE_OFFSETS, dtype=np.uint32), (count, 1))
    shifted = np.empty_like(sums)
    prime = np.uint32(FNV_PRIME)
    shift = np.uint32(17)
    for row in range(ROWS + FINAL_ROUNDS):
        if row < ROWS:
            np.bitwise_xor(sums, rows[row], out=sums)
        np.right_shift(sums, shift, out=shifted)
        np.multiply(sums, prime, out=sums)
        np.bitwise_xor(sums, shifted, out=sums)
    folded = np.bitwise_xor.reduce(sums, axis=1).tolist()
    return [_finish(value, block) for value, block in zip(folded, blocks, strict=True)]


def verify(page: AnyPage, block: int) -> bool:
    """Whether the stored checksum is right for a page that is not new."""
    return stored_checksum(page) == page_checksum(page, block)


def _finish(folded: int, block: int) -> int:
    return (folded ^ block) % 65535 + 1
