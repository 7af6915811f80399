"""Draws how a disk fails: at which call of which process, or how full it is, or where it rots."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from chaos.faults.drawing import draw_count
from chaos.faults.reach import CRASH, LOAD, START

SHARE_OF_LOAD: Final = 0.75
SHARE_OF_READS_UNDER_LOAD: Final = 0.2
"""Most of what is read is in the buffers then."""
SHARE_OF_POWER_LOSSES: Final = 0.5
"""After a failed fsync: what it should have written is not on the disk then, whoever thinks so."""
POWER_LOSS_AFTER: Final = "power loss after "
SHARE_OF_QUOTA: Final = 0.4
SHARE_AFTER_CHECKPOINT: Final = 0.75
"""Recovery then overwrites few pages, and most rot must be noticed."""
QUOTAS: Final = (0, 0, 8192, 65_536, 300_000, 1_200_000)
"""How many bytes are left when the disk begins to fill up."""
ROT: Final = ("heap", "heap", "heap", "heap", "catalog", "catalog", "control", "checkpoint")
"""What rots, as often as it stands here (chaos/faults/disk/rot.py)."""

Seat = tuple[str, str, int]
"""Who, which call, and about how often that is made before a fault strikes."""

FSYNCS: Final[dict[str, tuple[Seat, ...]]] = {
    LOAD: (
        ("checkpointer", "fsync", 12),
        ("checkpointer", "fsync", 12),
        ("checkpointer", "fsync_directory", 1),
        ("backend", "fsync", 60),
        ("walwriter", "fsync", 2),
        ("backend", "fsync_directory", 1),
    ),
    CRASH: (("startup", "fsync", 15), ("startup", "fsync_directory", 10)),
    START: (("startup", "fsync", 15), ("startup", "fsync_directory", 10)),
}
WRITES: Final[dict[str, tuple[Seat, ...]]] = {
    LOAD: (
        *(("checkpointer", "pwrite", 40),) * 4,
        *(("backend", "pwrite", 80),) * 3,
        ("walwriter", "pwrite", 2),
        ("bgwriter", "pwrite", 1),
    ),
    CRASH: (("startup", "pwrite", 2), ("checkpointer", "pwrite", 6)),
    START: (("startup", "pwrite", 2), ("checkpointer", "pwrite", 6)),
}
READS: Final[dict[str, tuple[Seat, ...]]] = {
    LOAD: (("backend", "pread_into", 2),),
    CRASH: (
        ("startup", "pread", 2),
        ("startup", "pread_into", 1),
        ("backend", "pread_into", 20),
        ("backend", "pread_into", 20),
    ),
    START: (
        ("startup", "pread", 2),
        ("postmaster", "pread", 3),
        ("backend", "pread_into", 20),
        ("backend", "pread_into", 20),
    ),
}
PAGES: Final[dict[str, tuple[Seat, ...]]] = {
    LOAD: (("checkpointer", "pwrite", 40), ("backend", "pwrite", 40)),
}
"""Where pages are written, among other things."""
PAGES_WRITTEN: Final[dict[str, tuple[Seat, ...]]] = {
    LOAD: (
        *(("checkpointer", "buffer-written", 12),) * 4,
        ("checkpointer", "checkpoint-buffers-written", 1),
        ("checkpointer", "checkpoint-files-synced", 1),
        ("checkpointer", "checkpoint-record-flushed", 1),
        ("backend", "buffer-written", 1),
    ),
}
"""Where pages of relations have been written, and the checkpoint is not complete."""


class DiskFault(NamedTuple):
    """The parts of a plan's fault that a disk fault is made of."""

    placed: str = ""
    occasion: str = ""
    disk: str = ""
    choice: int = 0


def draw_disk_fault(chance: random.Random, kind: str) -> DiskFault:
    """All is drawn, used or not (PLAN-2)."""
    fsync = _draw_seat(chance, FSYNCS)
    write = _draw_seat(chance, WRITES)
    read = _draw_seat(chance, READS, SHARE_OF_READS_UNDER_LOAD)
    page = _draw_seat(chance, PAGES)
    access = write if chance.random() < 0.5 else read
    times = chance.choice((1, 1, 1, 2, 4))
    quota = chance.choice(QUOTAS)
    hold_ms = chance.choice((5, 50, 200))
    is_quota = chance.random() < SHARE_OF_QUOTA
    rot, at = chance.choice(ROT), chance.randrange(1 << 16)
    after = " after checkpoint" if chance.random() < SHARE_AFTER_CHECKPOINT else ""
    loses_power = chance.random() < SHARE_OF_POWER_LOSSES and kind == "fsync-fails"
    loses_power |= kind == "lost-write"
    choice, delay_ms = chance.randrange(1 << 32), chance.choice((5, 100, 500, 1500))
    page_written = _draw_seat(chance, PAGES_WRITTEN)
    suffix = "" if times == 1 else f" {times} times"
    if kind == "disk-full" and is_quota:
        return DiskFault(disk=f"quota {quota} for {hold_ms}ms")
    if kind in ("bit-rot", "wal-rot"):
        return DiskFault(disk=f"rot {rot if kind == 'bit-rot' else 'wal'} {at}{after}")
    if kind == "misdirected-write":
        place, occasion = page_written
        return DiskFault(f"{place}: kill all", occasion, f"misdirect{after}", choice)
    place, occasion, action = {
        "fsync-fails": (*fsync, "eio"),
        "io-error": (*access, "eio" + suffix),
        "disk-full": (*write, "enospc" + suffix),
        "short-io": (*access, "short"),
        "lost-write": (*page, "lose"),
    }[kind]
    if loses_power:
        return DiskFault(f"{place}: {action}", occasion, f"{POWER_LOSS_AFTER}{delay_ms}ms", choice)
    return DiskFault(f"{place}: {action}", occasion)


def _draw_seat(
    chance: random.Random, seats: dict[str, tuple[Seat, ...]], share_of_load: float = SHARE_OF_LOAD
) -> tuple[str, str]:
    """A place as text, and its occasion."""
    under_load, other, which = chance.random(), chance.random(), chance.random()
    others = [occasion for occasion in seats if occasion != LOAD]
    is_load = under_load < share_of_load or not others
    occasion = LOAD if is_load else others[int(other * len(others))]
    pool = seats[occasion]
    role, call, about = pool[int(which * len(pool))]
    count = draw_count(chance, about)
    return f"{role} {call}" + (f" {count}" if count != 1 else ""), occasion
