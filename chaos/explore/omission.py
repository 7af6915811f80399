"""Barriers left out: what would be left of a run in which some syncs had not been made.

Under the baton an fsync is a step and nothing else, so a run without it is the same run: its log is
the recorded one, in which the disk is not told of these syncs. What they *protected* is then not
durable where it was before, and only states in which some of that is lost are new. So these alone
are enumerated, at each place:

    all        all that was protected is lost, all else is kept
    everything  all that is not durable is lost, protected or not
    newest     the last few protected operations, together
    one        each of the newest and the oldest protected operations alone
    torn       half of each of them

EXPLORE-6  A barrier is left out of a recorded run by leaving its records out of the log: the run is
           the same, step for step, and so is what was acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos.disk.choice import Choice, Pending
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import Profile
from chaos.explore.enumeration import Choices, Collector, Enumeration, torn_masks
from chaos.explore.wording import file_kind, without_line

BARRIERS: Final = (Kind.FSYNC, Kind.FSYNC_DIRECTORY)
NEWEST: Final = 6
OLDEST: Final = 3

FAMILIES: Final = ("all", "everything", "newest", "one", "torn")


class UnknownBarrier(ValueError):
    """No operation of the recorded run is the one that was named."""


@dataclass(frozen=True, slots=True, order=True)
class Barrier:
    """The syncs of one kind of file that one place of the code makes."""

    site: str
    file: str

    def __str__(self) -> str:
        return f"{self.site} ({self.file})"


def barrier_of(operation: Operation) -> Barrier | None:
    """What barrier an operation is; None for one that syncs nothing."""
    if operation.kind not in BARRIERS:
        return None
    return Barrier(without_line(operation.site), file_kind(operation.path))


def barriers_of(operations: Sequence[Operation]) -> dict[Barrier, int]:
    """The barriers of a run, and how often each was reached."""
    found: dict[Barrier, int] = {}
    for operation in operations:
        barrier = barrier_of(operation)
        if barrier is not None:
            found[barrier] = found.get(barrier, 0) + 1
    return dict(sorted(found.items()))


def syncs_at(operations: Sequence[Operation], where: str) -> frozenset[int]:
    """The syncs that a text names: a part of their site, and behind ` / ` of their kind of file.

    `Segments._sync_directory`, or `sync_requests.py / clog`. UnknownBarrier.
    """
    site, _, file = (part.strip() for part in where.partition(" / "))
    pattern = re.compile(re.escape(site))
    numbers = [
        operation.number
        for operation in operations
        if (barrier := barrier_of(operation)) is not None
        and pattern.search(barrier.site)
        and file in ("", barrier.file)
    ]
    if not numbers:
        known = "; ".join(f"{b.site} / {b.file}" for b in barriers_of(operations))
        raise UnknownBarrier(f"no sync was made at {where!r}; there are: {known}")
    return frozenset(numbers)


def enumerate_omission(
    base: Image,
    operations: Sequence[Operation],
    profile: Profile,
    first: int,
    without: frozenset[int],
) -> Enumeration:
    """The new states of a run without these syncs."""
    true, false = Disk(base, profile), Disk(base, profile)
    collector = Collector(operations)
    for place in range(len(operations) + 1):
        if place >= first:
            protected = _protected(true.pending, false.pending)
            if protected:
                choices = list(_choices(Choices(false), protected))
                collector.add(false, place, choices, is_exact=False)
        if place < len(operations):
            true.apply(operations[place])
            if place not in without:
                false.apply(operations[place])
    return collector.found


def _protected(true: Sequence[Pending], false: Sequence[Pending]) -> list[int]:
    """Places in `false` of what is durable, or more of it, on the disk that was told of all."""
    still = {one.operation.number: one.must for one in true}
    return [
        place
        for place, one in enumerate(false)
        if still.get(one.operation.number, one.full) & ~one.must
    ]


def _choices(choices: Choices, protected: Sequence[int]) -> Iterator[tuple[str, Choice]]:
    for family, choice in _wishes(choices, protected):
        if choice is not None:
            yield family, choice


def _wishes(choices: Choices, protected: Sequence[int]) -> Iterator[tuple[str, Choice | None]]:
    make, pending = choices.make, choices.pending
    count = len(pending)
    yield "all", make(count, [(place, 0) for place in protected])
    yield "everything", make(0)
    for number in range(2, min(NEWEST, len(protected))):
        yield "newest", make(count, [(place, 0) for place in protected[-number:]])
    chosen = dict.fromkeys([*protected[-NEWEST:], *protected[:OLDEST]])
    for place in chosen:
        yield "one", make(count, ((place, 0),))
    for place in chosen:
        for mask in list(torn_masks(pending[place]))[:1]:
            yield "torn", make(count, ((place, mask),))
