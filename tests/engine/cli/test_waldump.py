"""`engine waldump` against pg_waldump, on WAL that a real PostgreSQL wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.waldump import waldump
from tests.engine.cli.tool import Answer, ours, theirs

FIRST = "000000010000000000000001"
UNDESCRIBED = re.compile(r"rmgr: (Hash|Gin|Gist|SPGist|BRIN|ReplicationOrigin|Generic) ")


def segments(data: Path) -> list[Path]:
    return sorted(path for path in (data / "pg_wal").iterdir() if len(path.name) == 24)


def same(*arguments: str | Path) -> Answer:
    """Both tools, which must agree in output, messages and exit status; ours."""
    our_answer = ours(waldump, *arguments)
    their_answer = theirs("pg_waldump", *arguments)
    for mine, right in zip(lines(our_answer), lines(their_answer), strict=True):
        assert mine == right
    assert our_answer == their_answer
    return our_answer


def lines(answer: Answer) -> Iterator[str]:
    return (line for line in answer.output.splitlines() if not UNDESCRIBED.match(line))


def test_every_record_is_printed_as_pg_waldump_prints_it(postgres_data: Path) -> None:
    files = segments(postgres_data)
    answer = same(files[0], files[-1])
    assert answer.status == 1
    assert "wanted 24, got 0" in answer.errors
    kinds = set(re.findall(r"^rmgr: (\w+) .*?desc: (\S+)", answer.output, re.MULTILINE))
    for kind in (
        ("XLOG", "FPI_FOR_HINT"),
        ("XLOG", "PARAMETER_CHANGE"),
        ("XLOG", "SWITCH"),
        ("Transaction", "ABORT"),
        ("Transaction", "PREPARE"),
        ("Transaction", "ASSIGNMENT"),
        ("Transaction", "INVALIDATION"),
        ("Storage", "TRUNCATE"),
        ("Database", "CREATE_FILE_COPY"),
        ("MultiXact", "CREATE_ID"),
        ("RelMap", "UPDATE"),
        ("Standby", "RUNNING_XACTS"),
        ("Standby", "LOCK"),
        ("Heap2", "PRUNE"),
        ("Heap2", "FREEZE_PAGE"),
        ("Heap2", "NEW_CID"),
        ("Heap2", "MULTI_INSERT+INIT"),
        ("Heap", "HOT_UPDATE"),
        ("Heap", "TRUNCATE"),
        ("Heap", "INPLACE"),
        ("Btree", "SPLIT_R"),
        ("Btree", "DEDUP"),
        ("Btree", "UNLINK_PAGE"),
        ("Sequence", "LOG"),
        ("LogicalMessage", "MESSAGE"),
    ):
        assert kind in kinds, f"the workload no longer makes {kind}"


def test_block_details_are_printed_as_pg_waldump_prints_them(postgres_data: Path) -> None:
    files = segments(postgres_data)
    assert "compression saved" in same("-b", files[0], files[-1]).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", "3"),
        ("-z",),
        ("--stats=record",),
        ("--stats", "-r", "Heap", "-r", "btree"),
        ("-w", "-n", "20"),
        ("-F", "vm"),
        ("-R", "1663/5/1259", "-B", "0"),
        ("-x", "730"),
        ("-q",),
        ("-e", "0/1800000"),
        ("-e", "0/2000000"),
        ("-s", "0/1100001", "-n", "5"),
    ],
)
def test_options_choose_the_same_records(postgres_data: Path, arguments: tuple[str, ...]) -> None:
    same(*arguments, postgres_data / "pg_wal" / FIRST)


@pytest.mark.parametrize("end", range(0x1FFF000, 0x1FFF100, 24))
def test_a_record_counts_up_to_its_last_byte_before_the_end(postgres_data: Path, end: int) -> None:
    same("-p", postgres_data, "-s", "0/1FFE000", "-e", f"0/{end:X}")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-p", "DATA"),
        ("-p", "DATA", "-s", "0/1000028", "-n", "1"),
        ("/nonexistent/" + FIRST,),
        ("DATA/pg_wal/000000010000000000000099",),
        ("DATA/pg_wal/foo",),
        ("-p", "DATA", "-r", "bogus", "-s", "0/1000028"),
        ("-r", "custom999"),
        ("-r", "list"),
        ("-n", "x"),
        ("-s", "zz"),
        ("-x", "zz"),
        ("-e", "0/gg"),
        ("-t", "q"),
        ("--stats=foo",),
        ("-R", "1/2"),
        ("-F", "xx"),
        ("-B", "5"),
        ("-B", "x"),
        ("a", "b", "c"),
        ("-p", "/nonexistent", "-s", "0/1000028"),
        ("-e", "0/9000000", "DATA/pg_wal/" + FIRST),
        ("-s", "0/9000000", "DATA/pg_wal/" + FIRST),
        ("DATA/pg_wal/000000010000000000000002", "DATA/pg_wal/" + FIRST),
    ],
)
def test_wrong_usage_gets_the_same_message_and_status(
    postgres_data: Path, arguments: tuple[str, ...]
) -> None:
    shown = [argument.replace("DATA", str(postgres_data)) for argument in arguments]
    assert ours(waldump, *shown) == theirs("pg_waldump", *shown)


def test_a_missing_segment_is_named(postgres_data: Path) -> None:
    # pg_waldump says the same, after five seconds of trying again.
    answer = ours(waldump, "-p", postgres_data, "-s", "0/F9000028")
    assert answer.status == 1
    assert answer.errors == (
        'engine: error: could not find file "0000000100000000000000F9": No such file or directory\n'
    )


@pytest.mark.parametrize("length", [100000, 8192, 8000, 0])
def test_a_cut_segment_is_read_as_far_as_it_goes(
    postgres_data: Path, tmp_path: Path, length: int
) -> None:
    path = tmp_path / FIRST
    path.write_bytes((postgres_data / "pg_wal" / FIRST).read_bytes()[:length])
    same(path)


@pytest.mark.parametrize("offset", [2, 12, 16, 60, 8192, 8196, 8200, 400000, 500001, 0x400008])
def test_a_damaged_byte_ends_the_log_with_the_same_message(
    postgres_data: Path, tmp_path: Path, offset: int
) -> None:
    content = bytearray((postgres_data / "pg_wal" / FIRST).read_bytes())
    content[offset] ^= 0x55
    path = tmp_path / FIRST
    path.write_bytes(content)
    same("-q", path)


def test_a_segment_under_a_wrong_name_is_refused_alike(postgres_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "000000010000000000000007"
    path.write_bytes((postgres_data / "pg_wal" / FIRST).read_bytes())
    same(path)
