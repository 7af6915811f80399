"""The postmaster's states and what may follow what, as a table.

    INIT ──> STARTUP ──────────> RUN ──> STOP_BACKENDS ──> WAIT_BACKENDS
               │  ▲                                          │        │
               │  │ (made anew after a crash)        (clean) ▼        │ (crash, immediate)
               │  │                                     SHUTDOWN      │
               │  │                                          │        │
               ▼  │                                          ▼        ▼
             NO_CHILDREN <──────────────────────────────── WAIT_DEAD_END

Who moves it: the startup process's end moves STARTUP on; a shutdown request or a child's crash
leads to STOP_BACKENDS or WAIT_BACKENDS; the last backend's end, the checkpointer's end and the
last child's end do the rest. Follows `PMState` in postmaster.c, without the states of standbys and
archiving.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final


class PostmasterState(Enum):
    """What the postmaster is about."""

    INIT = "initializing"
    STARTUP = "waiting for the startup process"
    RUN = "accepting connections"
    STOP_BACKENDS = "telling backends to stop"
    WAIT_BACKENDS = "waiting for backends to stop"
    SHUTDOWN = "waiting for the shutdown checkpoint"
    WAIT_DEAD_END = "waiting for the last children"
    NO_CHILDREN = "all children are gone"


_S = PostmasterState

TRANSITIONS: Final = {
    _S.INIT: (_S.STARTUP,),
    _S.STARTUP: (_S.RUN, _S.STOP_BACKENDS, _S.WAIT_BACKENDS, _S.NO_CHILDREN),
    _S.RUN: (_S.STOP_BACKENDS, _S.WAIT_BACKENDS),
    _S.STOP_BACKENDS: (_S.WAIT_BACKENDS,),
    _S.WAIT_BACKENDS: (_S.SHUTDOWN, _S.WAIT_DEAD_END),
    _S.SHUTDOWN: (_S.WAIT_DEAD_END, _S.WAIT_BACKENDS),
    _S.WAIT_DEAD_END: (_S.NO_CHILDREN,),
    _S.NO_CHILDREN: (_S.STARTUP,),
}
"""From each state, the states that may come next; from NO_CHILDREN the postmaster may also exit."""


class Shutdown(IntEnum):
    """The shutdown asked for, in rising urgency: a later request can only make it more urgent."""

    NONE = 0
    SMART = 1
    FAST = 2
    IMMEDIATE = 3
