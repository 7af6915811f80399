"""Servers that do not recover: each stands for `SingleUser` and goes wrong in its own way, but for
the first time, which is the warm-up in the process that the others are forked from."""

from __future__ import annotations

import os
import signal
from typing import Any

from engine.errors import InvariantViolation, PanicError
from engine.recovery.redo import RedoLoop


class Healthy:
    """Recovers at once, and answers everything."""

    wal_end_lsn = 0

    def __init__(self, host: Any, directory: str, settings: dict[str, str]) -> None:
        self._host = host

    def start(self, database: str, prepared: Any) -> None:
        if prepared is not None:
            self.recover()

    def recover(self) -> None:
        """What goes wrong."""

    def execute(self, text: str) -> list[Any]:
        raise AssertionError("nothing is asked here")

    def leave(self) -> None:
        pass


class Hanging(Healthy):
    def recover(self) -> None:
        while True:
            pass


class Waiting(Healthy):
    def recover(self) -> None:
        self._host.wait()


class Killed(Healthy):
    def recover(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Leaving(Healthy):
    def recover(self) -> None:
        os._exit(7)


class Panicking(Healthy):
    def recover(self) -> None:
        raise PanicError("58030", "could not read", detail="The disk is gone.")


class Broken(Healthy):
    def recover(self) -> None:
        raise InvariantViolation("WAL-1", "not so", {})


class Surprised(Healthy):
    def recover(self) -> None:
        raise KeyError("what")


class Greedy(Healthy):
    def recover(self) -> None:
        self.memory = bytearray(8 << 30)


class Forgetful(Healthy):
    """Has written a file before it dies, and nobody has been told."""

    def recover(self) -> None:
        with open(f"{self._host._root}/unheard-of", "w") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)


def prepare(host: Any, directory: str, settings: dict[str, str]) -> object:
    return object()


def fail_to_redo(message: str) -> None:
    """Change the engine: its redo ends with this."""

    def run(*_: object) -> None:
        raise PanicError("XX000", message)

    RedoLoop.run = run  # type: ignore[method-assign,assignment]
