"""Files that come into being: content and name are durable after the next checkpoint (SYNC-7)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import PanicError, SqlError
from engine.types import BLOCK_SIZE, RelFork
from tests.engine.storage.faulty_host import FaultyHost, failing
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, LOCATOR, Rig

MAIN = RelFork.MAIN
PAGE = b"x" * BLOCK_SIZE
DIRECTORY = "base/5"
FILE = "base/5/16384"


@pytest.fixture
def host(tmp_path: Path) -> FaultyHost:
    return FaultyHost(str(tmp_path))


@pytest.fixture
def rig(make_rig: Callable[..., Rig], host: FaultyHost) -> Rig:
    return make_rig(host=host, fsync=True)


def test_an_empty_new_file_is_synced_with_its_name(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process()
    backend.smgr.create(LOCATOR, MAIN)
    checkpointer.sync.process()
    assert (host.count("fsync", FILE), host.count("fsync", DIRECTORY)) == (1, 1)


def test_a_new_segment_is_synced_with_its_name(rig: Rig, host: FaultyHost) -> None:
    checkpointer, backend = rig.process(CHECKPOINTER), rig.process(segment_blocks=4)
    backend.smgr.create(LOCATOR, MAIN)
    for block in range(4):
        backend.smgr.extend(LOCATOR, MAIN, block, PAGE)
    checkpointer.sync.process()
    host.calls.clear()
    backend.smgr.extend(LOCATOR, MAIN, 4, PAGE)
    checkpointer.sync.process()
    assert (host.count("fsync", f"{FILE}.1"), host.count("fsync", DIRECTORY)) == (1, 1)
    assert host.count("fsync", FILE) == 0


@pytest.mark.parametrize("call", ["extend", "write", "read"])
def test_segments_that_recovery_fills_are_synced_with_their_names(
    rig: Rig, host: FaultyHost, call: str
) -> None:
    checkpointer = rig.process(CHECKPOINTER)
    startup = rig.process(BACKEND, segment_blocks=4, in_recovery=True)
    startup.smgr.create(LOCATOR, MAIN, is_redo=True)
    checkpointer.sync.process()
    host.calls.clear()
    if call == "extend":
        startup.smgr.extend(LOCATOR, MAIN, 9, PAGE)
    elif call == "write":
        startup.smgr.write(LOCATOR, MAIN, 9, PAGE)
    else:
        startup.smgr.read_into(LOCATOR, MAIN, 9, memoryview(bytearray(BLOCK_SIZE)))
    checkpointer.sync.process()
    for path in (FILE, f"{FILE}.1", f"{FILE}.2", DIRECTORY):
        assert host.count("fsync", path) == 1, path


def test_a_segment_that_cannot_be_filled_is_an_error_with_a_hint(
    rig: Rig, host: FaultyHost
) -> None:
    startup = rig.process(segment_blocks=4, in_recovery=True)
    startup.smgr.create(LOCATOR, MAIN, is_redo=True)
    host.short_writes = 1
    with pytest.raises(SqlError, match=r"wrote only 4096 of 8192 bytes at block 3") as short:
        startup.smgr.extend(LOCATOR, MAIN, 9, PAGE)
    host.before = failing("write", errno.ENOSPC)
    with pytest.raises(SqlError, match=r"could not extend file .*: No space left") as full:
        startup.smgr.extend(LOCATOR, MAIN, 9, PAGE)
    for caught in (short, full):
        assert (caught.value.sqlstate, caught.value.hint) == ("53100", "Check free disk space.")
    startup.smgr.extend(LOCATOR, MAIN, 9, PAGE)
    assert startup.smgr.nblocks(LOCATOR, MAIN) == 10


def test_a_written_file_that_cannot_be_closed_is_a_panic(rig: Rig, host: FaultyHost) -> None:
    checkpointer = rig.process(CHECKPOINTER)
    checkpointer.smgr.create(LOCATOR, MAIN)
    host.before = failing("close", errno.EIO)
    with pytest.raises(PanicError, match=f'could not close file "{FILE}": Input/output error'):
        checkpointer.sync.process()
    host.before = failing("close", errno.EIO)
    with pytest.raises(PanicError, match=f'could not close file "{FILE}": Input/output error'):
        checkpointer.smgr.close_all()


def test_a_file_that_cannot_be_looked_for_is_an_error(rig: Rig, host: FaultyHost) -> None:
    process = rig.process()
    host.before = failing("stat", errno.EIO)
    with pytest.raises(SqlError, match=f'could not open file "{FILE}": Input/output') as caught:
        process.smgr.exists(LOCATOR, MAIN)
    assert caught.value.sqlstate == "58030"
