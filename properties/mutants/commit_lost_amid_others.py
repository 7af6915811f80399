"""Recovery leaves out the commit of one transaction, and takes in two that came after it.

With asynchronous commits a crash may take back what was acknowledged shortly before, so of that
transaction nobody can say that it had to be there. But then what came after it had to go as well.

Breaks the rule that WAL survives as a prefix. In real life: the holes in MongoDB's oplog, which is
written by many at once: a node that crashed has to cut it off before the first hole
(oplogTruncateAfterPoint), or else keeps the later writes and not the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.recovery.redo import RedoLoop
from engine.transaction.commit_record import (
    RM_XACT,
    XACT_COMMIT,
    XACT_HAS_INFO,
    XACT_OPCODE_MASK,
)
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="commit-lost-amid-others",
    breaks="WAL survives as a prefix",
    mirrors="the negation of MongoDB's oplogTruncateAfterPoint",
    sees=("no_holes: hole", "list_prefix: hole"),
    settings={"synchronous_commit": "off"},
    workload="bank",
)
LATER: Final = 2


def apply() -> None:
    """The last few commits are held back, and the first of these is never replayed."""
    held: list[Any] = []

    def make(replay: Callable[..., Any]) -> Callable[..., Any]:
        def leaving_out(self: Any, *arguments: Any) -> Any:
            redo = self._redo[RM_XACT]

            def late(record: Any, context: Any) -> None:
                is_commit = record.info & XACT_OPCODE_MASK == XACT_COMMIT
                if not is_commit or record.info & XACT_HAS_INFO:
                    redo(record, context)
                    return
                held.append(record)
                if len(held) > LATER + 1:
                    redo(held.pop(0), context)

            self._redo[RM_XACT] = late
            last = replay(self, *arguments)
            for record in held[1:] if len(held) > LATER else held:
                redo(record, self._services.pages)
            return last

        return leaving_out

    replace(RedoLoop, "_replay", make)
