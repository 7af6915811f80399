"""Which choices a profile allows: the check, the count, and a draw; one class per `Order`.

A choice comes here as the list of its masks, one per pending change, in log order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Protocol

from chaos.disk.changes import Change, File
from chaos.disk.profiles import Order, Profile

Masks = Sequence[int]
_CHANCES: Final = (0.05, 0.3, 0.5, 0.7, 0.95)


class Rules(Protocol):
    """What one `Order` allows. allows_any: every list of masks."""

    allows_any: bool

    def allows(self, pending: Sequence[Change], masks: Masks) -> bool:
        """Whether a power loss may leave that; bits that must be kept are checked elsewhere."""
        ...

    def count(self, pending: Sequence[Change]) -> int:
        """How many lists of masks `allows` allows."""
        ...

    def draw(self, pending: Sequence[Change], chance: random.Random) -> list[int]:
        """One of them."""
        ...


def _free_bits(change: Change) -> int:
    return (change.full & ~change.must).bit_count()


def _fate(change: Change, chance: random.Random, kept: float, among: int) -> int:
    """Lost, kept or torn: which of the bits `among`."""
    draw = chance.random()
    if draw < kept:
        return among
    if among.bit_count() < 2 or draw < kept + (1 - kept) / 2:
        return 0
    if chance.random() < 0.5:  # the device wrote from the beginning and came so far
        return among & ((1 << chance.randrange(1, change.atoms + 1)) - 1)
    return among & chance.getrandbits(change.full.bit_length())


class AnySubset:
    """Each bit on its own."""

    allows_any = True

    def allows(self, pending: Sequence[Change], masks: Masks) -> bool:
        return True

    def count(self, pending: Sequence[Change]) -> int:
        return 1 << sum(_free_bits(change) for change in pending)

    def draw(self, pending: Sequence[Change], chance: random.Random) -> list[int]:
        data, names = chance.choice(_CHANCES), chance.choice(_CHANCES)
        return [
            change.must | _fate(change, chance, data if change.is_write else names, change.full)
            for change in pending
        ]


class Sequential:
    """A prefix, and of the first that is not whole a prefix of its atoms."""

    allows_any = False

    def allows(self, pending: Sequence[Change], masks: Masks) -> bool:
        is_over = False
        for change, mask in zip(pending, masks, strict=True):
            if is_over:
                if mask:
                    return False
            elif mask != change.full:
                is_over = True
                if mask & (mask + 1):
                    return False
        return True

    def count(self, pending: Sequence[Change]) -> int:
        return 1 + sum(change.atoms for change in pending)

    def draw(self, pending: Sequence[Change], chance: random.Random) -> list[int]:
        at = chance.randrange(len(pending) + 1)
        masks = [change.full if place < at else 0 for place, change in enumerate(pending)]
        if at < len(pending):
            masks[at] = (1 << chance.randrange(pending[at].atoms)) - 1
        return masks


class Journal:
    """Names and truncations as a prefix; a grown size with its data, and after what was before it.

    A write that grows its file has its grown atoms and its size bit together, or none of them but
    the atom that lies across the old end, which is an overwrite too.
    """

    allows_any = False

    def __init__(self, replaces_after_data: bool) -> None:
        self._replaces_after_data = replaces_after_data

    def allows(self, pending: Sequence[Change], masks: Masks) -> bool:
        is_cut = False
        short: dict[File, None] = {}
        for change, mask in zip(pending, masks, strict=True):
            if not change.is_write:
                if mask and (is_cut or (self._takes_data(change) and change.file in short)):
                    return False
                is_cut = is_cut or not mask
            elif change.grows:
                if mask >> change.atoms:
                    if is_cut or change.file in short or change.grown & ~mask:
                        return False
                elif mask & change.beyond:
                    return False
                else:
                    short[change.file] = None
        return True

    def _takes_data(self, change: Change) -> bool:
        return self._replaces_after_data and change.replaced

    def count(self, pending: Sequence[Change]) -> int:
        free = sum(_free_bits(change) for change in pending if change.is_write and not change.grows)
        total = 0
        ways = _Ways()
        cuts = self._cuts(pending)
        at = 0
        for cut in [*cuts, len(pending)]:
            for change in pending[at:cut]:
                if change.is_write and change.grows:
                    ways.add(change)
            total += ways.product()
            if cut < len(pending) and self._takes_data(pending[cut]):
                ways.commit(pending[cut].file)
            at = cut
        # growing writes behind the cut are lost: what lies across the old end is free still
        return (total << free) if not ways.has_across else self._slow_count(pending, free)

    def _cuts(self, pending: Sequence[Change]) -> list[int]:
        return [place for place, change in enumerate(pending) if not change.is_write]

    def _slow_count(self, pending: Sequence[Change], free: int) -> int:
        """The same where appends began within a sector."""
        total = 0
        for cut in [*self._cuts(pending), len(pending)]:
            ways = _Ways()
            for place, change in enumerate(pending):
                if change.is_write and change.grows:
                    ways.add(change, is_possible=place < cut)
                elif place < cut and self._takes_data(change):
                    ways.commit(change.file)
            total += ways.product()
        return total << free

    def draw(self, pending: Sequence[Change], chance: random.Random) -> list[int]:
        cuts = [*self._cuts(pending), len(pending)]
        cut = chance.choice(cuts)
        overwrites, grows = chance.choice(_CHANCES), chance.choice(_CHANCES)
        needed = {
            change.file: place
            for place, change in enumerate(pending[:cut])
            if self._takes_data(change)
        }
        short: dict[File, None] = {}
        masks = []
        for place, change in enumerate(pending):
            if not change.is_write:
                masks.append(change.full if place < cut else 0)
                continue
            inside = (1 << change.atoms) - 1
            mask = change.must
            if change.grows:
                inside &= ~change.beyond
                is_kept = place < needed.get(change.file, -1) or (
                    place < cut and change.file not in short and chance.random() < grows
                )
                if is_kept:
                    mask |= change.grown | 1 << change.atoms
                    inside &= ~change.grown
                else:
                    short[change.file] = None
            masks.append(mask | _fate(change, chance, overwrites, inside))
        return masks


class _Ways:
    """In how many ways files may have grown: each by a prefix of its growing writes.

    Of a write that did not make its file grow, and of the part of one that did which lies before
    the old end, each atom is free on its own; the atom across the old end only if the size is lost.
    """

    def __init__(self) -> None:
        self._steps: dict[File, list[tuple[int, int, bool]]] = {}
        self._least: dict[File, int] = {}
        self.has_across = False

    def add(self, change: Change, is_possible: bool = True) -> None:
        """The next growing write: (free bits when kept, when lost, whether it may be kept)."""
        inside = ((1 << change.atoms) - 1) & ~change.beyond & ~change.must
        lost = inside.bit_count()
        kept = (inside & ~change.grown).bit_count()
        if lost:
            self.has_across = True
        self._steps.setdefault(change.file, []).append((kept, lost, is_possible))

    def commit(self, file: File) -> None:
        """What the file has grown so far is kept."""
        self._least[file] = len(self._steps.get(file, ()))

    def product(self) -> int:
        """For all files together."""
        product = 1
        for file, steps in self._steps.items():
            ways = 0
            lost = sum(lost for _, lost, _ in steps)
            kept = 0
            for grown in range(len(steps) + 1):
                if grown >= self._least.get(file, 0):
                    ways += 1 << (kept + lost)
                if grown < len(steps):
                    more, less, is_possible = steps[grown]
                    if not is_possible:
                        break
                    kept += more
                    lost -= less
            product *= ways
        return product


def rules_for(profile: Profile) -> Rules:
    """The rules of its order."""
    if profile.order is Order.ANY:
        return AnySubset()
    if profile.order is Order.SEQUENCE:
        return Sequential()
    return Journal(profile.replaces_after_data)
