"""Where the engine's processes can be struck: for each role, the calls and injection points that it
reaches, by what makes it reach them, and about how often.

A plan draws places from this table, so that a seed does not depend on what a run happened to do.
What is missing here is found by `chaos coverage`, which tells what was reached and never struck.

    load        clients at work, checkpoints now and then
    filling     so much WAL is written that a segment ends (chaos/faults/filling.py); then, if it is
                about the startup process, all are killed in the last quarter of a segment, so that
                the checkpoint after recovery makes the next one
    truncating  VACUUM wants to cut off the empty end of a table that another session reads, and
                waits for it (chaos/faults/truncating.py)
    holding     the background writer is stopped in the midst of its writes; a checkpoint wants to
                write one of its pages, or the startup process drops the table that they are of
    interlock   the postmaster is killed, a child of it is kept alive, and a start is tried in vain
    crash       a crash restart: a backend is killed, and then this role goes through its part of it
    start       all are killed, and the server starts anew
    again       the logger is killed, and the postmaster starts another
    shutdown    a fast shutdown

Missing on purpose: `take_signals` of a dead-end child, which lives for one message and is not
signalled but by the SIGTERM of a shutdown that comes at that moment. A startup
process extends a relation only after a power loss (chaos/faults/power_places.py).
"""

from __future__ import annotations

from typing import Final

LOAD: Final = "load"
FILLING: Final = "filling"
TRUNCATING: Final = "truncating"
HOLDING: Final = "holding"
INTERLOCK: Final = "interlock"
CRASH: Final = "crash"
START: Final = "start"
AGAIN: Final = "again"
SHUTDOWN: Final = "shutdown"

_MUTEX: Final = {"mutex_acquire": 400, "mutex_release": 400}
_SEGMENT: Final = {"stat": 1, "rename": 1, "fsync_directory": 1, "wal-segment-created": 1}
"""What the making of a WAL segment is made of."""

REACH: Final[dict[str, dict[str, dict[str, int]]]] = {
    "backend": {
        LOAD: {
            "mutex_acquire": 8000, "mutex_release": 8000, "wait": 400, "receive": 400, "send": 400,
            "wake": 40, "open": 20, "close": 6, "pread": 8, "pread_into": 30, "pwrite": 80,
            "file_size": 200, "stat": 2, "fsync": 60, "write_log": 4, "begin": 1,
            "commit-record-inserted": 60, "commit-record-flushed": 60, "commit-clog-marked": 60,
            "commit-proc-array-left": 80, "abort-record-inserted": 12, "heap-page-changed": 150,
            "heap-record-inserted": 150, "wal-record-copied": 250, "wal-written-not-synced": 50,
            "buffer-victim-chosen": 40, "buffer-written": 20, "relation-extended": 10,
            "lock-wait-queued": 15,
        },
        FILLING: {
            **_SEGMENT, "truncate": 1, "pwrite": 30, "relation-extended": 10, "buffer-written": 10,
            "pread_into": 2,
        },
        TRUNCATING: {"sleep": 20},
        CRASH: {
            "exit": 1, "take_signals": 1, "begin": 3, "send": 10, "write_log": 2, "pread": 2,
            "pread_into": 20,
        },
        SHUTDOWN: {"exit": 3, "take_signals": 3, "send": 3, "close": 3, "abort-record-inserted": 1},
    },
    "checkpointer": {
        LOAD: {
            **_MUTEX, "open": 12, "close": 12, "pwrite": 40, "fsync": 12, "fsync_directory": 4,
            "list_directory": 2, "write_log": 2, "wake": 4, "wait": 6, "sleep": 2,
            "buffer-written": 40, "wal-record-copied": 2,
            "wal-written-not-synced": 2, "checkpoint-redo-taken": 1,
            "checkpoint-buffers-written": 1, "checkpoint-files-synced": 1,
            "checkpoint-record-flushed": 1, "checkpoint-control-file-written": 1,
            "checkpoint-wal-recycled": 1,
        },
        FILLING: {**_SEGMENT, "wal-segment-recycled": 1, "unlink": 1},
        CRASH: {"begin": 1, "wait": 2, **_MUTEX},
        SHUTDOWN: {
            "take_signals": 1, "exit": 1, "pwrite": 10, "open": 6, "close": 6, "fsync": 6,
            "write_log": 2, "checkpoint-record-flushed": 1, "checkpoint-control-file-written": 1,
        },
    },
    "bgwriter": {
        LOAD: {
            "mutex_acquire": 40, "mutex_release": 40, "wait": 8, "open": 1, "pwrite": 6,
            "buffer-written": 6, "close": 1,
        },
        FILLING: {
            **_SEGMENT, "open": 1, "pwrite": 6, "fsync": 1, "wal-written-not-synced": 1,
        },
        HOLDING: {"wake": 1},
        CRASH: {"begin": 1, "close": 2, "wait": 1},
        SHUTDOWN: {"take_signals": 1, "exit": 1},
    },
    "walwriter": {
        LOAD: {
            "mutex_acquire": 20, "mutex_release": 20, "wait": 12, "close": 1, "pwrite": 8,
            "fsync": 4, "wal-written-not-synced": 4, "wake": 1,
        },
        FILLING: {**_SEGMENT, "open": 1, "wal-written-not-synced": 4, "fsync": 4},
        CRASH: {"begin": 1, "close": 2},
        SHUTDOWN: {"take_signals": 1, "exit": 1},
    },
    "logger": {
        LOAD: {"pwrite": 4, "receive": 4, "wait": 4},
        CRASH: {"pwrite": 15, "receive": 15, "wait": 15},
        START: {
            "begin": 1, "open": 1, "close": 3, "file_size": 1, "stat": 1, "pwrite": 5, "receive": 5,
            "wait": 5,
        },
        AGAIN: {"begin": 1, "redirect_output": 1, "open": 1},
        SHUTDOWN: {"exit": 1, "pwrite": 3},
    },
    "startup": {
        CRASH: {
            **_MUTEX, "begin": 1, "open": 15, "close": 14, "pread": 3, "pread_into": 3, "pwrite": 4,
            "file_size": 3, "list_directory": 10, "stat": 25, "write_log": 4, "exit": 1, "wake": 1,
            "wait": 1, "fsync": 15, "fsync_directory": 10, "buffer-victim-chosen": 30,
            "buffer-written": 2, "recovery-started": 1, "redo-record-applied": 200,
            "redo-finished": 1, "recovery-ended": 1, "wal-record-copied": 1,
            "wal-written-not-synced": 1,
        },
        START: {
            "open": 15, "close": 14, "pread": 3, "stat": 25, "list_directory": 10, "write_log": 4,
            "fsync": 15, "fsync_directory": 10, "redo-record-applied": 200, "redo-finished": 1,
            "recovery-ended": 1, "recovery-started": 1, "exit": 1, "wal-record-copied": 1,
            "buffer-written": 2,
        },
        FILLING: {
            "rename": 1, "wal-segment-created": 1, "buffer-written": 20, "fsync": 5,
            "wal-written-not-synced": 1, "truncate": 1, "unlink": 1,
        },
        HOLDING: {"sleep": 1},
    },
    "postmaster": {
        LOAD: {"wait": 1, "accept": 1, "fork": 1, "child-forked": 1, "close": 1},
        CRASH: {
            "signal": 6, "reap": 8, "take_signals": 4, "wait": 8, "write_log": 4, "fork": 8,
            "child-forked": 8, "map_shared": 1, "create_mutexes": 1, "create_latches": 1,
            "accept": 8, "close": 8, "open": 1, "pread": 1,
        },
        START: {
            "begin": 1, "open": 6, "close": 6, "pread": 3, "pwrite": 4, "fsync": 3, "truncate": 4,
            "file_size": 1, "stat": 3, "lock_file": 2, "listen_unix": 1, "pipe": 1,
            "redirect_output": 1, "write_log": 5, "fork": 8, "child-forked": 8, "map_shared": 1,
            "create_mutexes": 1, "create_latches": 1, "unlink": 1, "wait": 4, "accept": 4,
        },
        SHUTDOWN: {
            "take_signals": 2, "signal": 4, "reap": 4, "wait": 4, "write_log": 4, "unlink": 2,
            "exit": 1, "close": 4, "truncate": 1, "pwrite": 1,
        },
        INTERLOCK: {"process_exists": 1},
    },
    "dead-end": {
        CRASH: {
            "begin": 2, "close": 2, "receive": 2, "send": 2, "write_log": 2, "exit": 2, "wait": 2,
        },
    },
}  # fmt: skip
"""role -> what makes it get there -> call or point -> about how often, between two faults."""
