"""A new cluster's first WAL segment and its pg_control, for initdb.

The segment has one record: a shutdown checkpoint. So the first start finds a cluster that was shut
down in order.

Source: PostgreSQL 15, `BootStrapXLOG`, xlog.c.
"""

from __future__ import annotations

from typing import Final

from engine.config import Config
from engine.host.api import Host, OpenMode
from engine.recovery.control import seconds_since_1970
from engine.recovery.control_file import (
    CONTROL_FILE_PATH,
    NONCE_LENGTH,
    CheckPoint,
    ClusterState,
    ControlFile,
)
from engine.recovery.end_of_recovery import apply_parameters, configured_parameters
from engine.types import FIRST_NORMAL_OID, FIRST_NORMAL_XID, UNIX_EPOCH_TO_2000_US
from engine.wal.page import LONG_HEADER_SIZE, pack_page_header, segment_file_name
from engine.wal.record import assemble
from engine.wal.rmgr import Rmgr
from engine.wal.segments import WAL_DIRECTORY, write_fully

FIRST_TIMELINE: Final = 1
FIRST_SEGMENT: Final = 1
CHECKPOINT_SHUTDOWN: Final = 0x00

_ZEROS: Final = bytes(1 << 20)


def bootstrap_wal(
    host: Host,
    config: Config,
    *,
    segment_size: int,
    next_full_xid: int = FIRST_NORMAL_XID,
    next_oid: int = FIRST_NORMAL_OID,
    data_checksums: bool = True,
) -> ControlFile:
    """Create the first segment and pg_control, durably; what pg_control says. The directories
    `global` and `pg_wal` exist."""
    identifier = _system_identifier(host)
    start = FIRST_SEGMENT * segment_size + LONG_HEADER_SIZE
    checkpoint = CheckPoint(
        redo=start,
        timeline=FIRST_TIMELINE,
        previous_timeline=FIRST_TIMELINE,
        full_page_writes=bool(config.full_page_writes),
        next_full_xid=next_full_xid,
        next_oid=next_oid,
        time=seconds_since_1970(host),
    )
    control = ControlFile(
        identifier,
        state=ClusterState.SHUT_DOWN,
        time=checkpoint.time,
        checkpoint_lsn=start,
        checkpoint=checkpoint,
        wal_segment_size=segment_size,
        data_checksum_version=int(data_checksums),
        mock_authentication_nonce=host.random_bytes(NONCE_LENGTH),
    )
    apply_parameters(control, configured_parameters(config))
    record = assemble(Rmgr.XLOG, CHECKPOINT_SHUTDOWN, 0, checkpoint.pack(), (), 0)
    header = pack_page_header(
        FIRST_SEGMENT * segment_size,
        FIRST_TIMELINE,
        system_identifier=identifier,
        segment_size=segment_size,
    )
    _write_segment(host, segment_size, header + record)
    _create(host, CONTROL_FILE_PATH, control.pack())
    host.fsync_directory(CONTROL_FILE_PATH.rpartition("/")[0])
    return control


def _system_identifier(host: Host) -> int:
    """Time of creation, and chance where PostgreSQL has the process id."""
    seconds, micros = divmod(host.now_us() + UNIX_EPOCH_TO_2000_US, 1_000_000)
    chance = int.from_bytes(host.random_bytes(2), "little") & 0xFFF
    return seconds << 32 | micros << 12 | chance


def _write_segment(host: Host, segment_size: int, start: bytes) -> None:
    name = segment_file_name(FIRST_TIMELINE, FIRST_SEGMENT, segment_size)
    _create(host, f"{WAL_DIRECTORY}/{name}", start, segment_size)
    host.fsync_directory(WAL_DIRECTORY)


def _create(host: Host, path: str, start: bytes, size: int = 0) -> None:
    """A new file that begins with `start` and is filled with zeros up to `size`, synced."""
    fd = host.open(path, OpenMode.WRITE | OpenMode.CREATE | OpenMode.EXCLUSIVE)
    try:
        for offset in range(0, size, len(_ZEROS)):
            write_fully(host, fd, _ZEROS, offset)
        write_fully(host, fd, start, 0)
        host.fsync(fd)
    finally:
        host.close(fd)
