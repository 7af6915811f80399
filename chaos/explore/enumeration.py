"""Which crash states there are: enumerated place by place of the log, equal images once.

At each place the disk has operations that are not durable yet, and any legal choice of them may be
what a power loss leaves. Where there are few choices, all of them are taken. Else these, as far as
the profile has them legal:

    all lost, all kept
    prefixes        what had been done up to an earlier operation
    one lost        all kept but one operation
    one kept        all lost but one
    torn            all kept but one, and of that one: the first half, the last half, every other
                    atom, the first atom, the last one
    torn last       a prefix, and half of the operation behind it
    random          a few, drawn from the seed

Two choices that leave the same operations in effect are the same state, and are recognized before
any image is made; two images that hold the same, by their digest.

EXPLORE-4  The number of legal states is the model's own, summed over places; a place counts as
           exact only if as many different legal choices were enumerated there as the model counts.
EXPLORE-5  Each image that was enumerated is recovered once, or is counted as not checked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from chaos.disk.choice import Choice, Pending
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import SYNCS, Kind, Operation
from chaos.disk.profiles import Order, Profile

EXACT: Final = 64
"""Where there are no more choices than this, all are taken."""
EXACT_PREFIXES: Final = 512
"""The same on a disk that keeps the order: there are only prefixes."""
PRODUCT: Final = 4096
"""So many candidates are looked at to find them."""
RANDOM: Final = 3

FAMILIES: Final = (
    "exact",
    "all kept",
    "all lost",
    "prefix",
    "one lost",
    "one kept",
    "torn",
    "torn last",
    "random",
)
"""In the order in which they are checked when there is not time for all."""


@dataclass(slots=True)
class State:
    """One distinct image: how it was found first, and the latest place at which it may be left."""

    number: int
    digest: str
    family: str
    first_place: int
    place: int
    choice: Choice
    sightings: int = 0


@dataclass(slots=True)
class Enumeration:
    """All states that were found, and what was counted on the way."""

    states: list[State] = field(default_factory=list)
    places: int = 0
    exact_places: int = 0
    legal: int = 0
    enumerated: int = 0
    families: Counter[str] = field(default_factory=Counter)

    @property
    def distinct(self) -> int:
        """Different images."""
        return len(self.states)


Candidate = tuple[str, Choice]


class Choices:
    """Makes choices for where the disk is now."""

    def __init__(self, disk: Disk) -> None:
        lost = disk.all_lost()
        self.pending = disk.pending
        self._of = lost.of
        self._legal = disk.legal

    def make(self, kept_before: int, masks: Sequence[tuple[int, int]] = ()) -> Choice | None:
        """The first are kept and the others lost, but for those in `masks`; None if not legal."""
        special = []
        for place, mask in masks:
            one = self.pending[place]
            mask |= one.must
            if mask != (one.full if place < kept_before else one.must):
                special.append((place, mask))
        choice = Choice(self._of, len(self.pending), kept_before, tuple(special))
        return choice if self._legal(choice) else None


def candidates(disk: Disk, chance: random.Random | None) -> tuple[list[Candidate], bool]:
    """The choices to look at where the disk is now, each a legal one, and whether these are all
    that are legal.
    """
    legal = disk.count_states()
    if legal <= (EXACT_PREFIXES if disk.profile.order is Order.SEQUENCE else EXACT):
        every = _all(disk)
        if len(every) == legal:
            return [("exact", choice) for choice in every], True
    choices = Choices(disk)
    found = [(family, choice) for family, choice in _families(choices) if choice is not None]
    if chance is not None:
        found += [("random", disk.draw(chance)) for _ in range(RANDOM)]
    return found, False


def _all(disk: Disk) -> list[Choice]:
    """Every legal choice, when few enough could be."""
    pending = disk.pending
    if disk.profile.order is Order.SEQUENCE:
        return _prefixes(Choices(disk))
    free = sum((one.full & ~one.must).bit_count() for one in pending)
    if 1 << free > PRODUCT:
        return []
    every = (disk.choose(masks) for masks in product(*(_masks_of(one) for one in pending)))
    return [choice for choice in every if choice is not None]


def _prefixes(choices: Choices) -> list[Choice]:
    """Every prefix of operations, and of the one behind it every prefix of its atoms."""
    found = [choices.make(count) for count in range(len(choices.pending) + 1)]
    for place, one in enumerate(choices.pending):
        masks = [(1 << atoms) - 1 for atoms in range(1, one.atoms)]
        found += [choices.make(place, ((place, mask),)) for mask in masks]
    return [choice for choice in found if choice is not None]


def _masks_of(one: Pending) -> list[int]:
    """All masks that have the bits that are durable."""
    free = [bit for bit in range(one.full.bit_length()) if not one.must >> bit & 1]
    masks = []
    for number in range(1 << len(free)):
        mask = one.must
        for place, bit in enumerate(free):
            if number >> place & 1:
                mask |= 1 << bit
        masks.append(mask)
    return masks


def _families(choices: Choices) -> Iterator[tuple[str, Choice | None]]:
    make, pending = choices.make, choices.pending
    count = len(pending)
    yield "all kept", make(count)
    yield "all lost", make(0)
    for place in range(1, count):
        yield "prefix", make(place)
    for place, one in enumerate(pending):
        yield "one lost", make(count, ((place, 0),))
        yield "one kept", make(0, ((place, one.full),))
    for place, one in enumerate(pending):
        tears = list(torn_masks(one))
        for mask in tears:
            yield "torn", make(count, ((place, mask),))
        for mask in tears[:1]:
            yield "torn last", make(place, ((place, mask),))


def torn_masks(one: Pending) -> Iterator[int]:
    """First half, last half, every other atom, the first, the last; with what is durable."""
    atoms, must = one.atoms, one.must
    if atoms < 2:
        return
    grown = (1 << atoms) if one.grows else 0
    every = (1 << atoms) - 1
    first = (1 << (atoms // 2)) - 1
    alternate = sum(1 << bit for bit in range(0, atoms, 2)) if atoms <= 64 else _alternate(atoms)
    seen = {one.full, must}
    for mask in (first, every & ~first, alternate, 1, 1 << (atoms - 1)):
        mask |= must | grown
        if mask not in seen:
            seen.add(mask)
            yield mask


def _alternate(atoms: int) -> int:
    return int("01" * (atoms // 2 + 1), 2) & ((1 << atoms) - 1)


class _Effects:
    """Names a state by what is in effect: the last operation that is, and what is not before it."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._last_effective = [-1]
        self._failures = [0]
        last, failures = -1, 0
        for number, operation in enumerate(operations):
            if operation.kind is Kind.FSYNC_FAILED:
                failures += 1
            if operation.kind not in SYNCS:
                last = number
            self._last_effective.append(last)
            self._failures.append(failures)

    def key(self, place: int, pending: Sequence[Pending], choice: Choice) -> tuple[object, ...]:
        """Equal for choices that leave the same in effect."""
        masks = dict(choice.masks)
        missing: list[tuple[int, int]] = []
        lost: set[int] = set()
        for index, one in enumerate(pending):
            default = one.full if index < choice.kept_before else 0
            mask = masks.get(index, default) | one.must
            if mask != one.full:
                number = one.operation.number
                missing.append((number, mask))
                if not mask:
                    lost.add(number)
        last = self._last_effective[place]
        while last in lost:
            last = self._last_effective[last]
        behind = tuple(entry for entry in missing if entry[0] < last)
        partly = tuple(entry for entry in missing if entry[0] == last)
        return (self._failures[place], last, behind, partly)


class Collector:
    """Takes in the choices of one place after the other; keeps each image once (EXPLORE-3)."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.found = Enumeration()
        self._effects = _Effects(operations)
        self._by_key: dict[tuple[object, ...], State] = {}
        self._by_digest: dict[str, State] = {}

    def add(self, disk: Disk, place: int, choices: Sequence[Candidate], *, is_exact: bool) -> None:
        """These are legal where the disk is now, at this place."""
        pending, found = disk.pending, self.found
        found.places += 1
        found.exact_places += is_exact
        found.legal += disk.count_states()
        found.enumerated += len(choices)
        for family, choice in choices:
            found.families[family] += 1
            key = self._effects.key(place, pending, choice)
            state = self._by_key.get(key)
            if state is None:
                digest = disk.crash_digest(choice)
                state = self._by_digest.get(digest)
                if state is None:
                    state = State(len(found.states), digest, family, place, place, choice)
                    found.states.append(state)
                    self._by_digest[digest] = state
                self._by_key[key] = state
            state.place, state.choice = place, choice
            state.sightings += 1


def enumerate_states(
    base: Image,
    operations: Sequence[Operation],
    profile: Profile,
    first: int,
    chance: random.Random,
    on_place: Callable[[int], None] = lambda _place: None,
) -> Enumeration:
    """All states that a crash at place `first` or later may leave, each image once."""
    disk = Disk(base, profile)
    collector = Collector(operations)
    for place in range(len(operations) + 1):
        if place >= first:
            choices, is_exact = candidates(disk, chance)
            collector.add(disk, place, choices, is_exact=is_exact)
            on_place(place)
        if place < len(operations):
            disk.apply(operations[place])
    return collector.found
