"""The postmaster's list of its children, in its own memory: nothing a dying child can break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.host.api import ChildExit
from engine.shmem.procs import BACKEND_TYPE_NAMES, FIRST_BACKEND_SLOT, BackendType

_SIGNAL_NAMES = {
    3: "Quit", 6: "Aborted", 9: "Killed", 10: "User defined signal 1", 11: "Segmentation fault",
    12: "User defined signal 2", 15: "Terminated",
}  # fmt: skip


@dataclass(frozen=True)
class Child:
    """One child. `slot` is None for a dead-end child, which only tells its client to go away."""

    pid: int
    kind: BackendType
    slot: int | None

    @property
    def description(self) -> str:
        """What log lines call it."""
        if self.kind is BackendType.CLIENT_BACKEND:
            return "server process"
        names = {BackendType.WAL_WRITER: "WAL writer process", BackendType.LOGGER: "logger process"}
        return names.get(self.kind, f"{BACKEND_TYPE_NAMES[self.kind].description} process")


class Children:
    """Who lives, and which backend slots are free."""

    def __init__(self, max_backends: int) -> None:
        self._by_pid: dict[int, Child] = {}
        self._free_slots = list(
            range(FIRST_BACKEND_SLOT + max_backends - 1, FIRST_BACKEND_SLOT - 1, -1)
        )

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_pid.values()))

    def take_backend_slot(self) -> int | None:
        """A free slot for a backend; None when max_connections is reached."""
        return self._free_slots.pop() if self._free_slots else None

    def add(self, child: Child) -> None:
        """A child was forked."""
        self._by_pid[child.pid] = child

    def remove(self, pid: int) -> Child | None:
        """A child is gone; its slot is free again."""
        child = self._by_pid.pop(pid, None)
        if child is not None and child.slot is not None and child.slot >= FIRST_BACKEND_SLOT:
            self._free_slots.append(child.slot)
        return child

    def give_back_slot(self, slot: int) -> None:
        """A slot that was taken but not used."""
        self._free_slots.append(slot)

    def of(self, *kinds: BackendType) -> list[Child]:
        """The children of these kinds."""
        return [child for child in self._by_pid.values() if child.kind in kinds]

    def except_for(self, *kinds: BackendType) -> list[Child]:
        """The children that are of none of these kinds."""
        return [child for child in self._by_pid.values() if child.kind not in kinds]

    def has(self, kind: BackendType) -> bool:
        """Whether a child of this kind lives."""
        return any(child.kind is kind for child in self._by_pid.values())


def describe_exit(child: Child, ended: ChildExit) -> str:
    """`server process (PID 123) was terminated by signal 9: Killed`, as `LogChildExit`."""
    who = f"{child.description} (PID {child.pid})"
    if ended.signal is not None:
        name = _SIGNAL_NAMES.get(ended.signal, f"Unknown signal {ended.signal}")
        return f"{who} was terminated by signal {ended.signal}: {name}"
    return f"{who} exited with exit code {ended.status}"
