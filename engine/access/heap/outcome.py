"""What a change of a row version led to, and what the caller must know to go on."""

from __future__ import annotations

from typing import NamedTuple

from engine.access.heap.visibility import TupleUpdate
from engine.types import Tid


class ChangeOutcome(NamedTuple):
    """`tid` is the new version's place after an update that went well.

    Otherwise (`TM_FailureData`): `next_tid` is the next version's place, the tuple's own if there
    is none, `xmax` who made it, and `command` the command of this transaction that did, if it was
    this one.
    """

    result: TupleUpdate
    tid: Tid | None = None
    next_tid: Tid | None = None
    xmax: int = 0
    command: int | None = None

    @property
    def is_ok(self) -> bool:
        return self.result is TupleUpdate.OK
