"""The engine under the baton: the same server, every process of it a participant of one world.

Pids here are virtual, time is virtual, and a process is looked up in the world's memory and not in
/proc. What the engine sees of its directories is the same in every run: they lie in `/world`.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from chaos.faults.arming import Casualty, UnknownPlace
from chaos.faults.places import PlacedFault
from chaos.host.files import WORLD
from chaos.scheduler.places import NoSuchPlace
from chaos.scheduler.world import Participant, Schedule, World
from chaos.stacks import stacks_of
from chaos.targets.engine import POSTMASTER, EngineTarget, door_digest
from chaos.targets.launcher import Launcher, Program
from chaos.targets.processes import Role
from chaos.targets.server import LEAVING_SECONDS
from chaos.waiting.baton import BatonWaiting

SERVE: Final = "chaos.targets.engine:serve_in_world"
INITIALIZE: Final = "chaos.targets.engine:initialize_in_world"
LOOK_AGAIN_S: Final = 0.002
ROLES: Final = {str(role): role for role in Role}


class BatonEngineTarget(EngineTarget):
    """The engine in a world."""

    name: ClassVar[str] = "engine-baton"
    initialize_function: ClassVar[str] = INITIALIZE
    loaded_functions: ClassVar[tuple[str, ...]] = (POSTMASTER, SERVE)

    def __init__(
        self,
        launcher: Launcher,
        settings: Mapping[str, str],
        wal_segment_mb: int,
        world: World,
        schedule: Schedule,
    ) -> None:
        super().__init__(launcher, settings, wal_segment_mb)
        self.world = world
        self.schedule = schedule
        self._slot = 0
        self._vpid = 0
        self._status: int | None = None
        self._baton_waiting = BatonWaiting(world)
        self.has_begun = False

    def template_version(self) -> str:
        """The door counts time while the directory is made, so the bytes depend on it as well."""
        return f"{self.version()} door {door_digest()}"

    def base_settings(self) -> dict[str, str]:
        """Paths as the engine sees them."""
        return super().base_settings() | {
            "unix_socket_directories": f"{WORLD}/sockets",
            "log_directory": f"{WORLD}/logs",
        }

    def trace_path(self) -> Path:
        """Where the steps are written."""
        return self.directory / "trace"

    def create(self) -> None:
        """The same, and the world begins."""
        super().create()
        self.world.begin(self.schedule, str(self.trace_path()))
        self.has_begun = True

    # its life ------------------------------------------------------------------------------------

    def launch(self) -> int:
        """Start the postmaster; its virtual pid."""
        self._note_end()
        baton = self.world.baton
        self._slot = baton.enroll("postmaster", 0, 0)
        self._vpid = self.world.participant(self._slot).vpid
        self._status = None
        descriptors = self.world.descriptors()
        program = Program(
            output=str(self.directory / "stderr"),
            function=SERVE,
            arguments=[descriptors, self._slot, str(self.directory), {}],
            keeps=descriptors,
        )
        self.world.born(self._slot, self.launcher.start(program))
        return self._vpid

    def postmaster(self) -> int:
        """The virtual pid."""
        return self._vpid

    def exit_status(self) -> int | None:
        """As the world's memory has it."""
        self._note_end()
        return self._status

    def _note_end(self) -> None:
        if self._slot and self._status is None:
            status = self.world.participant(self._slot).status
            if status is not None:
                self._status = status
                self.world.release(self._slot)
                self._slot = 0

    def _alive(self) -> list[Participant]:
        return [one for one in self.world.participants() if one.status is None]

    def processes(self) -> dict[int, Role]:
        """The postmaster's living children, by virtual pid."""
        return {
            one.vpid: ROLES.get(one.role, Role.OTHER)
            for one in self._alive()
            if self._slot and one.parent == self._slot
        }

    def survivors(self) -> list[int]:
        """Whoever lives, wherever it belongs now."""
        return [one.vpid for one in self._alive()]

    def stop(self, seconds: float) -> int | None:
        """SIGINT, and virtual time for it."""
        self.send(self._vpid, signal.SIGINT)
        deadline = self._baton_waiting.now_s() + seconds
        while self.exit_status() is None and self._baton_waiting.now_s() < deadline:
            self._baton_waiting.sleep(LOOK_AGAIN_S)
        return self.exit_status()

    # its processes -------------------------------------------------------------------------------

    def waiting(self) -> BatonWaiting:  # type: ignore[override]
        """The world's."""
        return self._baton_waiting

    def send(self, pid: int, number: signal.Signals) -> bool:
        """A signal, at a known step."""
        return self.world.send(pid, number)

    def is_running(self, pid: int) -> bool:
        """Whether it lives."""
        found = self.world.find(pid)
        return found is not None and found.status is None

    def has_stopped(self, pid: int) -> bool:
        """Whether it is not scheduled, or gone."""
        found = self.world.find(pid)
        return found is None or found.status is not None or self.world.is_stopped(found.slot)

    def title_of(self, pid: int) -> str:
        """Its role."""
        found = self.world.find(pid)
        return found.role if found is not None else ""

    # faults by place -----------------------------------------------------------------------------

    def arm(self, fault: PlacedFault, pid: int = 0) -> int:
        """As chaos/faults/arming.py has it."""
        try:
            return self.world.baton.places.arm(fault, pid)
        except NoSuchPlace as error:
            raise UnknownPlace(str(error)) from error

    def has_struck(self, number: int) -> bool:
        """Whether somebody was there."""
        return self.world.baton.places.blow(number) is not None

    def disarm(self, number: int) -> None:
        """Not any more."""
        self.world.baton.places.disarm(number)

    def casualties(self, since: int) -> list[Casualty]:
        """By virtual pid."""
        return self.world.kills_since(since)

    def stacks(self) -> str:
        """Where each process is in its code, the parked ones too."""
        return stacks_of(self.world, self.directory / "stacks")

    # what is seen --------------------------------------------------------------------------------

    def remember_shared_memory(self) -> None:
        """The engine has no named shared memory, and a world has one of its own."""

    def leftovers(self) -> list[str]:
        """First in virtual time, then as the machine sees it."""
        deadline = self._baton_waiting.now_s() + LEAVING_SECONDS
        while self.survivors() and self._baton_waiting.now_s() < deadline:
            self._baton_waiting.sleep(LOOK_AGAIN_S)
        return super().leftovers()
