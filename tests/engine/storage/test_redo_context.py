"""Pages for replay: applied once, restored from images, missing ones noted until explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvariantViolation, PanicError
from engine.storage.page import init_page, page_lsn, set_page_lsn
from engine.storage.redo_context import DONE, NEEDS_REDO, NOT_FOUND, RESTORED, RedoContext
from engine.types import RelFork
from engine.wal.record import STANDARD, WILL_INIT, BlockPart, WalRecord, assemble, decode
from tests.engine.recovery.recovery_cluster import LOCATOR, RecoveryCluster

MAIN = RelFork.MAIN
START, END = 0x5000, 0x5100


@pytest.fixture
def context(tmp_path: Path) -> RedoContext:
    """The pages of a cluster that is about to replay."""
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    cluster.boot()
    startup = cluster.startup
    return RedoContext(startup.buffers, startup.smgr, startup.log)


def record(block: int, flags: int = STANDARD, image: bytes | None = None) -> WalRecord:
    """A decoded record about one block, which ends at END."""
    part = BlockPart(0, LOCATOR, MAIN, block, flags, image, b"" if image else b"data")
    return decode(bytes(assemble(10, 0, 3, b"main", [part], 0)), START, END)


def make_page(context: RedoContext, block: int, lsn: int) -> None:
    buffer = context.zeroed_block(LOCATOR, MAIN, block)
    init_page(context.page(buffer))
    set_page_lsn(context.page(buffer), lsn)
    context.buffers.mark_dirty(buffer)
    context.buffers.unlock_release(buffer)


@pytest.mark.parametrize(
    ("lsn", "action"), [(START, NEEDS_REDO), (END - 1, NEEDS_REDO), (END, DONE), (END + 8, DONE)]
)
def test_record_is_applied_only_to_a_page_that_is_older_than_its_end(
    context: RedoContext, lsn: int, action: int
) -> None:
    make_page(context, 0, lsn)
    found, buffer = context.read_for_redo(record(0), 0)
    assert found == action
    context.unchanged(buffer)


def test_changed_page_has_the_end_of_the_record_and_is_dirty(context: RedoContext) -> None:
    make_page(context, 0, START)
    replayed = record(0)
    _, buffer = context.read_for_redo(replayed, 0)
    context.changed(buffer, replayed)
    assert page_lsn(context.page(buffer)) == END
    assert context.buffers.is_dirty(buffer)
    assert context.buffers.pinned() == []


def test_image_is_restored_without_looking_at_the_page_with_zeros_in_its_hole(
    context: RedoContext,
) -> None:
    make_page(context, 0, END + 800)
    image = bytearray(8192)
    init_page(image)
    image[8000:] = b"x" * 192
    image[14:16] = (8000).to_bytes(2, "little")
    with_garbage_in_the_hole = bytes(image[:100]) + b"g" * 7900 + bytes(image[8000:])
    found, buffer = context.read_for_redo(record(0, image=with_garbage_in_the_hole), 0)
    assert found == RESTORED
    page = context.page(buffer)
    assert page_lsn(page) == END
    assert bytes(page[8:]) == bytes(image[8:])
    context.unchanged(buffer)


def test_block_behind_the_end_is_made_with_all_before_it(context: RedoContext) -> None:
    buffer = context.init_for_redo(record(5, STANDARD | WILL_INIT), 0)
    context.unchanged(buffer)
    assert context.length(LOCATOR, MAIN) == 6
    assert context.smgr.nblocks(LOCATOR, MAIN) == 6


def test_missing_and_uninitialised_blocks_are_a_panic_unless_explained(
    context: RedoContext,
) -> None:
    context.unchanged(context.init_for_redo(record(0, STANDARD | WILL_INIT), 0))
    assert context.read_for_redo(record(0), 0) == (NOT_FOUND, -1)
    assert context.read_for_redo(record(9), 0) == (NOT_FOUND, -1)
    with pytest.raises(PanicError, match="WAL contains references to invalid pages"):
        context.check_invalid_pages()
    context.forget_relation(LOCATOR, MAIN, 1)
    with pytest.raises(PanicError):
        context.check_invalid_pages()
    context.forget_relation(LOCATOR, MAIN)
    context.check_invalid_pages()


def test_dropped_database_explains_its_pages(context: RedoContext) -> None:
    context.read_for_redo(record(9), 0)
    context.forget_database(LOCATOR.database)
    context.check_invalid_pages()


def test_block_with_will_init_is_not_read_and_one_without_is_not_initialised(
    context: RedoContext,
) -> None:
    with pytest.raises(InvariantViolation, match="REDO-1"):
        context.read_for_redo(record(0, STANDARD | WILL_INIT), 0)
    with pytest.raises(InvariantViolation, match="REDO-1"):
        context.init_for_redo(record(0), 0)
