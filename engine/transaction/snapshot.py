"""A snapshot: which transactions' work one reader sees.

It is the moment at which it was taken, as three facts: every xid before `xmin` had ended, every xid
from `xmax` on had not begun, and of those between, the ones in `running` had not ended. What a
transaction that had not ended does is never seen, whatever becomes of it. A transaction's own work
is not the snapshot's business but that of `command_id`: it sees its own commands before that one.

A snapshot protects what it can see: as long as somebody holds the object, the horizon of its
process stays at or before its `xmin`, so nobody prunes those rows (MVCC-4).

Source: PostgreSQL 15, `utils/time/snapmgr.c` (XidInMVCCSnapshot), `utils/snapshot.h`.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.types import FIRST_NORMAL_XID


class Snapshot:
    """An MVCC snapshot; never changed once taken."""

    __slots__ = ("__weakref__", "command_id", "running", "xmax", "xmin")

    def __init__(self, xmin: int, xmax: int, running: Iterable[int], command_id: int) -> None:
        self.xmin = xmin
        self.xmax = xmax
        self.running = frozenset(running)
        self.command_id = command_id

    def is_running(self, xid: int) -> bool:
        """Whether a transaction had not ended when the snapshot was taken. `xid` is not the
        reader's own."""
        if (xid - self.xmin) & 0xFFFFFFFF >= 0x80000000 or xid < FIRST_NORMAL_XID:
            return False
        if (xid - self.xmax) & 0xFFFFFFFF < 0x80000000:
            return True
        return xid in self.running

    def at_command(self, command_id: int) -> Snapshot:
        """The same moment as a later command of the transaction uses it."""
        return Snapshot(self.xmin, self.xmax, self.running, command_id)

    def __repr__(self) -> str:
        running = ",".join(map(str, sorted(self.running)))
        return f"Snapshot({self.xmin}:{self.xmax}:{running} command {self.command_id})"
