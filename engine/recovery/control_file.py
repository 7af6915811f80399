"""global/pg_control: where recovery begins, and what the cluster was made with.

One struct of 296 bytes at the start of a file of 8192, so that it is written by one write that a
device does not tear. The rest of the file is zero.

Source: PostgreSQL 15, `catalog/pg_control.h`, `xlog.c` (ReadControlFile).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Final

from crc32c import crc32c

from engine.types import BLOCK_SIZE, BLOCKS_PER_FILE, NAME_LENGTH, WAL_BLOCK_SIZE
from engine.wal.page import DEFAULT_SEGMENT_SIZE, is_valid_segment_size

CONTROL_FILE_PATH: Final = "global/pg_control"
CONTROL_FILE_SIZE: Final = 8192
CONTROL_VERSION: Final = 1300
CATALOG_VERSION: Final = 202209061
FIRST_UNLOGGED_LSN: Final = 1000
NONCE_LENGTH: Final = 32
MAXIMUM_ALIGNMENT: Final = 8
FLOAT_FORMAT: Final = 1234567.0
INDEX_MAX_KEYS: Final = 32
TOAST_MAX_CHUNK_SIZE: Final = 1996
LARGE_OBJECT_BLOCK_SIZE: Final = 2048

_CHECKPOINT: Final = Struct("<QIIB7xQIIIIIII4xqIII4x")
_CRC_OFFSET: Final = 288
_CRC: Final = Struct("<I")
_CONTROL: Final = Struct(
    "<QIII4xqQ88s"  # identifier, versions, state, time, checkpoint and its copy
    "QQI4xQQB3x"  # unlogged LSN, minimum recovery point, backup points
    "iB3xiiiiiB3x"  # the settings that a standby must match
    "Id8I"  # alignment, float format, sizes
    "B3xI32s"  # float8 by value, checksum version, nonce
)


class ClusterState(IntEnum):
    """What the cluster was doing when pg_control was last written (DBState)."""

    STARTING_UP = 0
    SHUT_DOWN = 1
    SHUT_DOWN_IN_RECOVERY = 2
    SHUTTING_DOWN = 3
    IN_CRASH_RECOVERY = 4
    IN_ARCHIVE_RECOVERY = 5
    IN_PRODUCTION = 6


class ControlFileError(Exception):
    """pg_control cannot be used; message, detail and hint are PostgreSQL's."""

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint


@dataclass(slots=True)
class CheckPoint:
    """The body of a checkpoint record, and its copy in pg_control (88 bytes)."""

    SIZE = 88

    redo: int = 0
    """Where replay from this checkpoint begins."""
    timeline: int = 1
    previous_timeline: int = 1
    full_page_writes: bool = True
    next_full_xid: int = 3
    next_oid: int = 16384
    next_multi: int = 1
    next_multi_offset: int = 0
    oldest_xid: int = 3
    oldest_xid_database: int = 1
    oldest_multi: int = 1
    oldest_multi_database: int = 1
    time: int = 0
    """Seconds since 1970."""
    oldest_commit_ts_xid: int = 0
    newest_commit_ts_xid: int = 0
    oldest_active_xid: int = 0
    """Of an online checkpoint; 0 for a shutdown checkpoint."""

    def pack(self) -> bytes:
        return _CHECKPOINT.pack(
            self.redo,
            self.timeline,
            self.previous_timeline,
            self.full_page_writes,
            self.next_full_xid,
            self.next_oid,
            self.next_multi,
            self.next_multi_offset,
            self.oldest_xid,
            self.oldest_xid_database,
            self.oldest_multi,
            self.oldest_multi_database,
            self.time,
            self.oldest_commit_ts_xid,
            self.newest_commit_ts_xid,
            self.oldest_active_xid,
        )

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview) -> CheckPoint:
        """From at least 88 bytes."""
        checkpoint = cls(*_CHECKPOINT.unpack_from(data))
        checkpoint.full_page_writes = bool(checkpoint.full_page_writes)
        return checkpoint


@dataclass(slots=True)
class ControlFile:
    """All of pg_control. `pack` computes the CRC."""

    system_identifier: int
    control_version: int = CONTROL_VERSION
    catalog_version: int = CATALOG_VERSION
    state: int = ClusterState.STARTING_UP
    time: int = 0
    """When the file was last written, seconds since 1970."""
    checkpoint_lsn: int = 0
    """Of the last checkpoint record."""
    checkpoint: CheckPoint = field(default_factory=CheckPoint)
    """A copy of that record's body."""
    unlogged_lsn: int = FIRST_UNLOGGED_LSN
    min_recovery_point: int = 0
    min_recovery_timeline: int = 0
    backup_start_point: int = 0
    backup_end_point: int = 0
    backup_end_required: bool = False
    wal_level: int = 1
    wal_log_hints: bool = False
    max_connections: int = 100
    max_worker_processes: int = 8
    max_wal_senders: int = 10
    max_prepared_xacts: int = 0
    max_locks_per_xact: int = 64
    track_commit_timestamp: bool = False
    maximum_alignment: int = MAXIMUM_ALIGNMENT
    float_format: float = FLOAT_FORMAT
    block_size: int = BLOCK_SIZE
    blocks_per_file: int = BLOCKS_PER_FILE
    wal_block_size: int = WAL_BLOCK_SIZE
    wal_segment_size: int = DEFAULT_SEGMENT_SIZE
    name_length: int = NAME_LENGTH
    index_max_keys: int = INDEX_MAX_KEYS
    toast_max_chunk_size: int = TOAST_MAX_CHUNK_SIZE
    large_object_block_size: int = LARGE_OBJECT_BLOCK_SIZE
    float8_by_value: bool = True
    data_checksum_version: int = 1
    mock_authentication_nonce: bytes = bytes(NONCE_LENGTH)

    def pack(self) -> bytes:
        """The whole file, 8192 bytes."""
        body = _CONTROL.pack(
            self.system_identifier,
            self.control_version,
            self.catalog_version,
            self.state,
            self.time,
            self.checkpoint_lsn,
            self.checkpoint.pack(),
            self.unlogged_lsn,
            self.min_recovery_point,
            self.min_recovery_timeline,
            self.backup_start_point,
            self.backup_end_point,
            self.backup_end_required,
            self.wal_level,
            self.wal_log_hints,
            self.max_connections,
            self.max_worker_processes,
            self.max_wal_senders,
            self.max_prepared_xacts,
            self.max_locks_per_xact,
            self.track_commit_timestamp,
            self.maximum_alignment,
            self.float_format,
            self.block_size,
            self.blocks_per_file,
            self.wal_block_size,
            self.wal_segment_size,
            self.name_length,
            self.index_max_keys,
            self.toast_max_chunk_size,
            self.large_object_block_size,
            self.float8_by_value,
            self.data_checksum_version,
            self.mock_authentication_nonce,
        )
        return (body + _CRC.pack(crc32c(body))).ljust(CONTROL_FILE_SIZE, b"\x00")

    @classmethod
    def unpack(cls, data: bytes) -> ControlFile:
        """Read and check the file; `ControlFileError` when this server cannot use it."""
        control = cls.unpack_unchecked(data)
        _check_version(control.control_version)
        if not crc_is_right(data):
            raise ControlFileError("incorrect checksum in control file")
        _check_compatible(control)
        return control

    @classmethod
    def unpack_unchecked(cls, data: bytes) -> ControlFile:
        """Read whatever stands there; `ControlFileError` only when the file is too short."""
        if len(data) < _CRC_OFFSET + _CRC.size:
            raise ControlFileError(
                f'could not read file "{CONTROL_FILE_PATH}": read {len(data)} of {_CRC_OFFSET + 8}'
            )
        control = cls(*_CONTROL.unpack_from(data))
        control.checkpoint = CheckPoint.unpack(data[40:128])
        for name in ("backup_end_required", "wal_log_hints", "track_commit_timestamp"):
            setattr(control, name, bool(getattr(control, name)))
        control.float8_by_value = bool(control.float8_by_value)
        return control


def crc_is_right(data: bytes) -> bool:
    return bool(_CRC.unpack_from(data, _CRC_OFFSET)[0] == crc32c(data[:_CRC_OFFSET]))


_INCOMPATIBLE: Final = "database files are incompatible with server"
_INITDB_HINT: Final = "It looks like you need to initdb."
_RECOMPILE_HINT: Final = "It looks like you need to recompile or initdb."


def _check_version(version: int) -> None:
    if version == CONTROL_VERSION:
        return
    swapped = version % 65536 == 0 and version // 65536 != 0
    if swapped:
        raise ControlFileError(
            _INCOMPATIBLE,
            detail=f"The database cluster was initialized with PG_CONTROL_VERSION {version} "
            f"(0x{version:08x}), but the server was compiled with PG_CONTROL_VERSION "
            f"{CONTROL_VERSION} (0x{CONTROL_VERSION:08x}).",
            hint="This could be a problem of mismatched byte ordering.  "
            "It looks like you need to initdb.",
        )
    raise ControlFileError(
        _INCOMPATIBLE,
        detail=f"The database cluster was initialized with PG_CONTROL_VERSION {version}, "
        f"but the server was compiled with PG_CONTROL_VERSION {CONTROL_VERSION}.",
        hint=_INITDB_HINT,
    )


def _check_compatible(control: ControlFile) -> None:
    for name, found, compiled, hint in (
        ("CATALOG_VERSION_NO", control.catalog_version, CATALOG_VERSION, _INITDB_HINT),
        ("MAXALIGN", control.maximum_alignment, MAXIMUM_ALIGNMENT, _INITDB_HINT),
        ("BLCKSZ", control.block_size, BLOCK_SIZE, _RECOMPILE_HINT),
        ("RELSEG_SIZE", control.blocks_per_file, BLOCKS_PER_FILE, _RECOMPILE_HINT),
        ("XLOG_BLCKSZ", control.wal_block_size, WAL_BLOCK_SIZE, _RECOMPILE_HINT),
        ("NAMEDATALEN", control.name_length, NAME_LENGTH, _RECOMPILE_HINT),
        ("INDEX_MAX_KEYS", control.index_max_keys, INDEX_MAX_KEYS, _RECOMPILE_HINT),
        (
            "TOAST_MAX_CHUNK_SIZE",
            control.toast_max_chunk_size,
            TOAST_MAX_CHUNK_SIZE,
            _RECOMPILE_HINT,
        ),
        (
            "LOBLKSIZE",
            control.large_object_block_size,
            LARGE_OBJECT_BLOCK_SIZE,
            _RECOMPILE_HINT,
        ),
    ):
        if found != compiled:
            raise ControlFileError(
                _INCOMPATIBLE,
                detail=f"The database cluster was initialized with {name} {found}, "
                f"but the server was compiled with {name} {compiled}.",
                hint=hint,
            )
    if control.float_format != FLOAT_FORMAT:
        raise ControlFileError(
            _INCOMPATIBLE,
            detail="The database cluster appears to use a different floating-point number "
            "format than the server executable.",
            hint=_INITDB_HINT,
        )
    if not control.float8_by_value:
        raise ControlFileError(
            _INCOMPATIBLE,
            detail="The database cluster was initialized without USE_FLOAT8_BYVAL "
            "but the server was compiled with USE_FLOAT8_BYVAL.",
            hint=_RECOMPILE_HINT,
        )
    size = control.wal_segment_size
    if not is_valid_segment_size(size):
        unit = "byte" if size == 1 else "bytes"
        raise ControlFileError(
            "WAL segment size must be a power of two between 1 MB and 1 GB, "
            f"but the control file specifies {size} {unit}"
        )
