"""Several workloads side by side, over one ledger."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chaos.workloads.api import CREATE_LEDGER, Operation, create_tables
from chaos.workloads.part import Part, audit_of

MakePart = Callable[[Iterator[int]], Part]


class Mixed:
    """Each operation is one of the parts', with the chance that its share gives it."""

    name = "mixed"

    def __init__(self, parts: Sequence[tuple[float, MakePart]]) -> None:
        transactions = itertools.count(1)
        self.parts = [make(transactions) for _, make in parts]
        self._bounds = list(itertools.accumulate(share for share, _ in parts))
        self._glances = itertools.cycle(self.parts)

    def facts(self) -> dict[str, Any]:
        """All parts' facts."""
        return {name: fact for part in self.parts for name, fact in part.facts().items()}

    def setup(self) -> Sequence[Operation]:
        """All parts' tables."""
        own = (statement for part in self.parts for statement in part.own_tables())
        return [create_tables([CREATE_LEDGER, *own])]

    def next(self, chance: random.Random) -> Operation:
        """One operation of one of them."""
        drawn = chance.random() * self._bounds[-1]
        found = zip(self._bounds, self.parts, strict=True)
        part = next((part for bound, part in found if drawn < bound), self.parts[-1])
        return part.next(chance)

    def audit(self) -> Operation:
        """The ledger and the tables of all parts in one snapshot."""
        return audit_of(self.parts)

    def glance(self) -> Operation:
        """Each part's, in turn."""
        return next(self._glances).glance()

    def upkeep(self) -> Operation | None:
        """That of the first part that needs any; the others' is not urgent."""
        found = (part.upkeep() for part in self.parts)
        return next((upkeep for upkeep in found if upkeep is not None), None)
