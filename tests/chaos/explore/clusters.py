"""The cluster that these tests have images of, and the statements that ask what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.disk.image import Image

AUDIT = ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT a, b FROM t ORDER BY a", "COMMIT")


@dataclass(frozen=True)
class Cluster:
    """Images of one cluster as a kill leaves it: `at[n]` after n transactions, of which the n-th
    inserted row n. `base` is the first."""

    at: tuple[Image, ...]

    @property
    def base(self) -> Image:
        return self.at[0]
