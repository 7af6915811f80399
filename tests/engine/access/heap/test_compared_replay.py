"""wal_consistency_checking over everything that writes heap records: replay passes it, and fails it
when the change of a record is left out, whatever kind of record that is.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.access.heap.redo import heap2_redo, heap_redo
from engine.errors import FatalError
from engine.recovery import redo_functions
from engine.recovery.record_text import identify
from engine.storage.page import init_page
from engine.storage.redo_context import NEEDS_REDO, RedoContext
from engine.wal.record import CHECK_CONSISTENCY, WalRecord
from engine.wal.rmgr import Rmgr
from tests.engine.access.heap.heap_cluster import INT4, INT8, TEXT, HeapCluster
from tests.engine.access.heap.test_redo import work

ON = {"wal_consistency_checking": "all"}
KINDS = (
    "INSERT", "MULTI_INSERT", "UPDATE", "HOT_UPDATE", "DELETE", "LOCK", "INPLACE", "PRUNE",
    "VACUUM", "FREEZE_PAGE",
)  # fmt: skip
NOT_THE_SAME = "inconsistent page found, rel 1663/"


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with all of it in the WAL, and nothing on the pages."""
    root = tmp_path_factory.mktemp("compared") / "data"
    root.mkdir()
    cluster = HeapCluster(root, **ON)
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    work(session, table, random.Random(1), 150)
    with session.statement() as snapshot:
        session.heap.multi_insert(table, [(n, n, "m" * 100) for n in range(200)])
        row = next(session.heap.scan(table, snapshot))
        session.heap.inplace_update(table, row.tid, [*row.values()[:1], 77, *row.values()[2:]])
    session.instance.wal.flush(session.instance.wal.end_lsn())
    yield root
    cluster.end()


def recovered(crashed: Path, where: Path) -> HeapCluster:
    """Recovery of a copy."""
    return HeapCluster(Path(shutil.copytree(crashed, where / "data")), **ON)


def test_replay_of_every_kind_of_record_is_compared_and_right(
    crashed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: set[str] = set()

    def noting(record: WalRecord, context: RedoContext) -> None:
        if record.info & CHECK_CONSISTENCY and not record.blocks[0].apply_image:
            compared.add(kind_of(record))
        (heap_redo if record.rmid == Rmgr.HEAP else heap2_redo)(record, context)

    for name in ("heap_redo", "heap2_redo"):
        monkeypatch.setattr(redo_functions, name, noting)
    recovered(crashed, tmp_path).end()
    assert compared == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_that_replay_leaves_out_is_found(
    crashed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def forgetful(record: WalRecord, context: RedoContext) -> None:
        if kind_of(record) == kind:
            only_stamp(record, context)
        else:
            (heap_redo if record.rmid == Rmgr.HEAP else heap2_redo)(record, context)

    for name in ("heap_redo", "heap2_redo"):
        monkeypatch.setattr(redo_functions, name, forgetful)
    with pytest.raises(FatalError, match=NOT_THE_SAME):
        recovered(crashed, tmp_path)


def kind_of(record: WalRecord) -> str:
    """INSERT also for INSERT+INIT."""
    name = identify(record.rmid, record.info) or ""
    return name.removesuffix("+INIT")


def only_stamp(record: WalRecord, context: RedoContext) -> None:
    """Every page gets the record's LSN, and nothing else of it."""
    for number, block in enumerate(record.blocks):
        if block.will_init:
            buffer = context.init_for_redo(record, number)
            init_page(context.page(buffer))
            context.changed(buffer, record)
            continue
        action, buffer = context.read_for_redo(record, number)
        if action == NEEDS_REDO:
            context.changed(buffer, record)
        else:
            context.unchanged(buffer)
