"""Bit rot: while the server is down one bit changes on the disk.

    heap         in a page of a table that somebody created: the controller reads all of them
    catalog      in a page of a system catalog, which may be read or not
    control      in what counts of pg_control
    checkpoint   in the WAL record of the checkpoint from which recovery has to begin
    wal          in any WAL that recovery replays: nobody can tell that from the end of the WAL, so
                 nobody is bound to, and what follows is lost

The server is started and the tables are read. Then the server is stopped and the bit taken back,
unless the server has overwritten the page as a whole, which heals it; and after that everything
must be there. Not drawn: the commit log, whose pages have no checksum in PostgreSQL 15.

ROT-1  The bit is changed, and taken back, only while no process of the server runs.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.scenario.wal_bytes import CONTROL, PAGE, WalBytes

FIRST_OF_USERS: Final = 16_384
"""From this number on files are of relations that somebody created."""
RELATION: Final = re.compile(r"\d+")
CONTROL_FILE: Final = Path("global/pg_control")
CONTROL_BYTES: Final = 288
"""What the checksum of pg_control is of."""
CHECKPOINT_BYTES: Final = 64
"""A checkpoint's record is longer."""


@dataclass(frozen=True, slots=True)
class Rot:
    """One bit: in which page (8 KiB) of which file, and the page with it and without."""

    what: str
    file: Path
    block: int
    bit: int
    before: bytes
    after: bytes

    def do(self, directory: Path) -> None:
        """Change the bit (ROT-1)."""
        self._write(directory, self.after)

    def is_there(self, directory: Path) -> bool:
        """Whether the page still is as the rot made it."""
        with (directory / self.file).open("rb") as file:
            file.seek(self.block * PAGE)
            return file.read(PAGE) == self.after

    def is_left(self, directory: Path) -> bool:
        """Whether there is anything to be taken back. Not of WAL that was taken for the end: what
        followed is overwritten.
        """
        return self.what != "wal" and self.is_there(directory)

    def take_back(self, directory: Path) -> None:
        """ROT-1."""
        self._write(directory, self.before)

    def _write(self, directory: Path, page: bytes) -> None:
        with (directory / self.file).open("r+b") as file:
            file.seek(self.block * PAGE)
            file.write(page)

    def to_object(self) -> dict[str, Any]:
        """For the history."""
        must_be_read = self.what not in ("catalog", "wal")
        shown = {"what": self.what, "file": str(self.file), "block": self.block}
        return shown | {"bit": self.bit, "is_read": must_be_read}


def choose(what: str, seed: str, directory: Path, segment_size: int) -> Rot | None:
    """A bit of such a kind; None when the directory has no such page."""
    chance = random.Random(f"{seed} rot")
    if what in ("heap", "catalog"):
        pages = _pages(directory, is_of_users=what == "heap")
        if not pages:
            return None
        file, block = chance.choice(pages)
        return _rot(what, directory, file, block, chance.randrange(PAGE * 8))
    if what == "control":
        return _rot(what, directory, CONTROL_FILE, 0, chance.randrange(CONTROL_BYTES * 8))
    control = (directory / CONTROL_FILE).read_bytes()
    _, checkpoint, redo, timeline = CONTROL.unpack_from(control)
    first, last = checkpoint, checkpoint + CHECKPOINT_BYTES
    if what == "wal":
        first, last = redo, WalBytes(directory, segment_size).end().lsn
    if first >= last:
        return None
    lsn = chance.randrange(first, last)
    number, offset = divmod(lsn, segment_size)
    log, segment = divmod(number, (1 << 32) // segment_size)
    file = Path("pg_wal") / f"{timeline:08X}{log:08X}{segment:08X}"
    bit = offset % PAGE * 8 + chance.randrange(8)
    return _rot(what, directory, file, offset // PAGE, bit)


def _rot(what: str, directory: Path, file: Path, block: int, bit: int) -> Rot:
    with (directory / file).open("rb") as opened:
        opened.seek(block * PAGE)
        before = opened.read(PAGE)
    changed = bytearray(before)
    changed[bit // 8] ^= 1 << bit % 8
    return Rot(what, file, block, bit, before, bytes(changed))


def _pages(directory: Path, *, is_of_users: bool) -> list[tuple[Path, int]]:
    """The pages of relations, tables of users or catalogs, of databases that somebody uses."""
    databases = [
        path
        for path in sorted(directory.glob("base/*"))
        if any(_number(file) >= FIRST_OF_USERS for file in path.iterdir())
    ]
    found: list[tuple[Path, int]] = []
    for path in (file for part in [*databases, directory / "global"] for file in part.iterdir()):
        if _number(path) and (_number(path) >= FIRST_OF_USERS) == is_of_users:
            file = path.relative_to(directory)
            found += [(file, block) for block in range(path.stat().st_size // PAGE)]
    return sorted(found)


def _number(path: Path) -> int:
    """The number of a relation's file; 0 for what is none, and for other forks than the main."""
    return int(path.name) if RELATION.fullmatch(path.name) else 0
