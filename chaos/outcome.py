"""How a run ended and what it measured: the run fills it in, reports and `--json` show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.faults.striking import Strike
from chaos.losses import Loss
from chaos.mutants.planting import find_mutant, judge
from chaos.oracle import Violation
from chaos.plan import Plan
from chaos.reaction import Reaction
from chaos.suffix import Lost
from chaos.targets.log import Replay
from chaos.verdict import Verdict


@dataclass(slots=True)
class CycleReport:
    """What one cycle did, for the line about it and for the table."""

    number: int
    fault: str
    where: str
    placed: str = ""
    occasion: str = ""
    strike: Strike | None = None
    reaction: Reaction | None = None
    stop: Strike | None = None
    ended: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """How a run ended, and what it measured."""

    plan: Plan
    verdict: Verdict = Verdict.HARNESS_BROKEN
    reason: str = ""
    version: str = ""
    cycles: list[CycleReport] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    struck: int = 0
    is_complete: bool = False
    operations: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    bundle: str | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    digest: str | None = None
    steps: int | None = None
    switches: int | None = None
    preemptions: int | None = None
    virtual_s: float | None = None
    reached: dict[str, dict[str, int]] = field(default_factory=dict)
    strikes: list[dict[str, Any]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    @property
    def replayed_records(self) -> int:
        """Over all recoveries; those whose figure is not known count nothing."""
        return sum(replay.records or 0 for replay in self.replays)

    def to_object(self) -> dict[str, Any]:
        """What `--json` prints."""
        found = self._to_object()
        if self.plan.mutant is not None:
            found["mutant"] = judge(found, find_mutant(self.plan.mutant))
        return found

    def _to_object(self) -> dict[str, Any]:
        return {
            "seed": self.plan.seed,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "target": self.plan.target,
            "schedule": self.plan.schedule,
            "version": self.version,
            "workload": self.plan.workload,
            "clients": self.plan.clients,
            "cycles": len(self.cycles),
            "kills": dict(self.kills),
            "stops": dict(self.stops),
            "missed": self.missed,
            "operations": {kind: self.operations[kind] for kind in ("ok", "fail", "info")},
            "acknowledged": self.acknowledged,
            "recovery_s": self.recoveries_s,
            "replayed_records": self.replayed_records,
            "replayed_bytes": sum(replay.bytes or 0 for replay in self.replays),
            "violations": [violation.to_object() for violation in self.violations],
            "bundle": self.bundle,
            "seconds": round(self.seconds, 3),
            "cpu_s": round(self.cpu_s, 2),
            "mutant": None,
            "digest": self.digest,
            "steps": self.steps,
            "switches": self.switches,
            "preemptions": self.preemptions,
            "virtual_s": self.virtual_s,
            "strikes": self.strikes,
            "profile": self.plan.profile,
            "power_losses": [{"cycle": loss.cycle, **loss.summary()} for loss in self.losses],
            "lost": [lost.to_object() for lost in self.lost],
            "reached": self.reached,
        }
