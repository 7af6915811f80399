"""How every child that uses shared memory begins and ends.

It claims its slot, gets an `Instance` (the engine's services over the shared memory), runs its
main, and turns whatever ends that main into the exit status that the postmaster understands: 0 and
1 are in order where the child table says so, everything else is a crash.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.config import Config
from engine.errors import (
    FatalError,
    InvariantViolation,
    PanicError,
    SqlError,
    unexpected_as_panic,
)
from engine.host.api import Host
from engine.instance import Instance, Shared
from engine.shmem.procs import BACKEND_TYPE_NAMES, BackendType
from engine.wal.file_error import as_panic

FATAL_STATUS = 1
CRASH_STATUS = 2


def run(
    host: Host,
    shared: Shared,
    config: Config,
    kind: BackendType,
    main: Callable[[Instance], None],
) -> None:
    """Be the one process of that kind; never returns."""
    host.set_title(f"postgres: {BACKEND_TYPE_NAMES[kind].title} ")
    run_in_slot(host, shared, config, kind, kind.value, main)


def run_in_slot(
    host: Host,
    shared: Shared,
    config: Config,
    kind: BackendType,
    slot: int,
    main: Callable[[Instance], None],
) -> None:
    """Be the process in that slot; never returns."""
    instance = Instance(host, shared, config, kind, slot)
    try:
        main(instance)
    except FatalError as error:
        instance.log.error(error)
        instance.leave()
        host.exit(FATAL_STATUS)
    except PanicError as error:
        instance.log.error(error)
        host.exit(CRASH_STATUS)
    except InvariantViolation as violation:
        instance.log.write("PANIC", str(violation), hint="This is a bug in the engine.")
        host.exit(CRASH_STATUS)
    except SqlError as error:
        # Nobody was there to go on after it.
        instance.log.error(as_panic(error))
        host.exit(CRASH_STATUS)
    except Exception as error:  # noqa: BLE001 - whatever it was ends this process
        instance.log.error(unexpected_as_panic(error))
        host.exit(CRASH_STATUS)
    instance.leave()
    host.exit(0)
