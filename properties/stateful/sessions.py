"""The machine: sessions, kills, power losses, checkpoints and vacuums against the model.

Its rules write a program, and change the model only; the program is played when it is complete, in
a world of its own. So an example costs one play, whether it has three steps or thirty; what was
played before, in whatever way Hypothesis came to it, is not played again; and what fails is a list
of steps, which a scenario file can hold.

    with Arena() as arena:
        check_sessions(arena)          # properties/stateful/checking.py
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from properties.models.snapshot_isolation import IN_COMMIT
from properties.models.steps import (
    Begin,
    ByStatement,
    Checkpoint,
    Commit,
    Leave,
    Level,
    Program,
    Read,
    Rollback,
    Step,
    Strike,
    Update,
    Vacuum,
)
from properties.models.world import World
from properties.stateful.arena import Arena
from properties.stateful.reporting import Mismatch
from properties.strategies.faults import misfortunes, strikes
from properties.strategies.settings import worlds
from properties.strategies.transactions import (
    PLAYERS,
    amounts,
    changes,
    keys,
    levels,
    sessions,
    struck_changes,
)

in_blocks = st.runner().flatmap(lambda machine: st.sampled_from(machine.model.in_blocks()))
held = st.runner().flatmap(lambda machine: st.sampled_from(machine.model.held()))


class SessionsMachine(RuleBasedStateMachine):
    """Writes a program, and plays it. `arena` and `worlds` are a subclass's to set."""

    arena: ClassVar[Arena]
    worlds: ClassVar[st.SearchStrategy[World]] = worlds()

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model = self.world.model()
        self.program: list[Step] = []

    def do(self, step: Step) -> None:
        """One step more, if it makes sense here."""
        if not self.model.allows(step):
            return
        self.program.append(step)
        self.model.do(step)
        self.model.resolve(self.model.possible[0])

    def teardown(self) -> None:
        """Play it."""
        program: Program = tuple(self.program)
        if program:
            outcome = self.arena.play(self.world, program)
            if outcome.reason:
                raise Mismatch(self.world, program, outcome, self.arena.patches)

    # rules ---------------------------------------------------------------------------------------

    @initialize(data=st.data())
    def begin_with(self, data: st.DataObject) -> None:
        """A table, settings, a disk."""
        self.world = data.draw(self.worlds)
        self.model = self.world.model()

    @rule(session=sessions, level=levels)
    def begin(self, session: str, level: Level) -> None:
        """BEGIN."""
        self.do(Begin(session, level))

    @rule(step=changes(), level=levels)
    def begin_and_change(self, step: ByStatement, level: Level) -> None:
        """BEGIN, and a row is changed: now others may have to wait."""
        self.do(Begin(step.session, level))
        self.do(step)

    @rule(step=changes())
    def change(self, step: ByStatement) -> None:
        """INSERT, UPDATE, DELETE."""
        self.do(step)

    @precondition(lambda self: self.model.held())
    @rule(held=held, session=sessions, by=amounts)
    def collide(self, held: tuple[int, str], session: str, by: int) -> None:
        """An update of a row that a running transaction has changed."""
        self.do(Update(session, held[0], by))

    @rule(one=sessions, other=sessions, level=levels, keys=st.permutations((1, 2, 3)), by=amounts)
    def embrace(self, one: str, other: str, level: Level, keys: list[int], by: int) -> None:
        """Two change a row each, and then the other's: a circle, if nothing is in the way."""
        for session, key in ((one, keys[0]), (other, keys[1])):
            self.do(Begin(session, level))
            self.do(Update(session, key, by))
        self.do(Update(one, keys[1], by))
        self.do(Update(other, keys[0], by))

    @rule(slow=sessions, fast=sessions, level=levels, key=keys, by=amounts)
    def overtake(self, slow: str, fast: str, level: Level, key: int, by: int) -> None:
        """A row that a transaction has seen is changed by another before it can do so."""
        self.do(Begin(slow, level))
        self.do(Read(slow))
        self.do(Update(fast, key, by))
        self.do(Update(slow, key, by))

    @rule(session=sessions)
    def read(self, session: str) -> None:
        """SELECT."""
        self.do(Read(session))

    @precondition(lambda self: self.model.in_blocks())
    @rule(session=in_blocks)
    def commit(self, session: str) -> None:
        """COMMIT."""
        self.do(Commit(session))

    @precondition(lambda self: self.model.in_blocks())
    @rule(session=in_blocks)
    def commit_and_look(self, session: str) -> None:
        """COMMIT, and everybody who can looks."""
        self.do(Commit(session))
        for other in PLAYERS:
            self.do(Read(other))

    @precondition(lambda self: self.model.in_blocks())
    @rule(session=in_blocks)
    def roll_back(self, session: str) -> None:
        """ROLLBACK."""
        self.do(Rollback(session))

    @precondition(lambda self: self.model.in_blocks())
    @rule(session=in_blocks)
    def leave(self, session: str) -> None:
        """The client goes, and its transaction with it."""
        self.do(Leave(session))

    @rule(step=st.sampled_from((Checkpoint(), Vacuum())))
    def maintain(self, step: Checkpoint | Vacuum) -> None:
        """CHECKPOINT, VACUUM."""
        self.do(step)

    @rule(step=misfortunes() | struck_changes())
    def misfortune(self, step: Step) -> None:
        """Somebody dies, or the power goes, or the server is told to shut down."""
        self.do(step)

    @precondition(lambda self: self.model.in_blocks())
    @rule(session=in_blocks, strike=strikes(IN_COMMIT))
    def strike_the_commit(self, session: str, strike: Strike) -> None:
        """The backend dies between two steps of its commit."""
        self.do(Commit(session, strike))


def sessions_machine(arena: Arena, **attributes: Any) -> type[SessionsMachine]:
    """The machine over this arena; what else is given replaces attributes of the class."""
    return type("Sessions", (SessionsMachine,), {"arena": arena, **attributes})
