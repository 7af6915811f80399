"""The state of a session's transaction block, and every transition of it, as a table.

    DEFAULT -start_command-> STARTED -begin_block-> BEGIN -commit_command-> IN_PROGRESS
    IN_PROGRESS -end_block-> END -commit_command-> DEFAULT                       (COMMIT)
    IN_PROGRESS -user_abort_block-> ABORT_PENDING -commit_command-> DEFAULT      (ROLLBACK)
    IN_PROGRESS -abort_current-> ABORT -end_block-> ABORT_END -commit_command-> DEFAULT
    STARTED -commit_command-> DEFAULT                                  (a statement by itself)
    STARTED -begin_implicit_block-> IMPLICIT -end_implicit_block-> STARTED   (several at once)

Source: PostgreSQL 15, `access/transam/xact.c` (TBlockState), without subtransactions.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class BlockState(Enum):
    """Where the session stands between BEGIN and COMMIT."""

    DEFAULT = "default"
    STARTED = "started"
    BEGIN = "begin"
    IN_PROGRESS = "in progress"
    IMPLICIT = "implicit"
    END = "end"
    ABORT = "abort"
    ABORT_END = "abort end"
    ABORT_PENDING = "abort pending"


class Event(Enum):
    """What can happen to it."""

    START_COMMAND = "start command"
    COMMIT_COMMAND = "commit command"
    ABORT_CURRENT = "abort current"
    BEGIN_BLOCK = "begin block"
    END_BLOCK = "end block"
    USER_ABORT_BLOCK = "user abort block"
    BEGIN_IMPLICIT_BLOCK = "begin implicit block"
    END_IMPLICIT_BLOCK = "end implicit block"


class Action(Enum):
    """What is to be done before the new state holds."""

    NOTHING = "nothing"
    START = "start the transaction"
    NEXT_COMMAND = "count the command"
    COMMIT = "commit"
    ABORT = "abort"
    ABORT_AND_CLEAN_UP = "abort and clean up"
    CLEAN_UP = "clean up"
    WARN_IN_PROGRESS = "warn: there is already a transaction in progress"
    WARN_NONE = "warn: there is no transaction in progress"


class Transition(NamedTuple):
    """What an event does: the action, then the state."""

    action: Action
    state: BlockState


_S, _E, _A = BlockState, Event, Action

TRANSITIONS: Final[dict[tuple[BlockState, Event], Transition]] = {
    (_S.DEFAULT, _E.START_COMMAND): Transition(_A.START, _S.STARTED),
    (_S.STARTED, _E.START_COMMAND): Transition(_A.NOTHING, _S.STARTED),
    (_S.IN_PROGRESS, _E.START_COMMAND): Transition(_A.NOTHING, _S.IN_PROGRESS),
    (_S.IMPLICIT, _E.START_COMMAND): Transition(_A.NOTHING, _S.IMPLICIT),
    (_S.ABORT, _E.START_COMMAND): Transition(_A.NOTHING, _S.ABORT),
    #
    (_S.DEFAULT, _E.COMMIT_COMMAND): Transition(_A.NOTHING, _S.DEFAULT),
    (_S.STARTED, _E.COMMIT_COMMAND): Transition(_A.COMMIT, _S.DEFAULT),
    (_S.BEGIN, _E.COMMIT_COMMAND): Transition(_A.NOTHING, _S.IN_PROGRESS),
    (_S.IN_PROGRESS, _E.COMMIT_COMMAND): Transition(_A.NEXT_COMMAND, _S.IN_PROGRESS),
    (_S.IMPLICIT, _E.COMMIT_COMMAND): Transition(_A.NEXT_COMMAND, _S.IMPLICIT),
    (_S.END, _E.COMMIT_COMMAND): Transition(_A.COMMIT, _S.DEFAULT),
    (_S.ABORT, _E.COMMIT_COMMAND): Transition(_A.NOTHING, _S.ABORT),
    (_S.ABORT_END, _E.COMMIT_COMMAND): Transition(_A.CLEAN_UP, _S.DEFAULT),
    (_S.ABORT_PENDING, _E.COMMIT_COMMAND): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    #
    (_S.DEFAULT, _E.ABORT_CURRENT): Transition(_A.NOTHING, _S.DEFAULT),
    (_S.STARTED, _E.ABORT_CURRENT): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    (_S.BEGIN, _E.ABORT_CURRENT): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    (_S.IN_PROGRESS, _E.ABORT_CURRENT): Transition(_A.ABORT, _S.ABORT),
    (_S.IMPLICIT, _E.ABORT_CURRENT): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    (_S.END, _E.ABORT_CURRENT): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    (_S.ABORT, _E.ABORT_CURRENT): Transition(_A.NOTHING, _S.ABORT),
    (_S.ABORT_END, _E.ABORT_CURRENT): Transition(_A.CLEAN_UP, _S.DEFAULT),
    (_S.ABORT_PENDING, _E.ABORT_CURRENT): Transition(_A.ABORT_AND_CLEAN_UP, _S.DEFAULT),
    #
    (_S.STARTED, _E.BEGIN_BLOCK): Transition(_A.NOTHING, _S.BEGIN),
    (_S.IMPLICIT, _E.BEGIN_BLOCK): Transition(_A.NOTHING, _S.BEGIN),
    (_S.IN_PROGRESS, _E.BEGIN_BLOCK): Transition(_A.WARN_IN_PROGRESS, _S.IN_PROGRESS),
    (_S.ABORT, _E.BEGIN_BLOCK): Transition(_A.WARN_IN_PROGRESS, _S.ABORT),
    #
    (_S.STARTED, _E.END_BLOCK): Transition(_A.WARN_NONE, _S.STARTED),
    (_S.IMPLICIT, _E.END_BLOCK): Transition(_A.WARN_NONE, _S.END),
    (_S.IN_PROGRESS, _E.END_BLOCK): Transition(_A.NOTHING, _S.END),
    (_S.ABORT, _E.END_BLOCK): Transition(_A.NOTHING, _S.ABORT_END),
    #
    (_S.STARTED, _E.USER_ABORT_BLOCK): Transition(_A.WARN_NONE, _S.ABORT_PENDING),
    (_S.IMPLICIT, _E.USER_ABORT_BLOCK): Transition(_A.WARN_NONE, _S.ABORT_PENDING),
    (_S.IN_PROGRESS, _E.USER_ABORT_BLOCK): Transition(_A.NOTHING, _S.ABORT_PENDING),
    (_S.ABORT, _E.USER_ABORT_BLOCK): Transition(_A.NOTHING, _S.ABORT_END),
    #
    (_S.STARTED, _E.BEGIN_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.IMPLICIT),
    (_S.IMPLICIT, _E.BEGIN_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.IMPLICIT),
    (_S.BEGIN, _E.BEGIN_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.BEGIN),
    (_S.IN_PROGRESS, _E.BEGIN_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.IN_PROGRESS),
    (_S.ABORT, _E.BEGIN_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.ABORT),
    #
    (_S.IMPLICIT, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.STARTED),
    (_S.DEFAULT, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.DEFAULT),
    (_S.STARTED, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.STARTED),
    (_S.BEGIN, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.BEGIN),
    (_S.IN_PROGRESS, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.IN_PROGRESS),
    (_S.END, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.END),
    (_S.ABORT, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.ABORT),
    (_S.ABORT_END, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.ABORT_END),
    (_S.ABORT_PENDING, _E.END_IMPLICIT_BLOCK): Transition(_A.NOTHING, _S.ABORT_PENDING),
}
"""Every legal transition; a pair that is not here is a bug (XACT-3)."""

STATUS: Final[dict[BlockState, bytes]] = {
    _S.DEFAULT: b"I",
    _S.STARTED: b"I",
    _S.BEGIN: b"T",
    _S.IN_PROGRESS: b"T",
    _S.IMPLICIT: b"T",
    _S.END: b"T",
    _S.ABORT: b"E",
    _S.ABORT_END: b"E",
    _S.ABORT_PENDING: b"E",
}
"""What ReadyForQuery says."""
