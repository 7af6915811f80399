"""The I/O log comes back as it was written, and says so when it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.disk.log import MAGIC, START, LogError, LogWriter, Position, read_log
from chaos.disk.operations import Kind, Operation

names = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**64 - 1)
operations = st.builds(
    Operation,
    number=st.just(0),
    step=numbers,
    kind=st.sampled_from(Kind),
    inode=numbers,
    path=names,
    other=names,
    offset=numbers,
    data=st.binary(max_size=100),
    site=names,
    role=names,
)


def append(log: LogWriter, operation: Operation) -> None:
    log.append(
        operation.kind, operation.step, operation.inode, operation.offset, operation.path,
        operation.other, operation.data, operation.site, operation.role,
    )  # fmt: skip


def write_two(path: Path) -> None:
    log = LogWriter(path)
    log.append(Kind.WRITE, 1, 2, 0, "base/1", data=b"x" * 100, site="a.py:1: f", role="backend")
    log.append(Kind.FSYNC, 3, 2, 0, "base/1")
    log.close()


@given(written=st.lists(operations, max_size=10))
def test_what_is_written_is_read(
    written: list[Operation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "io.log"
    log = LogWriter(path)
    for operation in written:
        append(log, operation)
    log.close()
    read, _ = read_log(path)
    assert [one.number for one in read] == list(range(len(written)))
    for one, other in zip(read, written, strict=True):
        assert one == Operation(
            one.number, other.step, other.kind, other.inode, other.path, other.other,
            other.offset, other.data, other.site, other.role,
        )  # fmt: skip


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    write_two(path)
    first, position = read_log(path)
    assert read_log(path, position) == ([], position)
    log = LogWriter(path)
    log.append(Kind.UNLINK, 9, 2, path="base/1")
    log.close()
    [more], _ = read_log(path, position)
    assert (more.number, more.step, more.kind) == (len(first), 9, Kind.UNLINK)
    everything, end = read_log(path, START)
    assert everything == [*first, more]
    assert end == Position(path.stat().st_size, 3)


def test_two_processes_append_to_one_log(tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    one, other = LogWriter(path), LogWriter(path)
    for step in range(0, 10, 2):
        one.append(Kind.FSYNC, step, 1)
        other.append(Kind.FSYNC, step + 1, 2)
    assert [operation.step for operation in read_log(path)[0]] == list(range(10))
    one.close()
    other.close()


def test_data_may_be_any_buffer(tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    log = LogWriter(path)
    for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
        log.append(Kind.WRITE, 0, 1, data=data)
    log.close()
    assert [operation.data for operation in read_log(path)[0]] == [b"abc"] * 3


def test_a_log_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    write_two(path)
    whole = path.read_bytes()
    ends = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            ends.append(len(read_log(path)[0]))
        except LogError:
            continue
    assert ends == [0, 1], "only between two records may it end"


@pytest.mark.parametrize("at", [len(MAGIC), len(MAGIC) + 4, len(MAGIC) + 8, -1, -60])
def test_a_damaged_log_is_refused(at: int, tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    write_two(path)
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(LogError, match="the record at byte"):
        read_log(path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "io.log"
    for content in (b"", b"something else, and long enough"):
        path.write_bytes(content)
        with pytest.raises(LogError, match="no I/O log"):
            read_log(path)


def test_a_log_that_has_no_room_is_not_written_silently(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    log = LogWriter(tmp_path / "io.log")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._fd)
    os.close(full)
    with pytest.raises(OSError, match="No space left"):
        log.append(Kind.FSYNC, 0, 1)
    log.close()
