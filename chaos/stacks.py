"""The Python stacks of the processes of a world, for when it hangs or the harness is broken.

Every process of a world has a handler for the machine's own SIGUSR1 that writes its stack to a
file (chaos/targets/engine.py), and runs it even while it waits for its turn. They are asked one
after another, so that each one's lines are known to be its own.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from chaos.scheduler.calls import ROLES
from chaos.scheduler.layout import HOLDER
from chaos.scheduler.world import World

ANSWERS_WITHIN_S: Final = 2.0
QUIET_S: Final = 0.02


def stacks_of(world: World, file: Path) -> str:
    """The stacks of everybody in the world, the controller first; `file` is where they write."""
    others = [
        f"{one.role} {one.vpid}: {_state(world, one.slot)}\n{_ask(one.pid, file)}"
        for one in world.participants()
        if one.status is None
    ]
    return "\n".join([f"{ROLES[0]}: {_state(world, 0)}\n{_own_stack()}", *others])


def _state(world: World, slot: int) -> str:
    if world.layout.words[HOLDER] == slot:
        return "has the turn"
    return f"parked at {world.parked_at(slot)}"


def _own_stack() -> str:
    with tempfile.TemporaryFile("w+b") as file:
        faulthandler.dump_traceback(file, all_threads=False)
        file.seek(0)
        return file.read().decode(errors="replace")


def _ask(pid: int, file: Path) -> str:
    """What this process writes; waits until it has written, and then nothing more for a moment."""
    before = _size(file)
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        return "(it is gone)\n"
    deadline, size = time.monotonic() + ANSWERS_WITHIN_S, before
    while time.monotonic() < deadline:
        time.sleep(QUIET_S)
        grown = _size(file)
        if grown == size and grown > before:
            break
        size = grown
    if size == before:
        return "(it does not answer)\n"
    with file.open("rb") as written:
        written.seek(before)
        return written.read().decode(errors="replace")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
