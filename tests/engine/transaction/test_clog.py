"""The commit log: outcomes survive replacement, checkpoints and restarts, never ahead of WAL."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvariantViolation, PanicError, SqlError
from engine.transaction.clog import (
    ABORTED,
    COMMITTED,
    IN_PROGRESS,
    SUB_COMMITTED,
    XIDS_PER_PAGE,
    Clog,
)
from engine.types import BLOCK_SIZE
from tests.engine.storage.faulty_host import FaultyHost, failing
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, Process, Rig

FILE = "pg_xact/0000"


@pytest.fixture
def host(tmp_path: Path) -> FaultyHost:
    return FaultyHost(str(tmp_path))


@pytest.fixture
def rig(tmp_path: Path, host: FaultyHost) -> Iterator[Rig]:
    made = Rig(tmp_path, host, fsync=True)
    yield made
    made.destroy()


def add_pages(clog: Clog, count: int) -> None:
    """Make pages 0 .. count - 1, as assigning xids does."""
    clog.extend(3)
    for page in range(1, count):
        clog.extend(page * XIDS_PER_PAGE)


def restart(rig: Rig, next_xid: int) -> Process:
    """What is on the disk, as the next server sees it."""
    rig.create_memory()
    process = rig.process(CHECKPOINTER)
    process.clog.startup(next_xid)
    process.clog.trim(next_xid)
    return process


def test_a_checkpoint_makes_the_names_of_files_durable_that_others_made(
    rig: Rig, host: FaultyHost
) -> None:
    add_pages(rig.process().clog, 1)
    writer = rig.process(CHECKPOINTER).clog
    writer.checkpoint()
    host.calls.clear()
    # All was written by others, to clear slots, before the checkpoint came by.
    assert writer.checkpoint() == 0
    assert host.count("fsync", "pg_xact") == 1


def test_an_outcome_is_what_was_set(rig: Rig) -> None:
    clog = rig.process().clog
    add_pages(clog, 1)
    clog.set_status(100, (), COMMITTED, 0)
    clog.set_status(101, (), ABORTED, 0)
    assert [clog.status(xid) for xid in (99, 100, 101, 102)] == [
        IN_PROGRESS,
        COMMITTED,
        ABORTED,
        IN_PROGRESS,
    ]
    assert [clog.status(xid) for xid in (0, 1, 2)] == [ABORTED, COMMITTED, COMMITTED]


def test_the_bits_are_where_postgresql_has_them(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    add_pages(process.clog, 2)
    process.clog.set_status(4, (), COMMITTED, 0)
    process.clog.set_status(5, (), ABORTED, 0)
    process.clog.set_status(XIDS_PER_PAGE + 3, (), COMMITTED, 0)
    assert process.clog.checkpoint() == 2
    data = (rig.root / FILE).read_bytes()
    assert len(data) == 2 * BLOCK_SIZE
    assert data[1] == 0b1001
    assert data[BLOCK_SIZE] == 0b01000000
    assert process.clog.checkpoint() == 0


def test_outcomes_survive_more_pages_than_slots(rig: Rig) -> None:
    clog = rig.process(CHECKPOINTER).clog
    add_pages(clog, 40)
    chooser = random.Random(1)
    outcomes = {
        chooser.randrange(3, 40 * XIDS_PER_PAGE): chooser.choice((COMMITTED, ABORTED))
        for _ in range(300)
    }
    for xid, outcome in outcomes.items():
        clog.set_status(xid, (), outcome, 0)
    assert {xid: clog.status(xid) for xid in outcomes} == outcomes
    assert sorted(path.name for path in (rig.root / "pg_xact").iterdir()) == ["0000", "0001"]


def test_a_checkpoint_makes_file_and_name_durable(rig: Rig, host: FaultyHost) -> None:
    process = rig.process(CHECKPOINTER)
    add_pages(process.clog, 1)
    process.clog.checkpoint()
    assert host.count("fsync", "pg_xact") == 1
    assert host.count("fsync", FILE) == 0
    process.sync.process()
    assert host.count("fsync", FILE) == 1
    host.before = failing("fsync", 5)
    process.clog.set_status(7, (), COMMITTED, 0)
    with pytest.raises(PanicError, match='could not fsync file "pg_xact": Input/output error'):
        process.clog.checkpoint()


def test_no_asynchronous_commit_reaches_the_disk_before_its_wal(rig: Rig, host: FaultyHost) -> None:
    process = rig.process(CHECKPOINTER)
    clog, wal = process.clog, process.wal
    add_pages(clog, 12)
    wal.flush(wal.words[0])
    pending: dict[int, int] = {}
    ahead: list[int] = []

    def compare(path: str, data: bytes) -> None:
        # Only commits whose WAL is flushed may be in what is written.
        page = next(number for number in range(12) if bytes(rig_page(rig, number)) == data)
        for xid, lsn in pending.items():
            inside = xid - page * XIDS_PER_PAGE
            is_here = 0 <= inside < XIDS_PER_PAGE
            if is_here and data[inside // 4] >> 2 * (inside % 4) & 3 and lsn > wal.flushed:
                ahead.append(xid)

    host.before_write = compare
    chooser = random.Random(2)
    for _ in range(300):
        xid = chooser.randrange(3, 12 * XIDS_PER_PAGE)
        if xid not in pending:
            pending[xid] = wal.insert()
            clog.set_status(xid, (), COMMITTED, pending[xid])
        assert clog.commit_lsn(xid) >= pending[xid] or pending[xid] <= wal.flushed
    clog.checkpoint()
    assert host.calls.count(("write", FILE)) > 12
    assert ahead == []
    assert clog.commit_lsn(5) == 0 or 5 in pending


def rig_page(rig: Rig, page: int) -> memoryview:
    shared = rig.clog
    for slot in range(shared.slots):
        if shared.numbers[slot] == page and shared.states[slot]:
            return shared.pages[slot]
    return memoryview(b"")


def test_a_synchronous_commit_needs_no_flush(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    add_pages(process.clog, 1)
    process.clog.set_status(10, (), COMMITTED, 0)
    assert process.clog.commit_lsn(10) == 0
    flushes = process.wal.words[2]
    process.clog.checkpoint()
    assert process.wal.words[2] == flushes


def test_subtransactions_on_other_pages_commit_with_their_parent(rig: Rig) -> None:
    clog = rig.process().clog
    add_pages(clog, 3)
    parent = XIDS_PER_PAGE - 1
    children = [XIDS_PER_PAGE - 2, XIDS_PER_PAGE, 2 * XIDS_PER_PAGE + 5]
    steps: list[tuple[int, ...]] = []
    mark = clog._mark

    def spy(page: int, xids: list[int], status: int, lsn: int) -> None:
        mark(page, xids, status, lsn)
        steps.append(tuple(clog.status(xid) for xid in (parent, *children)))

    clog._mark = spy  # type: ignore[method-assign]
    clog.set_status(parent, children, COMMITTED, 0)
    assert steps == [
        (IN_PROGRESS, IN_PROGRESS, SUB_COMMITTED, IN_PROGRESS),
        (IN_PROGRESS, IN_PROGRESS, SUB_COMMITTED, SUB_COMMITTED),
        (COMMITTED, COMMITTED, SUB_COMMITTED, SUB_COMMITTED),
        (COMMITTED, COMMITTED, COMMITTED, SUB_COMMITTED),
        (COMMITTED, COMMITTED, COMMITTED, COMMITTED),
    ]


def test_an_outcome_never_changes(rig: Rig) -> None:
    process = rig.process()
    add_pages(process.clog, 1)
    process.clog.set_status(10, (), COMMITTED, 0)
    process.clog.set_status(10, (), COMMITTED, 0)
    with pytest.raises(InvariantViolation, match="CLOG-4"):
        process.clog.set_status(10, (), ABORTED, 0)
    process.recover()


def test_a_new_page_is_logged_once(rig: Rig) -> None:
    process = rig.process()
    logged: list[tuple[int, int, bytes]] = []

    def insert(rmid: int = 0, info: int = 0, main: bytes = b"") -> int:
        logged.append((rmid, info, main))
        return 100

    process.wal.insert = insert  # type: ignore[method-assign]
    for xid in (3, 4, 5, XIDS_PER_PAGE - 1, XIDS_PER_PAGE, XIDS_PER_PAGE + 1):
        process.clog.extend(xid)
    assert logged == [(3, 0, b"\0\0\0\0"), (3, 0, b"\1\0\0\0")]


def test_bits_behind_the_next_xid_are_cleared_after_recovery(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER)
    add_pages(process.clog, 2)
    for xid in range(XIDS_PER_PAGE + 1, XIDS_PER_PAGE + 40):
        process.clog.set_status(xid, (), COMMITTED, 0)
    process.clog.checkpoint()
    again = restart(rig, XIDS_PER_PAGE + 10)
    statuses = [again.clog.status(XIDS_PER_PAGE + inside) for inside in range(1, 40)]
    assert statuses == [COMMITTED] * 9 + [IN_PROGRESS] * 30


def test_a_replayed_new_page_is_on_disk_at_once(rig: Rig) -> None:
    process = rig.process(CHECKPOINTER, in_recovery=True)
    process.clog.redo_zero_page(0)
    process.clog.set_status(10, (), COMMITTED, 0)
    process.clog.redo_zero_page(0)
    assert (rig.root / FILE).read_bytes() == bytes(BLOCK_SIZE)
    assert process.clog.status(10) == IN_PROGRESS


def test_a_missing_file_is_an_error_but_in_recovery_it_is_zeroes(rig: Rig) -> None:
    process = rig.process()
    with pytest.raises(SqlError) as info:
        process.clog.status(XIDS_PER_PAGE * 33)
    assert info.value.message == f"could not access status of transaction {XIDS_PER_PAGE * 33}"
    assert info.value.detail == 'Could not open file "pg_xact/0001": No such file or directory.'
    process.recover()
    replaying = rig.process(CHECKPOINTER, in_recovery=True)
    assert replaying.clog.status(XIDS_PER_PAGE * 33) == IN_PROGRESS
    assert b'file "pg_xact/0001" doesn\'t exist, reading as zeroes' in rig.log_text


def test_a_page_cut_short_is_an_error(rig: Rig) -> None:
    (rig.root / FILE).write_bytes(bytes(5000))
    process = rig.process()
    with pytest.raises(SqlError, match="could not access status of transaction 77") as info:
        process.clog.status(77)
    assert info.value.detail == (
        'Could not read from file "pg_xact/0000" at offset 0: read too few bytes.'
    )
    assert info.value.sqlstate == "XX000"
    process.recover()
    (rig.root / FILE).write_bytes(bytes(BLOCK_SIZE))
    assert process.clog.status(77) == IN_PROGRESS


def test_a_page_that_could_not_be_written_stays_dirty(rig: Rig, host: FaultyHost) -> None:
    process = rig.process(CHECKPOINTER)
    add_pages(process.clog, 1)
    process.clog.set_status(10, (), COMMITTED, 0)
    host.before = failing("write", 28)
    with pytest.raises(SqlError, match="could not access status of transaction 0") as info:
        process.clog.checkpoint()
    assert info.value.sqlstate == "53100"
    process.recover()
    host.short_writes = 1
    with pytest.raises(SqlError, match="could not access status of transaction 0") as short:
        process.clog.checkpoint()
    assert short.value.sqlstate == "53100"
    assert short.value.detail == (
        'Could not write to file "pg_xact/0000" at offset 0: No space left on device.'
    )
    process.recover()
    assert process.clog.checkpoint() == 1
    assert restart(rig, 50).clog.status(10) == COMMITTED


def test_processes_do_not_lose_each_others_outcomes(rig: Rig) -> None:
    first = rig.process(CHECKPOINTER)
    pages = 10
    add_pages(first.clog, pages)

    def commit(process: Process) -> None:
        number = process.slot - BACKEND
        for turn in range(500):
            # Four processes share every byte.
            xid = (turn * 7919 % (pages * XIDS_PER_PAGE // 4 - 1) + 1) * 4 + number
            process.clog.set_status(xid, (), COMMITTED if turn % 3 else ABORTED, 0)
            assert process.clog.status(xid) in (COMMITTED, ABORTED)

    def checkpoint(process: Process) -> None:
        while not rig.notes[0]:
            process.clog.checkpoint()
            process.sync.process()

    checkpointer = rig.fork(CHECKPOINTER, checkpoint)
    committers = [rig.fork(BACKEND + number, commit) for number in range(4)]
    rig.join(*committers)
    rig.notes[0] = 1
    rig.join(checkpointer)
    first.clog.checkpoint()
    again = restart(rig, pages * XIDS_PER_PAGE)
    for number in range(4):
        for turn in range(500):
            xid = (turn * 7919 % (pages * XIDS_PER_PAGE // 4 - 1) + 1) * 4 + number
            assert again.clog.status(xid) == (COMMITTED if turn % 3 else ABORTED)


outcomes = st.lists(
    st.tuples(
        st.integers(3, 8 * XIDS_PER_PAGE - 1),
        st.sampled_from((COMMITTED, ABORTED)),
        st.sampled_from(("", "checkpoint", "restart")),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=30)
@given(outcomes)
def test_the_commit_log_agrees_with_a_dictionary(steps: list[tuple[int, int, str]]) -> None:
    root = Path(tempfile.mkdtemp(prefix="clog"))
    try:
        rig = Rig(root)
        process = rig.process(CHECKPOINTER)
        add_pages(process.clog, 8)
        model: dict[int, int] = {}
        for xid, outcome, then in steps:
            if xid not in model:
                process.clog.set_status(xid, (), outcome, 0)
                model[xid] = outcome
            if then:
                process.clog.checkpoint()
            if then == "restart":
                process = restart(rig, 8 * XIDS_PER_PAGE)
            assert {known: process.clog.status(known) for known in model} == model
    finally:
        shutil.rmtree(root)
