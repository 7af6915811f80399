"""A program into steps of a scenario, while it is played: the model says what must be heard.

The steps are made one at a time, since after a crash it may be that only a look tells which of the
possible states there is; the model goes on from what was found. What is written down afterwards
(`told`) has the found rows as what is expected, so a scenario of them is the same play again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from chaos.faults.places import parse_fault
from chaos.scenario import steps as scene
from chaos.scenario.comparing import rows_of
from chaos.scenario.steps import Act, Expected, Say
from chaos.workloads.api import Answer
from properties.models.schema import Schema
from properties.models.snapshot_isolation import BACKEND_OF, SURVIVED, Heard, Model, Rows
from properties.models.steps import (
    BySession,
    Checkpoint,
    Commit,
    Kill,
    Leave,
    Mode,
    PowerLoss,
    Program,
    Restart,
    Rollback,
    Step,
    Strike,
    Vacuum,
)

SETUP: Final = "setup"
LOOK: Final = "look"
CHECKPOINTING: Final = "checkpointing"
VACUUMING: Final = "vacuuming"
LOST: Final = Expected(lost="")
DEAD: Final = ("postmaster", "all")
"""Who kills these has no server until one is started."""


class Translation:
    """One play of a program: iterate over it once. `heard` tells what came of the last step.

    `told` are the steps so far, the last of which may have come otherwise than expected.
    """

    def __init__(
        self, program: Program, model: Model, schema: Schema, heard: Callable[[], object]
    ) -> None:
        self.told: list[scene.Step] = []
        self.model = model
        self._marks = 0
        self._heard = heard
        self._program = program
        self._schema = schema

    def __iter__(self) -> Iterator[scene.Step]:
        for act in self._acts():
            self.told.append(scene.Step(len(self.told) + 1, act))
            yield self.told[-1]

    def _acts(self) -> Iterator[Act]:
        yield from self._setup()
        for step in self._program:
            if self.model.allows(step):
                yield from self._one(step)
        yield from self._look()

    def _setup(self) -> Iterator[Act]:
        yield Say(SETUP, self._schema.create(), Expected(tag="CREATE TABLE"))
        rows = self.model.committed()
        if rows:
            tag = f"INSERT 0 {len(rows)}"
            yield Say(SETUP, self._schema.fill(rows), Expected(tag=tag))
        if not self.model.is_synchronous:
            yield self._mark()

    def _mark(self) -> Act:
        """Something that is in the WAL, and synced: so all before it is, and redo has work."""
        self._marks += 1
        sql = f"SET synchronous_commit = on; CREATE TABLE mark{self._marks} (n integer)"
        return Say(SETUP, sql, Expected(tag="CREATE TABLE"))

    # steps ---------------------------------------------------------------------------------------

    def _one(self, step: Step) -> Iterator[Act]:
        match step:
            case Checkpoint(strike):
                self.model.do(step)
                yield from self._struck(
                    "checkpointer", strike, CHECKPOINTING, "CHECKPOINT", Expected(tag="CHECKPOINT")
                )
            case Vacuum():
                self.model.do(step)
                yield Say(VACUUMING, self._schema.vacuum(), Expected(tag="VACUUM"))
            case Kill():
                self.model.do(step)
                yield from self._kill(step)
            case PowerLoss(kept):
                self.model.do(step)
                yield scene.CutPower(kept)
                yield from self._recovered(has_server=False)
            case Restart(mode):
                self.model.do(step)
                yield scene.Restart(scene.FAST if mode is Mode.FAST else scene.IMMEDIATE)
                yield from self._look_if_in_doubt()
            case _:
                yield from self._say(step)

    def _say(self, step: BySession) -> Iterator[Act]:
        waited = self.model.waiting()
        heard = self.model.do(step)
        if isinstance(step, Leave):
            yield scene.Close(step.session)
        else:
            answer, *heard = heard
            strike = getattr(step, "strike", None)
            sql = self._schema.sql(step)
            yield from self._struck("backend", strike, step.session, sql, expected(answer))
        for other in heard:
            yield Say(other.session, None, expected(other))
        has_ended = isinstance(step, Commit | Rollback | Leave) or heard
        for session in self.model.waiting():
            if session in waited and has_ended:
                yield Say(session, None, Expected(is_waiting=True))

    def _struck(
        self, role: str, strike: Strike | None, session: str, sql: str, usual: Expected
    ) -> Iterator[Act]:
        if strike is None:
            yield Say(session, sql, usual)
            return
        whom = "kill all" if strike.everybody else "kill"
        yield scene.Arm(parse_fault(f"{role} {strike.point}: {whom}"))
        yield Say(session, sql, LOST)
        if strike.everybody and strike.power is not None:
            yield scene.CutPower(strike.power)
        yield from self._recovered(has_server=not strike.everybody)

    def _kill(self, step: Kill) -> Iterator[Act]:
        kill = scene.Kill((_victim(step.whom),))
        if step.whom in SURVIVED:
            yield kill
            return
        has_server = step.whom not in DEAD
        if step.recovery is None:
            yield kill
        else:
            yield self._mark()
            arm = scene.Arm(parse_fault(f"startup {step.recovery}: kill"))
            yield from (arm, kill) if has_server else (kill, arm)
            yield scene.Await(scene.END) if has_server else scene.Start(scene.FAILS)
            has_server = False
        yield from self._recovered(has_server=has_server)

    def _recovered(self, *, has_server: bool) -> Iterator[Act]:
        yield scene.Await(scene.RECOVERY) if has_server else scene.Start(scene.UP)
        yield from self._look_if_in_doubt()

    # looking -------------------------------------------------------------------------------------

    def _look_if_in_doubt(self) -> Iterator[Act]:
        if len(self.model.possible) > 1:
            yield from self._look()

    def _look(self) -> Iterator[Act]:
        """What is there? One of the possible states; the model goes on from that one."""
        sql = self._schema.read()
        likeliest, *others = self.model.possible
        if others:
            yield Say(LOOK, sql, Expected())
            found = _found(self._heard())
            is_possible = found in others or found == likeliest
            if found is None or not is_possible:
                found = likeliest
            self.model.resolve(found)
            say = Say(LOOK, sql, Expected(rows=_texts(found)))
            self.told[-1] = scene.Step(len(self.told), say)
            if not is_possible:
                yield say
        else:
            yield Say(LOOK, sql, Expected(rows=_texts(likeliest)))


def expected(heard: Heard) -> Expected:
    """As a scenario has it."""
    if heard.is_lost:
        return LOST
    rows = None if heard.rows is None else _texts(heard.rows)
    return Expected(rows=rows, tag=heard.tag, error=heard.error, is_waiting=heard.waits)


def _victim(whom: str) -> scene.Victim:
    if whom.startswith(BACKEND_OF):
        return scene.Victim("backend", whom.removeprefix(BACKEND_OF))
    return scene.Victim(whom)


def _texts(rows: tuple[tuple[int, ...], ...]) -> scene.Rows:
    return tuple(tuple(map(str, row)) for row in rows)


def _found(heard: object) -> Rows | None:
    if not isinstance(heard, Answer):
        return None
    try:
        return tuple((int(key), int(value)) for key, value in rows_of(heard))
    except ValueError:
        return None
