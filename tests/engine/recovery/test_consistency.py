"""wal_consistency_checking: replay that does not do what was done is found, page by page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.access.heap.insert import put_tuple
from engine.access.heap.mask import heap_mask
from engine.access.heap.redo import heap_redo
from engine.access.heap.tuple import (
    CID_OFFSET,
    COMBO_CID,
    XMAX_EXCL_LOCK,
    XMAX_INVALID,
    XMIN_COMMITTED,
    XMIN_FROZEN,
    form_tuple,
    set_tuple_infomask,
    tuple_infomask,
)
from engine.errors import FatalError, SqlError
from engine.recovery import redo_functions
from engine.recovery.consistency import MASKS
from engine.recovery.record_text import record_line
from engine.storage.mask import mask_unused_space
from engine.storage.page import (
    PD_PAGE_FULL,
    add_flags,
    init_page,
    line_pointer,
    set_lower,
    set_page_lsn,
    set_prune_xid,
    upper,
)
from engine.storage.redo_context import RedoContext
from engine.types import format_lsn
from engine.wal.consistency import compared_managers
from engine.wal.record import CHECK_CONSISTENCY, WalRecord
from engine.wal.rmgr import Rmgr
from tests.engine.recovery.recovery_cluster import LOCATOR, RecoveryCluster
from tests.engine.wal.wal_cluster import WalCluster, block, data_page
from tests.postgres import require_postgres

ON = {"wal_consistency_checking": "all"}


def crashed(root: Path, **settings: str) -> RecoveryCluster:
    """A cluster that was killed after some rows, with nothing but WAL to have them from."""
    cluster = RecoveryCluster(root, **settings).initialize()
    cluster.start()
    cluster.checkpoint()
    cluster.commit_rows(b"one", b"two")
    cluster.commit_rows(b"three")
    cluster.crash()
    return cluster


def planted(change: Callable[[bytearray | memoryview, int], None]) -> Callable[..., None]:
    """Replay of the heap that does one thing more to the page: `change(page, last tuple's place)`,
    without a record, as a wrong redo function would.
    """

    def wrong(record: WalRecord, context: RedoContext) -> None:
        heap_redo(record, context)
        buffer = context.read_block(LOCATOR, 0, 0)
        context.buffers.lock(buffer)
        page = context.page(buffer)
        change(page, line_pointer(page, 1)[0])
        context.buffers.mark_dirty(buffer)
        context.buffers.unlock_release(buffer)

    return wrong


def flip(offset: int, bits: int) -> Callable[[bytearray | memoryview, int], None]:
    def change(page: bytearray | memoryview, at: int) -> None:
        page[at + offset] |= bits

    return change


def test_recovery_that_replays_rightly_ends_as_without_it(tmp_path: Path) -> None:
    cluster = crashed(tmp_path / "with", **ON)
    cluster.start()
    assert cluster.rows() == [b"one", b"two", b"three"]
    plain = crashed(tmp_path / "without")
    plain.start()
    assert plain.rows() == cluster.rows()


def test_a_wrong_redo_ends_recovery_with_the_page_it_spoilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = crashed(tmp_path / "with", **ON)
    monkeypatch.setattr(redo_functions, "heap_redo", planted(flip(23, 0xFF)))
    expected = r"^inconsistent page found, rel 1663/5/\d+, forknum 0, blkno 0$"
    with pytest.raises(FatalError, match=expected) as caught:
        cluster.start()
    assert (caught.value.context or "").startswith("WAL redo at 0/")


def test_a_wrong_redo_is_not_noticed_without_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = crashed(tmp_path / "without")
    monkeypatch.setattr(redo_functions, "heap_redo", planted(flip(23, 0xFF)))
    cluster.start()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(flip(21, XMIN_COMMITTED >> 8), id="hint"),
        pytest.param(flip(CID_OFFSET, 5), id="command"),
        pytest.param(lambda page, at: add_flags(page, PD_PAGE_FULL), id="full"),
        pytest.param(lambda page, at: set_prune_xid(page, 77), id="prunable"),
        pytest.param(lambda page, at: page.__setitem__(upper(page) - 1, 9), id="hole"),
    ],
)
def test_what_is_not_logged_may_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    cluster = crashed(tmp_path / "with", **ON)
    monkeypatch.setattr(redo_functions, "heap_redo", planted(change))
    cluster.start()


def test_recovery_that_is_repeated_compares_only_what_is_not_newer(tmp_path: Path) -> None:
    cluster = crashed(tmp_path / "with", **ON)
    cluster.start()
    cluster.startup.buffers.flush_all()
    cluster.crash()
    cluster.start()
    assert len(cluster.rows()) == 3


# masks ------------------------------------------------------------------------------------------


def page_with(infomask: int) -> bytearray:
    """A heap page with one tuple of an odd length."""
    page = bytearray(8192)
    init_page(page)
    put_tuple(memoryview(page), 0, form_tuple(700, 0, 0, 0, 0, 1, infomask, 24, b"\0abc"))
    return page


def masked(page: bytearray) -> bytearray:
    heap_mask(page, 0)
    return page


def test_lsn_checksum_and_padding_are_masked() -> None:
    one, other = page_with(XMAX_INVALID), page_with(XMAX_INVALID)
    set_page_lsn(one, 0x123456789)
    one[8:10] = b"\xab\xcd"
    at, _, length = line_pointer(one, 1)
    one[at + length] = 0xEE
    assert masked(one) == masked(other)


def test_hints_of_a_tuple_are_masked_but_not_its_locks() -> None:
    plain = masked(page_with(0))
    assert masked(page_with(XMIN_COMMITTED | XMAX_INVALID | COMBO_CID)) == plain
    assert masked(page_with(XMAX_EXCL_LOCK)) != plain


def test_that_a_tuple_is_frozen_is_no_hint() -> None:
    assert masked(page_with(XMIN_FROZEN)) != masked(page_with(XMIN_COMMITTED))
    page = page_with(XMIN_FROZEN)
    set_tuple_infomask(page, line_pointer(page, 1)[0], XMIN_FROZEN | XMAX_INVALID)
    assert masked(page) == masked(page_with(XMIN_FROZEN))
    assert tuple_infomask(page, line_pointer(page, 1)[0]) == XMIN_FROZEN


def test_a_page_whose_bounds_make_no_sense_is_refused() -> None:
    page = page_with(0)
    set_lower(page, upper(page) + 8)
    with pytest.raises(SqlError, match="invalid page pd_lower"):
        mask_unused_space(page)


# the log ----------------------------------------------------------------------------------------


def test_every_manager_whose_pages_are_replayed_has_a_mask() -> None:
    with_pages = {Rmgr.HEAP, Rmgr.HEAP2}
    assert set(MASKS) == with_pages
    assert set(MASKS) <= compared_managers("all")
    assert Rmgr.XLOG not in compared_managers("all")
    assert compared_managers("Heap, btree") == {Rmgr.HEAP, Rmgr.BTREE}
    assert compared_managers("") == frozenset()


def test_images_to_compare_come_beside_the_data_and_are_not_restored(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path, wal_consistency_checking="heap")
    far = data_page(1 << 40)
    cluster.wal.insert(Rmgr.HEAP, 0, b"\1\0\0", [block(far, 3, data=b"\2\0\2\x08\x18" + bytes(9))])
    cluster.wal.insert(Rmgr.HEAP, 0, b"\2\0\0", [block(data_page(0), 4, data=b"\2\0\2\x08\x18\0")])
    cluster.wal.insert(Rmgr.HEAP2, 0x20, b"\0\0", [block(far, 5, data=b"\1\0")])
    cluster.wal.insert(Rmgr.TRANSACTION, 0, bytes(8))
    cluster.wal.flush(cluster.wal.end_lsn())
    beside, restored, other, commit = cluster.records()
    asked = [record.info & CHECK_CONSISTENCY for record in (beside, restored, other, commit)]
    assert asked == [CHECK_CONSISTENCY, CHECK_CONSISTENCY, 0, 0]
    compared, whole = beside.blocks[0], restored.blocks[0]
    assert (compared.apply_image, compared.data_length) == (False, 14)
    assert (whole.apply_image, whole.data_length) == (True, 0)
    assert other.blocks[0].image is None
    page = bytearray(8192)
    compared.restore_image(page)
    assert page == far
    assert record_line(beside).endswith("blk 3 FPW for WAL verification")
    assert record_line(restored).endswith("blk 4 FPW")
    program = require_postgres("pg_waldump")
    command = [str(program), "-p", str(cluster.root / "pg_wal"), "-s", format_lsn(beside.lsn)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert answer.stdout.splitlines() == [record_line(record) for record in cluster.records()]


def test_a_change_of_the_setting_counts_from_the_next_record_on(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    values = iter(["", "all", "heap2", ""])
    cluster.wal.take_settings_from(lambda name: next(values))
    for _ in range(4):
        cluster.wal.insert(Rmgr.HEAP, 0, b"\1\0\0", [block(data_page(1 << 40), data=b"\2\0")])
    cluster.wal.flush(cluster.wal.end_lsn())
    flags = [record.info & CHECK_CONSISTENCY for record in cluster.records()]
    assert flags == [0, CHECK_CONSISTENCY, 0, 0]
