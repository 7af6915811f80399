"""What a redo function is, and the error for a record that has none."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import FatalError, SqlState
from engine.storage.redo_context import RedoContext
from engine.types import format_lsn
from engine.wal.record import WalRecord
from engine.wal.rmgr import name

Redo = Callable[[WalRecord, RedoContext], None]
"""Replays one record of a resource manager."""


def not_replayable(record: WalRecord) -> FatalError:
    """A record that this engine never writes: the files belong to another program."""
    return FatalError(
        SqlState.FEATURE_NOT_SUPPORTED,
        f"replay of {name(record.rmid)} records of kind {record.info & 0xF0:02X} "
        f"is not supported yet (at {format_lsn(record.lsn)})",
    )
