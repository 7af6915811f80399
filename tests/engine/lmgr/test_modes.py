"""The conflict table is PostgreSQL's."""

from __future__ import annotations

from engine.lmgr.modes import LockMode, conflict

# The table of the manual (13.3.1), X where the modes conflict, weakest mode first.
TABLE = (
    ".......X",
    "......XX",
    "....XXXX",
    "...XXXXX",
    "..XX.XXX",
    "..XXXXXX",
    ".XXXXXXX",
    "XXXXXXXX",
)


def test_conflicts_are_those_of_the_manual() -> None:
    shown = tuple(
        "".join("X" if conflict(one, other) else "." for other in LockMode) for one in LockMode
    )
    assert shown == TABLE


def test_conflicts_are_symmetric() -> None:
    for one in LockMode:
        for other in LockMode:
            assert conflict(one, other) == conflict(other, one)
