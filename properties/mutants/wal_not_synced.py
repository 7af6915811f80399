"""WAL is written at commit and not synced: the commit survives a kill, and no power loss.

Breaks XACT-1 (engine/transaction/README.md): what counts as flushed (FLUSHED_LSN) is on the disk.

In real life: `fsync = off` in PostgreSQL, `innodb_flush_log_at_trx_commit = 2`, and every system
that took `write` for durable.
"""

from __future__ import annotations

from engine.wal.flush import WalFlusher
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="wal-not-synced",
    breaks="XACT-1",
    mirrors="innodb_flush_log_at_trx_commit = 2; fsync = off",
    sees=("durability: lost",),
    faults=("power-loss",),
)


def apply() -> None:
    replace(WalFlusher, "_sync", lambda sync: lambda self: None)
