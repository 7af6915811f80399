"""The engine in this project as the target: the only file of the controller that knows it.

The launcher imports the engine once and forks it for each start, so starting costs what it costs
the engine and not what it costs Python.
"""

from __future__ import annotations

import faulthandler
import functools
import importlib
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from chaos.host import BatonHost
from chaos.host.files import WORLD
from chaos.scheduler.world import Schedule, World, join
from chaos.targets.api import NOT_PATCHED, TargetUnusable
from chaos.targets.launcher import LauncherGone, Program
from chaos.targets.server import Server

POSTMASTER: Final = "engine.processes.postmaster.entry:run_postmaster"
PATCHED: Final = "chaos.targets.engine:serve_patched"
INITIALIZE: Final = "chaos.targets.engine:initialize"
CRASH_STATUS: Final = 2
INITIALIZE_SECONDS: Final = 60.0


class EngineTarget(Server):
    """The engine. `patches` are done to each postmaster before it serves: see `apply_patches`."""

    name: ClassVar[str] = "engine"
    initialize_function: ClassVar[str] = INITIALIZE
    loaded_functions: ClassVar[tuple[str, ...]] = (POSTMASTER,)
    patches: Sequence[str] = ()

    def version(self) -> str:
        """The version it reports, and a digest of its source, since a template belongs to both."""
        from engine.config.definitions import SERVER_VERSION

        return f"engine {SERVER_VERSION} source {_digest_of('engine')}"

    def check_usable(self) -> None:
        """Import it."""
        try:
            patching = [patch.partition(" ")[0] for patch in self.patches]
            for function in (*self.loaded_functions, *patching):
                self.launcher.load(function)
        except LauncherGone as error:
            raise TargetUnusable(f"the engine cannot be imported: {error}") from error

    def initialize(self, data_directory: Path) -> None:
        """`engine initdb`, in a fork of the launcher."""
        output = data_directory.parent / "output"
        arguments = [str(data_directory), self.wal_segment_mb]
        program = Program(
            output=str(output), function=self.initialize_function, arguments=arguments
        )
        status = self.launcher.wait(self.launcher.start(program), INITIALIZE_SECONDS)
        if status != 0:
            said = output.read_text(encoding="utf-8", errors="replace").strip()
            raise TargetUnusable(f"engine initdb failed (exit status {status}): {said}")

    def program(self) -> Program:
        """The postmaster."""
        arguments: list[Any] = [str(self.data_directory), {}]
        return Program(
            output=str(self.directory / "stderr"),
            function=PATCHED if self.patches else POSTMASTER,
            arguments=[*arguments, list(self.patches)] if self.patches else arguments,
        )


def initialize(path: str, wal_segment_mb: int) -> int:
    """Runs in the launcher's child."""
    from engine.cli.initdb import initialize as create

    create(path, wal_segment_mb=wal_segment_mb)
    return 0


def initialize_in_world(path: str, wal_segment_mb: int) -> int:
    """The same under the baton: the same bytes whenever and wherever it is done."""
    from engine.cli.initdb import initialize_through

    world = World()
    world.begin(Schedule(seed=0), None)
    host = BatonHost(world.baton, str(Path(path).parent), f"{WORLD}/{Path(path).name}")
    initialize_through(host, f"{WORLD}/{Path(path).name}", wal_segment_mb=wal_segment_mb)
    return 0


def serve_in_world(
    descriptors: list[int],
    slot: int,
    directory: str,
    options: dict[str, str],
    io_log: str | None = None,
    patches: Sequence[str] = (),
) -> NoReturn:
    """The postmaster as the participant in that slot; runs in the launcher's child. With `io_log`,
    what the server does to its data directory is written to that file. `patches`: `apply_patches`.
    """
    from engine.processes.postmaster.entry import serve

    stacks = open(f"{directory}/stacks", "ab")  # noqa: SIM115 - as long as the process lives
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)
    baton = join(descriptors, slot, f"{directory}/trace")
    baton.await_turn()
    baton.begin()
    host = BatonHost(baton, directory, f"{WORLD}/data", io_log)
    status = CRASH_STATUS
    try:
        if not apply_patches(patches):
            host.exit(NOT_PATCHED)
        host.catch_signals()
        status = serve(host, f"{WORLD}/data", options)
    except BaseException:  # noqa: BLE001 - there is nobody above; the log must have it
        traceback.print_exc()
    finally:
        host.exit(status)


def serve_patched(path: str, options: dict[str, str], patches: Sequence[str]) -> int:
    """The postmaster on the machine's own schedule; runs in the launcher's child."""
    from engine.processes.postmaster.entry import run_postmaster

    return run_postmaster(path, options) if apply_patches(patches) else NOT_PATCHED


def apply_patches(patches: Sequence[str]) -> bool:
    """Change the engine in this process: each patch is `module:function argument`, and the function
    is called with that. False when one could not be done; why is then on stderr.
    """
    try:
        for patch in patches:
            apply_patch(patch)
    except Exception:  # noqa: BLE001 - it is told, and the server does not start
        traceback.print_exc()
        return False
    return True


def apply_patch(patch: str) -> None:
    """Call the function that `module:function argument` names."""
    name, _, argument = patch.partition(" ")
    module, _, function = name.partition(":")
    getattr(importlib.import_module(module), function)(argument)


def door_digest() -> str:
    """Of what lies below the engine in a world."""
    return " ".join(_digest_of(package) for package in ("chaos.host", "chaos.scheduler"))


@functools.cache
def _digest_of(package: str) -> str:
    """Read once: a command runs what it has imported."""
    from chaos.versions import source_digest  # the launcher's children do without its imports

    return source_digest(package)[:12]
