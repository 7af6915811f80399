"""The machine of sessions: the engine agrees with the model (STATE-3), and a broken one does not.

Each planted bug is one that a run of `chaos run` may see late: here the model says at once what
the next answer must be.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import pytest
from click.testing import CliRunner
from hypothesis import settings

from chaos.cli.commands import commands
from chaos.mutants.planting import APPLY
from chaos.scenario.format import parse_scenario
from chaos.scenario.playing import Stage
from properties.models.steps import (
    Begin,
    Checkpoint,
    Commit,
    Delete,
    Insert,
    Kept,
    Kill,
    Leave,
    Level,
    Mode,
    PowerLoss,
    Program,
    Read,
    Restart,
    Strike,
    Update,
    Vacuum,
)
from properties.models.world import World
from properties.stateful.arena import Arena
from properties.stateful.checking import check_sessions, smallest_failure
from properties.stateful.reporting import Mismatch, replay_command
from tests.chaos.command import ROOT

RC, RR = Level.READ_COMMITTED, Level.REPEATABLE_READ
A_DAY = 86_400
CI_EXAMPLES = 6
SEARCH = settings(max_examples=500, derandomize=True, database=None, deadline=None)


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Arena() as one:
        yield one


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Arena]:
    with Arena(["properties.mutants.applying:apply snapshot-forgets-running"]) as one:
        yield one


@pytest.mark.timeout(A_DAY)
def test_every_session_hears_what_snapshot_isolation_says(arena: Arena, tmp_path: Path) -> None:
    usual = settings.default or settings()
    examples = CI_EXAMPLES if usual.derandomize else usual.max_examples // 4
    check_sessions(arena, like=settings(usual, max_examples=examples), out=tmp_path)


PROGRAMS: dict[str, Program] = {
    "who waits goes on with the newest version": (
        Begin("a", RC), Update("a", 1, 5), Update("b", 1, 7), Update("c", 1, 9),
        Commit("a"), Read("b"),
    ),
    "a circle": (
        Begin("a", RC), Begin("b", RR), Update("a", 1, 5), Update("b", 2, 7), Update("b", 1, 1),
        Update("c", 2, 1), Update("a", 2, 1), Commit("b"), Read("a"), Commit("a"),
    ),
    "the first updater wins": (
        Begin("b", RR), Read("b"), Update("a", 1, 1), Delete("b", 1), Read("b"), Commit("b"),
    ),
    "kills, and recoveries that are killed": (
        Begin("a", RC), Update("a", 1, 5), Kill("backend of a"), Update("a", 1, 2), Kill("all"),
        Kill("checkpointer", "recovery-started"), Update("a", 1, 2), Kill("all", "redo-finished"),
        Kill("logger"),
    ),
    "power losses": (
        Begin("a", RC), Update("a", 1, 5), Update("b", 2, 2), PowerLoss(Kept.NOTHING),
        Update("a", 1, 6), Checkpoint(), Vacuum(), PowerLoss(Kept.SOME), Restart(Mode.FAST),
        Insert("a", 5, 5), Restart(Mode.IMMEDIATE),
    ),
    "struck on the way": (
        Begin("a", RC), Update("a", 1, 5), Commit("a", Strike("commit-record-inserted")),
        Begin("a", RC), Update("a", 1, 5), Commit("a", Strike("commit-record-flushed")),
        Begin("a", RC), Update("a", 1, 5),
        Commit("a", Strike("commit-record-inserted", everybody=True, power=Kept.SOME)),
        Update("a", 1, 5, strike=Strike("heap-page-changed")),
        Insert("a", 7, 5, Strike("heap-record-inserted", everybody=True)),
        Checkpoint(Strike("checkpoint-buffers-written")),
        Checkpoint(Strike("checkpoint-control-file-written", everybody=True, power=Kept.NOTHING)),
    ),
    "a client leaves": (
        Begin("a", RC), Update("a", 1, 5), Update("b", 1, 1), Leave("a"), Read("b"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_engine_plays_a_program_as_the_model_says(arena: Arena, program: Program) -> None:
    assert arena.play(World(), program).reason == ""


def test_of_asynchronous_commits_a_suffix_may_go_and_the_model_goes_on(arena: Arena) -> None:
    world = World(settings=(("synchronous_commit", "off"), ("wal_writer_delay", "10s")))
    program = (
        Update("a", 1, 1), Update("a", 1, 1), Kill("all"), Update("a", 1, 1), PowerLoss(Kept.SOME),
    )  # fmt: skip
    assert world.model().is_synchronous is False
    assert arena.play(world, program).reason == ""


def test_a_play_is_the_same_again_and_as_a_scenario(arena: Arena, tmp_path: Path) -> None:
    """STATE-2."""
    in_doubt = Strike("commit-record-inserted", everybody=True, power=Kept.SOME)
    program = (Begin("a", RC), Update("a", 1, 5), Update("b", 1, 2), Commit("a", in_doubt))
    world = World(seed=7)
    outcome = arena.play(world, program)
    scenario = parse_scenario(outcome.scenario, "told.toml", "told")
    stage = Stage(tmp_path)
    try:
        result = stage.play(scenario, tmp_path / "told.toml", "")
    finally:
        stage.close()
    assert (result["verdict"], result["reason"]) == ("held", "")
    assert result["digest"] == outcome.digest


def test_a_failure_under_a_planted_bug_is_the_same_again_as_a_scenario(
    forgetful: Arena, tmp_path: Path
) -> None:
    """STATE-2."""
    program = (Begin("a", RC), Update("a", 1, 1), Update("b", 2, 1), Update("c", 1, 1))
    outcome = forgetful.play(World(), program)
    found = Mismatch(World(), program, outcome, forgetful.patches, tmp_path)
    (file,) = tmp_path.glob("sessions-*.toml")
    assert f"chaos replay {file}" in str(found)
    result = CliRunner().invoke(
        commands, ["replay", str(file), "--json", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["reason"], told["digest"]) == (outcome.reason, outcome.digest)
    assert told["mutant"] == "snapshot-forgets-running"


def test_patches_that_a_scenario_cannot_name_have_no_command(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    assert replay_command(file, ()) == f"chaos replay {file}"
    for patches in (["some.module:patch"], [f"{APPLY} one-bug", f"{APPLY} another"]):
        assert replay_command(file, patches) == "the test above"


def test_the_example_of_the_readme_works_under_hypothesis_own_deadline(tmp_path: Path) -> None:
    """STATE-4."""
    readme = (ROOT / "properties" / "stateful" / "README.md").read_text()
    example = readme[readme.index("    from properties.") : readme.index("\n\nHypothesis's own")]
    file = tmp_path / "example.py"
    file.write_text(textwrap.dedent(example))
    names = run_path(str(file))
    usual = settings.default
    assert usual is not None
    a_users = settings(max_examples=2, derandomize=True, database=None, deadline=200)
    settings.register_profile("a user's", a_users)
    try:
        settings.load_profile("a user's")
        names["test_every_session_hears_what_snapshot_isolation_says"]()
    finally:
        settings.register_profile("as before", usual)
        settings.load_profile("as before")


def test_what_was_played_is_not_played_again(arena: Arena) -> None:
    program = (Update("a", 1, 1), Update("a", 1, 2))
    before = arena.played
    first = arena.play(World(), program)
    assert arena.play(World(), program) is first
    assert arena.played == before + 1


def test_the_machine_finds_a_snapshot_that_does_not_list_running_transactions(
    forgetful: Arena, tmp_path: Path
) -> None:
    with pytest.raises(Mismatch) as caught:
        check_sessions(forgetful, like=SEARCH, out=tmp_path, attempts=0)
    assert forgetful.played < SEARCH.max_examples
    (file,) = tmp_path.glob("sessions-*.toml")
    assert parse_scenario(file.read_text(), str(file), file.stem).steps
    assert "from properties.stateful.arena import Arena" in str(caught.value)


def test_what_fails_comes_down_to_the_steps_that_matter(forgetful: Arena) -> None:
    program = (
        Begin("a", RR), Update("a", 1, 5), Update("b", 2, 3), Update("c", 1, 4), Commit("a"),
    )  # fmt: skip
    world = World(settings=(("bgwriter_delay", "10ms"),))
    before = forgetful.played
    found = smallest_failure(forgetful, world, program)
    # A row is held; another transaction commits, so that xids go past the holder's; and the row is
    # taken from it.
    assert found == (
        World(),
        (Begin("a", RC), Update("a", 1, 1), Update("b", 2, 1), Update("c", 1, 1)),
    )
    assert forgetful.played - before < 30
