"""The disk under the target's data directory, and what a power loss makes of it.

    disk = TargetDisk(data_directory, log, profile)      the directory is complete and durable
    disk.read_log()                                      what was done since, from the I/O log
    disk.cut(choose)                                     the directory is a crash image from now on

POWER-1  A power loss needs a moment at which nobody writes: the server's processes are all dead.
POWER-2  After it the data directory is the crash image that was chosen, and all of it is durable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.disk.choice import Choice
from chaos.disk.image import Image
from chaos.disk.log import START, read_log
from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.disk.profiles import PROFILES

Choose = Callable[[Disk], Choice]

LOG_NAME: Final = "io.log"
"""In the run's directory, beside the data directory and not in it."""


class DiskDisagrees(Exception):
    """The data directory is not what the log says: the harness is broken."""


@dataclass(frozen=True, slots=True)
class PowerLoss:
    """One power loss: when (`time_us` is virtual), which of the pending operations were kept, and
    the data directory before and after.

    `pending` counts the operations that were not durable; `files` tells of each file what became
    of it, as `Disk.describe` has it.
    """

    step: int
    time_us: int
    choice: Choice
    pending: int
    files: list[dict[str, Any]]
    before: Image
    after: Image


class TargetDisk:
    """One data directory, its I/O log and the model of its disk."""

    def __init__(self, data_directory: Path, log: Path, profile: str) -> None:
        self._data_directory = data_directory
        self._log = log
        self._position = START
        self.model = Disk(Image.read(data_directory), PROFILES[profile])

    def read_log(self) -> list[Operation]:
        """Let the model know what was done since; that is also returned."""
        if not self._log.exists():
            return []  # nothing was ever started
        operations, self._position = read_log(self._log, self._position)
        for operation in operations:
            self.model.apply(operation)
        return operations

    def cut(self, choose: Choose, step: int, time_us: int) -> PowerLoss:
        """POWER-2. Nobody writes any more (POWER-1)."""
        self.read_log()
        model = self.model
        before = model.cached()
        self.check(before)
        choice = choose(model)
        after = model.crash(choice)
        loss = PowerLoss(
            step, time_us, choice, len(model.pending), model.describe(choice), before, after
        )
        after.write(self._data_directory, before)
        model.restart(after.found_in(self._data_directory))
        return loss

    def check(self, expected: Image | None = None) -> None:
        """DiskDisagrees unless the directory holds what the log says."""
        expected = self.model.cached() if expected is None else expected
        found = Image.read(self._data_directory)
        if found != expected:
            raise DiskDisagrees(
                "the data directory is not what the I/O log says: "
                + ", ".join(differences(expected, found)[:5])
            )

    def changed_by_hand(self) -> None:
        """Somebody other than the server wrote to the data directory: all of it is durable now, as
        after sync(1), what was pending too.
        """
        self.read_log()
        self.model.restart(Image.read(self._data_directory))


def differences(expected: Image, found: Image) -> list[str]:
    """In which paths two images differ, in words."""
    told = []
    for path in sorted({*expected.files, *found.files}):
        one, other = expected.files.get(path), found.files.get(path)
        if one is None or other is None:
            told.append(f"{path} is {'not expected' if one is None else 'missing'}")
        elif one != other:
            told.append(f"{path} differs ({one.size} and {other.size} bytes)")
    told += [
        f"directory {path} is {'missing' if path in expected.directories else 'not expected'}"
        for path in sorted(expected.directories.keys() ^ found.directories.keys())
    ]
    return told or ["modes or links"]
