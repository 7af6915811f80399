"""WAL is written at commit and not synced: the commit survives a kill, and no power loss.

Breaks XACT-1 (engine/transaction/README.md): what counts as flushed (FLUSHED_LSN) is on the disk.

In real life: `fsync = off` in PostgreSQL, `innodb_flush_log_at_trx_commit = 2`, and every system
that took `write` for durable.

What was lost may be a commit; or the checkpoint record that pg_control names, or the records that
a page on the disk is ahead of: then there is no recovery, or there are torn pages after it.
"""

from __future__ import annotations

from engine.wal.flush import WalFlusher
from properties.mutants.api import DAMAGED_PAGES, Mutant, replace

MUTANT = Mutant(
    name="wal-not-synced",
    breaks="XACT-1",
    mirrors="innodb_flush_log_at_trx_commit = 2; fsync = off",
    sees=("durability: lost", "liveness: not back", *DAMAGED_PAGES),
    faults=("power-loss",),
)


def apply() -> None:
    replace(WalFlusher, "_sync", lambda sync: lambda self: None)
