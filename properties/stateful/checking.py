"""Runs the machine of sessions, and makes small what fails.

Hypothesis finds the failing program; its own shrinking is left out, for the reasons in
properties/shrinking.py. What is raised has the smallest program, as a test and as a scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.models.steps import Program, Step
from properties.models.world import World
from properties.shrinking import simplest, smallest
from properties.stateful.arena import Arena, Broken
from properties.stateful.reporting import OUT, Mismatch
from properties.stateful.sessions import sessions_machine
from properties.strategies.simpler import simpler_steps, simpler_worlds

ATTEMPTS: Final = 500
SLOW: Final = (HealthCheck.too_slow, HealthCheck.data_too_large)
"""Not asked: an example starts a server and crashes it, so it takes as long as that takes."""


def check_sessions(
    arena: Arena,
    *,
    like: settings | None = None,
    steps: int = 20,
    out: Path = OUT,
    attempts: int = ATTEMPTS,
    **attributes: Any,
) -> None:
    """Play programs of up to about so many rules; Mismatch, with the smallest one that fails.

    Hypothesis's settings are those of its profile, or of `like`; but it shrinks nothing, and has no
    deadline: how long a play takes says nothing of the engine (STATE-4).
    """
    machine = sessions_machine(arena, **attributes)
    usual = like or settings.default or settings()
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                usual,
                stateful_step_count=steps,
                phases=[phase for phase in usual.phases if phase is not Phase.shrink],
                report_multiple_bugs=False,
                deadline=None,
                suppress_health_check=list(dict.fromkeys((*usual.suppress_health_check, *SLOW))),
            ),
        )
    except Mismatch as found:
        world, program = smallest_failure(arena, found.world, found.program, attempts)
        raise Mismatch(world, program, arena.play(world, program), arena.patches, out) from None


def smallest_failure(
    arena: Arena, world: World, program: Program, attempts: int = ATTEMPTS
) -> tuple[World, Program]:
    """The simplest world and the smallest program that fail in the same way as these, as far as
    so many plays lead.
    """
    kind = arena.play(world, program).kind
    last = arena.played + attempts

    def fails(world: World, program: Sequence[Step]) -> bool:
        if arena.played >= last:
            return False
        try:
            outcome = arena.play(world, tuple(program))
        except Broken:
            return False  # it tells nothing, so it is no smaller failure
        return bool(outcome.reason) and outcome.kind == kind

    def fails_in(program: Program, world: World) -> bool:
        return fails(world, program)

    before = None
    while before != (world, program):
        before = world, program
        world = simplest(world, partial(fails_in, program), simpler_worlds)
        program = smallest(program, partial(fails, world), simpler_steps)
    return world, program
