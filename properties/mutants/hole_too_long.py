"""The hole that is left out of a page's image reaches a little into the newest row version.

Breaks WAL-2 (engine/wal/README.md): an image stands for the whole page. What comes back has zeros
where the row's xmin and xmax were.

In real life: PostgreSQL 15's CREATE DATABASE said of all pages that they have the standard layout,
and so cut a hole out of those of the free space map, which have none
(RelationCopyStorageUsingBuffer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.wal import record
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="hole-too-long",
    breaks="WAL-2",
    mirrors="PostgreSQL 15: RelationCopyStorageUsingBuffer and pages without a hole",
    sees=(
        "durability: lost",
        "atomicity",
        "reaction: replay differs",
        "liveness: not back",
        "files",
    ),
)
ROUND: Final = 16
_LOWER: Final = slice(12, 14)
_UPPER: Final = slice(14, 16)


def apply() -> None:
    def make(add: Callable[..., None]) -> Callable[..., None]:
        def greedy(header: Any, payload: list[Any], page: Any, standard: bool) -> None:
            add(header, payload, page, standard)
            upper = int.from_bytes(page[_UPPER], "little")
            rest = -upper % ROUND
            if len(payload) >= 2 and standard and rest and len(payload[-1]) == len(page) - upper:
                payload[-1] = payload[-1][rest:]
                length, hole, info = record._IMAGE.unpack_from(header, len(header) - 5)
                record._IMAGE.pack_into(header, len(header) - 5, length - rest, hole, info)

        return greedy

    replace(record, "_add_image", make)
