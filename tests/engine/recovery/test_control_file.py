"""pg_control: every field comes back, and a file that cannot be used says why."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from engine.recovery.control_file import (
    CheckPoint,
    ControlFile,
    ControlFileError,
    crc_is_right,
)

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)

checkpoints = st.builds(
    CheckPoint,
    redo=U64,
    timeline=U32,
    previous_timeline=U32,
    full_page_writes=st.booleans(),
    next_full_xid=U64,
    next_oid=U32,
    next_multi=U32,
    next_multi_offset=U32,
    oldest_xid=U32,
    oldest_xid_database=U32,
    oldest_multi=U32,
    oldest_multi_database=U32,
    time=I64,
    oldest_commit_ts_xid=U32,
    newest_commit_ts_xid=U32,
    oldest_active_xid=U32,
)
controls = st.builds(
    ControlFile,
    system_identifier=U64,
    state=st.integers(0, 6),
    time=I64,
    checkpoint_lsn=U64,
    checkpoint=checkpoints,
    unlogged_lsn=U64,
    min_recovery_point=U64,
    min_recovery_timeline=U32,
    backup_start_point=U64,
    backup_end_point=U64,
    backup_end_required=st.booleans(),
    wal_level=st.integers(0, 2),
    wal_log_hints=st.booleans(),
    max_connections=I32,
    max_worker_processes=I32,
    max_wal_senders=I32,
    max_prepared_xacts=I32,
    max_locks_per_xact=I32,
    track_commit_timestamp=st.booleans(),
    wal_segment_size=st.integers(20, 30).map(lambda power: 1 << power),
    data_checksum_version=st.integers(0, 1),
    mock_authentication_nonce=st.binary(min_size=32, max_size=32),
)


@given(controls)
def test_every_field_survives_the_file(control: ControlFile) -> None:
    data = control.pack()
    assert len(data) == 8192
    assert not any(data[292:])
    assert crc_is_right(data)
    assert ControlFile.unpack(data) == control


@given(checkpoints)
def test_a_checkpoint_is_88_bytes(checkpoint: CheckPoint) -> None:
    data = checkpoint.pack()
    assert len(data) == CheckPoint.SIZE
    assert CheckPoint.unpack(data + b"more") == checkpoint


@given(st.integers(0, 291), st.integers(0, 7))
def test_any_flipped_bit_that_counts_makes_the_file_unusable(offset: int, bit: int) -> None:
    data = bytearray(ControlFile(1).pack())
    data[offset] ^= 1 << bit
    with pytest.raises(ControlFileError) as caught:
        ControlFile.unpack(bytes(data))
    in_version = 8 <= offset < 12
    assert ("checksum" in caught.value.message) != in_version


def resealed(**changes: Any) -> bytes:
    return dataclasses.replace(ControlFile(1), **changes).pack()


def test_another_version_is_named_before_the_checksum() -> None:
    data = bytearray(resealed(control_version=1201))
    data[200] ^= 1
    with pytest.raises(ControlFileError, match="incompatible with server") as caught:
        ControlFile.unpack(bytes(data))
    assert caught.value.detail == (
        "The database cluster was initialized with PG_CONTROL_VERSION 1201, "
        "but the server was compiled with PG_CONTROL_VERSION 1300."
    )
    assert caught.value.hint == "It looks like you need to initdb."


def test_the_wrong_byte_order_is_recognised() -> None:
    with pytest.raises(ControlFileError) as caught:
        ControlFile.unpack(resealed(control_version=1300 << 16))
    assert "PG_CONTROL_VERSION 85196800 (0x05140000)" in str(caught.value.detail)
    assert "mismatched byte ordering" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"catalog_version": 1}, "CATALOG_VERSION_NO 1, but the server was compiled with"),
        ({"block_size": 4096}, "BLCKSZ 4096, but the server was compiled with BLCKSZ 8192."),
        ({"maximum_alignment": 4}, "MAXALIGN 4"),
        ({"blocks_per_file": 1}, "RELSEG_SIZE 1"),
        ({"wal_block_size": 4096}, "XLOG_BLCKSZ 4096"),
        ({"name_length": 32}, "NAMEDATALEN 32"),
        ({"index_max_keys": 16}, "INDEX_MAX_KEYS 16"),
        ({"toast_max_chunk_size": 1}, "TOAST_MAX_CHUNK_SIZE 1"),
        ({"large_object_block_size": 1}, "LOBLKSIZE 1"),
        ({"float_format": 1.0}, "different floating-point number format"),
        ({"float8_by_value": False}, "without USE_FLOAT8_BYVAL"),
    ],
)
def test_another_build_is_refused_with_what_differs(change: dict[str, Any], detail: str) -> None:
    with pytest.raises(ControlFileError) as caught:
        ControlFile.unpack(resealed(**change))
    assert detail in str(caught.value.detail)


def test_an_odd_segment_size_is_refused() -> None:
    with pytest.raises(ControlFileError, match="but the control file specifies 1000 bytes"):
        ControlFile.unpack(resealed(wal_segment_size=1000))


def test_a_short_file_is_told_with_what_was_read() -> None:
    with pytest.raises(ControlFileError) as caught:
        ControlFile.unpack(bytes(100))
    assert caught.value.message == 'could not read file "global/pg_control": read 100 of 296'


def test_the_crc_covers_the_first_288_bytes() -> None:
    data = ControlFile(7).pack()
    assert data[288:292] == crc32c(data[:288]).to_bytes(4, "little")
