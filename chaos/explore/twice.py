"""A second crash, in the midst of the recovery from the first.

The recovery of a crash image has an I/O log of its own, and the image is the disk that it begins
with. So its crash states are enumerated like those of the run; what must be there after the second
recovery is what had to be there after the first.

The recoveries of how many images are explored, and how many states of each, is a sample, drawn from
the seed: all of them would be the square of what there is. With a budget images are taken until it
is used up.

EXPLORE-7  A crash during recovery changes nothing: whatever it leaves is recovered to what had been
           promised before the first crash.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.disk.choice import Choice
from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.explore.enumeration import State, enumerate_states
from chaos.explore.exploring import Explorer, OnProgress, cause_key, cause_object
from chaos.explore.minimising import Minimal, minimise
from chaos.explore.workers import Task
from chaos.oracle import Violation
from chaos.seeds import stream

OUTER: Final = 24
INNER: Final = 40


@dataclass(slots=True)
class SecondCrash:
    """Violations with one cause in recoveries: the first state whose recovery shows them, and how
    that recovery was cut off.
    """

    violation: Violation
    outer: State
    place: int
    of: int
    minimal: Minimal
    count: int = 1

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "violation": self.violation.to_object(),
            "states": self.count,
            "first_crash": self.outer.place,
            "place": self.place,
            "of": self.of,
            "causes": [cause_object(cause) for cause in self.minimal.causes],
        }


@dataclass(slots=True)
class Recoveries:
    """What came of crashing again."""

    images: int = 0
    operations: int = 0
    legal: int = 0
    enumerated: int = 0
    distinct: int = 0
    checked: int = 0
    violating: int = 0
    groups: list[SecondCrash] = field(default_factory=list)
    seconds: float = 0.0
    is_interrupted: bool = False

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "images": self.images,
            "operations": self.operations,
            "legal": str(self.legal),
            "enumerated": self.enumerated,
            "distinct": self.distinct,
            "checked": self.checked,
            "violating": self.violating,
            "violations": [group.to_object() for group in self.groups],
            "seconds": round(self.seconds, 3),
            "interrupted": self.is_interrupted,
        }


class Twice:
    """Explores recoveries of the images of an explored run."""

    def __init__(
        self,
        explorer: Explorer,
        seed: int,
        without: frozenset[int],
        on_progress: OnProgress,
        outer: int = OUTER,
        inner: int = INNER,
    ) -> None:
        self._explorer = explorer
        self._without = without
        self._on_progress = on_progress
        self._chance = stream(seed, "disk", "recoveries")
        self._outer = outer
        self._inner = inner
        self.result = Recoveries()

    def explore(
        self,
        states: Sequence[State],
        budget_s: float | None,
        interrupted: tuple[type[BaseException], ...],
    ) -> Recoveries:
        """Crash again in the recoveries of some of these states."""
        began, result = time.monotonic(), self.result
        most = len(states) if budget_s is not None else min(self._outer, len(states))
        chosen = self._chance.sample(list(states), most)
        try:
            for state in chosen:
                if budget_s is not None and time.monotonic() - began >= budget_s:
                    break
                self._explore_one(state)
                self._on_progress("crashing again", result.images, most, result.violating)
        except interrupted:
            result.is_interrupted = True
        result.seconds = time.monotonic() - began
        return result

    def _explore_one(self, outer: State) -> None:
        explorer, result = self._explorer, self.result
        task = Task(0, outer.place, outer.choice, self._without)
        base, operations = explorer.workers.log_of(task)
        seed = random.Random(self._chance.getrandbits(64))
        found = enumerate_states(base, operations, explorer.profile, 0, seed)
        fresh = [state for state in found.states if state.digest not in explorer.found]
        result.images += 1
        result.operations += len(operations)
        result.legal += found.legal
        result.enumerated += found.enumerated
        result.distinct += found.distinct
        chosen = seed.sample(fresh, min(self._inner, len(fresh)))
        chosen.sort(key=lambda state: (state.place, state.number))
        tasks = [
            Task(number, outer.place, outer.choice, self._without, (state.place, state.choice))
            for number, state in enumerate(chosen)
        ]
        for done, answer in explorer.workers.run(tasks):
            explorer.found[chosen[done.number].digest] = answer
        for state in chosen:
            result.checked += 1
            answer = explorer.found[state.digest]
            violations = explorer.checker.judge(outer.place, answer)
            if violations:
                result.violating += 1
                disk = Disk(base, explorer.profile)
                self._group(outer, state, violations[0], disk, operations)

    def _group(
        self,
        outer: State,
        state: State,
        violation: Violation,
        disk: Disk,
        operations: Sequence[Operation],
    ) -> None:
        explorer = self._explorer
        for operation in operations[: state.place]:
            disk.apply(operation)

        def check(choice: Choice) -> Sequence[Violation]:
            digest = disk.crash_digest(choice)
            if digest not in explorer.found:
                inner = (state.place, choice)
                task = Task(0, outer.place, outer.choice, self._without, inner)
                explorer.found[digest] = explorer.workers.ask(task)
            return explorer.checker.judge(outer.place, explorer.found[digest])

        signature = violation.check, violation.kind
        minimal = minimise(disk, state.choice, signature, check)
        for group in self.result.groups:
            same = (group.violation.check, group.violation.kind) == signature
            if same and cause_key(group.minimal) == cause_key(minimal):
                group.count += 1
                return
        self.result.groups.append(
            SecondCrash(violation, outer, state.place, len(operations), minimal)
        )
