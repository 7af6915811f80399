"""The matrix of what was reached and what was struck: host calls and injection points by role.

A *place* here is a role and a call, or a role and an injection point. It is reached when a process
of that role gets there, and struck when one was killed while parked there: by a fault of that
place, or by a kill of whoever it was, wherever it was (`by` place or hand). The records are what
`chaos run --json` prints. Runs on the free schedule say nothing of places and are only counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.scheduler.calls import CALL_NAMES, CONTROLLER, ROLES, Call

NOT_CALLS: Final = frozenset({Call.BEGIN.name.lower(), Call.DEATH.name.lower()})
"""Steps that are no calls; at the first one a process may be struck all the same."""


class NoResult(ValueError):
    """A line that is no record of a run; the message says what it lacks."""


@dataclass(slots=True)
class Cell:
    """One place: how often it was reached, how processes were killed there, what followed."""

    role: str
    call: str
    reached: int = 0
    by_place: int = 0
    by_hand: int = 0
    reactions: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        """However they were done."""
        return self.by_place + self.by_hand

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "role": self.role,
            "call": self.call,
            "reached": self.reached,
            "by_place": self.by_place,
            "by_hand": self.by_hand,
            "reactions": dict(self.reactions.most_common()),
        }


class Coverage:
    """The matrix, filled by one record after another."""

    def __init__(self) -> None:
        self.runs = 0
        self.unscheduled = 0
        self._cells: dict[tuple[str, str], Cell] = {}

    def add(self, record: object) -> None:
        """One record; NoResult, and then nothing of it is counted."""
        reached, strikes = _checked(record)
        self.runs += 1
        self.unscheduled += not reached
        for role, calls in reached.items():
            if role != ROLES[CONTROLLER]:
                for call, count in calls.items():
                    self._cell(role, call).reached += count
        for strike in strikes:
            cell = self._cell(strike["role"], strike["call"])
            cell.by_place += strike["by"] == "place"
            cell.by_hand += strike["by"] != "place"
            cell.reactions[strike["reaction"]] += 1

    def _cell(self, role: str, call: str) -> Cell:
        return self._cells.setdefault((role, call), Cell(role, call))

    def cell(self, role: str, call: str) -> Cell | None:
        """What is known of a place; None when nobody got there."""
        return self._cells.get((role, call))

    def cells(self) -> list[Cell]:
        """Every place that was reached, role by role."""
        pairs = ((role, call) for role in self.roles() for call in self.calls())
        return [self._cells[pair] for pair in pairs if pair in self._cells]

    def roles(self) -> list[str]:
        """Whoever got anywhere, in the order of the scheduler's table; unknown ones last."""
        return _in_order((role for role, _ in self._cells), ROLES)

    def calls(self) -> list[str]:
        """Wherever anybody got: calls, then injection points, in their own order; unknown last."""
        return _in_order((call for _, call in self._cells), CALL_NAMES.values())

    def reached_by_nobody(self) -> list[str]:
        """Calls and injection points that no process of any run got to."""
        reached = self.calls()
        known = [call for call in CALL_NAMES.values() if call not in NOT_CALLS]
        return [call for call in known if call not in reached]

    def never_struck(self) -> list[Cell]:
        """Reached, and nobody was killed there: the gaps."""
        return [cell for cell in self.cells() if not cell.kills]

    @property
    def kills(self) -> int:
        """All kills."""
        return sum(cell.kills for cell in self._cells.values())

    @property
    def struck(self) -> int:
        """How many places were struck."""
        return sum(cell.kills > 0 for cell in self._cells.values())

    @property
    def reached(self) -> int:
        """How many places were reached."""
        return len(self._cells)

    @property
    def percent(self) -> float | None:
        """How many of a hundred reached places were struck; None without any."""
        return round(100 * self.struck / self.reached, 1) if self.reached else None

    def to_object(self) -> dict[str, Any]:
        """What `chaos coverage --json` prints."""
        return {
            "runs": self.runs,
            "unscheduled": self.unscheduled,
            "kills": self.kills,
            "reached": self.reached,
            "struck": self.struck,
            "percent": self.percent,
            "cells": [cell.to_object() for cell in self.cells()],
            "never_struck": [
                {"role": cell.role, "call": cell.call} for cell in self.never_struck()
            ],
            "reached_by_nobody": self.reached_by_nobody(),
        }


def read_records(lines: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    """What each line holds that is not blank, with its number from 1; NoResult."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise NoResult(f"line {number} is not JSON") from error


def _in_order(found: Iterable[str], order: Iterable[str]) -> list[str]:
    """Each once, those of the order first."""
    seen = dict.fromkeys(found)
    known = [one for one in order if one in seen]
    return known + [one for one in seen if one not in known]


def _checked(record: object) -> tuple[dict[str, dict[str, int]], list[dict[str, str]]]:
    """The parts of a record that count here."""
    if not isinstance(record, Mapping):
        raise NoResult("it is no JSON object")
    for key, kind in (("reached", dict), ("strikes", list)):
        if not isinstance(record.get(key), kind):
            raise NoResult(f"it has no {key!r}, which chaos run --json writes")
    reached: dict[str, dict[str, int]] = record["reached"]
    strikes: list[dict[str, str]] = record["strikes"]
    for role, calls in reached.items():
        counts = calls.values() if isinstance(calls, dict) else [None]
        if not all(isinstance(count, int) and count > 0 for count in counts):
            raise NoResult(f"what {role!r} reached is no table of counts")
    for strike in strikes:
        wanted = ("role", "call", "by", "reaction")
        if not isinstance(strike, dict) or not all(isinstance(strike.get(k), str) for k in wanted):
            raise NoResult(f"a strike has no {', '.join(wanted)}")
    return reached, strikes
