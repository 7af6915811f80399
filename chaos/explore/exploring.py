"""Explores a recorded run: enumerates its crash states, has them recovered, judges, makes small.

    record --> operations, history with places
                 |
    enumerate    each distinct image once, with the latest place at which it may be left
                 |            workers: make the image, recover it, read the audit
    judge        the suite's checkers on the history up to that place, and the audit behind it
                 |
    minimise     of each kind of violation the smallest choice; equal causes are one group

When there is not time for all, what comes first are the plain states (all kept, all lost,
prefixes), then those in which one operation is lost, then the torn ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.disk.choice import Choice
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.profiles import Profile
from chaos.explore.checking import Checker, Found
from chaos.explore.enumeration import Enumeration, State, enumerate_states
from chaos.explore.minimising import Cause, Minimal, Signature, masks_of, minimise
from chaos.explore.omission import enumerate_omission
from chaos.explore.recorded import Recorded
from chaos.explore.wording import file_kind, in_words, without_line
from chaos.explore.workers import OpenRecoverer, Replayed, Task, Workers
from chaos.oracle import HarnessBroken, Suite, Violation
from chaos.seeds import stream

MOST_MINIMISED: Final = 40
"""So many violations are made small; those behind are grouped by what went wrong alone."""
STRIDES: Final = 16
ROUNDS: Final = (
    ("all kept", "all lost", "exact", "prefix", "all", "everything"),
    ("one lost", "one kept", "newest", "one"),
)
"""Families that are checked first; then come the others."""


@dataclass(slots=True)
class Violating:
    """A state that is not as it must be."""

    state: State
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class Group:
    """Violations with one cause: the same checker, the same kind, and the loss of the same
    operation or of one made at the same place of the engine's code.
    """

    violation: Violation
    state: State
    minimal: Minimal | None
    count: int = 1
    bundle: str | None = None

    @property
    def signature(self) -> Signature:
        """What went wrong."""
        return self.violation.check, self.violation.kind

    def to_object(self, recorded: Recorded) -> dict[str, Any]:
        """For `--json`."""
        causes = self.minimal.causes if self.minimal is not None else ()
        return {
            "violation": self.violation.to_object(),
            "states": self.count,
            "place": self.state.place,
            "of": len(recorded.operations),
            "during": recorded.phase_at(self.state.place),
            "causes": [cause_object(cause) for cause in causes],
            "minimised": self.minimal is not None,
            "bundle": self.bundle,
        }


def cause_object(cause: Cause) -> dict[str, Any]:
    operation = cause.operation
    return {
        "fate": cause.fate,
        "operation": operation.number,
        "what": in_words(operation),
        "kind": operation.kind.name.lower(),
        "path": operation.path,
        "file": file_kind(operation.path),
        "site": operation.site,
        "role": operation.role,
        "step": operation.step,
    }


@dataclass(slots=True)
class Exploration:
    """What came of it. `left_out` counts the syncs that were taken never to have been made."""

    recorded: Recorded
    profile: Profile
    enumeration: Enumeration
    checked: int = 0
    violating: int = 0
    groups: list[Group] = field(default_factory=list)
    seconds: float = 0.0
    enumeration_s: float = 0.0
    jobs: int = 1
    left_out: int = 0
    is_interrupted: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out."""
        return self.checked == self.enumeration.distinct

    @property
    def rate(self) -> float:
        """States recovered and checked per second and process."""
        return self.checked / self.seconds / self.jobs if self.seconds else 0.0

    def to_object(self) -> dict[str, Any]:
        """For `--json`; `legal` is a text, since it may have hundreds of digits."""
        found, recorded = self.enumeration, self.recorded
        return {
            "profile": self.profile.name,
            "workload": recorded.workload,
            "operations": len(recorded.operations),
            "first_place": recorded.first,
            "acknowledged": recorded.acknowledged,
            "checkpoints": recorded.checkpoints,
            "steps": recorded.steps,
            "places": found.places,
            "exact_places": found.exact_places,
            "left_out": self.left_out,
            "legal": str(found.legal),
            "enumerated": found.enumerated,
            "families": dict(found.families),
            "distinct": found.distinct,
            "checked": self.checked,
            "complete": self.is_complete,
            "interrupted": self.is_interrupted,
            "violating": self.violating,
            "violations": [group.to_object(recorded) for group in self.groups],
            "enumeration_s": round(self.enumeration_s, 3),
            "seconds": round(self.seconds, 3),
            "jobs": self.jobs,
            "per_second_and_core": round(self.rate, 1),
        }


OnProgress = Callable[[str, int, int, int], None]
"""Told: what is being done, how much of it, of how much, and how many violations there are."""


def _nobody(_what: str, _done: int, _of: int, _violating: int) -> None:
    """Who does not want to know."""


class Explorer:
    """Explores one recorded run, with processes of its own. Use as a context manager."""

    def __init__(
        self,
        recorded: Recorded,
        profile: Profile,
        suite: Suite,
        open_recoverer: OpenRecoverer,
        jobs: int = 1,
        on_progress: OnProgress = _nobody,
    ) -> None:
        self.recorded = recorded
        self.profile = profile
        self.jobs = jobs
        self.checker = Checker(recorded, suite)
        self.found: dict[str, Found] = {}
        self._on_progress = on_progress
        self.workers = Workers(jobs, recorded.base, recorded.operations, profile, open_recoverer)
        self._replayed = Replayed(recorded.base, recorded.operations, profile)

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.workers.close()

    def enumerate(self, seed: int, without: frozenset[int] = frozenset()) -> Enumeration:
        """All states; with `without` those that are possible without these syncs only."""
        recorded, count = self.recorded, len(self.recorded.operations)
        if without:
            self._on_progress("enumerating", 0, count, 0)
            return enumerate_omission(
                recorded.base, recorded.operations, self.profile, recorded.first, without
            )
        return enumerate_states(
            recorded.base,
            recorded.operations,
            self.profile,
            recorded.first,
            stream(seed, "disk", "explore"),
            lambda place: self._on_progress("enumerating", place, count, 0),
        )

    def explore(
        self,
        seed: int,
        budget_s: float | None = None,
        without: frozenset[int] = frozenset(),
        interrupted: tuple[type[BaseException], ...] = (),
    ) -> Exploration:
        """Enumerate, check, minimise. An exception that is among `interrupted` ends the checking:
        what was found so far is told.
        """
        began = time.monotonic()
        enumeration = self.enumerate(seed, without)
        result = Exploration(
            self.recorded, self.profile, enumeration, jobs=self.jobs, left_out=len(without)
        )
        result.enumeration_s = time.monotonic() - began
        began = time.monotonic()
        deadline = None if budget_s is None else began + budget_s
        violating: list[Violating] = []
        try:
            for state, violations in self.check(enumeration.states, without, deadline):
                result.checked += 1
                if violations:
                    violating.append(Violating(state, violations))
                self._on_progress(
                    "recovering", result.checked, enumeration.distinct, len(violating)
                )
        except interrupted:
            result.is_interrupted = True
        result.seconds = time.monotonic() - began
        result.violating = len(violating)
        violating.sort(key=lambda one: one.state.number)
        result.groups = self.group(violating, without, is_interrupted=result.is_interrupted)
        return result

    def check(
        self, states: Sequence[State], without: frozenset[int], deadline: float | None
    ) -> Iterator[tuple[State, tuple[Violation, ...]]]:
        """Recover and judge each; those whose images were recovered before are only judged."""
        waiting: dict[int, State] = {}
        for state in in_rounds(states, 1 if deadline is None else STRIDES):
            known = self.found.get(state.digest)
            if known is None:
                waiting[state.number] = state
            else:
                yield state, self.checker.judge(state.place, known)

        def tasks() -> Iterator[Task]:
            for state in waiting.values():
                if deadline is not None and time.monotonic() >= deadline:
                    return
                yield Task(state.number, state.place, state.choice, without)

        for task, found in self.workers.run(tasks()):
            state = waiting[task.number]
            self.found[state.digest] = found
            yield state, self.checker.judge(state.place, found)

    def recover(self, place: int, choice: Choice, without: frozenset[int]) -> Found:
        """One image, now, if it was not recovered before."""
        digest = self._replayed.at(place, without).crash_digest(choice)
        if digest not in self.found:
            self.found[digest] = self.workers.ask(Task(0, place, choice, without))
        return self.found[digest]

    def disk(self, place: int, without: frozenset[int] = frozenset()) -> Disk:
        """The disk at a place; until the next call."""
        return self._replayed.at(place, without)

    def image(self, place: int, choice: Choice, without: frozenset[int]) -> Image:
        """What a crash leaves."""
        return self._replayed.at(place, without).crash(choice)

    # causes --------------------------------------------------------------------------------------

    def group(
        self,
        violating: Sequence[Violating],
        without: frozenset[int],
        *,
        is_interrupted: bool = False,
    ) -> list[Group]:
        """Violations by their causes, each with the smallest choice that was found. After an
        interruption nobody is asked any more: the workers may be in the midst of an answer.
        """
        groups: list[Group] = []
        most = 0 if is_interrupted else MOST_MINIMISED
        minimised = 0
        for one in violating:
            violation = one.violations[0]
            signature = violation.check, violation.kind
            same = [group for group in groups if group.signature == signature]
            group = self._member_of(one, same, without)
            minimal = None
            if group is None and minimised < most:
                minimised += 1
                self._on_progress("minimising", minimised, len(violating), len(violating))
                minimal = self._minimise(one, signature, without)
                group = self._with_cause(same, minimal)
                violation = self._said_of(one.state.place, minimal, signature, without)
            elif group is None:
                group = next((group for group in same if group.minimal is None), None)
            if group is not None:
                group.count += 1
            else:
                groups.append(Group(violation, one.state, minimal))
        return groups

    def _minimise(self, one: Violating, signature: Signature, without: frozenset[int]) -> Minimal:
        state = one.state
        disk = self._replayed.at(state.place, without)

        def check(choice: Choice) -> tuple[Violation, ...]:
            return self.checker.judge(state.place, self.recover(state.place, choice, without))

        return minimise(disk, state.choice, signature, check)

    def _said_of(
        self, place: int, minimal: Minimal, signature: Signature, without: frozenset[int]
    ) -> Violation:
        """What the checkers say of the smallest choice: less than of the one it came from."""
        found = self.recover(place, minimal.choice, without)
        same = (v for v in self.checker.judge(place, found) if (v.check, v.kind) == signature)
        violation = next(same, None)
        if violation is None:
            raise HarnessBroken("a crash state that was recovered twice was not the same twice")
        return violation

    def _member_of(
        self, one: Violating, groups: Sequence[Group], without: frozenset[int]
    ) -> Group | None:
        """A group whose causes this state has too: then it is not made small itself."""
        known = [group for group in groups if group.minimal is not None and group.minimal.causes]
        if not known:
            return None
        state = one.state
        pending = self._replayed.at(state.place, without).pending
        fates = {
            each.operation.number: (mask, each.full)
            for each, mask in zip(pending, masks_of(state.choice, pending), strict=True)
        }
        for group in known:
            causes = group.minimal.causes if group.minimal is not None else ()
            if all(_shares(cause, fates) for cause in causes):
                return group
        return None

    @staticmethod
    def _with_cause(groups: Sequence[Group], minimal: Minimal) -> Group | None:
        """The group with the same causes, as places of the code."""
        wanted = cause_key(minimal)
        for group in groups:
            if group.minimal is not None and cause_key(group.minimal) == wanted:
                return group
        return None


def _shares(cause: Cause, fates: dict[int, tuple[int, int]]) -> bool:
    """Whether the same happens to the same operation."""
    if cause.operation.number not in fates:
        return cause.fate == "kept"
    mask, full = fates[cause.operation.number]
    return (mask == full) if cause.fate == "kept" else mask != full


def cause_key(minimal: Minimal) -> tuple[tuple[str, str, str, str], ...]:
    """Equal for choices that lose operations of the same places in the code."""
    keys = {
        (
            cause.fate,
            cause.operation.kind.name,
            without_line(cause.operation.site),
            file_kind(cause.operation.path),
        )
        for cause in minimal.causes
    }
    return tuple(sorted(keys))


def in_rounds(states: Sequence[State], strides: int = 1) -> list[State]:
    """The order in which they are checked: plain ones first, each round in order of places. With
    strides each round is gone through so many times, so that no part of the run is left out if
    there is not time for all.
    """
    ordered = sorted(states, key=lambda state: (round_of(state), state.place, state.number))
    if strides == 1:
        return ordered
    strided = sorted(enumerate(ordered), key=lambda one: (round_of(one[1]), one[0] % strides))
    return [state for _, state in strided]


def round_of(state: State) -> int:
    """0 for what is checked first."""
    for number, families in enumerate(ROUNDS):
        if state.family in families:
            return number
    return len(ROUNDS)
