"""A WAL segment gets its name, and pg_wal is not synced.

Breaks WAL-6 (engine/wal/README.md): the records in it are synced, and the power loss takes the name
under which they could be found.

In real life: PostgreSQL before 9.5.2 (9.4.7, 9.3.12) renamed files without fsync of the directory,
and lost WAL on ext4 (Vondra, "silent data loss with ext4"); LevelDB issue 195, and most of the
programs in Pillai et al. (OSDI 2014).
"""

from __future__ import annotations

from engine.wal.segments import Segments
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="segment-name-not-synced",
    breaks="WAL-6",
    mirrors="PostgreSQL before 9.5.2; LevelDB issue 195",
    sees=("liveness: not back", "durability: lost"),
    faults=("power-loss",),
    settings={"wal_consistency_checking": "all"},
)


def apply() -> None:
    replace(Segments, "_sync_directory", lambda sync: lambda self: None)
