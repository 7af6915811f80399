"""The engine, explored: it stands what the disk may do, and where a barrier is left out or comes
too late, that is found and the operation named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chaos.disk.operations import Operation
from chaos.disk.profiles import PROFILES
from chaos.explore.enumeration import State
from chaos.explore.exploring import Explorer, Group, Violating
from chaos.explore.omission import syncs_at
from chaos.explore.preparing import explorer_of, record_and_verify
from chaos.explore.recorded import Recorded
from chaos.explore.recording import Script
from chaos.explore.wording import file_kind
from chaos.oracle import DEFAULT_SUITE, load
from chaos.seeds import stream
from tests.chaos.explore.variants import CONTROL_BEFORE_SYNC

STRICT = PROFILES["strict"]
SUITE = load(DEFAULT_SUITE)


def silent(_what: str, _done: int, _of: int, _violating: int) -> None:
    """Nobody looks."""


def recorded_with(script: Script) -> Recorded:
    return record_and_verify(script, SUITE, silent)


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    """Of one run of the engine as it is."""
    with explorer_of(recorded_with(Script(transactions=50)), STRICT, SUITE, 1, silent) as one:
        yield one


def sample(states: list[State], count: int) -> list[State]:
    return stream(0, "sample").sample(states, min(count, len(states)))


def violated(
    explorer: Explorer, states: list[State], without: frozenset[int] = frozenset()
) -> list[Violating]:
    found = explorer.check(states, without, None)
    return [Violating(state, violations) for state, violations in found if violations]


def first_group(explorer: Explorer, states: list[State], without: frozenset[int]) -> Group | None:
    """The first violation among these states, made small."""
    for start in range(0, len(states), 16):
        found = violated(explorer, states[start : start + 16], without)
        if found:
            return explorer.group(found[:1], without)[0]
    return None


def test_a_recorded_run_has_what_barriers_are_for(explorer: Explorer) -> None:
    recorded = explorer.recorded
    explored = recorded.operations[recorded.first :]
    kinds = {(one.kind.name, file_kind(one.path)) for one in explored}
    assert recorded.acknowledged >= 50
    assert recorded.checkpoints == 2
    wanted = {
        ("RENAME", "new WAL segment"), ("CREATE", "relation"), ("UNLINK", "relation"),
        ("FSYNC", "clog"), ("FSYNC", "pg_control"), ("FSYNC", "relation"),
        ("FSYNC_DIRECTORY", "directory of the WAL"),
    }  # fmt: skip
    assert wanted <= kinds
    segments = {one.path for one in explored if file_kind(one.path) == "WAL segment"}
    assert len(segments) == 2


def test_the_same_script_records_the_same_run(explorer: Explorer) -> None:
    again = recorded_with(Script(transactions=50))

    def without_inodes(recorded: Recorded) -> list[Operation]:
        return [replace(one, inode=0) for one in recorded.operations]

    assert without_inodes(again) == without_inodes(explorer.recorded)
    assert again.places == explorer.recorded.places


def test_the_engine_stands_what_a_strict_disk_may_leave(explorer: Explorer) -> None:
    states = explorer.enumerate(0).states
    assert len(states) > 1000
    assert violated(explorer, sample(states, 60)) == []


def test_without_the_sync_of_the_directory_the_lost_name_of_a_wal_segment_is_found(
    explorer: Explorer,
) -> None:
    without = syncs_at(explorer.recorded.operations, "Segments._sync_directory")
    states = explorer.enumerate(0, without).states
    states.sort(key=lambda state: -state.place)
    group = first_group(explorer, states, without)
    assert group is not None
    assert group.minimal is not None
    (cause,) = group.minimal.causes
    assert (cause.fate, cause.operation.kind.name) == ("lost", "RENAME")
    assert file_kind(cause.operation.path) == "new WAL segment"
    assert cause.operation.site.startswith("engine/wal/segments.py: Segments._install")


def test_pg_control_that_is_rewritten_before_the_data_is_synced_is_found() -> None:
    script = Script(transactions=12, patches=(CONTROL_BEFORE_SYNC,))
    with explorer_of(recorded_with(script), STRICT, SUITE, 1, silent) as explorer:
        recorded = explorer.recorded
        written = [
            one.number + 1
            for one in recorded.operations[recorded.first :]
            if one.kind.name == "FSYNC" and file_kind(one.path) == "pg_control"
        ]
        near = [
            state
            for state in explorer.enumerate(0).states
            if state.family == "one lost" and any(0 <= state.place - at < 4 for at in written)
        ]
        group = first_group(explorer, near, frozenset())
    assert group is not None
    assert group.minimal is not None
    (cause,) = group.minimal.causes
    assert cause.fate == "lost"
    assert file_kind(cause.operation.path) in ("relation", "clog")
    assert cause.operation.site


def test_a_second_crash_in_the_midst_of_recovery_changes_nothing(explorer: Explorer) -> None:
    """EXPLORE-7."""
    from chaos.explore.twice import Twice

    twice = Twice(explorer, 0, frozenset(), silent, outer=2, inner=10)
    result = twice.explore(explorer.enumerate(0).states, None, ())
    assert result.images == 2
    assert result.operations > 20
    assert result.checked >= 15
    assert result.violating == 0
