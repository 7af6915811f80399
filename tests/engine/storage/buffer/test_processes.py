"""Several processes use one small pool at the same time."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import SqlError
from engine.shmem.lwlock import EXCLUSIVE, SHARED
from engine.storage.buffer.buffers import ReadMode
from engine.storage.page import init_page, set_page_lsn
from engine.types import BLOCK_SIZE
from tests.engine.storage.faulty_host import FaultyHost, failing
from tests.engine.storage.pages import AT, MAIN, NUMBER, change, look, make_pages, number_of
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, LOCATOR, OTHER, Process, Rig

MakeRig = Callable[..., Rig]
STOP = 0
"""Note 0 of the rig tells the helpers of a test to end."""


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll for at most some seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def keep_checkpointing(process: Process) -> None:
    while not process.rig.notes[STOP]:
        process.buffers.flush_all()
        process.sync.process()
        process.host.sleep(1)


def keep_sweeping(process: Process) -> None:
    while not process.rig.notes[STOP]:
        process.buffers.background_sweep()
        process.host.sleep(1)


@pytest.mark.parametrize("shared_buffers", [16, 48])
def test_no_change_is_lost_between_processes(make_rig: MakeRig, shared_buffers: int) -> None:
    rig = make_rig(shared_buffers=shared_buffers)
    first = rig.process()
    make_pages(first, 60)
    first.locks.release_all()

    def count_up(process: Process) -> None:
        chooser = random.Random(process.slot)
        for _ in range(2000):
            buffer = process.buffers.read(LOCATOR, MAIN, chooser.randrange(60))
            process.buffers.lock(buffer, EXCLUSIVE)
            page = process.buffers.page(buffer)
            NUMBER.pack_into(page, AT, number_of(page) + 1)
            process.buffers.mark_dirty(buffer)
            set_page_lsn(page, process.wal.insert())
            process.buffers.unlock_release(buffer)

    writers = [rig.fork(CHECKPOINTER, keep_checkpointing), rig.fork(3, keep_sweeping)]
    counters = [rig.fork(BACKEND + 1 + n, count_up) for n in range(4)]
    rig.join(*counters)
    rig.notes[STOP] = 1
    rig.join(*writers)
    assert (
        sum(look(first, block) for block in range(60))
        == sum(block * 1000 for block in range(60)) + 4 * 2000
    )
    first.buffers.flush_all()
    data = rig.file()
    assert [number_of(data[at : at + BLOCK_SIZE]) for at in range(0, len(data), BLOCK_SIZE)] == [
        look(first, block) for block in range(60)
    ]
    assert not any(rig.pool.refcounts)


def test_clock_sweep_never_evicts_a_pinned_buffer(rig: Rig) -> None:
    first = rig.process()
    make_pages(first, 80)

    def hold_and_read(process: Process) -> None:
        chooser = random.Random(process.slot)
        for _ in range(1000):
            held = chooser.sample(range(80), 2)
            buffers = [process.buffers.read(LOCATOR, MAIN, block) for block in held]
            for block in chooser.sample(range(80), 10):
                assert look(process, block) == block * 1000
            for block, buffer in zip(held, buffers, strict=True):
                assert rig.pool.key(buffer) == (LOCATOR, MAIN, block)
                assert number_of(process.buffers.page(buffer)) == block * 1000
                process.buffers.release(buffer)

    rig.join(*[rig.fork(BACKEND + 1 + n, hold_and_read) for n in range(4)])
    assert not any(rig.pool.refcounts)


def test_concurrent_extensions_give_each_its_own_block(rig: Rig) -> None:
    first = rig.process()
    make_pages(first, 1)

    def extend(process: Process) -> None:
        for _ in range(50):
            buffer = process.buffers.extend(LOCATOR, MAIN)
            page = process.buffers.page(buffer)
            assert number_of(page) == 0
            init_page(page)
            NUMBER.pack_into(page, AT, process.slot)
            process.buffers.mark_dirty(buffer)
            process.buffers.unlock_release(buffer)

    rig.join(*[rig.fork(BACKEND + 1 + n, extend) for n in range(4)])
    assert first.smgr.nblocks(LOCATOR, MAIN) == 201
    owners = [look(first, block) for block in range(1, 201)]
    assert [owners.count(BACKEND + 1 + n) for n in range(4)] == [50] * 4


def test_a_page_is_read_once_however_many_want_it(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    make_pages(rig.process(), 3)
    rig.process().buffers.flush_all()
    rig.create_memory()
    reads, gate = 1, 2

    def count_and_wait(call: str, path: str) -> None:
        if call == "read":
            rig.notes[reads] += 1
            wait_for(lambda: bool(rig.notes[gate]))

    host.before = count_and_wait

    def read(process: Process) -> None:
        assert look(process, 2) == 2000

    children = [rig.fork(BACKEND + n, read) for n in range(3)]
    wait_for(lambda: rig.notes[reads] == 1 and sum(rig.pool.refcounts) == 3)
    rig.notes[gate] = 1
    rig.join(*children)
    assert rig.notes[reads] == 1


def test_a_waiting_reader_tries_itself_when_the_first_one_fails(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    make_pages(rig.process(), 3)
    rig.process().buffers.flush_all()
    rig.create_memory()

    def fail(process: Process) -> None:
        def wait_and_fail(call: str, path: str) -> None:
            if call == "read":
                rig.notes[1] = 1
                wait_for(lambda: sum(rig.pool.refcounts) == 2)
                failing("read", 5)(call, path)

        host.before = wait_and_fail
        with pytest.raises(SqlError, match="could not read block 2"):
            look(process, 2)
        process.recover()

    def succeed(process: Process) -> None:
        assert look(process, 2) == 2000

    failed = rig.fork(BACKEND, fail)
    wait_for(lambda: bool(rig.notes[1]))
    rig.join(rig.fork(BACKEND + 1, succeed), failed)


def test_a_cleanup_lock_waits_until_nobody_else_has_a_pin(rig: Rig) -> None:
    first = rig.process()
    make_pages(first, 2)
    buffer = first.buffers.read(LOCATOR, MAIN, 1)
    cleaned = 1

    def clean(process: Process) -> None:
        mine = process.buffers.read(LOCATOR, MAIN, 1)
        assert not process.buffers.try_lock_for_cleanup(mine)
        process.buffers.lock_for_cleanup(mine)
        assert rig.pool.refcounts[mine] == 1
        rig.notes[cleaned] = 1
        process.buffers.unlock_release(mine)

    child = rig.fork(BACKEND + 1, clean)
    wait_for(lambda: bool(rig.pool.flags[buffer] & 128))
    assert not rig.notes[cleaned]
    with pytest.raises(SqlError, match="multiple backends attempting to wait for pincount 1"):
        first.buffers.lock_for_cleanup(buffer)
    first.locks.release_all()
    first.buffers.release_all()
    rig.join(child)
    assert rig.notes[cleaned]
    buffer = first.buffers.read(LOCATOR, MAIN, 1, ReadMode.ZERO_AND_CLEANUP_LOCK)
    assert first.buffers.is_cleanup_locked(buffer)
    first.buffers.unlock_release(buffer)


def test_a_drop_waits_for_the_writer_of_the_page(make_rig: MakeRig, tmp_path: Path) -> None:
    host = FaultyHost(str(tmp_path))
    rig = make_rig(host=host)
    first = rig.process()
    make_pages(first, 4)
    make_pages(first, 4, OTHER)

    def write_slowly(process: Process) -> None:
        def wait(path: str, data: bytes) -> None:
            if path == "base/5/16385":
                rig.notes[1] = 1
                wait_for(lambda: bool(rig.notes[2]))

        host.before_write = wait
        process.buffers.flush_all()

    def drop(process: Process) -> None:
        process.buffers.drop_relation(OTHER)
        rig.notes[3] = 1

    writer = rig.fork(CHECKPOINTER, write_slowly)
    wait_for(lambda: bool(rig.notes[1]))
    dropper = rig.fork(BACKEND + 1, drop)
    time.sleep(0.05)
    assert not rig.notes[3]
    rig.notes[2] = 1
    rig.join(writer, dropper)
    assert first.buffers.recent(OTHER, MAIN, 0) == -1
    assert look(first, 3) == 3000


def test_a_writer_that_holds_writes_does_not_wait_for_a_page_lock(make_rig: MakeRig) -> None:
    """Otherwise the backend, which waits for one of the claimed writes, would wait for ever."""
    rig = make_rig(shared_buffers=64)
    first = rig.process()
    make_pages(first, 200)

    def fight(process: Process) -> None:
        chooser = random.Random(process.slot)
        for turn in range(2000):
            held = process.buffers.read(LOCATOR, MAIN, chooser.randrange(200))
            process.buffers.lock(held, EXCLUSIVE)
            look(process, chooser.randrange(200))
            process.buffers.mark_dirty(held)
            process.buffers.unlock_release(held)
            change(process, chooser.randrange(200), turn)

    writers = [rig.fork(CHECKPOINTER, keep_checkpointing), rig.fork(3, keep_sweeping)]
    fighters = [rig.fork(BACKEND + 1 + n, fight) for n in range(3)]
    rig.join(*fighters)
    rig.notes[STOP] = 1
    rig.join(*writers)


def test_a_killed_process_keeps_its_pins_until_the_memory_is_made_anew(rig: Rig) -> None:
    first = rig.process()
    make_pages(first, 3)
    first.buffers.flush_all()

    def hold(process: Process) -> None:
        buffer = process.buffers.read(LOCATOR, MAIN, 1)
        process.buffers.lock(buffer, SHARED)
        rig.notes[1] = buffer + 1
        process.host.sleep(60_000)

    pid = rig.fork(BACKEND + 1, hold)
    wait_for(lambda: bool(rig.notes[1]))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    rig.children.remove(pid)
    buffer = rig.notes[1] - 1
    assert rig.pool.refcounts[buffer] == 1
    assert not first.buffers.try_lock(buffer, EXCLUSIVE)
    rig.create_memory()
    again = rig.process()
    buffer = again.buffers.read(LOCATOR, MAIN, 1)
    assert again.buffers.try_lock(buffer, EXCLUSIVE)
    again.buffers.unlock_release(buffer)
