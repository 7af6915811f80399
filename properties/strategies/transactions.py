"""Transactions: single steps of sessions, whole transactions, and programs of several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from properties.models.snapshot_isolation import IN_CHANGE
from properties.models.steps import (
    SESSIONS,
    Begin,
    BySession,
    Checkpoint,
    Commit,
    Delete,
    Insert,
    Level,
    Program,
    Read,
    Rollback,
    Step,
    Strike,
    Update,
    Vacuum,
)
from properties.strategies.faults import misfortunes, strikes

MOST_KEYS: Final = 6
PLAYERS: Final = SESSIONS[:3]

sessions: Final = st.sampled_from(PLAYERS)
levels: Final = st.sampled_from(tuple(Level))
keys: Final = st.integers(1, 3)
new_keys: Final = st.integers(4, MOST_KEYS)
amounts: Final = st.integers(1, 9)
limits: Final = st.none() | st.integers(1, 12)


def changes(
    who: st.SearchStrategy[str] = sessions,
    strike: st.SearchStrategy[Strike | None] | None = None,
) -> st.SearchStrategy[Insert | Update | Delete]:
    """Statements that change a row."""
    struck = st.none() if strike is None else strike
    return (
        st.builds(Update, who, keys, amounts, limits, struck)
        | st.builds(Update, who, keys | new_keys, amounts, st.none(), struck)
        | st.builds(Insert, who, new_keys, amounts, struck)
        | st.builds(Delete, who, keys | new_keys, struck)
    )


def struck_changes() -> st.SearchStrategy[Insert | Update | Delete]:
    """The backend dies between page and record, or after the record, of a row's change."""
    return changes(strike=strikes(IN_CHANGE))


@st.composite
def transactions(draw: st.DrawFn, session: str, *, most: int = 4) -> tuple[BySession, ...]:
    """BEGIN, some statements, and an end."""
    who = st.just(session)
    statement: st.SearchStrategy[BySession] = st.one_of(changes(who), st.builds(Read, who))
    inside = draw(st.lists(statement, min_size=1, max_size=most))
    end: BySession = Commit(session) if draw(st.booleans()) else Rollback(session)
    return Begin(session, draw(levels)), *inside, end


@st.composite
def programs(draw: st.DrawFn, players: Sequence[str] = PLAYERS, *, most: int = 3) -> Program:
    """Transactions of several sessions shuffled into each other, with misfortunes between them."""
    queues: list[list[Step]] = [
        [step for one in draw(st.lists(transactions(name), max_size=most)) for step in one]
        for name in players
    ]
    other: st.SearchStrategy[Step] = st.one_of(
        st.sampled_from((Checkpoint(), Vacuum())), misfortunes()
    )
    queues.append(list(draw(st.lists(other, max_size=most))))
    program: list[Step] = []
    while left := [queue for queue in queues if queue]:
        program.append(draw(st.sampled_from(left)).pop(0))
    return tuple(program)
