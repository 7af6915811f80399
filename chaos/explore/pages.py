"""Checks the pages of a recovered database on the disk: nothing of the engine's is used for it.

Looked at are all forks of all relations, that is every file of `base/*` and `global` whose name is
a number. What must hold of a page by itself is another's to say (EXAMINE); here that is asked of
each page once, and that no page has an LSN beyond the end of the WAL, which is found by following
its records from the redo point of pg_control. What a torn extension leaves behind the last whole
page of a file is no page: no server reads it, and the next extension writes over it (`mdnblocks`,
storage/smgr/md.c).

PAGES-1  A page on the disk is as it was when its checksum was made, and its WAL is on the disk.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from chaos.disk.content import Chunk, Content
from chaos.disk.image import Image
from chaos.oracle import load
from chaos.scenario.wal_bytes import CONTROL, NoEnd, WalBytes

EXAMINE: Final = "properties.invariants.alone:examine_pages"
"""Pages, their block numbers, and which of them are of a main fork, to the facts of each: the
invariant that is broken, the problem ('' if none is), the LSN."""
CONTROL_FILE: Final = "global/pg_control"
SEGMENT_SIZE: Final = struct.Struct("<228xI")
"""pg_control: the size of a WAL segment."""
PAGE: Final = 8192
PAGES_PER_FILE: Final = 131072
_RELATION: Final = re.compile(r"(?:base/\d+|global)/\d+(_fsm|_vm|_init)?(?:\.(\d+))?")


class PageFacts(NamedTuple):
    """What is known of one page: what is wrong with it by itself, and its LSN."""

    problem: str
    lsn: int


_Key = tuple[int, int, bool]
"""A page's digest, its block, and whether it is of a main fork."""


class _Place(NamedTuple):
    """Where a file's pages belong: the number of its first in the fork, and whether that is the
    main one.
    """

    first: int
    is_main: bool


class PageChecker:
    """Checks images; a page that was in an image before is not looked at again."""

    def __init__(self) -> None:
        self._examine = load(EXAMINE)
        self._known: dict[_Key, PageFacts] = {}
        self._files: dict[tuple[str, bytes], _FileFacts] = {}

    def check(self, image: Image) -> tuple[str, ...]:
        """What is wrong, a sentence for each page; () when nothing is."""
        try:
            end = wal_end(image)
        except NoEnd as error:
            return (str(error),)
        self._look(image)
        problems: list[str] = []
        for path, content in image.files.items():
            facts = self._files.get((path, content.digest))
            if facts is None:
                continue
            problems.extend(facts.problems)
            if facts.highest_lsn > end:
                problems.extend(self._beyond(path, content, facts, end))
        return tuple(problems)

    def _look(self, image: Image) -> None:
        """At the files that are new, all their new pages at once: it is the call that costs."""
        files: dict[str, tuple[Content, _Place]] = {}
        pages: dict[_Key, Chunk] = {}
        for path, content in image.files.items():
            found = _RELATION.fullmatch(path)
            if found is None or (path, content.digest) in self._files:
                continue
            place = _Place(int(found[2] or 0) * PAGES_PER_FILE, found[1] is None)
            files[path] = content, place
            pages.update(page for page in _pages_of(content, place) if page[0] not in self._known)
        if pages:
            data = b"".join([chunk.data for chunk in pages.values()])
            blocks = [block for _, block, _ in pages]
            is_main = [is_main for _, _, is_main in pages]
            for key, facts in zip(pages, self._examine(data, blocks, is_main), strict=True):
                invariant, problem, lsn = facts
                self._known[key] = PageFacts(f"{problem} ({invariant})" if problem else "", lsn)
        for path, (content, place) in files.items():
            self._files[path, content.digest] = self._facts(path, content, place)

    def _facts(self, path: str, content: Content, place: _Place) -> _FileFacts:
        problems = []
        highest_lsn = 0
        for key, _ in _pages_of(content, place):
            facts = self._known[key]
            highest_lsn = max(highest_lsn, facts.lsn)
            if facts.problem:
                problems.append(f"{path} block {key[1]}: {facts.problem}")
        return _FileFacts(tuple(problems), highest_lsn, place)

    def _beyond(self, path: str, content: Content, facts: _FileFacts, end: int) -> list[str]:
        found = []
        for key, _ in _pages_of(content, facts.place):
            lsn = self._known[key].lsn
            if lsn > end:
                found.append(
                    f"{path} block {key[1]}: its LSN {_lsn(lsn)} is beyond the end of the WAL, "
                    f"{_lsn(end)}"
                )
        return found


def _pages_of(content: Content, place: _Place) -> list[tuple[_Key, Chunk]]:
    """The whole pages of a file, by what makes them what they are."""
    first, is_main = place
    return [
        ((chunk.digest, first + number, is_main), chunk)
        for number, chunk in enumerate(content.chunks[: content.size // PAGE])
    ]


class _FileFacts(NamedTuple):
    problems: tuple[str, ...]
    highest_lsn: int
    place: _Place


def wal_end(image: Image) -> int:
    """Where the valid WAL of an image ends; NoEnd."""
    return _ImageWal(image).end().lsn


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
