"""Pages with a number in them, for tests that follow what becomes of a page."""

from __future__ import annotations

from struct import Struct

from engine.shmem.lwlock import EXCLUSIVE
from engine.storage.page import init_page, set_page_lsn
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork
from tests.engine.storage.rig import LOCATOR, Process

NUMBER = Struct("<Q")
AT = BLOCK_SIZE - 8
MAIN = RelFork.MAIN


def number_of(page: memoryview | bytes) -> int:
    """The number that a page has."""
    return int(NUMBER.unpack_from(page, AT)[0])


def make_pages(process: Process, count: int, locator: RelFileLocator = LOCATOR) -> None:
    """A relation of `count` pages, each with its block number times 1000."""
    process.smgr.create(locator, MAIN)
    for block in range(count):
        buffer = process.buffers.extend(locator, MAIN)
        init_page(process.buffers.page(buffer))
        finish_change(process, buffer, block * 1000)


def change(process: Process, block: int, number: int, locator: RelFileLocator = LOCATOR) -> None:
    """Change a page as the engine does: lock, change, dirty, WAL, LSN."""
    buffer = process.buffers.read(locator, MAIN, block)
    process.buffers.lock(buffer, EXCLUSIVE)
    finish_change(process, buffer, number)


def finish_change(process: Process, buffer: int, number: int) -> None:
    """The rest of a change of a page that is locked."""
    page = process.buffers.page(buffer)
    NUMBER.pack_into(page, AT, number)
    process.buffers.mark_dirty(buffer)
    set_page_lsn(page, process.wal.insert())
    process.buffers.unlock_release(buffer)


def look(process: Process, block: int, locator: RelFileLocator = LOCATOR) -> int:
    """The number of a page."""
    buffer = process.buffers.read(locator, MAIN, block)
    number = number_of(process.buffers.page(buffer))
    process.buffers.release(buffer)
    return number
