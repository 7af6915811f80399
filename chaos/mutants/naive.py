"""What a hunt by schedule and place is compared with: a run in which processes are killed at random
moments, on the machine's own schedule.

The workload, its settings and the checkers are the same. What is not there: a choice of the place,
a data directory that stands still while somebody dies, a victim that others wait for, a checkpoint
that is asked for just before, and power losses, which need the baton.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chaos.mutants.planting import Mutant
from chaos.plan import FREE, Cycle, Plan, Where, Wishes, make_plan
from chaos.seeds import stream

KILLS: Final = ("backend", "checkpointer", "bgwriter", "walwriter", "postmaster", "all")
LONGEST_MS: Final = 600
"""Until a kill, from the beginning of its cycle."""


def naive_plan(seed: int, mutant: Mutant) -> Plan:
    """The run of that seed with that mutant."""
    wishes = Wishes(
        schedule=FREE,
        faults=KILLS,
        workload=mutant.workload,
        settings=dict(mutant.settings) or None,
        mutant=mutant.name,
    )
    plan = make_plan(seed, wishes)
    return replace(plan, cycles=tuple(_at_random(seed, cycle) for cycle in plan.cycles))


def _at_random(seed: int, cycle: Cycle) -> Cycle:
    moment = stream(seed, "naive", cycle.number).randint(1, LONGEST_MS)
    fault = replace(
        cycle.fault,
        where=Where("time_ms", moment),
        freeze=False,
        interlock=False,
        in_the_way=False,
    )
    return replace(cycle, fault=fault, stop=None, checkpoint_us=None)
