"""The length of a record is believed before anything else in its header was looked at.

The end of the log is where the length is zero, so each recovery comes to it.

Breaks the rule that a header is checked before its length is used. In real life: PostgreSQL before
16: a length read off a page's end asked for gigabytes, commit bae868ca.
"""

from __future__ import annotations

from engine.wal.reader import WalReader
from properties.mutants.api import NO_RECOVERY, Mutant, replace

MUTANT = Mutant(
    name="length-trusted",
    breaks="a header is checked before its length is used",
    mirrors=(
        "PostgreSQL before 16: a length read off a page's end asked for gigabytes, commit bae868ca"
    ),
    sees=NO_RECOVERY,
)


def apply() -> None:
    """A header is as it is."""
    replace(WalReader, "_check_record_header", lambda _: lambda self, header, lsn: None)
