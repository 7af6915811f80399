"""Enumerating crash states of logs that were made up."""

from __future__ import annotations

import random

import pytest

from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.disk.profiles import PROFILES
from chaos.explore.enumeration import Collector, candidates, enumerate_states, torn_masks
from tests.chaos.disk.bench import Bench
from tests.chaos.explore.made_up import SECTOR, a_bench


def all_images(bench: Bench, profile: str) -> dict[str, int]:
    """Every image that any crash may leave, and the latest place at which, by brute force."""
    found: dict[str, int] = {}
    for place in range(len(bench.log) + 1):
        again = Bench(profile, {p: c.data for p, c in bench.base.files.items()}, ("d",))
        for operation in bench.log[:place]:
            again.disk.apply(operation)
        for choice in again.choices():
            found[again.disk.crash_digest(choice)] = place
    return found


def enumerated(bench: Bench, profile: str = "strict", first: int = 0) -> dict[str, int]:
    found = enumerate_states(bench.base, bench.log, PROFILES[profile], first, random.Random(0))
    return {state.digest: state.place for state in found.states}


def a_small_log() -> Bench:
    bench = a_bench()
    bench.write("a", 0, b"1" * SECTOR)
    bench.write("b", 0, b"2" * SECTOR)
    bench.fsync("a")
    bench.create("d/new")
    bench.write("a", 0, b"3" * SECTOR)
    bench.fsync_directory("d")
    bench.rename("d/new", "d/old")
    bench.fsync("b")
    return bench


@pytest.mark.parametrize("profile", ["strict", "sequential", "ext4-ordered", "atomic-8k"])
def test_where_there_are_few_states_all_are_enumerated_each_at_its_latest_place(
    profile: str,
) -> None:
    """EXPLORE-3, EXPLORE-4, against brute force."""
    bench = a_small_log()
    assert enumerated(bench, profile) == all_images(bench, profile)


def test_places_are_exact_only_when_all_their_legal_choices_were_enumerated() -> None:
    """EXPLORE-4."""
    bench = a_bench()
    bench.write("a", 0, b"1" * 3 * SECTOR)
    bench.write("b", 0, b"2" * 40 * SECTOR)
    found = enumerate_states(bench.base, bench.log, PROFILES["strict"], 0, random.Random(0))
    counts = []
    disk = Disk(bench.base, PROFILES["strict"])
    counts.append(disk.count_states())
    for operation in bench.log:
        disk.apply(operation)
        counts.append(disk.count_states())
    assert (found.places, found.exact_places) == (3, 2)
    assert found.legal == sum(counts)
    assert found.enumerated >= len(found.states)


def test_every_operation_is_lost_alone_kept_alone_and_torn() -> None:
    bench = a_bench()
    for number in range(4):
        bench.write("a", number * 4 * SECTOR, bytes([number + 1]) * 4 * SECTOR)
    states = enumerated(bench)
    pending = bench.disk.pending
    assert len(pending) == 4
    for place in range(4):
        wanted = [bench.disk.only_lost(place), bench.disk.only_kept(place)]
        wanted += [bench.disk.torn(place, atoms, size=True) for atoms in
                   ([0, 1], [2, 3], [0, 2], [0], [3])]  # fmt: skip
        for choice in wanted:
            assert choice is not None
            assert bench.disk.crash_digest(choice) in states


@pytest.mark.parametrize("seed", range(6))
def test_recognizing_a_state_before_its_image_is_made_changes_nothing(seed: int) -> None:
    """Choices with the same effects have the same image, also behind a failed sync."""
    bench = _drawn(seed)
    collector = Collector(bench.log)
    disk = Disk(bench.base, PROFILES["strict"])
    by_digest: dict[str, int] = {}
    for place in range(len(bench.log) + 1):
        choices, is_exact = candidates(disk, random.Random(place))
        collector.add(disk, place, choices, is_exact=is_exact)
        for _, choice in choices:
            by_digest[disk.crash_digest(choice)] = place
        if place < len(bench.log):
            disk.apply(bench.log[place])
    assert {state.digest: state.place for state in collector.found.states} == by_digest
    for state in collector.found.states[:20]:
        assert _at(bench, state.place).crash_digest(state.choice) == state.digest


def _drawn(seed: int) -> Bench:
    chance = random.Random(seed)
    bench = a_bench()
    for number in range(24):
        name = chance.choice(["a", "b"])
        what = chance.randrange(8)
        if what < 5:
            offset = chance.randrange(4) * SECTOR
            bench.write(name, offset, bytes([number + 1]) * SECTOR * chance.randint(1, 3))
        elif what == 5:
            bench.fsync(name)
        elif what == 6:
            bench.fsync_failed(name)
        else:
            bench.truncate(name, chance.randrange(3) * SECTOR)
    return bench


def _at(bench: Bench, place: int) -> Disk:
    disk = Disk(bench.base, PROFILES["strict"])
    for operation in bench.log[:place]:
        disk.apply(operation)
    return disk


def test_places_before_the_first_are_not_explored() -> None:
    bench = a_small_log()
    assert set(enumerated(bench, first=5)) < set(enumerated(bench))
    assert min(enumerated(bench, first=5).values()) >= 5


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_is_enumerated_is_legal_in_every_profile(profile: str) -> None:
    bench = _drawn(3)
    disk = Disk(bench.base, PROFILES[profile])
    for operation in bench.log:
        disk.apply(operation)
        for _, choice in candidates(disk, random.Random(1))[0]:
            assert disk.legal(choice)


def test_torn_masks_are_five_at_most_and_keep_what_is_durable() -> None:
    bench = a_bench()
    bench.write("a", 0, b"x" * 64 * SECTOR)
    (one,) = bench.disk.pending
    masks = list(torn_masks(one))
    assert len(set(masks)) == len(masks) == 5
    assert all(0 < mask < one.full for mask in masks)


def test_the_enumeration_of_a_log_is_the_same_each_time() -> None:
    bench = _drawn(5)

    def once() -> list[tuple[str, int]]:
        return list(enumerated(bench).items())

    assert once() == once()


def test_an_empty_log_has_one_state() -> None:
    bench = a_bench()
    operations: list[Operation] = []
    found = enumerate_states(bench.base, operations, PROFILES["strict"], 0, random.Random(0))
    assert [state.digest for state in found.states] == [bench.base.digest()]
