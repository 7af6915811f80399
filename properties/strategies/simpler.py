"""Ways to say a step, or a world, more simply: what the search for a small example tries.

Each way makes something smaller in an order without circles, so a search that follows them ends:
no strike before one, nobody before everybody; READ COMMITTED before REPEATABLE READ; small numbers;
no condition; a session with an earlier name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from properties.models.schema import Schema
from properties.models.steps import Kept, Kill, Level, Mode, PowerLoss, Step, Strike
from properties.models.world import World

KEPT: Final = tuple(Kept)
PLAIN: Final = World()


def simpler_steps(step: Step) -> Iterator[Step]:
    """The boldest first."""
    changeable: Any = step
    strike = getattr(step, "strike", None)
    if strike is not None:
        for other in (None, *simpler_strikes(strike)):
            yield replace(changeable, strike=other)
    if getattr(step, "below", None) is not None:
        yield replace(changeable, below=None)
    for name in ("by", "value"):
        if getattr(step, name, 1) > 1:
            yield replace(changeable, **{name: 1})
    match step:
        case Kill(_, recovery) if recovery is not None:
            yield replace(step, recovery=None)
        case Kill(whom) if whom != "all":
            yield replace(step, whom="all")
        case PowerLoss(kept):
            yield Kill("all")
            yield from (PowerLoss(other) for other in KEPT[: KEPT.index(kept)])
    if getattr(step, "level", None) is Level.REPEATABLE_READ:
        yield replace(changeable, level=Level.READ_COMMITTED)
    if getattr(step, "mode", None) is Mode.IMMEDIATE:
        yield Kill("all")


def simpler_strikes(strike: Strike) -> Iterator[Strike]:
    """Less power lost, fewer deaths."""
    if strike.power is not None:
        yield replace(strike, power=None)
        yield from (replace(strike, power=kept) for kept in KEPT[: KEPT.index(strike.power)])
    elif strike.everybody:
        yield replace(strike, everybody=False)


def simpler_worlds(world: World) -> Iterator[World]:
    """The plain one; then one thing at a time."""
    if world != PLAIN:
        yield PLAIN
    schema = world.schema
    plain = Schema()
    for name in ("others", "filler", "key_type", "value_type"):
        usual = getattr(plain, name)
        if getattr(schema, name) != usual:
            yield replace(world, schema=replace(schema, **{name: usual}))
    for at in range(len(world.settings)):
        yield replace(world, settings=world.settings[:at] + world.settings[at + 1 :])
    for name in ("profile", "seed"):
        usual = getattr(PLAIN, name)
        if getattr(world, name) != usual:
            yield replace(world, **{name: usual})
