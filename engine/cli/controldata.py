"""`engine controldata`: what pg_controldata prints, byte for byte.

Times are shown in UTC, in the form of the C locale.
"""

from __future__ import annotations

from typing import Final

import click

from engine.cli.tool import fail, tool_command
from engine.host.api import Host
from engine.host.real import RealHost
from engine.recovery.control_file import (
    CONTROL_FILE_PATH,
    CONTROL_FILE_SIZE,
    ClusterState,
    ControlFile,
    ControlFileError,
    crc_is_right,
)
from engine.recovery.describe import WAL_LEVELS
from engine.types import format_lsn
from engine.wal.describe import civil_time
from engine.wal.page import is_valid_segment_size, segment_file_name

_STATES: Final = {
    ClusterState.STARTING_UP: "starting up",
    ClusterState.SHUT_DOWN: "shut down",
    ClusterState.SHUT_DOWN_IN_RECOVERY: "shut down in recovery",
    ClusterState.SHUTTING_DOWN: "shutting down",
    ClusterState.IN_CRASH_RECOVERY: "in crash recovery",
    ClusterState.IN_ARCHIVE_RECOVERY: "in archive recovery",
    ClusterState.IN_PRODUCTION: "in production",
}
_DAYS: Final = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
"""1970-01-01 was a Thursday."""
_MONTHS: Final = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]

_CRC_WARNING: Final = """\
WARNING: Calculated CRC checksum does not match value stored in file.
Either the file is corrupt, or it has a different layout than this program
is expecting.  The results below are untrustworthy.

"""
_SEGMENT_WARNING: Final = """\
WARNING: invalid WAL segment size
The WAL segment size stored in the file, {size} {unit}, is not a power of two
between 1 MB and 1 GB.  The file is corrupt and the results below are
untrustworthy.

"""
_BYTE_ORDER_WARNING: Final = """\
possible byte ordering mismatch
The byte ordering used to store the pg_control file might not match the one
used by this program.  In that case the results below would be incorrect, and
the PostgreSQL installation would be incompatible with this data directory."""
_LABEL_WIDTH: Final = 38


@tool_command()
@click.option(
    "-D", "--pgdata", "data", envvar="PGDATA", metavar="DATADIR",
    help="Data directory (or $PGDATA).",
)  # fmt: skip
@click.argument("directory", required=False, metavar="[DATADIR]")
def controldata(data: str | None, directory: str | None) -> None:
    """Display control information of a database cluster."""
    path = directory or data
    if path is None:
        fail("no data directory specified", hint='Try "engine controldata --help".')
    content = _read(RealHost("."), f"{path}/{CONTROL_FILE_PATH}")
    try:
        control = ControlFile.unpack_unchecked(content)
    except ControlFileError:
        fail(f'could not read file "{path}/{CONTROL_FILE_PATH}": read {len(content)} of 296')
    version = control.control_version
    if version % 65536 == 0 and version // 65536 != 0:
        click.echo(f"engine: warning: {_BYTE_ORDER_WARNING}", err=True)
    click.echo(warnings(control, content) + control_text(control), nl=False)


def _read(host: Host, path: str) -> bytes:
    try:
        fd = host.open(path)
    except OSError as error:
        fail(f'could not open file "{path}" for reading: {error.strerror}')
    try:
        return host.pread(fd, CONTROL_FILE_SIZE, 0)
    except OSError as error:
        fail(f'could not read file "{path}": {error.strerror}')
    finally:
        host.close(fd)


def warnings(control: ControlFile, content: bytes) -> str:
    """What stands before the values of a file that cannot be trusted."""
    text = "" if crc_is_right(content) else _CRC_WARNING
    size = control.wal_segment_size
    if not is_valid_segment_size(size):
        unit = "byte" if size == 1 else "bytes"
        text += _SEGMENT_WARNING.format(size=size, unit=unit)
    return text


def control_text(control: ControlFile) -> str:
    """All lines of the tool's output."""
    lines = (
        *_cluster_lines(control),
        *_checkpoint_lines(control),
        *_recovery_lines(control),
        *_setting_lines(control),
        *_build_lines(control),
    )
    return "".join(f"{label + ':':<{_LABEL_WIDTH}}{value}\n" for label, value in lines)


def format_time(seconds: int) -> str:
    """Seconds since 1970 as `strftime("%c")` of the C locale in UTC."""
    year, month, day, hour, minute, second = civil_time(seconds)
    weekday = _DAYS[seconds // 86400 % 7]
    return f"{weekday} {_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{second:02d} {year}"


def _on_off(value: bool) -> str:
    return "on" if value else "off"


def _state(value: int) -> str:
    try:
        return _STATES[ClusterState(value)]
    except ValueError:
        return "unrecognized status code"


def _cluster_lines(control: ControlFile) -> tuple[tuple[str, object], ...]:
    return (
        ("pg_control version number", control.control_version),
        ("Catalog version number", control.catalog_version),
        ("Database system identifier", control.system_identifier),
        ("Database cluster state", _state(control.state)),
        ("pg_control last modified", format_time(control.time)),
    )


def _checkpoint_lines(control: ControlFile) -> tuple[tuple[str, object], ...]:
    last = control.checkpoint
    xid = last.next_full_xid
    size = control.wal_segment_size
    redo_file = segment_file_name(last.timeline, last.redo // size, size) if size > 0 else ""
    return (
        ("Latest checkpoint location", format_lsn(control.checkpoint_lsn)),
        ("Latest checkpoint's REDO location", format_lsn(last.redo)),
        ("Latest checkpoint's REDO WAL file", redo_file),
        ("Latest checkpoint's TimeLineID", last.timeline),
        ("Latest checkpoint's PrevTimeLineID", last.previous_timeline),
        ("Latest checkpoint's full_page_writes", _on_off(last.full_page_writes)),
        ("Latest checkpoint's NextXID", f"{xid >> 32}:{xid & 0xFFFFFFFF}"),
        ("Latest checkpoint's NextOID", last.next_oid),
        ("Latest checkpoint's NextMultiXactId", last.next_multi),
        ("Latest checkpoint's NextMultiOffset", last.next_multi_offset),
        ("Latest checkpoint's oldestXID", last.oldest_xid),
        ("Latest checkpoint's oldestXID's DB", last.oldest_xid_database),
        ("Latest checkpoint's oldestActiveXID", last.oldest_active_xid),
        ("Latest checkpoint's oldestMultiXid", last.oldest_multi),
        ("Latest checkpoint's oldestMulti's DB", last.oldest_multi_database),
        ("Latest checkpoint's oldestCommitTsXid", last.oldest_commit_ts_xid),
        ("Latest checkpoint's newestCommitTsXid", last.newest_commit_ts_xid),
        ("Time of latest checkpoint", format_time(last.time)),
    )


def _recovery_lines(control: ControlFile) -> tuple[tuple[str, object], ...]:
    return (
        ("Fake LSN counter for unlogged rels", format_lsn(control.unlogged_lsn)),
        ("Minimum recovery ending location", format_lsn(control.min_recovery_point)),
        ("Min recovery ending loc's timeline", control.min_recovery_timeline),
        ("Backup start location", format_lsn(control.backup_start_point)),
        ("Backup end location", format_lsn(control.backup_end_point)),
        ("End-of-backup record required", "yes" if control.backup_end_required else "no"),
    )


def _setting_lines(control: ControlFile) -> tuple[tuple[str, object], ...]:
    level = control.wal_level
    known = 0 <= level < len(WAL_LEVELS)
    return (
        ("wal_level setting", WAL_LEVELS[level] if known else "unrecognized wal_level"),
        ("wal_log_hints setting", _on_off(control.wal_log_hints)),
        ("max_connections setting", control.max_connections),
        ("max_worker_processes setting", control.max_worker_processes),
        ("max_wal_senders setting", control.max_wal_senders),
        ("max_prepared_xacts setting", control.max_prepared_xacts),
        ("max_locks_per_xact setting", control.max_locks_per_xact),
        ("track_commit_timestamp setting", _on_off(control.track_commit_timestamp)),
    )


def _build_lines(control: ControlFile) -> tuple[tuple[str, object], ...]:
    by_value = control.float8_by_value
    return (
        ("Maximum data alignment", control.maximum_alignment),
        ("Database block size", control.block_size),
        ("Blocks per segment of large relation", control.blocks_per_file),
        ("WAL block size", control.wal_block_size),
        ("Bytes per WAL segment", control.wal_segment_size),
        ("Maximum length of identifiers", control.name_length),
        ("Maximum columns in an index", control.index_max_keys),
        ("Maximum size of a TOAST chunk", control.toast_max_chunk_size),
        ("Size of a large-object chunk", control.large_object_block_size),
        ("Date/time type storage", "64-bit integers"),
        ("Float8 argument passing", "by value" if by_value else "by reference"),
        ("Data page checksum version", control.data_checksum_version),
        ("Mock authentication nonce", control.mock_authentication_nonce.hex()),
    )
