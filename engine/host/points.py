"""The injection points: every named place inside the engine where a fault may strike, in one list.

A point stands where a crash, or a pause, is worth a test of its own and no host call marks the
place. Add one here, call `host.point(Point.X, value)` at the exact place, and say in the comment
what is at stake. `value` is a number by which a plan of faults can tell one pass from another;
`About` says what kind of number, the comments below of what exactly.
"""

from __future__ import annotations

from enum import Enum


class About(Enum):
    """What the value that a point comes with is."""

    NOTHING = "nothing"
    """0, always."""
    LSN = "lsn"
    """A position in the WAL. Where nothing else is said, the end of the record in question."""
    BLOCK = "block"
    """A block number in some relation's fork."""
    PID = "pid"
    """A process id."""


class Point(Enum):
    """Names are `<subsystem>-<what has just happened>`, the values of the members; `about` is what
    the point's number is."""

    about: About

    def __new__(cls, name: str, about: About) -> Point:
        point = object.__new__(cls)
        point._value_ = name
        point.about = about
        return point

    # commit: between each two of its steps (see engine/transaction/README.md, XACT-1). The LSN is
    # the end of the commit record, also for the last; 0 there when the transaction wrote nothing.
    COMMIT_RECORD_INSERTED = "commit-record-inserted", About.LSN
    COMMIT_RECORD_FLUSHED = "commit-record-flushed", About.LSN
    COMMIT_CLOG_MARKED = "commit-clog-marked", About.LSN
    COMMIT_PROC_ARRAY_LEFT = "commit-proc-array-left", About.LSN
    ABORT_RECORD_INSERTED = "abort-record-inserted", About.LSN

    # the page and its record: the page is changed, the record is not yet in the WAL. The first
    # has the LSN of the page before the change, its record will lie behind it.
    HEAP_PAGE_CHANGED = "heap-page-changed", About.LSN
    HEAP_RECORD_INSERTED = "heap-record-inserted", About.LSN

    # WAL: the end of what is written; the first byte of the segment.
    WAL_RECORD_COPIED = "wal-record-copied", About.LSN
    WAL_WRITTEN_NOT_SYNCED = "wal-written-not-synced", About.LSN
    WAL_SEGMENT_CREATED = "wal-segment-created", About.LSN
    WAL_SEGMENT_RECYCLED = "wal-segment-recycled", About.LSN

    # buffers: the page that the buffer had last; the page written; the page added.
    BUFFER_VICTIM_CHOSEN = "buffer-victim-chosen", About.BLOCK
    BUFFER_WRITTEN = "buffer-written", About.BLOCK
    RELATION_EXTENDED = "relation-extended", About.BLOCK

    # checkpoint: between each two of its steps (see engine/recovery/README.md, CKPT-1). The LSN is
    # the redo point, but for the record's own.
    CHECKPOINT_REDO_TAKEN = "checkpoint-redo-taken", About.LSN
    CHECKPOINT_BUFFERS_WRITTEN = "checkpoint-buffers-written", About.LSN
    CHECKPOINT_FILES_SYNCED = "checkpoint-files-synced", About.LSN
    CHECKPOINT_RECORD_FLUSHED = "checkpoint-record-flushed", About.LSN
    CHECKPOINT_CONTROL_FILE_WRITTEN = "checkpoint-control-file-written", About.LSN
    CHECKPOINT_WAL_RECYCLED = "checkpoint-wal-recycled", About.LSN

    # recovery: where redo starts; the end of the record applied; the end of the WAL.
    RECOVERY_STARTED = "recovery-started", About.LSN
    REDO_RECORD_APPLIED = "redo-record-applied", About.LSN
    REDO_FINISHED = "redo-finished", About.LSN
    RECOVERY_ENDED = "recovery-ended", About.LSN

    # processes: nothing; the new child.
    LOCK_WAIT_QUEUED = "lock-wait-queued", About.NOTHING
    CHILD_FORKED = "child-forked", About.PID
