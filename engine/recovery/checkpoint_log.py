"""What a checkpoint did, and the two lines that the log gets about it.

Source: PostgreSQL 15, `LogCheckpointStart`, `LogCheckpointEnd`, xlog.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.recovery.checkpoint_request import CheckpointFlags
from engine.wal.segments import SegmentCounts

_WORDS = (
    (CheckpointFlags.IS_SHUTDOWN, " shutdown"),
    (CheckpointFlags.END_OF_RECOVERY, " end-of-recovery"),
    (CheckpointFlags.IMMEDIATE, " immediate"),
    (CheckpointFlags.FORCE, " force"),
    (CheckpointFlags.WAIT, " wait"),
    (CheckpointFlags.CAUSE_XLOG, " wal"),
    (CheckpointFlags.CAUSE_TIME, " time"),
    (CheckpointFlags.FLUSH_ALL, " flush-all"),
)


@dataclass
class CheckpointStatistics:
    """Times in microseconds of the monotonic clock."""

    start_us: int = 0
    write_us: int = 0
    sync_us: int = 0
    sync_end_us: int = 0
    end_us: int = 0
    buffers_written: int = 0
    files_synced: int = 0
    longest_sync_us: int = 0
    total_sync_us: int = 0
    segments: SegmentCounts = field(default_factory=SegmentCounts)


def describe_start(flags: CheckpointFlags) -> str:
    """`checkpoint starting: immediate force wait`."""
    return "checkpoint starting:" + "".join(word for flag, word in _WORDS if flags & flag)


def describe_end(
    statistics: CheckpointStatistics, shared_buffers: int, distance: float, estimate: float
) -> str:
    """`checkpoint complete: wrote 3 buffers (0.0%); ...`; distance and estimate in bytes."""
    s = statistics
    average_us = s.total_sync_us // s.files_synced if s.files_synced else 0
    return (
        f"checkpoint complete: wrote {s.buffers_written} buffers "
        f"({s.buffers_written * 100 / shared_buffers:.1f}%); "
        f"{s.segments.added} WAL file(s) added, {s.segments.removed} removed, "
        f"{s.segments.recycled} recycled; "
        f"write={_seconds(s.sync_us - s.write_us)}, sync={_seconds(s.sync_end_us - s.sync_us)}, "
        f"total={_seconds(s.end_us - s.start_us)}; "
        f"sync files={s.files_synced}, longest={_seconds(s.longest_sync_us)}, "
        f"average={_seconds(average_us)}; "
        f"distance={int(distance / 1024)} kB, estimate={int(estimate / 1024)} kB"
    )


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds // 1000 % 1000:03d} s"
