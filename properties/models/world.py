"""What a program does not say: the table, the settings, the disk, the schedule. Drawn once."""

from __future__ import annotations

from dataclasses import dataclass, field

from properties.models.schema import Schema
from properties.models.snapshot_isolation import Model


@dataclass(frozen=True, slots=True)
class World:
    """`seed` is that of the schedule and of what a disk keeps; `profile` is of that disk
    (chaos/disk/profiles.py); `keys` are those of the rows at the beginning, each with the value 0.
    """

    schema: Schema = field(default_factory=Schema)
    settings: tuple[tuple[str, str], ...] = ()
    profile: str = "strict"
    seed: int = 0
    keys: tuple[int, ...] = (1, 2, 3)

    @property
    def is_synchronous(self) -> bool:
        """Whether who hears COMMIT can rely on it."""
        return dict(self.settings).get("synchronous_commit", "on") != "off"

    def model(self) -> Model:
        """The model of the beginning."""
        return Model(self.keys, self.is_synchronous)
