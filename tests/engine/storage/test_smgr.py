"""Relation files: segments, lengths, and what happens to files that go away."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import SqlError
from engine.storage.paths import relation_path
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork
from tests.engine.storage.faulty_host import FaultyHost, failing
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, LOCATOR, Process, Rig

MAIN = RelFork.MAIN
MakeRig = Callable[..., Rig]


def page(number: int) -> bytes:
    return number.to_bytes(8, "little") * (BLOCK_SIZE // 8)


def fill(process: Process, blocks: int) -> None:
    process.smgr.create(LOCATOR, MAIN)
    for block in range(blocks):
        process.smgr.extend(LOCATOR, MAIN, block, page(block))


def files(rig: Rig) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted((rig.root / "base/5").iterdir())}


@pytest.mark.parametrize(
    ("locator", "fork", "segment", "path"),
    [
        (RelFileLocator(1663, 5, 16384), RelFork.MAIN, 0, "base/5/16384"),
        (RelFileLocator(1663, 5, 16384), RelFork.FSM, 0, "base/5/16384_fsm"),
        (RelFileLocator(1663, 5, 16384), RelFork.VM, 2, "base/5/16384_vm.2"),
        (RelFileLocator(1663, 5, 16384), RelFork.INIT, 0, "base/5/16384_init"),
        (RelFileLocator(1664, 0, 1262), RelFork.MAIN, 1, "global/1262.1"),
        (RelFileLocator(77, 5, 9), RelFork.MAIN, 0, "pg_tblspc/77/PG_15_202209061/5/9"),
    ],
)
def test_files_are_where_postgresql_has_them(
    locator: RelFileLocator, fork: RelFork, segment: int, path: str
) -> None:
    assert relation_path(locator, fork, segment) == path


def test_a_fork_goes_on_in_the_next_segment(rig: Rig) -> None:
    process = rig.process(segment_blocks=4)
    fill(process, 10)
    assert files(rig) == {"16384": 32768, "16384.1": 32768, "16384.2": 16384}
    other = rig.process(BACKEND + 1, segment_blocks=4)
    assert other.smgr.nblocks(LOCATOR, MAIN) == 10
    view = memoryview(bytearray(BLOCK_SIZE))
    for block in (9, 0, 4, 3):
        other.smgr.read_into(LOCATOR, MAIN, block, view)
        assert bytes(view) == page(block)
    other.smgr.write(LOCATOR, MAIN, 5, page(55))
    process.smgr.read_into(LOCATOR, MAIN, 5, view)
    assert bytes(view) == page(55)
    assert process.smgr.read_many(LOCATOR, MAIN, 2, 9) == page(2) + page(3)


def test_a_fork_that_ends_with_a_full_segment_has_the_length_of_that(rig: Rig) -> None:
    process = rig.process(segment_blocks=4)
    fill(process, 8)
    other = rig.process(BACKEND + 1, segment_blocks=4)
    assert other.smgr.nblocks(LOCATOR, MAIN) == 8
    other.smgr.extend(LOCATOR, MAIN, 8, page(8))
    assert process.smgr.nblocks(LOCATOR, MAIN) == 9


@pytest.mark.parametrize("length", [10, 9, 8, 7, 4, 3, 0])
def test_truncation_cuts_at_the_block_and_empties_what_is_behind(rig: Rig, length: int) -> None:
    process = rig.process(segment_blocks=4)
    fill(process, 10)
    process.smgr.truncate(LOCATOR, MAIN, length)
    assert process.smgr.nblocks(LOCATOR, MAIN) == length
    assert rig.process(BACKEND + 1, segment_blocks=4).smgr.nblocks(LOCATOR, MAIN) == length
    assert sum(files(rig).values()) == length * BLOCK_SIZE
    for block in range(length, 11):
        process.smgr.extend(LOCATOR, MAIN, block, page(block + 100))
    assert process.smgr.nblocks(LOCATOR, MAIN) == 11


def test_truncation_to_more_than_there_is_is_an_error(rig: Rig) -> None:
    process = rig.process()
    fill(process, 2)
    with pytest.raises(SqlError, match="to 3 blocks: it's only 2 blocks now"):
        process.smgr.truncate(LOCATOR, MAIN, 3)


def test_reading_behind_the_end_is_an_error(rig: Rig) -> None:
    process = rig.process()
    fill(process, 2)
    view = memoryview(bytearray(BLOCK_SIZE))
    with pytest.raises(SqlError, match="read only 0 of 8192 bytes") as info:
        process.smgr.read_into(LOCATOR, MAIN, 2, view)
    assert info.value.sqlstate == "XX001"


def test_reading_a_segment_behind_one_that_is_not_full_is_an_error(rig: Rig) -> None:
    process = rig.process(segment_blocks=4)
    fill(process, 2)
    view = memoryview(bytearray(BLOCK_SIZE))
    with pytest.raises(SqlError, match=r"\(target block 5\): previous segment is only 2 blocks"):
        process.smgr.read_into(LOCATOR, MAIN, 5, view)


def test_in_recovery_what_is_missing_reads_as_zeroes_and_is_made(rig: Rig) -> None:
    fill(rig.process(segment_blocks=4), 2)
    process = rig.process(CHECKPOINTER, segment_blocks=4, in_recovery=True)
    view = memoryview(bytearray(b"x" * BLOCK_SIZE))
    process.smgr.read_into(LOCATOR, MAIN, 9, view)
    assert bytes(view) == bytes(BLOCK_SIZE)
    process.smgr.write(LOCATOR, MAIN, 9, page(9))
    assert process.smgr.nblocks(LOCATOR, MAIN) == 10


def test_a_missing_file_is_named(rig: Rig) -> None:
    process = rig.process()
    with pytest.raises(SqlError) as info:
        process.smgr.nblocks(LOCATOR, MAIN)
    assert info.value.sqlstate == "58P01"
    assert info.value.message == 'could not open file "base/5/16384": No such file or directory'
    assert not process.smgr.exists(LOCATOR, MAIN)


def test_a_relation_is_created_once_but_in_redo_again(rig: Rig) -> None:
    process = rig.process()
    fill(process, 1)
    with pytest.raises(SqlError, match='could not create file "base/5/16384": File exists') as e:
        process.smgr.create(LOCATOR, MAIN)
    assert e.value.sqlstate == "58P02"
    rig.process(CHECKPOINTER, in_recovery=True).smgr.create(LOCATOR, MAIN, is_redo=True)
    assert process.smgr.nblocks(LOCATOR, MAIN) == 1


def test_a_dropped_file_keeps_its_name_until_the_next_checkpoint_is_done(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, segment_blocks=4)
    fill(process, 10)
    process.smgr.create(LOCATOR, RelFork.FSM)
    process.smgr.extend(LOCATOR, RelFork.FSM, 0, page(0))
    process.smgr.unlink_relation(LOCATOR)
    assert files(rig) == {"16384": 0}
    process.sync.pre_checkpoint()
    process.sync.process()
    process.sync.post_checkpoint()
    assert files(rig) == {}


def test_a_file_dropped_during_a_checkpoint_outlives_it(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    fill(process, 1)
    process.sync.pre_checkpoint()
    process.smgr.unlink_relation(LOCATOR)
    process.sync.process()
    process.sync.post_checkpoint()
    assert files(rig) == {"16384": 0}
    process.sync.pre_checkpoint()
    process.sync.process()
    process.sync.post_checkpoint()
    assert files(rig) == {}


def test_redo_of_a_drop_removes_everything_at_once(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, segment_blocks=4)
    fill(process, 10)
    process.smgr.unlink_relation(LOCATOR, is_redo=True)
    process.smgr.unlink_relation(LOCATOR, is_redo=True)
    assert files(rig) == {}


def test_a_file_that_cannot_be_removed_is_a_warning(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    process = rig.process(CHECKPOINTER)
    fill(process, 1)
    host.before = failing("unlink", 13)
    process.smgr.unlink_relation(LOCATOR, is_redo=True)
    assert b'could not remove file "base/5/16384": Permission denied' in rig.log_text


@pytest.mark.parametrize("call", ["open", "unlink", "stat"])
def test_a_drop_that_the_disk_hinders_is_no_error(
    make_rig: MakeRig, tmp_path: Path, call: str
) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    process = rig.process(CHECKPOINTER)
    fill(process, 1)
    process.smgr.create(LOCATOR, RelFork.FSM)
    host.before = failing(call, errno.EIO, times=100)
    process.smgr.unlink_relation(LOCATOR)
    host.before = lambda call, path: None
    process.smgr.unlink_relation(LOCATOR, is_redo=True)
    assert files(rig) == {}


def test_descriptors_are_closed_when_there_are_too_many(rig: Rig) -> None:
    process = rig.process()
    smgr = type(process.smgr)(rig.host, process.sync, process.log, max_open_files=5)
    locators = [RelFileLocator(1663, 5, 17000 + number) for number in range(20)]
    for locator in locators:
        smgr.create(locator, MAIN)
        smgr.extend(locator, MAIN, 0, page(1))
    assert smgr._files._open_files <= 5
    assert all(smgr.nblocks(locator, MAIN) == 1 for locator in locators)
    smgr.close_all()
    assert smgr._files._open_files == 0
