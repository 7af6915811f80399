"""Replay of records about files: the files are as the record says, however often it is replayed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import FatalError
from engine.storage.describe import CREATE, SMGR_CREATE, SMGR_TRUNCATE, TRUNCATE, TRUNCATE_ALL
from engine.storage.page import HEADER_SIZE, init_page
from engine.storage.redo import redo
from engine.storage.redo_context import RedoContext
from engine.types import RelFork
from tests.engine.storage.pages import MAIN, look, make_pages
from tests.engine.storage.rig import CHECKPOINTER, LOCATOR, OTHER, Process, Rig


def record(info: int, main: bytes) -> Any:
    return SimpleNamespace(info=info, main=main, lsn=0x1500028)


def context_of(process: Process) -> RedoContext:
    return RedoContext(process.buffers, process.smgr, process.log)


def test_replayed_creation_makes_the_file_once(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, in_recovery=True)
    create = record(SMGR_CREATE | 1, CREATE.pack(*LOCATOR, RelFork.MAIN))
    redo(create, context_of(process))
    process.smgr.extend(LOCATOR, MAIN, 0, bytes(8192))
    process.smgr.close_all()
    redo(create, context_of(process))
    assert process.smgr.nblocks(LOCATOR, MAIN) == 1


def test_replayed_truncation_cuts_file_and_buffers(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, in_recovery=True)
    make_pages(process, 9)
    context = context_of(process)
    assert context.length(LOCATOR, MAIN) == 9
    truncate = record(SMGR_TRUNCATE | 1, TRUNCATE.pack(4, *LOCATOR, TRUNCATE_ALL))
    for _ in range(2):
        redo(truncate, context)
        assert process.smgr.nblocks(LOCATOR, MAIN) == context.length(LOCATOR, MAIN) == 4
    assert look(process, 3) == 3000
    assert context.read_block(LOCATOR, MAIN, 4) == -1
    redo(record(SMGR_TRUNCATE | 1, TRUNCATE.pack(0, *OTHER, TRUNCATE_ALL)), context)
    assert process.smgr.nblocks(OTHER, MAIN) == 0


def test_replayed_truncation_clears_the_visibility_map_behind_the_cut(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, in_recovery=True)
    make_pages(process, 9)
    process.smgr.create(LOCATOR, RelFork.VM)
    buffer = process.buffers.extend(LOCATOR, RelFork.VM)
    page = process.buffers.page(buffer)
    init_page(page)
    page[HEADER_SIZE:] = b"\xff" * (8192 - HEADER_SIZE)
    process.buffers.mark_dirty(buffer)
    process.buffers.unlock_release(buffer)
    redo(record(SMGR_TRUNCATE, TRUNCATE.pack(6, *LOCATOR, TRUNCATE_ALL)), context_of(process))
    page = process.buffers.page(process.buffers.read(LOCATOR, RelFork.VM, 0))
    assert bytes(page[HEADER_SIZE : HEADER_SIZE + 3]) == b"\xff\x0f\x00"
    assert not any(page[HEADER_SIZE + 2 :])
    process.recover()


def test_an_unknown_storage_record_ends_replay(rig: Rig) -> None:
    with pytest.raises(FatalError, match="storage record of unknown kind 30 at 0/1500028"):
        redo(record(0x30, b""), context_of(rig.process(in_recovery=True)))
