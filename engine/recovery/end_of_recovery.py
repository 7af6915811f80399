"""The last steps of start-up: the WAL goes on where replay ended, and is opened to everybody.

Each step leaves a state from which the next start-up recovers, since a crash may come at any of
them (REDO-6).

Source: PostgreSQL 15, `StartupXLOG` (its end), `UpdateFullPageWrites`, `XLogReportParameters`,
`CreateOverwriteContrecordRecord`, xlog.c.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.config import Config
from engine.errors import check
from engine.host.api import Host
from engine.recovery.control import Control
from engine.recovery.control_file import ControlFile
from engine.types import Lsn
from engine.wal.rmgr import Rmgr
from engine.wal.wal import Wal

PARAMETER_CHANGE: Final = 0x60
FPW_CHANGE: Final = 0x80
OVERWRITE_CONTRECORD: Final = 0xD0

OVERWRITE: Final = Struct("<Qq")
PARAMETERS: Final = Struct("<iiiiii??2x")
_WAL_LEVELS: Final = {"minimal": 0, "replica": 1, "logical": 2}


def log_overwrite(host: Host, wal: Wal, aborted_record: int, page: int) -> Lsn:
    """Say that the record at `aborted_record`, cut off before `page`, is given up."""
    inserted = wal.insert_lsn()
    check(inserted - page in (24, 40), "WAL-9", "not at the cut", lsn=inserted, page=page)
    end = wal.insert(Rmgr.XLOG, OVERWRITE_CONTRECORD, OVERWRITE.pack(aborted_record, host.now_us()))
    wal.flush(end)
    return end


def update_full_page_writes(wal: Wal, config: Config) -> None:
    """Make full_page_writes what the setting says, and log the change: images from before it is
    logged, none any more after."""
    wanted = bool(config.full_page_writes)
    if wanted == wal.full_page_writes():
        return
    if wanted:
        wal.set_full_page_writes(True)
    if not wal.in_recovery() and config.wal_level != "minimal":
        wal.insert(Rmgr.XLOG, FPW_CHANGE, b"\x01" if wanted else b"\x00")
    if not wanted:
        wal.set_full_page_writes(False)


def report_parameters(wal: Wal, control: Control, config: Config) -> None:
    """Note the settings that a standby must match in WAL and pg_control, if they have changed."""
    if parameters_of(control.read()) == configured_parameters(config):
        return
    if config.wal_level != "minimal" or control.read().wal_level != 0:
        wal.flush(
            wal.insert(Rmgr.XLOG, PARAMETER_CHANGE, PARAMETERS.pack(*configured_parameters(config)))
        )
    with control.change() as changed:
        apply_parameters(changed, configured_parameters(config))


Parameters = tuple[int, int, int, int, int, int, bool, bool]
"""As in the record: max_connections, max_worker_processes, max_wal_senders, max_prepared_xacts,
max_locks_per_xact, wal_level, wal_log_hints, track_commit_timestamp."""


def configured_parameters(config: Config) -> Parameters:
    """What the settings say."""
    return (
        int(config.max_connections),
        int(config.max_worker_processes),
        int(config.max_wal_senders),
        int(config.max_prepared_transactions),
        int(config.max_locks_per_transaction),
        _WAL_LEVELS[str(config.wal_level)],
        bool(config.wal_log_hints),
        bool(config.track_commit_timestamp),
    )


def parameters_of(control: ControlFile) -> Parameters:
    """What pg_control says."""
    return (
        control.max_connections,
        control.max_worker_processes,
        control.max_wal_senders,
        control.max_prepared_xacts,
        control.max_locks_per_xact,
        control.wal_level,
        control.wal_log_hints,
        control.track_commit_timestamp,
    )


def apply_parameters(control: ControlFile, parameters: Parameters) -> None:
    """Enter them in pg_control."""
    (
        control.max_connections,
        control.max_worker_processes,
        control.max_wal_senders,
        control.max_prepared_xacts,
        control.max_locks_per_xact,
        control.wal_level,
        control.wal_log_hints,
        control.track_commit_timestamp,
    ) = parameters
