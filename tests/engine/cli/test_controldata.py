"""`engine controldata` against pg_controldata."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.controldata import controldata
from engine.recovery.control_file import ClusterState, ControlFile
from tests.engine.cli.tool import ours, theirs


def data_directory(parent: Path, content: bytes) -> Path:
    (parent / "global").mkdir()
    (parent / "global" / "pg_control").write_bytes(content)
    return parent


def test_all_values_are_printed_as_pg_controldata_prints_them(postgres_data: Path) -> None:
    answer = ours(controldata, postgres_data)
    assert answer == theirs("pg_controldata", postgres_data)
    assert "Database cluster state:               shut down\n" in answer.output
    assert ours(controldata, "-D", postgres_data) == answer


@pytest.mark.parametrize("state", [*ClusterState, 99])
def test_what_we_pack_pg_controldata_reads(tmp_path: Path, state: int) -> None:
    control = ControlFile(
        system_identifier=7711072460250289688,
        state=state,
        time=951_782_400 + state,
        wal_level=state,
        wal_log_hints=True,
        backup_end_required=True,
        track_commit_timestamp=True,
        float8_by_value=False,
        min_recovery_point=0x123_4567_89AB,
        mock_authentication_nonce=bytes(range(32)),
    )
    control.checkpoint.next_full_xid = 5 << 32 | 77
    control.checkpoint.full_page_writes = False
    control.checkpoint.redo = 0x1_0200_0028
    directory = data_directory(tmp_path, control.pack())
    assert ours(controldata, directory) == theirs("pg_controldata", directory)


@pytest.mark.parametrize("offset", [8, 10, 16, 24, 100, 228, 230, 256, 288])
def test_a_damaged_file_gets_the_same_warnings(tmp_path: Path, offset: int) -> None:
    content = bytearray(ControlFile(1).pack())
    content[offset] ^= 0x41
    directory = data_directory(tmp_path, bytes(content))
    assert ours(controldata, directory) == theirs("pg_controldata", directory)


def test_missing_and_short_files_get_the_same_errors(tmp_path: Path) -> None:
    assert ours(controldata, tmp_path) == theirs("pg_controldata", tmp_path)
    directory = data_directory(tmp_path, ControlFile(1).pack()[:100])
    assert ours(controldata, directory) == theirs("pg_controldata", directory)
