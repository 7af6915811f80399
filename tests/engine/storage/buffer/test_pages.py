"""Pages go to the file and come back: what is written, when, and what an invalid page does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import InvariantViolation, SqlError
from engine.shmem.lwlock import EXCLUSIVE, SHARED
from engine.storage.buffer.buffers import ReadMode
from engine.storage.checksum import verify
from engine.storage.page import page_lsn
from engine.types import BLOCK_SIZE, RelFork
from tests.engine.storage.faulty_host import FaultyHost, disk_full, failing
from tests.engine.storage.pages import MAIN, change, look, make_pages, number_of
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, LOCATOR, OTHER, Rig

MakeRig = Callable[..., Rig]
EIO = 5


def test_pages_survive_being_replaced_in_a_tiny_pool(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 100)
    for block in range(0, 100, 3):
        change(process, block, block + 7)
    expected = [block + 7 if block % 3 == 0 else block * 1000 for block in range(100)]
    assert [look(process, block) for block in range(100)] == expected
    assert process.buffers.pinned() == []


def test_no_page_is_written_before_its_wal(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    process = rig.process(CHECKPOINTER)
    ahead: list[tuple[int, int]] = []

    def compare(path: str, data: bytes) -> None:
        if path.startswith("base/") and page_lsn(data) > process.wal.flushed:
            ahead.append((page_lsn(data), process.wal.flushed))

    host.before_write = compare
    make_pages(process, 60)
    for turn in range(200):
        change(process, turn * 7 % 60, turn)
        if turn % 20 == 0:
            process.buffers.flush_all()
        if turn % 15 == 0:
            process.buffers.background_sweep()
    process.buffers.flush_all()
    assert host.calls.count(("write", "base/5/16384")) > 200
    assert ahead == []


def test_every_written_page_has_its_checksum(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    make_pages(process, 40)
    process.buffers.flush_all()
    data = rig.file()
    assert len(data) == 40 * BLOCK_SIZE
    for block in range(40):
        assert verify(data[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE], block)


def test_a_checkpoint_leaves_nothing_dirty_and_counts_what_it_wrote(make_rig: MakeRig) -> None:
    rig = make_rig(shared_buffers=256)
    process = rig.process(CHECKPOINTER)
    make_pages(process, 100)
    make_pages(process, 50, OTHER)
    progress: list[float] = []
    assert process.buffers.flush_all(progress.append) == 150
    assert progress[-1] == 1.0
    assert progress == sorted(progress)
    assert process.buffers.flush_all() == 0
    change(process, 3, 1)
    assert process.buffers.flush_all() == 1


def test_an_invalid_page_is_an_error_that_names_it(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 3)
    process.buffers.flush_all()
    path = rig.root / "base/5/16384"
    data = bytearray(path.read_bytes())
    data[BLOCK_SIZE + 5000] ^= 1
    path.write_bytes(data)
    rig.create_memory()
    process = rig.process()
    with pytest.raises(SqlError, match="invalid page in block 1 of relation base/5/16384") as info:
        process.buffers.read(LOCATOR, MAIN, 1)
    assert info.value.sqlstate == "XX001"
    assert b"page verification failed, calculated checksum" in rig.log_text
    process.recover()
    assert process.buffers.pinned() == []
    assert look(process, 2) == 2000
    buffer = process.buffers.read(LOCATOR, MAIN, 1, ReadMode.ZERO_ON_ERROR)
    assert bytes(process.buffers.page(buffer)) == bytes(BLOCK_SIZE)
    assert b"invalid page in block 1 of relation base/5/16384; zeroing out page" in rig.log_text


@pytest.mark.parametrize("setting", ["zero_damaged_pages", "ignore_checksum_failure"])
def test_a_setting_lets_a_damaged_page_pass(make_rig: MakeRig, setting: str) -> None:
    rig = make_rig(**{setting: True})
    process = rig.process()
    make_pages(process, 3)
    process.buffers.flush_all()
    path = rig.root / "base/5/16384"
    data = bytearray(path.read_bytes())
    data[2 * BLOCK_SIZE + 5000] ^= 1
    path.write_bytes(data)
    rig.create_memory()
    assert look(rig.process(), 2) == (0 if setting == "zero_damaged_pages" else 2000)


def test_a_page_that_is_to_be_overwritten_is_not_read(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    make_pages(rig.process(), 3)
    rig.process().buffers.flush_all()
    rig.create_memory()
    process = rig.process()
    host.calls.clear()
    buffer = process.buffers.read(LOCATOR, MAIN, 1, ReadMode.ZERO_AND_LOCK)
    assert host.count("read", "base/5/16384") == 0
    assert bytes(process.buffers.page(buffer)) == bytes(BLOCK_SIZE)
    process.buffers.mark_dirty(buffer)
    process.buffers.unlock_release(buffer)


def test_a_change_without_the_exclusive_lock_is_refused(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 1)
    buffer = process.buffers.read(LOCATOR, MAIN, 0)
    process.buffers.lock(buffer, SHARED)
    with pytest.raises(InvariantViolation, match="BUF-10"):
        process.buffers.mark_dirty(buffer)
    process.recover()


def test_a_read_error_leaves_the_page_to_the_next_reader(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    make_pages(rig.process(), 2)
    rig.process().buffers.flush_all()
    rig.create_memory()
    process = rig.process()
    host.before = failing("read", EIO)
    with pytest.raises(SqlError, match='could not read block 1 in file "base/5/16384": Input'):
        process.buffers.read(LOCATOR, MAIN, 1)
    process.recover()
    assert look(process, 1) == 1000


def test_a_write_error_leaves_the_page_dirty(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    process = rig.process(CHECKPOINTER)
    make_pages(process, 2)
    process.buffers.flush_all()
    change(process, 1, 77)
    for _ in range(2):
        host.before = failing("write", EIO)
        with pytest.raises(SqlError, match='could not write block 1 in file "base/5/16384"') as e:
            process.buffers.flush_all()
        assert e.value.sqlstate == "58030"
        assert e.value.context == "writing block 1 of relation base/5/16384"
        process.recover()
    assert b"could not write block 1 of base/5/16384" in rig.log_text
    assert b"Multiple failures --- write error might be permanent." in rig.log_text
    assert process.buffers.flush_all() == 1
    assert number_of(rig.file()[BLOCK_SIZE:]) == 77


def test_a_full_disk_fails_the_extension_and_nothing_else(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    process = rig.process()
    make_pages(process, 2)
    host.before = disk_full()
    with pytest.raises(SqlError) as info:
        process.buffers.extend(LOCATOR, MAIN)
    assert info.value.sqlstate == "53100"
    assert info.value.message == 'could not extend file "base/5/16384": No space left on device'
    assert info.value.hint == "Check free disk space."
    process.recover()
    assert process.smgr.nblocks(LOCATOR, MAIN) == 2
    host.before = lambda call, path: None
    host.short_writes = 1
    with pytest.raises(SqlError, match="wrote only 4096 of 8192 bytes at block 2"):
        process.buffers.extend(LOCATOR, MAIN)
    process.recover()
    buffer = process.buffers.extend(LOCATOR, MAIN)
    assert process.buffers.tag(buffer) == (LOCATOR, MAIN, 2)
    process.buffers.unlock_release(buffer)
    assert process.smgr.nblocks(LOCATOR, MAIN) == 3


def test_dropped_pages_are_never_written(make_rig: MakeRig) -> None:
    rig = make_rig(shared_buffers=64)
    process = rig.process(CHECKPOINTER)
    make_pages(process, 20)
    make_pages(process, 20, OTHER)
    process.buffers.drop_relation(OTHER)
    process.buffers.drop_from(LOCATOR, MAIN, 5)
    assert process.buffers.flush_all() == 5
    assert look(process, 4) == 4000
    process.smgr.truncate(LOCATOR, MAIN, 5)
    buffer = process.buffers.extend(LOCATOR, MAIN)
    assert process.buffers.tag(buffer)[2] == 5
    assert bytes(process.buffers.page(buffer)) == bytes(BLOCK_SIZE)


def test_freed_buffers_are_taken_before_anything_is_evicted(make_rig: MakeRig) -> None:
    rig = make_rig(shared_buffers=32)
    process = rig.process()
    make_pages(process, 16)
    make_pages(process, 16, OTHER)
    process.buffers.drop_relation(OTHER)
    for _ in range(16):
        process.buffers.unlock_release(process.buffers.extend(LOCATOR, RelFork.MAIN))
    assert all(process.buffers.recent(LOCATOR, MAIN, block) >= 0 for block in range(32))


def test_an_unexpected_page_behind_the_end_is_an_error(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 3)
    process.smgr.truncate(LOCATOR, MAIN, 1)
    with pytest.raises(SqlError, match="unexpected data beyond EOF in block 1 of relation"):
        process.buffers.extend(LOCATOR, MAIN)
    process.recover()


def test_a_hint_is_logged_once_and_only_on_a_clean_page(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    make_pages(process, 1)
    process.buffers.flush_all()
    logged: list[int] = []

    def log_hint(buffer: int) -> int:
        logged.append(rig.procs.delay_checkpoint[CHECKPOINTER])
        return process.wal.insert()

    process.buffers.log_hint = log_hint
    buffer = process.buffers.read(LOCATOR, MAIN, 0)
    process.buffers.lock(buffer, SHARED)
    before = page_lsn(process.buffers.page(buffer))
    process.buffers.mark_dirty_hint(buffer)
    assert page_lsn(process.buffers.page(buffer)) == before + 100
    process.buffers.mark_dirty_hint(buffer)
    process.buffers.unlock(buffer)
    assert logged == [1], "a checkpoint must wait while the image is logged"
    assert rig.procs.delay_checkpoint[CHECKPOINTER] == 0
    assert process.buffers.flush_all() == 1


def test_hints_write_no_wal_in_recovery(rig: Rig) -> None:
    process = rig.process(in_recovery=True)
    make_pages(process, 1)
    process.buffers.flush_all()
    inserted = process.wal.words[0]
    buffer = process.buffers.read(LOCATOR, MAIN, 0)
    process.buffers.lock(buffer, SHARED)
    process.buffers.mark_dirty_hint(buffer)
    assert process.wal.words[0] == inserted
    assert not process.buffers.is_dirty(buffer)


def test_a_page_changed_while_it_is_written_stays_dirty(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    writer, changer = rig.process(CHECKPOINTER), rig.process(BACKEND)
    make_pages(writer, 1)
    writer.buffers.flush_all()
    change(writer, 0, 1)

    def change_it(path: str, data: bytes) -> None:
        host.before_write = lambda path, data: None
        change(changer, 0, 2)

    host.before_write = change_it
    assert writer.buffers.flush_all() == 1
    assert number_of(rig.file()) == 1
    assert writer.buffers.flush_all() == 1
    assert number_of(rig.file()) == 2


def test_a_pool_full_of_pins_says_so(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 17)
    for block in range(16):
        process.buffers.read(LOCATOR, MAIN, block)
    with pytest.raises(SqlError, match="no unpinned buffers available") as info:
        process.buffers.read(LOCATOR, MAIN, 16)
    assert info.value.sqlstate == "53200"
    process.recover()
    assert look(process, 16) == 16000


def test_a_page_lately_used_is_found_without_the_table(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 40)
    assert process.buffers.recent(LOCATOR, MAIN, 0) == -1, "replaced long ago"
    look(process, 0)
    buffer = process.buffers.recent(LOCATOR, MAIN, 0)
    assert process.buffers.tag(buffer) == (LOCATOR, MAIN, 0)
    process.buffers.lock(buffer, EXCLUSIVE)
    process.buffers.unlock_release(buffer)


def test_a_page_in_constant_use_outlives_a_scan(rig: Rig) -> None:
    process = rig.process()
    make_pages(process, 100)
    look(process, 0)
    for block in range(1, 100):
        look(process, block)
        still = process.buffers.recent(LOCATOR, MAIN, 0)
        assert still >= 0, f"replaced after block {block}"
        process.buffers.release(still)


def test_the_background_writer_cleans_ahead_of_the_hand(make_rig: MakeRig) -> None:
    rig = make_rig(shared_buffers=64)
    process = rig.process(CHECKPOINTER)
    make_pages(process, 400)
    sweep = process.buffers.background_sweep
    for turn in range(30):
        for block in range(20):
            change(process, (turn * 20 + block) % 400, turn)
        sweep()
    clean_victims = 0
    for _ in range(20):
        sweep()
        victim = process.buffers._replacement._sweep.take()
        clean_victims += not process.buffers.is_dirty(victim)
        process.buffers.release(victim)
    assert clean_victims == 20


def test_an_idle_background_writer_may_sleep(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    make_pages(process, 10)
    assert any(process.buffers.background_sweep() for _ in range(2000))
