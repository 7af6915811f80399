"""One bit of one page of the kind that was asked for, and back."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from chaos.faults.disk.rot import Rot, choose
from chaos.scenario.wal_bytes import PAGE

SEGMENT = 1 << 20
CHECKPOINT = SEGMENT + 3 * PAGE + 40


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Something like a data directory."""
    for name, pages in (
        ("base/1/1259", 2),
        ("base/5/1259", 2),
        ("base/5/16384", 3),
        ("base/5/16384_fsm", 3),
        ("base/5/16390", 0),
        ("global/1262", 1),
        ("pg_wal/000000010000000000000001", 8),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(256)) * (PAGE // 256) * pages)
    control = struct.pack("<Q24xQQI", 1, CHECKPOINT, CHECKPOINT, 1)
    (tmp_path / "global" / "pg_control").write_bytes(control.ljust(PAGE, b"\0"))
    return tmp_path


def rots(what: str, directory: Path) -> list[Rot]:
    """Many of a kind."""
    found = [choose(what, str(seed), directory, SEGMENT) for seed in range(60)]
    return [rot for rot in found if rot is not None]


@pytest.mark.parametrize(
    ("what", "files"),
    [
        ("heap", {"base/5/16384"}),
        ("catalog", {"base/5/1259", "global/1262"}),
        ("control", {"global/pg_control"}),
        ("checkpoint", {"pg_wal/000000010000000000000001"}),
    ],
)
def test_what_rots_is_of_the_kind(what: str, files: set[str], directory: Path) -> None:
    found = rots(what, directory)
    assert len(found) == 60
    assert {str(rot.file) for rot in found} == files
    if what == "checkpoint":
        assert {rot.block for rot in found} == {3}
        assert min(rot.bit for rot in found) >= 40 * 8


def test_one_bit_changes_and_comes_back(directory: Path) -> None:
    for rot in rots("heap", directory):
        path = directory / rot.file
        whole = path.read_bytes()
        rot.do(directory)
        changed = path.read_bytes()
        different = [i for i, (a, b) in enumerate(zip(whole, changed, strict=True)) if a != b]
        assert different == [rot.block * PAGE + rot.bit // 8]
        assert whole[different[0]] ^ changed[different[0]] == 1 << rot.bit % 8
        assert rot.is_there(directory)
        rot.take_back(directory)
        assert path.read_bytes() == whole
        assert not rot.is_there(directory)


def test_a_page_that_was_overwritten_is_healed(directory: Path) -> None:
    rot = rots("heap", directory)[0]
    rot.do(directory)
    with (directory / rot.file).open("r+b") as file:
        file.seek(rot.block * PAGE)
        file.write(b"x" * PAGE)
    assert not rot.is_there(directory)


def test_without_a_page_of_the_kind_nothing_rots(directory: Path) -> None:
    (directory / "base/5/16384").write_bytes(b"")
    assert rots("heap", directory) == []


def test_the_same_seed_rots_the_same_bit(directory: Path) -> None:
    assert rots("catalog", directory) == rots("catalog", directory)
