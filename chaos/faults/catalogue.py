"""The faults by name.

A *kill* is SIGKILL: a process dies where it stands, the page cache survives. A *stop* is SIGSTOP
and, a while later, SIGCONT.

    backend, checkpointer, bgwriter, walwriter, logger      kill that process
    startup                kill the startup process during recovery, up to three times over
    postmaster             kill the postmaster alone: its children must leave by themselves
    postmaster+children    kill the postmaster, then its children
    all                    stop all processes, then kill all: nobody sees anybody die
    stop:ROLE              stop a process (the startup process during recovery), and continue it
    place                  kill whoever reaches a place, while it is there; the plan says which,
                           and what makes somebody reach it (chaos/faults/placing.py)

A *disk fault* is about what was written. The run keeps a log of every change of every file, and has
a profile, which says what the device may do (chaos/disk/profiles.py). Such faults are to be had
under the baton only.

    power-loss             all die at one step, and of what was not synced the disk keeps what it
                           likes; perhaps again in the recovery that follows
                           (chaos/faults/power.py)
    fsync-fails            one fsync, by place, fails with EIO, and what it was to write is dropped;
                           in some cycles the power goes a while later
    io-error               a read or a write, by place, fails with EIO, once or a few times
    disk-full              a write, by place, fails with ENOSPC; or there is no more room than so
                           many bytes, for a while
    short-io               a read or a write, by place, does half of what it was asked to
    lost-write             a write, by place, is said to be done and is not; then the power goes
    bit-rot                a bit on the disk changes while the server is down (chaos/faults/disk)
    misdirected-write      a page is written over its neighbour, and not where it belongs; all die
                           before the next checkpoint is complete
    wal-rot                the same as bit-rot, in WAL that recovery must replay

What PostgreSQL must do after each of them, and may say, is in properties/checkers: an ERROR, a
PANIC and a crash restart, a start that is given up.

Each fault has a label. *Recoverable*: nothing that was acknowledged may be lost, nothing may be
wrong, and a server that ends is back as soon as the disk is well again. *Detectable*: the server
must say so, and never go on with what is wrong; when the disk is as it was, everything is there.
*Out of contract*: no database is bound to stand it, and a violation says that. Kills and stops are
recoverable, and so are a power loss where the profile is in contract, fsync-fails, io-error,
disk-full and short-io. Rot of a page, of pg_control and of a checkpoint's record is detectable,
and so is a misdirected write, as long as recovery begins before it: then its own block is brought
up to date by replay, and the neighbour has a checksum that belongs to another block. Out of
contract are a lost write, since the page before it has a checksum that is right, and rot in other
WAL, which nobody can tell from the end of the WAL. A misdirected write whose checkpoint is complete
would be out of contract like a lost one, for its own block's sake: that is not drawn.
"""

from __future__ import annotations

from typing import Final

KILLS: Final = (
    "backend",
    "checkpointer",
    "bgwriter",
    "walwriter",
    "logger",
    "startup",
    "postmaster",
    "postmaster+children",
    "all",
)
STOPS: Final = (
    "stop:backend",
    "stop:checkpointer",
    "stop:bgwriter",
    "stop:walwriter",
    "stop:logger",
    "stop:startup",
    "stop:postmaster",
)
PLACE: Final = "place"
POWER_LOSS: Final = "power-loss"
FAILURES: Final = ("fsync-fails", "io-error", "disk-full", "short-io", "lost-write")
"""A call that fails, or a disk that is full, or says that it has done what it has not."""
ROTS: Final = ("bit-rot", "wal-rot")
"""Something on the disk changes while the server is down."""
MISDIRECTED: Final = "misdirected-write"
DISK: Final = (POWER_LOSS, *FAILURES, *ROTS, MISDIRECTED)
IN_THE_SWARM: Final = (POWER_LOSS,)
"""The disk faults that a run draws by itself; the others must be asked for."""
FAULTS: Final = (*KILLS, PLACE, *DISK, *STOPS)
BY_NAME_ONLY: Final = ("lost-write", "wal-rot")
"""Out of contract: no group holds them."""
GROUPS: Final = {
    "kill": KILLS,
    "stop": STOPS,
    "disk": tuple(fault for fault in DISK if fault not in BY_NAME_ONLY),
    "any": tuple(fault for fault in FAULTS if fault not in BY_NAME_ONLY),
}

NEEDS_BATON: Final = frozenset({PLACE, *DISK})

ENDS_THE_POSTMASTER: Final = frozenset({"postmaster", "postmaster+children", "all"})
"""After these it is the controller that starts the server again."""

LEAVES_OTHERS_ALONE: Final = frozenset({"logger"})
"""Killed, these are replaced without a crash restart."""


class UnknownFault(ValueError):
    """A name that is no fault."""


def parse_faults(text: str) -> tuple[str, ...]:
    """`backend,stop:logger` or group names; in the catalogue's order, each once."""
    wanted: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        names = GROUPS.get(word, (word.removeprefix("kill:"),))
        unknown = [name for name in names if name not in FAULTS]
        if unknown:
            raise UnknownFault(
                f"there is no fault {word!r}; there are {', '.join(FAULTS)},"
                f" and the groups {', '.join(GROUPS)}"
            )
        wanted.update(names)
    if not wanted:
        raise UnknownFault("no fault is named")
    return tuple(name for name in FAULTS if name in wanted)
