"""The injection points: every named place inside the engine where a fault may strike, in one list.

A point stands where a crash, or a pause, is worth a test of its own and no host call marks the
place. Add one here, call `host.point(Point.X)` at the exact place, and say in the comment what is
at stake.
"""

from __future__ import annotations

from enum import Enum


class Point(Enum):
    """Names are `<subsystem>-<what has just happened>`."""

    # commit: between each two of its steps (see engine/transaction/README.md, XACT-1)
    COMMIT_RECORD_INSERTED = "commit-record-inserted"
    COMMIT_RECORD_FLUSHED = "commit-record-flushed"
    COMMIT_CLOG_MARKED = "commit-clog-marked"
    COMMIT_PROC_ARRAY_LEFT = "commit-proc-array-left"
    ABORT_RECORD_INSERTED = "abort-record-inserted"

    # the page and its record: the page is changed, the record is not yet in the WAL
    HEAP_PAGE_CHANGED = "heap-page-changed"
    HEAP_RECORD_INSERTED = "heap-record-inserted"

    # WAL
    WAL_RECORD_COPIED = "wal-record-copied"
    WAL_WRITTEN_NOT_SYNCED = "wal-written-not-synced"
    WAL_SEGMENT_CREATED = "wal-segment-created"
    WAL_SEGMENT_RECYCLED = "wal-segment-recycled"

    # buffers
    BUFFER_VICTIM_CHOSEN = "buffer-victim-chosen"
    BUFFER_WRITTEN = "buffer-written"
    RELATION_EXTENDED = "relation-extended"

    # checkpoint: between each two of its steps (see engine/recovery/README.md, CKPT-1)
    CHECKPOINT_REDO_TAKEN = "checkpoint-redo-taken"
    CHECKPOINT_BUFFERS_WRITTEN = "checkpoint-buffers-written"
    CHECKPOINT_FILES_SYNCED = "checkpoint-files-synced"
    CHECKPOINT_RECORD_FLUSHED = "checkpoint-record-flushed"
    CHECKPOINT_CONTROL_FILE_WRITTEN = "checkpoint-control-file-written"
    CHECKPOINT_WAL_RECYCLED = "checkpoint-wal-recycled"

    # recovery
    RECOVERY_STARTED = "recovery-started"
    REDO_RECORD_APPLIED = "redo-record-applied"
    REDO_FINISHED = "redo-finished"
    RECOVERY_ENDED = "recovery-ended"

    # processes
    LOCK_WAIT_QUEUED = "lock-wait-queued"
    CHILD_FORKED = "child-forked"
