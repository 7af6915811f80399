"""Leaves out one barrier of the engine after the other, and looks for what breaks then.

A barrier is a call site that makes something durable, and the kind of file it does that for; or a
call site that flushes the WAL. A sync that is left out changes nothing of the run, so all of them
are tried on one recorded run (chaos/explore/omission.py); a flush that is left out does, so each
of these has a run of its own. The run has what barriers are for: checkpoints, a new segment of the
WAL and one that is recycled, tables made and dropped, a kill with the recovery after it, a stop.

BARRIER-1  That none breaks is said only together with how many states were checked, and whether
           anything was ever protected by it alone.
"""

from __future__ import annotations

import random
import shlex
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from chaos.barriers.flushes import COUNT, LEAVE_OUT, TOLD_IN, counted_in, steps_in
from chaos.barriers.sites import sites_in_source
from chaos.disk.profiles import PROFILES, Profile
from chaos.explore.enumeration import Enumeration, State
from chaos.explore.exploring import Explorer, Group, OnProgress, Violating, round_of
from chaos.explore.omission import barriers_of, syncs_at
from chaos.explore.preparing import explorer_of, record_and_verify
from chaos.explore.recorded import Recorded
from chaos.explore.recording import Script, default_steps
from chaos.oracle import HarnessBroken, Suite
from chaos.seeds import stream
from chaos.targets.api import TargetUnusable

STATES: Final = 400
"""So many states are checked of each barrier before nothing is said to break."""
AT_ONCE: Final = 24
SOON: Final = 6
"""So many operations later whatever was left out has mostly been made up for."""
CLEAN: Final = 60
"""So many states of each run as it is are checked first."""
WAL: Final = "WAL"
NOT_SERVING: Final = ("host", "cli")
"""Of the engine's packages: the door itself, and commands."""
PACKAGE: Final = "engine"

How = Literal["sync", "flush"]


@dataclass(frozen=True, slots=True)
class Circumstance:
    """Settings, steps and a disk under which barriers may matter that do not otherwise. `said` is
    how it is told of. `syncs`: of which sites syncs are tried; `flushes`: whether flushes are.
    """

    said: str
    settings: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    syncs: str = ""
    flushes: bool = False
    plain_steps: bool = False


CIRCUMSTANCES: Final = (
    # The end of recovery needs no barrier that a run without a crash does not show better.
    Circumstance("without a crash in the run", flushes=True, plain_steps=True),
    # With full-page images replay writes every page anew that it finds changed.
    Circumstance(
        "full_page_writes = off, on a disk that tears no page",
        {"full_page_writes": "off"},
        "atomic-8k",
        syncs="data_directory_sync.py",
        flushes=True,
    ),
    # Only then is anything but a commit left to flush.
    Circumstance("synchronous_commit = off", {"synchronous_commit": "off"}, flushes=True),
)
"""Tried one after the other for the barriers without which nothing broke."""


@dataclass(slots=True)
class Tried:
    """What came of leaving out one barrier. `reached`: in the recorded run. `refused`: the server
    could not even be recorded without it, and why. `under`: in what circumstances, if not in the
    plain ones.
    """

    how: How
    site: str
    file: str
    reached: int
    enumerated: int = 0
    distinct: int = 0
    checked: int = 0
    group: Group | None = None
    refused: str = ""
    under: str = ""
    seconds: float = 0.0
    command: str = ""

    @property
    def breaks(self) -> bool:
        """Whether something does."""
        return self.group is not None or bool(self.refused)

    def why_not(self) -> str:
        """Why nothing breaks."""
        if not self.reached:
            return "never had anything to do in this run"
        if not self.enumerated:
            return "superfluous in this run: nothing was durable through it alone"
        if self.checked < self.distinct:
            return f"none within the budget ({self.checked:,} of {self.distinct:,} states)"
        return "none in any state: superfluous here, or the checkers are blind to it"

    def to_object(self, recorded: Recorded) -> dict[str, Any]:
        """For `--json`."""
        found = self.group.to_object(recorded) if self.group is not None else None
        return {
            "barrier": self.how,
            "site": self.site,
            "file": self.file,
            "reached": self.reached,
            "enumerated": self.enumerated,
            "distinct": self.distinct,
            "checked": self.checked,
            "breaks": self.breaks,
            "broken": found,
            "refused": self.refused,
            "under": self.under,
            "why": "" if self.breaks else self.why_not(),
            "seconds": round(self.seconds, 3),
            "command": self.command,
        }


@dataclass(slots=True)
class Search:
    """All barriers, or those whose `site / file` has the text `only` in it."""

    script: Script
    profile: Profile
    suite: Suite
    jobs: int
    on_progress: OnProgress
    states: int = STATES
    only: str = ""
    circumstances: Sequence[Circumstance] = CIRCUMSTANCES

    def run(self) -> Iterator[tuple[Tried, Recorded]]:
        """Record, then leave out one after the other. TargetUnusable, HarnessBroken."""
        known: dict[tuple[str, str], Tried] = {}
        for one, recorded in self._under(self.script, self.profile, Circumstance("", flushes=True)):
            known[one.site, one.file] = one
            yield one, recorded
        for circumstance in self.circumstances:
            broken = {key for key, one in known.items() if one.group is not None}
            for one, recorded in self._try_again(circumstance, broken):
                before = known.get((one.site, one.file))
                if one.breaks or before is None:
                    known[one.site, one.file] = one
                    yield one, recorded

    def not_reached(self, tried: Sequence[Tried]) -> list[str]:
        """Call sites in the source that no recorded run has reached."""
        if self.only:
            return []
        reached = {one.site for one in tried if one.reached}
        return [site for site in sites_in_source(PACKAGE, NOT_SERVING) if site not in reached]

    def _try_again(
        self, circumstance: Circumstance, broken: set[tuple[str, str]]
    ) -> Iterator[tuple[Tried, Recorded]]:
        script = replace(self.script, settings={**self.script.settings, **circumstance.settings})
        if circumstance.plain_steps:
            script = replace(script, steps=default_steps(script.transactions))
        profile = PROFILES[circumstance.profile] if circumstance.profile else self.profile
        yield from self._under(script, profile, circumstance, broken)

    def _under(
        self,
        script: Script,
        profile: Profile,
        circumstance: Circumstance,
        broken: set[tuple[str, str]] | None = None,
    ) -> Iterator[tuple[Tried, Recorded]]:
        """Every barrier of a run; or, with `broken`, those that are not among them."""
        recorded, flushes = self._record_counting(script)
        with self._explorer(recorded, profile) as explorer:
            self._check_clean(explorer)
            for barrier, reached in barriers_of(recorded.operations).items():
                wanted = broken is None or (
                    bool(circumstance.syncs)
                    and circumstance.syncs in barrier.site
                    and (barrier.site, barrier.file) not in broken
                )
                if wanted and self.only in f"{barrier.site} / {barrier.file}":
                    tried = Tried("sync", barrier.site, barrier.file, reached)
                    tried.under = circumstance.said
                    self._without_sync(tried, script, explorer)
                    yield tried, recorded
        for site, reached in flushes.items() if circumstance.flushes else ():
            is_known = broken is not None and (site, WAL) in broken
            if not is_known and self.only in f"{site} / {WAL}":
                tried = Tried("flush", site, WAL, reached, under=circumstance.said)
                yield tried, self._without_flush(tried, script, profile) or recorded

    def _check_clean(self, explorer: Explorer) -> None:
        """With all barriers nothing may break, or nothing follows from what breaks without one."""
        states = explorer.enumerate(self.script.seed).states
        chance = stream(self.script.seed, "disk", "barriers", "clean")
        chosen = chance.sample(states, min(CLEAN, len(states)))
        self.on_progress("with all barriers", 0, len(chosen), 0)
        for state, violations in explorer.check(chosen, frozenset(), None):
            if violations:
                raise HarnessBroken(
                    f"with all barriers in place a crash before operation {state.place} is not"
                    f" stood: {violations[0].check}: {violations[0].message}"
                )

    def _record_counting(self, script: Script) -> tuple[Recorded, dict[str, int]]:
        with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
            path = Path(directory) / "flushes"
            script = replace(script, patches=(*script.patches, f"{COUNT} {path}"))
            recorded = record_and_verify(script, self.suite, self.on_progress)
            return recorded, counted_in(path)

    def _explorer(self, recorded: Recorded, profile: Profile) -> Explorer:
        return explorer_of(recorded, profile, self.suite, self.jobs, self.on_progress)

    def _without_sync(self, tried: Tried, script: Script, explorer: Explorer) -> None:
        where = f"{tried.site} / {tried.file}"
        tried.command = self._command(script, explorer.profile, ["--without", where])
        without = syncs_at(explorer.recorded.operations, where)
        self._look(tried, explorer, without)

    def _without_flush(self, tried: Tried, script: Script, profile: Profile) -> Recorded | None:
        """The run without it, if it could be recorded."""
        patch = f"{LEAVE_OUT} {tried.site}"
        tried.command = self._command(script, profile, ["--patch", patch])
        with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
            path = Path(directory) / "steps"
            script = replace(script, patches=(*script.patches, f"{patch}{TOLD_IN}{path}"))
            try:
                recorded = record_and_verify(script, self.suite, self.on_progress)
            except (HarnessBroken, TargetUnusable) as error:
                tried.refused = str(error)
                return None
            steps = steps_in(path)
        with self._explorer(recorded, profile) as explorer:
            self._look(tried, explorer, frozenset(), _places_of(steps, recorded))
        return recorded

    def _look(
        self,
        tried: Tried,
        explorer: Explorer,
        without: frozenset[int],
        left_out: Sequence[int] = (),
    ) -> None:
        """Until something breaks, or so many states were checked; first behind the places at which
        something was left out.
        """
        began = time.monotonic()
        enumeration = explorer.enumerate(self.script.seed, without)
        tried.enumerated, tried.distinct = enumeration.enumerated, enumeration.distinct
        chance = stream(self.script.seed, "disk", "barriers", tried.how, tried.site, tried.file)
        for part in in_parts(enumeration, self.states, chance, left_out):
            violating = []
            for state, violations in explorer.check(part, without, None):
                tried.checked += 1
                if violations:
                    violating.append(Violating(state, violations))
            self.on_progress(f"without {tried.site}", tried.checked, self.states, 0)
            if violating:
                violating.sort(key=lambda one: one.state.number)
                tried.group = explorer.group(violating[:1], without)[0]
                break
        tried.seconds = time.monotonic() - began

    @staticmethod
    def _command(script: Script, profile: Profile, words: Sequence[str]) -> str:
        told = ["chaos", "explore", "--workload", script.workload]
        if list(script.steps) != default_steps(script.transactions):
            told.append("--with-crash")
        told += ["--transactions", str(script.transactions), "--seed", str(script.seed)]
        told += [word for name, value in script.settings.items() for word in
                 ("--set", f"{name}={value}")]  # fmt: skip
        return shlex.join([*told, "--profile", profile.name, *words])


def in_parts(
    enumeration: Enumeration, most: int, chance: random.Random, left_out: Sequence[int] = ()
) -> Iterator[list[State]]:
    """States to check, a few at once: those soon behind a place at which something was left out;
    the plain ones before others; and else in a drawn order.
    """
    near = {place + after for place in left_out for after in range(SOON)}

    def rank(state: State) -> tuple[bool, int, float]:
        is_near = state.place in near or state.first_place in near
        return not is_near, round_of(state), chance.random()

    order = sorted(enumeration.states, key=rank)
    for start in range(0, min(most, len(order)), AT_ONCE):
        yield order[start : min(start + AT_ONCE, most)]


def _places_of(steps: Sequence[int], recorded: Recorded) -> list[int]:
    """The places of the log at which the schedule was at these steps."""
    known = [operation.step for operation in recorded.operations]
    return [bisect_right(known, step) for step in steps]
