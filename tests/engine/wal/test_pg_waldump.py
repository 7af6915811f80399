"""PostgreSQL's own pg_waldump reads the segments that the inserter wrote."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from engine.types import format_lsn
from engine.wal.record import STANDARD, WILL_INIT
from engine.wal.rmgr import Rmgr
from tests.engine.wal.wal_cluster import SEGMENT, WalCluster, block, data_page
from tests.postgres import require_postgres


def waldump(cluster: WalCluster, *options: str) -> tuple[list[str], str]:
    """The lines that pg_waldump prints from the first record on, and its complaint at the end."""
    program = require_postgres("pg_waldump")
    command = [program, "-p", cluster.root / "pg_wal", "-s", format_lsn(SEGMENT + 40), *options]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return answer.stdout.splitlines(), answer.stderr


def test_pg_waldump_lists_every_record_with_its_place_and_links(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path, ring_pages=4)
    for number in range(400):
        main = bytes(number * 37 % 9000)
        cluster.wal.insert(Rmgr.XLOG, 0x20, main, xid=number)
    end = cluster.wal.end_lsn()
    cluster.wal.flush(end)
    ours = cluster.records()
    lines, complaint = waldump(cluster)
    assert len(lines) == len(ours) == 400
    assert end > 2 * SEGMENT
    for line, record in zip(lines, ours, strict=True):
        found = re.search(r"tx: +(\d+), lsn: (\S+), prev (\S+), desc: NOOP", line)
        assert found is not None, line
        assert int(found[1]) == record.xid
        assert found[2] == f"{record.lsn >> 32:X}/{record.lsn & 0xFFFFFFFF:08X}"
        assert found[3] == f"{record.prev >> 32:X}/{record.prev & 0xFFFFFFFF:08X}"
    assert f"invalid record length at {format_lsn(end)}: wanted 24, got 0" in complaint


def test_pg_waldump_reads_block_references_and_images(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.insert(Rmgr.XLOG, 0xB0, b"", [block(data_page(0), 3)])
    new_page = block(data_page(0), 4, STANDARD | WILL_INIT, b"\x02\x00\x02\x08\x18" + bytes(20))
    cluster.wal.insert(Rmgr.HEAP, 0x80, b"\x01\x00\x00", [new_page], xid=700)
    cluster.wal.flush(cluster.wal.end_lsn())
    lines, _ = waldump(cluster)
    assert "desc: FPI , blkref #0: rel 1663/5/16384 blk 3 FPW" in lines[0]
    assert "desc: INSERT+INIT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 4" in lines[1]
