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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from chaos.barriers.flushes import COUNT, LEAVE_OUT, counted_in
from chaos.disk.profiles import Profile
from chaos.explore.enumeration import Enumeration, State
from chaos.explore.exploring import Explorer, Group, OnProgress, Violating, round_of
from chaos.explore.omission import Barrier, barriers_of, syncs_at
from chaos.explore.preparing import explorer_of, record_and_verify
from chaos.explore.recorded import Recorded
from chaos.explore.recording import Script
from chaos.oracle import HarnessBroken, Suite
from chaos.seeds import stream
from chaos.targets.api import TargetUnusable

STATES: Final = 400
"""So many states are checked of each barrier before nothing is said to break."""
AT_ONCE: Final = 24
WAL: Final = "WAL"

How = Literal["sync", "flush"]


@dataclass(slots=True)
class Tried:
    """What came of leaving out one barrier. `reached`: in the recorded run. `refused`: the server
    could not even be recorded without it, and why.
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
            "why": "" if self.breaks else self.why_not(),
            "seconds": round(self.seconds, 3),
            "command": self.command,
        }


@dataclass(slots=True)
class Search:
    """All barriers. `run` yields each as it was tried."""

    script: Script
    profile: Profile
    suite: Suite
    jobs: int
    on_progress: OnProgress
    states: int = STATES
    tried: list[Tried] = field(default_factory=list)

    def run(self) -> Iterator[tuple[Tried, Recorded]]:
        """Record, then leave out one after the other. TargetUnusable, HarnessBroken."""
        recorded, flushes = self._record_clean()
        with self._explorer(recorded) as explorer:
            for barrier, reached in barriers_of(recorded.operations).items():
                yield self._without_sync(explorer, barrier, reached), recorded
        for site, reached in flushes.items():
            yield self._without_flush(site, reached), recorded

    def _record_clean(self) -> tuple[Recorded, dict[str, int]]:
        with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
            path = Path(directory) / "flushes"
            script = replace(self.script, patches=(*self.script.patches, f"{COUNT} {path}"))
            recorded = record_and_verify(script, self.suite, self.on_progress)
            return recorded, counted_in(path)

    def _explorer(self, recorded: Recorded) -> Explorer:
        return explorer_of(recorded, self.profile, self.suite, self.jobs, self.on_progress)

    def _without_sync(self, explorer: Explorer, barrier: Barrier, reached: int) -> Tried:
        tried = Tried("sync", barrier.site, barrier.file, reached)
        where = f"{barrier.site} / {barrier.file}"
        tried.command = self._command(["--without", where])
        without = syncs_at(explorer.recorded.operations, where)
        self._look(tried, explorer, without)
        return tried

    def _without_flush(self, site: str, reached: int) -> Tried:
        tried = Tried("flush", site, WAL, reached)
        patch = f"{LEAVE_OUT} {site}"
        tried.command = self._command(["--patch", patch])
        script = replace(self.script, patches=(*self.script.patches, patch))
        try:
            recorded = record_and_verify(script, self.suite, self.on_progress)
        except (HarnessBroken, TargetUnusable) as error:
            tried.refused = str(error)
            return tried
        with self._explorer(recorded) as explorer:
            self._look(tried, explorer, frozenset())
        return tried

    def _look(self, tried: Tried, explorer: Explorer, without: frozenset[int]) -> None:
        """Until something breaks, or so many states were checked."""
        began = time.monotonic()
        enumeration = explorer.enumerate(self.script.seed, without)
        tried.enumerated, tried.distinct = enumeration.enumerated, enumeration.distinct
        chance = stream(self.script.seed, "disk", "barriers", tried.how, tried.site, tried.file)
        for part in _parts(enumeration, self.states, chance):
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

    def _command(self, words: Sequence[str]) -> str:
        script = self.script
        told = ["chaos", "explore", "--with-crash", "--workload", script.workload]
        told += ["--transactions", str(script.transactions), "--seed", str(script.seed)]
        told += ["--profile", self.profile.name, *words]
        return shlex.join(told)


def _parts(enumeration: Enumeration, most: int, chance: random.Random) -> Iterator[list[State]]:
    """States to check, a few at once: the plain ones first, each round in a drawn order."""
    rounds: dict[int, list[State]] = {}
    for state in enumeration.states:
        rounds.setdefault(round_of(state), []).append(state)
    order: list[State] = []
    for number in sorted(rounds):
        chance.shuffle(rounds[number])
        order += rounds[number]
    for start in range(0, min(most, len(order)), AT_ONCE):
        yield order[start : min(start + AT_ONCE, most)]
