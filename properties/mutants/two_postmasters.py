"""A new postmaster starts while processes of the old one still write to the same files.

Breaks PM-1. In real life: PostgreSQL: a postmaster.pid removed by hand; the reason why the shared
memory segment's attachments are counted.
"""

from __future__ import annotations

from engine.processes.postmaster import entry
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="two-postmasters",
    breaks="PM-1",
    mirrors=(
        "PostgreSQL: a postmaster.pid removed by hand; the reason why the shared memory "
        "segment's attachments are counted"
    ),
    sees=("reaction: two servers", "reaction: refused otherwise"),
    faults=("postmaster",),
)


def apply() -> None:
    """The interlock is not asked for."""
    replace(entry, "lock_data_directory", lambda _: lambda host, shown_path: -1)
