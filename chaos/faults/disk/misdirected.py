"""A misdirected write: the device put a page over its neighbour, and not where it belongs.

What a program writes is in the kernel's cache at once, and whoever reads has it from there; that it
went astray shows when the cache is gone. So the write is chosen when everybody is dead, among those
of the I/O log: a page of a relation, written after the last checkpoint that was completed. Its own
block then is as if the crash had come before the write: recovery brings it up to date, whoever
wrote it. Not so its neighbour, if recovery has no image of that: it has the bytes of another block,
and a checksum that says so.

After a completed checkpoint it would be otherwise: the block's own content before is stale and has
a checksum that is right, as after a lost write, and nobody is bound to stand that.

ASTRAY-1  Of the two blocks only what nobody has overwritten since is put right, so that they are
          what they were without the fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.disk.image import Image
from chaos.disk.operations import SYNCS, Kind, Operation
from chaos.faults.disk.rot import CONTROL_FILE, FIRST_OF_USERS
from chaos.scenario.wal_bytes import PAGE

RELATION: Final = re.compile(r"(?:base/\d+|global)/(\d+)(_[a-z]+)?(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class PageWrite:
    """A page that was written to a block which had other bytes before."""

    file: Path
    block: int
    data: bytes
    before: bytes


@dataclass(frozen=True, slots=True)
class Misdirected:
    """A page that went to `block`, where `overwritten` was, instead of where it belongs."""

    page: PageWrite
    block: int
    overwritten: bytes

    @property
    def what(self) -> str:
        """The kind of page: tables that somebody created are read as a whole."""
        found = RELATION.fullmatch(str(self.page.file))
        is_of_users = found is not None and int(found[1]) >= FIRST_OF_USERS and not found[2]
        return "heap" if is_of_users else "other"

    def do(self, directory: Path) -> None:
        """The neighbour has the page, the page's own block what it had before (ROT-1)."""
        self._write(directory, self.block, self.page.data)
        self._write(directory, self.page.block, self.page.before)

    def is_there(self, directory: Path) -> bool:
        """Whether the neighbour still has the page."""
        return self._read(directory, self.block) == self.page.data

    def is_left(self, directory: Path) -> bool:
        """Whether either block still is as the fault made it."""
        is_stale = self._read(directory, self.page.block) == self.page.before
        return is_stale or self.is_there(directory)

    def take_back(self, directory: Path) -> None:
        """ASTRAY-1 (and ROT-1)."""
        if self.is_there(directory):
            self._write(directory, self.block, self.overwritten)
        if self._read(directory, self.page.block) == self.page.before:
            self._write(directory, self.page.block, self.page.data)

    def _read(self, directory: Path, block: int) -> bytes:
        """Nothing, where there is no such file or block any more."""
        return read_page(directory / self.page.file, block)

    def _write(self, directory: Path, block: int, page: bytes) -> None:
        with (directory / self.page.file).open("r+b") as file:
            file.seek(block * PAGE)
            file.write(page)

    def to_object(self) -> dict[str, Any]:
        """For the history."""
        shown = {"what": self.what, "file": str(self.page.file), "block": self.block}
        return shown | {"intended": self.page.block, "is_read": self.what == "heap"}


def page_writes(before: Image, operations: Iterable[Operation]) -> list[PageWrite]:
    """The pages of relations that were written last, each block's last write, since the last
    checkpoint that was completed. `before` is the directory before the operations.

    Not those that nothing tells from the block's content before, nor pages without content, which
    have no checksum, nor those of files that were made, cut or removed meanwhile.
    """
    blocks: dict[tuple[str, int], bytes] = {}
    found: dict[tuple[str, int], PageWrite] = {}
    reshaped: set[str] = set()
    for one in operations:
        if one.kind in SYNCS:
            continue
        if one.kind is Kind.WRITE and one.path == str(CONTROL_FILE):
            found.clear()
        if not RELATION.fullmatch(one.path):
            continue
        if one.kind is not Kind.WRITE or one.offset % PAGE or len(one.data) % PAGE:
            reshaped.add(one.path)
            continue
        for start in range(0, len(one.data), PAGE):
            block, data = (one.offset + start) // PAGE, bytes(one.data[start : start + PAGE])
            key = (one.path, block)
            old = blocks[key] if key in blocks else _page_of(before, *key)
            blocks[key] = data
            found.pop(key, None)
            if len(old) == PAGE and any(data) and data != old:
                found[key] = PageWrite(Path(one.path), block, data, old)
    return [write for (path, _), write in found.items() if path not in reshaped]


def misdirect(page: PageWrite, directory: Path) -> Misdirected | None:
    """As it would go to the neighbouring block; None when the file has no other block."""
    path = directory / page.file
    for block in (page.block ^ 1, page.block - 1):
        overwritten = read_page(path, block) if block >= 0 else b""
        if len(overwritten) == PAGE and overwritten != page.data:
            return Misdirected(page, block, overwritten)
    return None


def read_page(path: Path, block: int) -> bytes:
    """What of the page is in the file; nothing when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(block * PAGE)
            return file.read(PAGE)
    except FileNotFoundError:
        return b""


def _page_of(image: Image, path: str, block: int) -> bytes:
    content = image.files.get(path)
    return b"" if content is None else bytes(content.data[block * PAGE : (block + 1) * PAGE])
