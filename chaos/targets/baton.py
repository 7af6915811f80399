"""The engine under the baton: the same server, every process of it a participant of one world.

Pids here are virtual, time is virtual, and a process is looked up in the world's memory and not in
/proc. What the engine sees of its directories is the same in every run: they lie in `/world`.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.faults.arming import Casualty, UnknownPlace
from chaos.faults.places import PlacedFault
from chaos.host.files import WORLD
from chaos.scheduler.names import Names
from chaos.scheduler.places import NoSuchPlace
from chaos.scheduler.world import Participant, Schedule, World
from chaos.stacks import stacks_of
from chaos.targets.engine import POSTMASTER, EngineTarget, door_digest
from chaos.targets.launcher import Launcher, Program
from chaos.targets.power import LOG_NAME, Choose, PowerLoss, TargetDisk
from chaos.targets.processes import Role
from chaos.targets.server import LEAVING_SECONDS
from chaos.waiting.baton import BatonWaiting

SERVE: Final = "chaos.targets.engine:serve_in_world"
INITIALIZE: Final = "chaos.targets.engine:initialize_in_world"
LOOK_AGAIN_S: Final = 0.002
ROLES: Final = {str(role): role for role in Role}


class ServerRuns(Exception):
    """What needs a dead server was asked of one of which something lives."""


class NoDisk(Exception):
    """What needs a model of the disk was asked of a target that was made without one."""


class BatonEngineTarget(EngineTarget):
    """The engine in a world. With a `profile` (chaos/disk/profiles.py) its power can be cut."""

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
        profile: str | None = None,
    ) -> None:
        super().__init__(launcher, settings, wal_segment_mb)
        self.world = world
        self.schedule = schedule
        self.profile = profile
        self._disk: TargetDisk | None = None
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

    def io_log_path(self) -> Path:
        """Where what is done to the data directory is written, if there is a profile."""
        return self.directory / LOG_NAME

    def create(self) -> None:
        """The same, and the world begins."""
        super().create()
        self.world.begin(self.schedule, str(self.trace_path()))
        self.has_begun = True
        if self.profile is not None:
            self._disk = TargetDisk(self.data_directory, self.io_log_path(), self.profile)

    # its life ------------------------------------------------------------------------------------

    def launch(self) -> int:
        """Start the postmaster; its virtual pid."""
        self._note_end()
        baton = self.world.baton
        self._slot = baton.enroll("postmaster", 0, 0)
        self._vpid = self.world.participant(self._slot).vpid
        self._status = None
        descriptors = self.world.descriptors()
        io_log = str(self.io_log_path()) if self._disk is not None else None
        program = Program(
            output=str(self.directory / "stderr"),
            function=SERVE,
            arguments=[
                descriptors,
                self._slot,
                str(self.directory),
                {},
                io_log,
                list(self.patches),
            ],
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

    # its disk ------------------------------------------------------------------------------------

    @property
    def disk(self) -> Disk | None:
        """The disk as far as the log was read; None without a profile."""
        return self._disk.model if self._disk is not None else None

    def read_io_log(self) -> list[Operation]:
        """Let the disk know what was done since the last time; that is also returned."""
        return self._its_disk().read_log()

    def cut_power(self, choose: Choose) -> PowerLoss:
        """The data directory becomes the crash image that `choose` chooses (POWER-1, POWER-2).

        What a machine keeps in memory is gone as well: the Unix socket and its lock file.
        """
        disk = self._its_disk()
        alive = [f"{one.role} ({one.vpid})" for one in self._alive()]
        if alive:
            raise ServerRuns(f"the power is cut at one moment for all: {', '.join(alive)} live")
        self._note_end()
        loss = disk.cut(choose, self.world.steps, self.world.baton.now_us())
        sockets = self.directory / "sockets"
        shutil.rmtree(sockets)
        sockets.mkdir(mode=0o700)
        return loss

    def disk_changed_by_hand(self) -> None:
        """The data directory was written to past the server, which is down: that is durable."""
        if self._disk is not None:
            self._disk.changed_by_hand()

    def limit_disk(self, size: int) -> None:
        """Let the files of the data directory grow by so many bytes, and no more."""
        self.world.limit_disk(size)

    def unlimit_disk(self) -> None:
        """There is room again."""
        self.world.unlimit_disk()

    def _its_disk(self) -> TargetDisk:
        if self._disk is None:
            raise NoDisk("this target was made without a disk profile")
        return self._disk

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

    def where_struck(self, number: int) -> dict[str, Any]:
        """Who was there, at which call, about which file."""
        baton = self.world.baton
        blow = baton.places.blow(number)
        if blow is None:
            return {}
        files = Names(baton.layout).all()
        file = files[blow.about - 1] if 0 < blow.about <= len(files) else ""
        file = file.removeprefix(f"{WORLD}/{self.data_directory.name}/")
        return {"role": blow.role, "pid": blow.vpid, "call": blow.call, "file": file}

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
