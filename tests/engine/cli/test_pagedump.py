"""`engine pagedump`: the text of pages, golden and on files that PostgreSQL wrote."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from engine.access.heap.tuple import HAS_NULL, XMIN_COMMITTED, form_tuple
from engine.cli.pagedump import page_lines, pagedump
from engine.storage import page as data_page
from engine.storage.checksum import page_checksum
from tests.engine.cli.tool import ours
from tests.postgres import require_postgres

GOLDEN = """\
block 7: lsn 1/2A checksum 6867 (ok) flags HAS_FREE_LINES lower 40 upper 8128 special 8192 prune 9
  1 normal at 8160 length 28: xmin 700 xmax 701 cid 2 ctid (7,4) natts 1 hoff 24
    XMIN_COMMITTED XMAX_INVALID HOT_UPDATED  data 01000000
  2 redirect to 1
  3 dead
  4 normal at 8128 length 28: xmin 701 xmax 0 cid 0 ctid (7,4) natts 2 hoff 24
    HAS_NULL HEAP_ONLY  nulls 01  data 02000000""".splitlines()


def golden_page() -> bytearray:
    page = bytearray(8192)
    data_page.init_page(page)
    data_page.set_page_lsn(page, 0x1_0000_002A)
    data_page.set_prune_xid(page, 9)
    old = form_tuple(700, 701, 2, 7, 4, 0x4001, XMIN_COMMITTED | 0x0800, 24, b"\0\1\0\0\0")
    new = form_tuple(701, 0, 0, 7, 4, 0x8002, HAS_NULL, 24, b"\1\2\0\0\0")
    for item in (old, old, old, new):
        data_page.add_item(page, item)
    data_page.set_line_pointer(page, 2, 1, data_page.LP_REDIRECT, 0)
    data_page.set_line_pointer(page, 3, 0, data_page.LP_DEAD, 0)
    data_page.repair_fragmentation(page)
    data_page.add_flags(page, data_page.PD_HAS_FREE_LINES)
    data_page.set_checksum(page, page_checksum(page, 7))
    return page


def test_a_heap_page_reads_as_its_header_pointers_and_tuples() -> None:
    assert page_lines(bytes(golden_page()), 7) == GOLDEN


def test_damage_is_shown_not_hidden() -> None:
    page = golden_page()
    page[100] ^= 1
    assert "checksum 6867 (not " in page_lines(bytes(page), 7)[0]
    data_page.set_upper(page, 9000)
    assert page_lines(bytes(page), 7)[1:] == ["  invalid page header"]
    assert page_lines(bytes(8192), 0) == ["block 0: new"]


def test_segments_of_a_fork_have_their_own_block_numbers(tmp_path: Path) -> None:
    path = tmp_path / "16384.2"
    page = golden_page()
    data_page.set_checksum(page, page_checksum(page, 2 * 131072))
    path.write_bytes(page)
    assert ours(pagedump, path).output.startswith("block 262144: lsn 1/2A")
    assert "(ok)" in ours(pagedump, path).output


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "1"
    assert ours(pagedump, path).errors == (
        f'engine: error: could not open file "{path}": No such file or directory\n'
    )
    path.write_bytes(bytes(8192 + 5))
    answer = ours(pagedump, path)
    assert (answer.status, answer.output) == (1, "block 0: new\n")
    assert answer.errors == f'engine: error: file "{path}" ends with 5 bytes of a page\n'
    assert ours(pagedump, path, "-B", "1").status == 1
    assert ours(pagedump, tmp_path).errors == (
        f'engine: error: could not read file "{tmp_path}": Is a directory\n'
    )


def test_every_page_that_postgres_wrote_has_the_checksum_that_we_compute(
    postgres_data: Path,
) -> None:
    subprocess.run(
        [require_postgres("pg_checksums"), "--check", postgres_data],
        check=True,
        capture_output=True,
        timeout=60,
    )
    pages = 0
    for path in sorted((postgres_data / "base").rglob("*")):
        if re.fullmatch(r"\d+(_[a-z]+)?", path.name) and path.is_file():
            answer = ours(pagedump, "--no-data", path)
            assert answer.status == 0
            headers = re.findall(r"^block \d+: (.*)$", answer.output, re.MULTILINE)
            assert all(line == "new" or "(ok)" in line for line in headers), path
            assert "invalid page header" not in answer.output
            pages += len(headers)
    assert pages > 2000
