"""The relation map: written and read back, and refused when damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog.relation_map import (
    CRC_OFFSET,
    SIZE,
    load_relation_map,
    pack_relation_map,
    unpack_relation_map,
)
from engine.errors import FatalError
from engine.host.real import RealHost


def test_a_map_is_read_back_as_it_was_written() -> None:
    entries = {1262: 1262, 1260: 16400}
    packed = pack_relation_map(entries)
    assert len(packed) == SIZE
    assert unpack_relation_map(packed, "global/pg_filenode.map") == entries


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (0, "contains invalid data"),
        (7, "contains invalid data"),
        (12, "contains incorrect checksum"),
        (CRC_OFFSET, "contains incorrect checksum"),
    ],
)
def test_a_damaged_map_is_refused_as_postgresql_refuses_it(position: int, message: str) -> None:
    packed = bytearray(pack_relation_map({1262: 1262}))
    packed[position] ^= 0x80
    with pytest.raises(FatalError, match=message):
        unpack_relation_map(bytes(packed), "global/pg_filenode.map")


def test_a_map_that_is_missing_or_cut_short_is_refused(tmp_path: Path) -> None:
    host = RealHost(str(tmp_path))
    with pytest.raises(FatalError, match="could not open file"):
        load_relation_map(host, 0)
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_filenode.map").write_bytes(b"short")
    with pytest.raises(FatalError, match="read 5 of 512"):
        load_relation_map(host, 0)
