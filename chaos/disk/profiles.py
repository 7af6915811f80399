"""What a device and its file system may do to writes that are not synced yet.

The first three fields of rules say what the model computes with; the README says the rules in
full. A profile that is out of contract breaks what fsync(2) promises: no program can stand it, and
it is there to show that the checkers see the damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Order(Enum):
    """Which unsynced changes may survive a power loss without which others."""

    ANY = "any"
    """Each on its own."""
    JOURNAL = "journal"
    """Names and truncations as a prefix; a grown size only after its data; overwrites freely."""
    SEQUENCE = "sequence"
    """All as one prefix of the log."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of disk.

    order: which changes survive without which.  atom: bytes that are written wholly or not at
    all, at multiples of that in the file.  replaces_after_data: a rename over an existing name
    takes the renamed file's new data with it.  cached_operations: so many of the last changes
    may be lost even if a sync of them was acknowledged.  fsync_fails: runs on it should let
    fsync(2) fail now and then.  summary, source: for people.
    """

    name: str
    summary: str
    source: str
    order: Order = Order.ANY
    atom: int = 512
    replaces_after_data: bool = False
    cached_operations: int = 0
    fsync_fails: bool = False
    in_contract: bool = True


_ANY_SUBSET: Final = (
    "POSIX promises nothing of what is not synced, and nothing of a name before fsync of its "
    "directory; Pillai et al. (OSDI 2014, table 1) found each of these reorderings on some "
    "configuration of ext2, ext3, ext4, XFS or Btrfs. "
)

_ALL: Final = (
    Profile(
        "strict",
        "Unsynced data and names may all vanish, any subset of them, and a write may be torn "
        "between sectors of 512 bytes.",
        _ANY_SUBSET + "512 bytes is the smallest sector; a disk promises no more than one.",
    ),
    Profile(
        "ext4-ordered",
        "Names and truncations survive as a prefix of their order, a file grows only together "
        "with its data, a rename over a name takes the new file's data along; overwrites in "
        "place are lost freely, torn at 512 bytes.",
        "ext4 with data=ordered, delalloc and auto_da_alloc, its defaults "
        "(Documentation/admin-guide/ext4.rst; jbd2 has one running transaction at a time).",
        order=Order.JOURNAL,
        replaces_after_data=True,
    ),
    Profile(
        "xfs",
        "As ext4-ordered, but a rename over a name may survive without the new file's data.",
        "XFS logs metadata in one order and writes the new size to its log only after the data "
        "is on disk (xfs_setfilesize at the end of I/O); it has no auto_da_alloc.",
        order=Order.JOURNAL,
    ),
    Profile(
        "sector-4k",
        "As strict, but a sector has 4096 bytes.",
        _ANY_SUBSET + "Disks of the Advanced Format (4Kn) and most SSDs write 4096 bytes at once; "
        "it is SQLite's SQLITE_IOCAP_ATOMIC4K.",
        atom=4096,
    ),
    Profile(
        "atomic-8k",
        "As strict, but an aligned block of 8192 bytes is written wholly or not at all: no page "
        "is ever torn.",
        _ANY_SUBSET + "SQLite's SQLITE_IOCAP_ATOMIC8K; NVMe devices announce such a size as "
        "AWUPF, and ZFS with recordsize=8k behaves so.",
        atom=8192,
    ),
    Profile(
        "sequential",
        "All changes, of data and of names, survive as a prefix of the log; the last write may "
        "be cut short at a sector of 512 bytes.",
        "SQLite's SQLITE_IOCAP_SEQUENTIAL, writes reach the disk in the order they were issued: "
        "ext3 and ext4 with data=journal, or a virtual disk that is copied at one moment.",
        order=Order.SEQUENCE,
    ),
    Profile(
        "lying-fsync",
        "As strict, but the device acknowledges a flush while its cache still holds the last 64 "
        "changes: they are lost although they were synced. Out of contract.",
        "Consumer disks with a volatile write cache that ignore FLUSH CACHE; ext4 mounted with "
        "nobarrier.",
        cached_operations=64,
        in_contract=False,
    ),
    Profile(
        "fsync-fails-and-drops",
        "As strict, and fsync fails now and then: what it should have written is marked clean "
        "and lost, and the next fsync succeeds.",
        "Linux since 4.13 reports the error of a writeback once and marks the pages clean; "
        "Rebello et al. (USENIX ATC 2020) saw it on ext4, XFS and Btrfs. ",
        fsync_fails=True,
    ),
)

PROFILES: Final[dict[str, Profile]] = {profile.name: profile for profile in _ALL}
