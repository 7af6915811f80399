"""Checks the pages of a recovered database on the disk: nothing of the engine's is used for it.

Looked at are all forks of all relations, that is every file of `base/*` and `global` whose name is
a number. A page has its checksum, a header that can be, and no LSN beyond the end of the WAL; one
of zeros was never written. The end of the WAL is found by following its records from the redo
point of pg_control. What a torn extension leaves behind the last whole page of a file is no page:
no server reads it, and the next extension writes over it (`mdnblocks`, storage/smgr/md.c).

PAGES-1  A page on the disk is as it was when its checksum was made, and its WAL is on the disk.

Source: PostgreSQL 15, `PageIsVerifiedExtended` (storage/page/bufpage.c), `storage/checksum_impl.h`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chaos.disk.content import ZEROS, Chunk, Content
from chaos.disk.image import Image
from chaos.scenario.wal_bytes import CONTROL, NoEnd, WalBytes

CONTROL_FILE: Final = "global/pg_control"
SEGMENT_SIZE: Final = struct.Struct("<228xI")
"""pg_control: the size of a WAL segment."""
PAGE: Final = 8192
PAGES_PER_FILE: Final = 131072
HEADER: Final = struct.Struct("<IIHHHHHH")
"""LSN high and low, checksum, flags, lower, upper, special, size and version."""
SIZE_AND_VERSION: Final = PAGE | 4
VALID_FLAGS: Final = 7
_RELATION: Final = re.compile(r"(?:base/\d+|global)/\d+(?:_fsm|_vm|_init)?(?:\.(\d+))?")
_PRIME: Final = np.uint32(16777619)
_SHIFT: Final = np.uint32(17)
_BASES: Final = np.frombuffer(
    bytes.fromhex(
        "5B1F36E9 B8525960 02AB50AA 1DE66D2A 79FF467A 9BB9F8A3 217E7CD2 83E13D2C "
        "F8D4474F E39EB970 42C6AE16 993216FA 7B093B5D 98DAFF3C F718902A 0B1C9CDB "
        "E58F764B 187636BC 5D7B3BB1 E73DE7DE 92BEC979 CCA6C0B2 304A0979 85AA43D4 "
        "783125BB 6CA8EAA2 E407EAC6 4B5CFC3E 9FBF8C76 15CA20BE F2CA9FD3 959BD756"
    ),
    dtype=">u4",
).astype(np.uint32)


class PageFacts(NamedTuple):
    """What is known of one page: what is wrong with it by itself, and its LSN."""

    problem: str
    lsn: int


class PageChecker:
    """Checks images; a page that was in an image before is not looked at again."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], PageFacts] = {}
        self._files: dict[tuple[str, bytes], _FileFacts] = {}

    def check(self, image: Image) -> tuple[str, ...]:
        """What is wrong, a sentence for each page; () when nothing is."""
        try:
            end = wal_end(image)
        except NoEnd as error:
            return (str(error),)
        problems: list[str] = []
        for path, content in image.files.items():
            found = _RELATION.fullmatch(path)
            if found is None:
                continue
            facts = self._facts(path, content, int(found[1] or 0) * PAGES_PER_FILE)
            problems.extend(facts.problems)
            if facts.highest_lsn > end:
                problems.extend(self._beyond(path, content, facts, end))
        return tuple(problems)

    def _facts(self, path: str, content: Content, first: int) -> _FileFacts:
        key = (path, content.digest)
        facts = self._files.get(key)
        if facts is None:
            facts = self._files[key] = self._look(path, content, first)
        return facts

    def _look(self, path: str, content: Content, first: int) -> _FileFacts:
        problems = []
        pages = content.chunks[: content.size // PAGE]
        new = {
            number: chunk
            for number, chunk in enumerate(pages)
            if (chunk.digest, first + number) not in self._known
        }
        self._known.update(
            ((chunk.digest, first + number), facts)
            for (number, chunk), facts in zip(new.items(), _examine(new, first), strict=True)
        )
        lsns = []
        for number, chunk in enumerate(pages):
            facts = self._known[chunk.digest, first + number]
            lsns.append(facts.lsn)
            if facts.problem:
                problems.append(f"{path} block {first + number}: {facts.problem}")
        return _FileFacts(tuple(problems), max(lsns, default=0), first)

    def _beyond(self, path: str, content: Content, facts: _FileFacts, end: int) -> list[str]:
        found = []
        for number, chunk in enumerate(content.chunks[: content.size // PAGE]):
            block = facts.first + number
            lsn = self._known[chunk.digest, block].lsn
            if lsn > end:
                found.append(
                    f"{path} block {block}: its LSN {_lsn(lsn)} is beyond the end of the WAL, "
                    f"{_lsn(end)}"
                )
        return found


class _FileFacts(NamedTuple):
    problems: tuple[str, ...]
    highest_lsn: int
    first: int


def page_checksums(pages: bytes, blocks: list[int]) -> list[int]:
    """The checksums of pages that lie one after the other, with their block numbers."""
    count = len(blocks)
    words = np.frombuffer(pages, dtype="<u4").reshape(count, 64, 32).copy()
    words[:, 0, 2] &= np.uint32(0xFFFF0000)
    sums: npt.NDArray[np.uint32] = np.repeat(_BASES[np.newaxis, :], count, axis=0)
    zeros = np.zeros_like(sums)
    for row in range(66):
        mixed = sums ^ (words[:, row, :] if row < 64 else zeros)
        sums = (mixed * _PRIME) ^ (mixed >> _SHIFT)
    folded = np.bitwise_xor.reduce(sums, axis=1).tolist()
    return [(value ^ block) % 65535 + 1 for value, block in zip(folded, blocks, strict=True)]


def wal_end(image: Image) -> int:
    """Where the valid WAL of an image ends; NoEnd."""
    return _ImageWal(image).end().lsn


def _examine(chunks: Mapping[int, Chunk], first: int) -> list[PageFacts]:
    """The facts of some pages of a file, by their number in it."""
    if not chunks:
        return []
    blocks = [first + number for number in chunks]
    checksums = page_checksums(b"".join([chunk.data for chunk in chunks.values()]), blocks)
    return [
        _page_facts(chunk, checksum)
        for chunk, checksum in zip(chunks.values(), checksums, strict=True)
    ]


def _page_facts(chunk: Chunk, checksum: int) -> PageFacts:
    if chunk.data == ZEROS.data:
        return PageFacts("", 0)
    high, low, stored, flags, lower, upper, special, size = HEADER.unpack_from(chunk.data)
    problem = ""
    if stored != checksum:
        problem = f"its checksum is {stored}, that of its content {checksum}"
    elif size != SIZE_AND_VERSION or flags & ~VALID_FLAGS:
        problem = f"its header has the size and version {size:#06x} and the flags {flags:#x}"
    elif not HEADER.size <= lower <= upper <= special <= PAGE:
        problem = f"its header has lower {lower}, upper {upper}, special {special}"
    # What a damaged page says of its LSN means nothing.
    return PageFacts(problem, 0 if problem else high << 32 | low)


class _ImageWal(WalBytes):
    """The log in an image."""

    def __init__(self, image: Image) -> None:
        control = image.files.get(CONTROL_FILE)
        if control is None or len(control.data) < SEGMENT_SIZE.size:
            raise NoEnd("there is no pg_control")
        data = control.chunks[0].data
        self._system, _, self._redo, self._timeline = CONTROL.unpack_from(data)
        (self._segment_size,) = SEGMENT_SIZE.unpack_from(data)
        if not self._segment_size:
            raise NoEnd("pg_control has no size of WAL segments")
        self._files = image.files

    def _read(self, lsn: int, length: int) -> bytes:
        number, per_log = lsn // self._segment_size, (1 << 32) // self._segment_size
        log, segment = divmod(number, per_log)
        content = self._files.get(f"pg_wal/{self._timeline:08X}{log:08X}{segment:08X}")
        within = lsn % self._segment_size
        if content is None or within >= content.size:
            return b""
        start = within % PAGE
        length = min(length, content.size - within)
        return content.chunks[within // PAGE].data[start : start + length]


def _lsn(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
