"""Barriers left out of logs that were made up."""

from __future__ import annotations

import dataclasses

import pytest

from chaos.disk.choice import Choice
from chaos.disk.model import Disk
from chaos.disk.profiles import PROFILES
from chaos.explore.omission import UnknownBarrier, barriers_of, enumerate_omission, syncs_at
from chaos.explore.wording import file_kind, in_words, without_line
from tests.chaos.disk.bench import Bench
from tests.chaos.explore.made_up import SECTOR, a_bench

STRICT = PROFILES["strict"]


def a_log() -> Bench:
    """Two files, each written and synced twice."""
    bench = a_bench()
    for number in range(2):
        bench.write("a", number * SECTOR, b"1" * SECTOR)
        bench.fsync("a")
        bench.write("b", number * SECTOR, b"2" * SECTOR)
        bench.fsync("b")
    bench.log = [
        dataclasses.replace(one, site=f"engine/x.py: sync_{one.path}:{one.number}")
        for one in bench.log
    ]
    return bench


def test_barriers_are_known_by_function_and_kind_of_file_whatever_their_line() -> None:
    assert {str(barrier): n for barrier, n in barriers_of(a_log().log).items()} == {
        "engine/x.py: sync_a (a)": 2,
        "engine/x.py: sync_b (b)": 2,
    }


def test_syncs_are_named_by_a_part_of_their_site_and_their_file() -> None:
    log = a_log().log
    assert syncs_at(log, "sync_a") == {1, 5}
    assert syncs_at(log, "engine/x.py / b") == {3, 7}
    with pytest.raises(UnknownBarrier, match=r"engine/x.py: sync_a / a"):
        syncs_at(log, "elsewhere")


def test_every_state_of_an_omission_is_one_that_the_sync_had_made_impossible() -> None:
    """EXPLORE-6: new states only, and each loses something of what was protected."""
    bench = a_log()
    without = syncs_at(bench.log, "sync_a")
    found = enumerate_omission(bench.base, bench.log, STRICT, 0, without)
    assert found.states
    for state in found.states:
        disk = Disk(bench.base, STRICT)
        for operation in bench.log[: state.place]:
            disk.apply(operation)
        possible = {disk.crash_digest(choice) for choice in _all(bench, state.place)}
        assert state.digest not in possible


def _all(bench: Bench, place: int) -> list[Choice]:
    again = a_bench()
    for operation in bench.log[:place]:
        again.disk.apply(operation)
    return list(again.choices())


def test_a_sync_that_protects_nothing_has_no_new_state() -> None:
    bench = a_bench()
    bench.write("a", 0, b"1" * SECTOR)
    bench.fsync("a")
    bench.fsync("a")
    found = enumerate_omission(bench.base, bench.log, STRICT, 0, frozenset({2}))
    assert found.states == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "data directory"),
        ("global/pg_control", "pg_control"),
        ("pg_wal/00000001000000000000000A", "WAL segment"),
        ("pg_wal/xlogtemp.2", "new WAL segment"),
        ("pg_wal", "directory of the WAL"),
        ("pg_xact/0000", "clog"),
        ("base/5/16384", "relation"),
        ("base/5/16384_fsm", "free space map"),
        ("base/5", "directory of relations"),
        ("postgresql.conf", "postgresql.conf"),
    ],
)
def test_files_are_told_by_kind(path: str, kind: str) -> None:
    assert file_kind(path) == kind


def test_operations_are_told_in_words() -> None:
    bench = a_log()
    assert in_words(bench.log[0]) == "write of a a, 512 bytes at 0"
    assert without_line("engine/wal/flush.py: WalFlusher._sync:191") == (
        "engine/wal/flush.py: WalFlusher._sync"
    )
    assert without_line("engine/wal/flush.py:191: WalFlusher._sync") == (
        "engine/wal/flush.py: WalFlusher._sync"
    )
