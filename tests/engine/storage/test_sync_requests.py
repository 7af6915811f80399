"""Sync requests: no write is forgotten, no failed fsync is taken for a good one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import PanicError
from engine.storage.sync_tags import SyncTag, clog_tag, directory_tag, relation_tag
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork
from tests.engine.storage.faulty_host import FaultyHost, failing
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, LOCATOR, OTHER, Process, Rig

MAIN = RelFork.MAIN
FILE = "base/5/16384"
PAGE = bytes(BLOCK_SIZE)
EIO = 5


@pytest.fixture
def host(tmp_path: Path) -> FaultyHost:
    return FaultyHost(str(tmp_path))


@pytest.fixture
def rig(make_rig: Callable[..., Rig], host: FaultyHost) -> Rig:
    return make_rig(host=host, fsync=True)


def tag_number(number: int) -> SyncTag:
    return relation_tag(RelFileLocator(1663, 5, 20000 + number), MAIN, 0)


def fill_queue(rig: Rig, process: Process) -> None:
    for number in range(rig.sync.capacity - rig.sync.length):
        process.sync.register(tag_number(number))
    assert rig.sync.length == rig.sync.capacity


def test_what_a_backend_wrote_is_synced_by_the_checkpointer(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    assert host.count("fsync", FILE) == 0
    statistics = checkpointer.sync.process()
    assert statistics.files == 2
    assert host.count("fsync", FILE) == 1
    assert host.count("fsync", "base/5") == 1, "the name of a new file is made durable too"
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == 1


def test_a_file_is_queued_once_in_a_cycle_and_again_in_the_next(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    for block in range(50):
        backend.smgr.extend(LOCATOR, MAIN, block, PAGE)
    assert rig.sync.length == 2
    checkpointer.sync.process()
    backend.smgr.write(LOCATOR, MAIN, 3, PAGE)
    assert rig.sync.length == 1
    checkpointer.sync.absorb()
    backend.smgr.write(LOCATOR, MAIN, 3, PAGE)
    assert rig.sync.length == 0, "the request of this cycle is pending still"
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == 2


def test_a_write_during_the_syncs_is_synced_the_next_time(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    written = 0

    def write_after_fsync(call: str, path: str) -> None:
        nonlocal written
        if (call, path) == ("fsync", "base/5") or written:
            return
        if call == "fsync":
            written += 1
            backend.smgr.write(LOCATOR, MAIN, 0, PAGE)

    host.before = write_after_fsync
    checkpointer.sync.process()
    assert written == 1
    before = host.count("fsync", FILE)
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == before + 1
    backend.smgr.write(LOCATOR, MAIN, 0, PAGE)
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == before + 2


def test_full_queue_makes_the_requester_sync_itself(rig: Rig, host: FaultyHost) -> None:
    rig.process(CHECKPOINTER)
    backend, other = rig.process(), rig.process(BACKEND + 1)
    other.smgr.create(LOCATOR, MAIN)
    fill_queue(rig, other)
    backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    assert host.count("fsync", FILE) == 1
    backend.smgr.write(LOCATOR, MAIN, 0, PAGE)
    assert host.count("fsync", FILE) == 2


def test_without_a_checkpointer_the_requester_syncs_itself(rig: Rig, host: FaultyHost) -> None:
    backend = rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    assert (host.count("fsync", FILE), host.count("fsync", "base/5")) == (1, 1)
    backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    assert host.count("fsync", FILE) == 2


def test_a_queue_full_of_the_same_is_made_smaller(rig: Rig, host: FaultyHost) -> None:
    checkpointer = rig.process(CHECKPOINTER)
    processes = [rig.process(BACKEND + number) for number in range(8)]
    for number in range(12):
        for process in processes:
            process.sync.register(tag_number(number))
    assert rig.sync.length <= rig.sync.capacity
    assert host.calls == []
    for number in range(12):
        (rig.root / f"base/5/{20000 + number}").touch()
    checkpointer.sync.process()
    assert [host.count("fsync", f"base/5/{20000 + number}") for number in range(12)] == [1] * 12


def test_making_the_queue_smaller_keeps_a_request_behind_a_withdrawal(rig: Rig) -> None:
    rig.process(CHECKPOINTER)
    first, second = rig.process(), rig.process(BACKEND + 1)
    first.sync.register(tag_number(0))
    first.sync.register_forget(tag_number(0))
    second.sync.register(tag_number(0))
    for number in range(1, rig.sync.capacity - 3):
        first.sync.register(tag_number(number))
    third = rig.process(BACKEND + 2)
    for number in range(1, 5):
        third.sync.register(tag_number(number))
    whats = [(what, tag) for what, tag in rig.sync.take_all() if tag == tag_number(0)]
    assert whats == [(3, tag_number(0)), (1, tag_number(0))]


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_failed_fsync_is_a_panic(rig: Rig, host: FaultyHost, call: str) -> None:
    checkpointer = rig.process(CHECKPOINTER)
    checkpointer.smgr.create(LOCATOR, MAIN)
    checkpointer.smgr.extend(LOCATOR, MAIN, 0, PAGE)

    def fail(made: str, path: str) -> None:
        if path == FILE:
            failing(call, EIO)(made, path)

    host.before = fail
    with pytest.raises(PanicError, match=f'could not fsync file "{FILE}": Input/output error'):
        checkpointer.sync.process()
    assert host.count("fsync", FILE) <= 1, "it is not tried again"


def test_a_requester_whose_own_fsync_fails_panics(rig: Rig, host: FaultyHost) -> None:
    backend = rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    host.before = failing("fsync", EIO)
    with pytest.raises(PanicError, match="could not fsync file"):
        backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)


def test_a_dropped_file_needs_no_sync(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    for locator in (LOCATOR, OTHER):
        backend.smgr.create(locator, MAIN)
        backend.smgr.extend(locator, MAIN, 0, PAGE)
    backend.smgr.unlink_relation(LOCATOR, is_redo=True)
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == 0
    assert host.count("fsync", "base/5/16385") == 1


def test_a_file_dropped_while_files_are_synced_is_no_error(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    for locator in (OTHER, LOCATOR):
        backend.smgr.create(locator, MAIN)
        backend.smgr.extend(locator, MAIN, 0, PAGE)

    def drop(call: str, path: str) -> None:
        if (call, path) == ("fsync", "base/5/16385"):
            backend.smgr.unlink_relation(LOCATOR, is_redo=True)

    host.before = drop
    checkpointer.sync.process()
    assert host.count("fsync", FILE) == 0


def test_a_file_that_is_missing_without_a_drop_is_a_panic(rig: Rig) -> None:
    checkpointer = rig.process(CHECKPOINTER)
    checkpointer.smgr.create(LOCATOR, MAIN)
    checkpointer.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    (rig.root / FILE).unlink()
    with pytest.raises(PanicError, match="No such file or directory"):
        checkpointer.sync.process()


def test_with_fsync_off_nothing_is_synced(make_rig: Callable[..., Rig], host: FaultyHost) -> None:
    rig = make_rig(host=host, fsync=False)
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    backend.smgr.extend(LOCATOR, MAIN, 0, PAGE)
    assert checkpointer.sync.process().files == 0
    assert "fsync" not in {call for call, _ in host.calls}


def test_a_filling_queue_wakes_the_checkpointer(rig: Rig) -> None:
    def be_checkpointer(process: Process) -> None:
        rig.notes[1] = 1
        process.host.wait(20_000)
        rig.notes[2] = rig.sync.length
        process.sync.absorb()

    child = rig.fork(CHECKPOINTER, be_checkpointer)
    backend = rig.process()
    while not rig.notes[1]:
        backend.host.sleep(1)
    for number in range(rig.sync.capacity // 2):
        backend.sync.register(tag_number(number))
    rig.join(child)
    assert rig.notes[2] > 0
    assert rig.sync.length == 0


def test_an_unlink_waits_for_room_in_the_queue(rig: Rig) -> None:
    def be_checkpointer(process: Process) -> None:
        rig.notes[1] = 1
        process.host.sleep(50)
        process.sync.absorb()
        rig.notes[2] = 1

    child = rig.fork(CHECKPOINTER, be_checkpointer)
    backend = rig.process()
    while not rig.notes[1]:
        backend.host.sleep(1)
    fill_queue(rig, backend)
    backend.sync.register_unlink(tag_number(1))
    assert rig.notes[2]
    rig.join(child)


def test_tags_name_their_files() -> None:
    assert relation_tag(LOCATOR, RelFork.FSM, 3).path == "base/5/16384_fsm.3"
    assert directory_tag(LOCATOR).path == "base/5"
    assert directory_tag(RelFileLocator(1664, 0, 1262)).path == "global"
    assert clog_tag(255).path == "pg_xact/00FF"
