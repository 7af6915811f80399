"""Where programs are played: the engine under the baton, a server of its own for each program.

The launcher and the world are shared by all programs of an arena, so a play costs little beside
what the server itself costs. A play is deterministic: the same world and program give the same
steps (STATE-2), so what came of one is remembered, and is not played again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from chaos.mutants.planting import APPLY
from chaos.plan import BATON
from chaos.scenario.player import Player, hung
from chaos.scenario.step_table import scenario_text
from chaos.scenario.steps import Scenario
from chaos.scheduler.world import Hung, Schedule
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.making import Maker
from chaos.verdict import Verdict
from properties.models.steps import PowerLoss, Program
from properties.models.world import World
from properties.stateful.translation import Translation

BASE_SETTINGS: Final = {"deadlock_timeout": "10ms"}
"""Less than the time after which a statement is taken to wait, so who closes a circle finds it."""
NAME: Final = "sessions"
REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a program: `reason` is empty when everything came as the model says.

    `scenario` is the play as a scenario file, up to the step that came otherwise.
    """

    reason: str
    kind: str
    scenario: str
    digest: str
    steps: int


class Broken(Exception):
    """The play told nothing of the database: the harness is broken, or a planned fault found
    nobody where the model was sure that somebody comes.
    """


@dataclass(slots=True)
class Arena:
    """Use as a context manager. `patches` are given to the engine target (planted bugs)."""

    patches: Sequence[str] = ()
    played: int = 0
    recalled: int = 0
    _maker: Maker = field(default_factory=Maker)
    _known: dict[tuple[World, Program], Outcome] = field(default_factory=dict)

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the launcher and all that it has started."""
        self._maker.close()

    def play(self, world: World, program: Program) -> Outcome:
        """Play it, unless that was done before."""
        known = self._known.get((world, program))
        if known is not None:
            self.recalled += 1
            return known
        outcome = self._play(world, program)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[world, program] = outcome
        return outcome

    def _play(self, world: World, program: Program) -> Outcome:
        scenario = replace(scenario_of(world), mutant=mutant_of(self.patches))
        profile = world.profile if loses_power(program) else None
        target = self._maker.baton(
            Schedule(world.seed), scenario.settings, scenario.wal_segment_mb, profile
        )
        if not isinstance(target, BatonEngineTarget):
            raise Broken(f"{target.name} is no engine under the baton")
        target.patches = list(self.patches)
        translation = Translation(program, world.model(), world.schema, lambda: player.heard)
        player = Player(scenario, target, translation)
        played = player.played
        digest, is_fit = "", False
        self.played += 1
        try:
            try:
                player.play()
            except Hung as error:
                hung(played, str(error))
            if target.has_begun:
                digest = target.world.finish()
            is_fit = True
        finally:
            try:
                target.destroy()
            finally:
                self._maker.clear(is_fit=is_fit)
        if played.verdict not in (Verdict.HELD, Verdict.VIOLATED):
            raise Broken(f"{played.reason}\n{scenario_text(scenario, translation.told)}")
        text = scenario_text(scenario, translation.told)
        kind = played.violations[0].kind.partition(" ")[0] if played.violations else ""
        return Outcome(played.reason, kind, text, digest, len(translation.told))


def scenario_of(world: World) -> Scenario:
    """The head of the scenario that a play in this world is."""
    return Scenario(
        name=NAME,
        hypothesis="Each session hears what snapshot isolation says, and a crash takes nothing "
        "that was committed.",
        targets=("engine",),
        schedule=BATON,
        seed=world.seed,
        settings=BASE_SETTINGS | dict(world.settings),
        profile=world.profile,
    )


def mutant_of(patches: Sequence[str]) -> str | None:
    """The planted bug, where that is all the patches are: a scenario can name one."""
    names = [patch.removeprefix(f"{APPLY} ") for patch in patches if patch.startswith(f"{APPLY} ")]
    return names[0] if len(names) == len(patches) == 1 else None


def loses_power(program: Program) -> bool:
    """Whether the power goes in it, so that a model of the disk must follow."""
    strikes = [getattr(step, "strike", None) for step in program]
    return any(isinstance(step, PowerLoss) for step in program) or any(
        strike is not None and strike.power is not None for strike in strikes
    )
