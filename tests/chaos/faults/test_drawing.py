"""How a disk fails is drawn: every text of it can be read, and one seed says one thing."""

from __future__ import annotations

import random

import pytest

from chaos.faults.catalogue import (
    FAILURES,
    FAULTS,
    KILLS,
    MISDIRECTED,
    PLACE,
    POWER_LOSS,
    ROTS,
    STOPS,
)
from chaos.faults.disk.drawing import POWER_LOSS_AFTER, DiskFault, draw_disk_fault
from chaos.faults.disk.licence import LABELS, OUT_OF_CONTRACT, SAID, Licence
from chaos.faults.places import ERROR, parse_fault
from chaos.plan import Plan, Wishes, make_plan
from properties.checkers.contracts import CONTRACTS

SEEDS = range(200)


def drawn(kind: str) -> list[DiskFault]:
    """Many of a kind."""
    return [draw_disk_fault(random.Random(seed), kind) for seed in SEEDS]


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_at_a_place_that_can_be_read(kind: str) -> None:
    for fault in drawn(kind):
        if fault.placed:
            placed = parse_fault(fault.placed)
            error = placed.action.kind
            assert str(placed) == fault.placed
            assert (error == ERROR) == (kind in ("fsync-fails", "io-error", "disk-full"))
            assert (placed.place.call in ("fsync", "fsync_directory")) == (kind == "fsync-fails")
        else:
            assert fault.disk.startswith("quota ")


def test_half_of_the_failed_fsyncs_lose_power_and_nothing_else_does() -> None:
    losing = {
        kind: sum(fault.disk.startswith(POWER_LOSS_AFTER) for fault in drawn(kind))
        for kind in FAILURES
    }
    assert 70 < losing.pop("fsync-fails") < 130
    assert losing == {"io-error": 0, "disk-full": 0, "short-io": 0, "lost-write": len(SEEDS)}


def test_all_that_can_be_noticed_rots_and_wal_only_where_it_is_asked_for() -> None:
    kinds = {fault.disk.split()[1] for fault in drawn("bit-rot")}
    assert kinds == {"heap", "catalog", "control", "checkpoint"}
    assert {fault.disk.split()[1] for fault in drawn("wal-rot")} == {"wal"}


def test_a_misdirected_write_is_of_a_relation_and_before_its_checkpoint_is_complete() -> None:
    places = {parse_fault(fault.placed).place.call for fault in drawn(MISDIRECTED)}
    assert places == {
        "buffer-written",
        "checkpoint-buffers-written",
        "checkpoint-files-synced",
        "checkpoint-record-flushed",
    }
    assert all(fault.placed.endswith(": kill all") for fault in drawn(MISDIRECTED))
    assert {fault.disk for fault in drawn(MISDIRECTED)} == {
        "misdirect",
        "misdirect after checkpoint",
    }


def test_every_failure_has_a_label_and_a_contract() -> None:
    assert {*LABELS} == {*FAILURES, *ROTS, MISDIRECTED}
    assert {*LABELS} <= {*CONTRACTS}
    assert [kind for kind in LABELS if LABELS[kind] == OUT_OF_CONTRACT] == ["lost-write", "wal-rot"]
    assert {*FAULTS} == {*KILLS, PLACE, POWER_LOSS, *LABELS, *STOPS}


def test_a_plan_with_such_a_fault_has_a_profile_and_reads_back() -> None:
    plan = make_plan(3, Wishes(faults=("fsync-fails", "disk-full", "bit-rot"), cycles=6))
    assert plan.profile is not None
    assert "fsync" not in plan.settings
    assert Plan.from_object(plan.to_object()) == plan
    assert {cycle.fault.name for cycle in plan.cycles} == {"fsync-fails", "disk-full", "bit-rot"}


def test_none_of_them_is_drawn_unasked() -> None:
    for seed in range(30):
        names = {cycle.fault.name for cycle in make_plan(seed, Wishes()).cycles}
        assert not names & {*FAILURES, *ROTS, MISDIRECTED}


@pytest.mark.parametrize("error", SAID)
def test_a_licence_names_its_errors(error: str) -> None:
    licence = Licence(7, "io-error", error, 2).to_object()
    assert licence["number"] == 7
    assert licence["label"] == "recoverable"
    assert all(one["message"] for one in licence["errors"])
    assert [one["at_most"] for one in licence["errors"]][-1] is None
