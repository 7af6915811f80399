"""The model against an oracle that tries every subset, and against mutants of itself.

Each mutant is a mistake that somebody who builds such a model makes. If the comparison let one
pass, it could not see that mistake in the model either.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.disk import changes, model, state
from chaos.disk.changes import Change, File
from chaos.disk.names import Names, Places
from chaos.disk.operations import DiskError, Kind
from chaos.disk.profiles import PROFILES, Order, Profile
from chaos.disk.rules import AnySubset, Journal, Sequential
from tests.chaos.disk.bench import Bench
from tests.chaos.disk.naive import Oracle
from tests.chaos.disk.programs import ABOUT_NAMES, ACTIONS, Action, a_program, perform

LYING = replace(PROFILES["lying-fsync"], cached_operations=3)
JUDGED = (
    PROFILES["strict"], PROFILES["ext4-ordered"], PROFILES["xfs"], PROFILES["sequential"], LYING
)  # fmt: skip

actions = st.tuples(
    st.sampled_from(ACTIONS), st.integers(0, 7), st.integers(0, 15), st.integers(0, 7)
)


def agree(profile: Profile, program: list[Action], most_bits: int) -> None:
    """The model allows what the oracle allows, and nothing else, and counts it rightly."""
    bench = perform(profile, program, most_bits=most_bits)
    oracle = Oracle(bench.base, bench.profile, bench.log)
    mine = {repr(tree) for tree in bench.possible()}
    theirs = {repr(tree) for tree in oracle.states()}
    assert mine == theirs
    assert bench.disk.count_states() == sum(1 for _ in bench.choices())
    assert bench.cached == oracle.cache.tree()
    assert repr(bench.durable) in theirs


@pytest.mark.parametrize("profile", JUDGED, ids=lambda one: one.name)
@given(program=st.lists(actions, max_size=14))
@settings(max_examples=60)
def test_the_model_allows_exactly_what_the_oracle_does(
    profile: Profile, program: list[Action]
) -> None:
    agree(profile, program, most_bits=10)


Patch = Callable[[pytest.MonkeyPatch], None]


def _set(owner: Any, name: str, value: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def _wrapped(owner: Any, name: str, make: Callable[[Any], Any]) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def _fsync_syncs_the_name_too(synced: Any) -> Any:
    def mutant(self: Any, file: File) -> None:
        synced(self, file)
        for entry in file.entries:
            if entry.parent is not None:
                synced(self, entry.parent)

    return mutant


def _fsync_of_a_directory_syncs_its_files(synced: Any) -> Any:
    def mutant(self: Any, file: File) -> None:
        synced(self, file)
        for entry in file.children.values():
            if not entry.file.is_directory:
                synced(self, entry.file)

    return mutant


def _fsync_syncs_every_file(synced: Any) -> Any:
    def mutant(self: Any, file: File) -> None:
        for other in list(self._by_inode.values()):
            if not other.is_directory:
                synced(self, other)
        synced(self, file)

    return mutant


def _a_failed_sync_leaves_the_writes_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.State, "_sync_failed", lambda self, file: None)


def _the_next_sync_writes_the_cache(fold: Any) -> Any:
    def mutant(self: Any, file: File) -> None:
        fold(self, file)
        if not file.changes:
            file.durable = file.cache.content()

    return mutant


def _writes_are_never_torn(made: Any) -> Any:
    def mutant(operation: Any, file: File, order: int, atom: int, size_is_a_bit: bool) -> Change:
        change: Change = made(operation, file, order, atom, size_is_a_bit)
        if change.atoms > 1 and not change.grows:
            change.atoms, change.full = 1, 1
        return change

    return mutant


def _atoms_begin_where_the_write_does(made: Any) -> Any:
    def mutant(operation: Any, file: File, order: int, atom: int, size_is_a_bit: bool) -> Change:
        return made(operation, file, order, max(1, len(operation.data)), size_is_a_bit)  # type: ignore[no-any-return]

    return mutant


def _the_size_always_comes_with_the_data(made: Any) -> Any:
    def mutant(operation: Any, file: File, order: int, atom: int, size_is_a_bit: bool) -> Change:
        return made(operation, file, order, atom, False)  # type: ignore[no-any-return]

    return mutant


def _a_rename_is_a_link_and_an_unlink(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(self: Places, entry: Any, slot: Any) -> None:
        there = self.slots.get(slot)
        if there is not None:
            self.of_entry.pop(there, None)
        self.slots[slot] = entry
        self.of_entry[entry] = slot

    monkeypatch.setattr(Places, "put", put)


def _what_was_there_before_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def fold(self: Names) -> list[File]:
        self._trees.clear()
        for change in [one for one in self.changes if one.is_settled]:
            self.durable.apply(change)
        self.changes = [one for one in self.changes if not one.is_settled]
        return []

    monkeypatch.setattr(Names, "fold", fold)


def _a_rename_is_durable_with_its_first_directory(synced: Any) -> Any:
    def mutant(self: Any, directory: File) -> list[Change]:
        for change in self._names.changes:
            if directory in change.unsynced:
                change.unsynced = [directory]
        return synced(self, directory)  # type: ignore[no-any-return]

    return mutant


def _create_reuses_the_file_of_that_inode(new_file: Any) -> Any:
    def mutant(self: Any, inode: int, is_directory: bool, content: Any, mode: int) -> File:
        known = self._by_inode.get(inode)
        if known is not None and known.is_directory == is_directory:
            return known  # type: ignore[no-any-return]
        return new_file(self, inode, is_directory, content, mode)  # type: ignore[no-any-return]

    return mutant


def _the_log_is_forced_wholly(forced: Any) -> Any:
    def mutant(self: Any, file: File) -> list[Change]:
        file.last = self._applied
        return forced(self, file)  # type: ignore[no-any-return]

    return mutant


MUTANTS: dict[str, tuple[str, Patch]] = {
    "closing or writing syncs": (
        "strict",
        _wrapped(
            state.State,
            "_add_data",
            lambda real: lambda self, change: (real(self, change), self._synced(change.file))[0],
        ),
    ),
    "fsync syncs the name too": (
        "strict", _wrapped(state.State, "_synced", _fsync_syncs_the_name_too)
    ),
    "fsync of a directory syncs its files": (
        "strict", _wrapped(state.State, "_synced", _fsync_of_a_directory_syncs_its_files)
    ),
    "fsync syncs every file": ("strict", _wrapped(state.State, "_synced", _fsync_syncs_every_file)),
    "fsync does nothing": ("strict", _set(state.State, "_synced", lambda self, file: None)),
    "a failed fsync leaves the writes dirty": ("strict", _a_failed_sync_leaves_the_writes_dirty),
    "the next fsync writes the cache": (
        "strict", _wrapped(state.State, "_fold", _the_next_sync_writes_the_cache)
    ),
    "writes are never torn": (
        "strict", _wrapped(state, "write_change", _writes_are_never_torn)
    ),
    "atoms are not those of the file": (
        "strict", _wrapped(state, "write_change", _atoms_begin_where_the_write_does)
    ),
    "the size comes with the data": (
        "strict", _wrapped(state, "write_change", _the_size_always_comes_with_the_data)
    ),
    "a rename is two operations": ("strict", _a_rename_is_a_link_and_an_unlink),
    "names are folded out of order": ("strict", _what_was_there_before_stays_known),
    "a rename waits for one directory": (
        "strict",
        _wrapped(state.State, "_names_synced", _a_rename_is_durable_with_its_first_directory),
    ),
    "a file is its inode number": (
        "strict", _wrapped(state.State, "_new_file", _create_reuses_the_file_of_that_inode)
    ),
    "names survive in any order on ext4": (
        "ext4-ordered", _set(Journal, "allows", AnySubset.allows)
    ),
    "ext4 is xfs": (
        "ext4-ordered", _set(Journal, "_takes_data", lambda self, change: False)
    ),
    "xfs is ext4": (
        "xfs", _set(Journal, "_takes_data", lambda self, change: change.replaced)
    ),
    "an fsync forces the whole log": (
        "ext4-ordered", _wrapped(state.State, "_forced", _the_log_is_forced_wholly)
    ),
    "a rename over a name forces no data": (
        "ext4-ordered", _set(state.State, "_grown_before", staticmethod(lambda change: []))
    ),
    "what lies behind the size is seen": (
        "ext4-ordered",
        _wrapped(
            model,
            "apply_change",
            lambda real: lambda editor, change, mask, atom, clips: real(
                editor, change, mask, atom, False
            ),
        ),
    ),
    "a sequence has holes": ("sequential", _set(Sequential, "allows", AnySubset.allows)),
    "a device that lies tells the truth": (
        "lying-fsync",
        _set(
            state.State,
            "_flush_cache",
            lambda self: self._settle(
                [self._pending[one] for one in self._acknowledged if one in self._pending]
            ),
        ),
    ),
}  # fmt: skip


def programs() -> Iterator[list[Action]]:
    """Always the same; some of them about names alone, which have fewer states and so go deeper."""
    for seed in range(300):
        chance = random.Random(seed)
        yield a_program(chance, chance.randrange(2, 16))
        yield a_program(chance, chance.randrange(4, 16), ABOUT_NAMES)


def first_disagreement(profile: Profile) -> int | None:
    """The place of the first program about which model and oracle do not agree."""
    for place, program in enumerate(programs()):
        try:
            agree(profile, program, most_bits=9)
        except (AssertionError, DiskError, KeyError):  # a mutant may lose its own thread
            return place
    return None


def by_name(name: str) -> Profile:
    return next(profile for profile in JUDGED if profile.name == name)


@pytest.mark.parametrize("profile", JUDGED, ids=lambda one: one.name)
def test_the_programs_that_judge_mutants_find_nothing_in_the_model(profile: Profile) -> None:
    assert first_disagreement(profile) is None


@pytest.mark.parametrize("name", list(MUTANTS))
def test_a_wrong_model_does_not_agree_with_the_oracle(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, patch = MUTANTS[name]
    patch(monkeypatch)
    assert first_disagreement(by_name(profile)) is not None


def test_every_order_is_judged() -> None:
    assert {profile.order for profile in JUDGED} == set(Order)


def test_the_programs_reach_every_kind_of_operation() -> None:
    kinds = {
        operation.kind
        for program in programs()
        for operation in perform(PROFILES["strict"], program).log
    }
    assert kinds == set(Kind)


def test_a_bench_counts_bits_as_the_disk_does() -> None:
    bench = Bench(files={"a": b""})
    bench.write("a", 0, b"x")
    assert 2**bench.bits == bench.disk.count_states()
    assert changes.apply_change is state.apply_change
