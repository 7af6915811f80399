"""A page that was written over its neighbour: which one, there and back, and that it is noticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaos.disk.image import Image
from chaos.disk.operations import Kind, Operation
from chaos.faults.disk.misdirected import Misdirected, PageWrite, misdirect, page_writes
from chaos.scenario.wal_bytes import PAGE
from tests.chaos.command import chaos, left_in

TABLE = "base/5/16384"


def page(letter: str) -> bytes:
    """A page of one letter; of `0`, a new one."""
    return (b"\0" if letter == "0" else letter.encode()) * PAGE


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A data directory with a table of three pages."""
    for name, content in ((TABLE, "abc"), ("base/5/1259", "d"), ("pg_wal/1", "ef")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(page, content)))
    return tmp_path


def written(directory: Path, *what: tuple[str, int, str]) -> list[PageWrite]:
    """What is found after these writes: file, block, letter; block -1 cuts the file."""
    operations = [
        Operation(number, number, Kind.WRITE, 1, file, offset=block * PAGE, data=page(letter))
        if block >= 0
        else Operation(number, number, Kind.TRUNCATE, 1, file)
        for number, (file, block, letter) in enumerate(what)
    ]
    return page_writes(Image.read(directory), operations)


def test_the_last_write_of_each_page_is_found_with_what_it_overwrote(directory: Path) -> None:
    found = written(directory, (TABLE, 1, "B"), (TABLE, 2, "C"), (TABLE, 1, "x"))
    assert found == [
        PageWrite(Path(TABLE), 2, page("C"), page("c")),
        PageWrite(Path(TABLE), 1, page("x"), page("B")),
    ]


@pytest.mark.parametrize(
    "what",
    [
        [("pg_wal/1", 1, "x")],
        [(TABLE, 1, "b")],  # the same bytes as before
        [(TABLE, 1, "0")],  # a page without a checksum
        [(TABLE, 3, "x")],  # nothing was there before
        [(TABLE, 1, "x"), (TABLE, -1, "")],
        [(TABLE, 1, "x"), ("global/pg_control", 0, "y")],  # a checkpoint is complete
    ],
)
def test_what_nobody_could_notice_or_would_have_to_stand_is_not_misdirected(
    what: list[tuple[str, int, str]], directory: Path
) -> None:
    assert written(directory, *what) == []


def astray(directory: Path) -> Misdirected:
    """The page of block 1, which is `B` and was `b`, over that of block 0."""
    (directory / TABLE).write_bytes(page("a") + page("B") + page("c"))
    found = misdirect(PageWrite(Path(TABLE), 1, page("B"), page("b")), directory)
    assert found is not None
    return found


def test_a_page_goes_to_the_neighbour_and_both_blocks_come_back(directory: Path) -> None:
    whole, path = astray(directory), directory / TABLE
    whole.do(directory)
    assert path.read_bytes() == page("B") + page("b") + page("c")
    assert (whole.is_there(directory), whole.is_left(directory)) == (True, True)
    whole.take_back(directory)
    assert path.read_bytes() == page("a") + page("B") + page("c")
    assert (whole.is_there(directory), whole.is_left(directory)) == (False, False)


@pytest.mark.parametrize(
    ("now", "back"), [("xbc", "xBc"), ("Bxc", "axc"), ("xyc", "xyc"), ("B", "a"), ("", "")]
)
def test_what_was_overwritten_since_is_left_alone(now: str, back: str, directory: Path) -> None:
    whole, path = astray(directory), directory / TABLE  # ASTRAY-1
    path.write_bytes(b"".join(map(page, now)))
    whole.take_back(directory)
    assert path.read_bytes() == b"".join(map(page, back))


def test_the_last_page_has_its_neighbour_before_it_and_a_single_one_has_none(
    directory: Path,
) -> None:
    last = misdirect(PageWrite(Path(TABLE), 2, page("c"), page("x")), directory)
    assert last is not None
    assert last.block == 1
    single = PageWrite(Path("base/5/1259"), 0, page("d"), page("x"))
    assert misdirect(single, directory) is None


def test_only_of_tables_that_somebody_created_must_it_be_noticed() -> None:
    for name, is_read in ((TABLE, True), (f"{TABLE}_fsm", False), ("global/1262", False)):
        whole = Misdirected(PageWrite(Path(name), 1, page("B"), page("b")), 0, page("a"))
        assert whole.to_object()["is_read"] is is_read


WISHES = ("--seed", "13", "--cycles", "1", "--faults", "misdirected-write")


def test_a_misdirected_write_is_noticed_and_nothing_is_lost(scratch: Path) -> None:
    status, output, _ = chaos(scratch, *WISHES)
    assert status == 0
    assert re.search(r"misdirected-write: block 1 over 0 of base/5/\d+: noticed", output)
    assert left_in(scratch) == []


def test_an_engine_that_ignores_checksums_takes_another_page_for_its_own(scratch: Path) -> None:
    status, output, _ = chaos(scratch, *WISHES, "--set", "ignore_checksum_failure=on")
    assert status == 1
    assert re.search(r"violated: reaction: .* had the page of block 1, and nobody said", output)
