"""After a crash: what was committed is there, and replay makes the pages that there were."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.access.heap.wal_records import _common_prefix, _common_suffix, update_data
from engine.access.relation import Relation
from engine.storage.checksum import verify
from engine.types import RelFork
from tests.engine.access.heap.heap_cluster import INT4, INT8, TEXT, HeapCluster, Session
from tests.engine.access.heap.masked_pages import masked_pages, pages_of
from tests.postgres import require_postgres


def work(session: Session, table: Relation, chance: random.Random, steps: int) -> None:
    """Some of everything that writes heap records."""
    for step in range(steps):
        what = chance.random()
        rows = session.rows(table)
        if what < 0.35 or not rows:
            session.insert(table, (1000 + step, step, "n" * chance.randrange(400)))
        elif what < 0.4:
            with session.statement():
                batch = [(10_000 * step + n, n, "m" * n) for n in range(chance.randrange(2, 40))]
                session.heap.multi_insert(table, batch)
        elif what < 0.75:
            key = chance.choice(rows)[0]
            text = "u" * chance.randrange(1200)
            session.begin()
            session.update(table, key, lambda row, text=text: [row[0], row[1] + 1, text])
            (session.commit if chance.random() < 0.8 else session.rollback)()
        elif what < 0.95:
            session.delete(table, chance.choice(rows)[0])
        else:
            session.vacuum(table, freeze_min_age=chance.choice([0, 5, 1000]))


@pytest.mark.parametrize("seed", range(4))
def test_replay_makes_the_pages_that_there_were(
    make_cluster: Callable[..., HeapCluster], seed: int
) -> None:
    cluster = make_cluster(full_page_writes=bool(seed % 2))
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    work(session, table, random.Random(seed), 150)
    rows, pages = session.rows(table), masked_pages(session, table)
    instance = session.instance
    instance.wal.flush(instance.wal.end_lsn())
    again = cluster.crash_and_restart(full_page_writes=bool(seed % 2))
    assert again.redo.records > 100
    other = again.session()
    assert masked_pages(other, table) == pages
    assert other.rows(table) == rows


def test_replaying_twice_gives_the_same_bytes(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    work(session, table, random.Random(9), 150)
    session.instance.wal.flush(session.instance.wal.end_lsn())
    once = cluster.crash_and_restart()
    first = once.session()
    pages = pages_of(first, table)
    # Some of the pages are on disk with what was replayed, the others are not.
    first.instance.buffers.flush_all()
    control = cluster.root / "global" / "pg_control"
    assert control.exists()
    twice = once.crash_and_restart()
    assert pages_of(twice.session(), table) == pages


def test_what_was_not_committed_is_gone_after_a_crash(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 1))
    other.begin()
    other.insert(table, (2, 2))
    other.update(table, 1, lambda row: [1, 9])
    unfinished = other.transactions.xid
    one.insert(table, (3, 3))
    again = cluster.crash_and_restart()
    session = again.session()
    assert session.rows(table) == [[1, 1], [3, 3]]
    session.begin()
    assert session.transactions.current_xid() > unfinished
    session.update(table, 1, lambda row: [1, 5])
    session.commit()
    assert sorted(session.rows(table)) == [[1, 5], [3, 3]]


def test_pages_written_out_have_good_checksums(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    work(session, table, random.Random(3), 80)
    session.rows(table)
    session.instance.buffers.flush_all()
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.MAIN)
    content = path.read_bytes()
    assert len(content) > 8192
    for block in range(len(content) // 8192):
        assert verify(content[block * 8192 : (block + 1) * 8192], block)


def test_real_pg_waldump_decodes_every_record(cluster: HeapCluster) -> None:
    waldump = require_postgres("pg_waldump")
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    work(session, table, random.Random(1), 150)
    with session.statement() as snapshot:
        session.heap.multi_insert(table, [(n, n, "m" * 100) for n in range(200)])
        row = next(session.heap.scan(table, snapshot))
        session.heap.inplace_update(table, row.tid, row.values())
    session.instance.wal.flush(session.instance.wal.end_lsn())
    segments = sorted((cluster.root / "pg_wal").glob("0000*"))
    text = "".join(waldump_output(waldump, segment) for segment in segments)
    assert "UNKNOWN" not in text
    for name in (
        "INSERT off", "INSERT+INIT off", "MULTI_INSERT+INIT ", "HOT_UPDATE off", "UPDATE off",
        "DELETE off", "LOCK off", "PRUNE ", "VACUUM ", "FREEZE_PAGE ", "INPLACE off",
        "COMMIT ", "ABORT ",
    ):  # fmt: skip
        assert f"desc: {name}" in text, name


def waldump_output(waldump: Path, segment: Path) -> str:
    done = subprocess.run(
        [waldump, segment], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 or "invalid record length" in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("old", "new", "prefix", "suffix"),
    [
        (b"abcdef", b"abcdef", 6, 6),
        (b"abcdef", b"abXdef", 2, 3),
        (b"\0\0\0\0", b"\0\0\0\1", 3, 0),
        (b"\1\0\0\0", b"\0\0\0\0", 0, 3),
        (b"", b"", 0, 0),
    ],
)
def test_common_ends_are_counted_in_bytes(old: bytes, new: bytes, prefix: int, suffix: int) -> None:
    assert _common_prefix(old, new) == prefix
    assert _common_suffix(old, new) == suffix


def test_an_update_leaves_out_what_both_versions_share() -> None:
    old = bytes(24) + b"aaaa" + bytes(100) + b"zzzz"
    flags, data = update_data(old, 24, 2, 0x2800, 24, b"\0" + b"bbbb" + bytes(100) + b"zzzz")
    assert flags == 0x40
    assert len(data) == 2 + 5 + 1 + 4
    flags, data = update_data(old, 24, 2, 0x2800, 24, b"\0" + b"aaaa" + bytes(90) + b"zzyz")
    assert flags == 0x20
    flags, data = update_data(None, 24, 2, 0x2800, 24, b"\0" + b"aaaa")
    assert flags == 0
    assert data == b"\x02\x00\x00\x28\x18\x00aaaa"
