"""A small process that starts servers, tells how they ended, and leaves nothing behind.

It is its own program, `python -m chaos.targets.launcher FD`, for three reasons. It can have
imported a server written in Python once and fork it again after each crash, while carrying nothing
of the controller (a libpq connection inherited by a server would be closed by it, on a descriptor
that by then is somebody else's). As a child subreaper it inherits the processes that a killed
postmaster leaves, so that it can tell which are still there. And when the controller goes away,
however it goes, the launcher kills what it started, removes the directories it was told to guard,
and goes too. One launcher serves many runs, one after another: `reset` between them.

Protocol: JSON lines over a socket. A request has one reply, in order; between replies come lines
`{"exited": pid, "status": n}` where n is the exit status, or minus the signal's number.

LAUNCH-1  Nothing that was started here outlives the launcher.
LAUNCH-2  A started program has no descriptor of the launcher's but 0, 1, 2 and those it keeps.
LAUNCH-3  After a reset nothing is left of what was before: no process, no guarded directory, no
          exit status.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
BAD_EXIT: Final = 70
"""Exit status of a called function that ended with an exception (EX_SOFTWARE)."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: an argv to execute, or a function `module:attribute` to call with arguments.

    `user` is (uid, gid), None to stay who we are. Output is appended to the file `output`.
    `keeps` are those of the descriptors that the launcher was given which the program needs.
    """

    output: str
    argv: list[str] | None = None
    function: str | None = None
    arguments: list[Any] = field(default_factory=list)
    user: tuple[int, int] | None = None
    environment: dict[str, str] | None = None
    keeps: list[int] = field(default_factory=list)


def children_of(pid: int) -> list[int]:
    """The children of a process (of its main thread), the dead but unreaped among them."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants_of(pid: int) -> list[int]:
    """All processes below one, parents first."""
    found = children_of(pid)
    for child in found:
        found.extend(descendants_of(child))
    return found


# in the launcher ---------------------------------------------------------------------------------


class _Server:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._guarded: list[str] = []
        self._loaded: dict[str, Any] = {}

    def serve(self) -> None:
        """Answer requests until the controller is gone."""
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        woken, wakes = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        pending = b""
        poll = _poll_for(self._connection.fileno(), woken)
        try:
            while True:
                ready = [fd for fd, _ in poll.poll()]
                if woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 4096)
                    self._reap()
                if self._connection.fileno() in ready:
                    received = self._connection.recv(65536)
                    if not received:
                        return
                    *lines, pending = (pending + received).split(b"\n")
                    for line in lines:
                        self._tell(self._answer(json.loads(line)))
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            self._clear()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if "start" in request:
                return {"pid": self._start(Program(**request["start"]))}
            if "load" in request:
                if request["load"] not in self._loaded:
                    self._loaded[request["load"]] = _resolve(request["load"])
                    gc.collect()
                    gc.freeze()
                return {}
            if "reset" in request:
                return self._clear()
            self._guarded = request["guard"]
        except (OSError, ImportError, AttributeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {}

    def _start(self, program: Program) -> int:
        ours = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(program, ours)
        return pid

    def _tell(self, message: dict[str, Any]) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _reap(self) -> None:
        for pid, status in _reaped():
            self._tell({"exited": pid, "status": status})

    def _clear(self) -> dict[str, Any]:
        """LAUNCH-1, LAUNCH-3: an error if something cannot be ended."""
        deadline = time.monotonic() + 10
        while (left := descendants_of(os.getpid())) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for _ in _reaped():
                pass
            time.sleep(0.002)
        for directory in self._guarded:
            shutil.rmtree(directory, ignore_errors=True)
        self._guarded = []
        return {"error": f"processes {left} do not end"} if left else {}


def _close_but(kept: list[int]) -> None:
    """LAUNCH-2."""
    below = 3
    for fd in sorted(kept):
        os.closerange(below, fd)
        below = fd + 1
    os.closerange(below, 4096)


def _poll_for(*fds: int) -> select.poll:
    """To wait for input; unlike select() it takes any descriptor, also the 2000th."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return poll


def _reaped() -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))


def _resolve(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _become(program: Program, launcher: int) -> None:
    """In the forked child: become the program. Never returns."""
    status = BAD_EXIT
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        output = os.open(program.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_but(program.keeps)
        if program.user is not None:
            uid, gid = program.user
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        # LAUNCH-1, even if the launcher is killed; asked for last, since setuid() forgets it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != launcher:
            os._exit(BAD_EXIT)
        os.chdir("/")
        if program.argv is not None:
            os.execve(program.argv[0], program.argv, program.environment or dict(os.environ))
        returned = _resolve(program.function or "")(*program.arguments)
        status = returned if isinstance(returned, int) else 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - there is nobody above; the log must have it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


# in the controller -------------------------------------------------------------------------------


class LauncherGone(Exception):
    """The launcher is gone or does not answer: the harness is broken."""


class Launcher:
    """The controller's end. Use as a context manager, or call `close`."""

    def __init__(self, descriptors: Sequence[int] = ()) -> None:
        ours, theirs = socket.socketpair()
        self._connection = ours
        self._pending = b""
        self._exited: dict[int, int] = {}
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "chaos.targets.launcher", str(theirs.fileno())],
                os.environ | {"PYTHONPATH": path},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, fd, fd) for fd in (theirs.fileno(), *descriptors)
                ],
                setsid=True,
            )

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, program: Program) -> int:
        """Start a program; its pid. OSError if that is impossible."""
        return int(self._ask({"start": asdict(program)})["pid"])

    def load(self, function: str) -> None:
        """Import what `start` will call, so that later starts are forks only."""
        self._ask({"load": function}, seconds=60)

    def guard(self, directories: list[str]) -> None:
        """Directories to remove when the controller disappears."""
        self._ask({"guard": directories})

    def reset(self) -> None:
        """LAUNCH-3: be as new, but for what was loaded. LauncherGone if that is impossible."""
        self._ask({"reset": True}, seconds=60)
        self._exited.clear()

    def exit_status(self, pid: int) -> int | None:
        """How a started or inherited process ended (minus the signal's number); None if it runs."""
        self._receive(0)
        return self._exited.get(pid)

    def wait(self, pid: int, seconds: float) -> int | None:
        """The same, waiting up to so long for it."""
        deadline = time.monotonic() + seconds
        while (status := self.exit_status(pid)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._receive(left)
        return status

    def processes(self) -> list[int]:
        """Everything that was started here, directly or not, and is not reaped."""
        return descendants_of(self.pid)

    def cpu_s(self) -> float:
        """CPU seconds of the launcher and of all that it has reaped; 0 when it is gone."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0.0
        times = stat.rpartition(")")[2].split()[11:15]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End everything (LAUNCH-1) and the launcher."""
        if self._connection.fileno() == -1:
            return
        self._connection.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _ask(self, request: dict[str, Any], seconds: float = 20) -> dict[str, Any]:
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise LauncherGone("the launcher is gone") from error
        deadline = time.monotonic() + seconds
        while True:
            for message in self._receive(max(0.0, deadline - time.monotonic())):
                if "error" in message:
                    raise LauncherGone(str(message["error"]))
                return message
            if time.monotonic() >= deadline:
                raise LauncherGone("the launcher does not answer")

    def _receive(self, seconds: float) -> list[dict[str, Any]]:
        """Replies that came; what was told about exits is kept."""
        if not _poll_for(self._connection.fileno()).poll(seconds * 1000):
            return []
        try:
            received = self._connection.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise LauncherGone("the launcher is gone")
        *lines, self._pending = (self._pending + received).split(b"\n")
        replies = []
        for line in lines:
            message = json.loads(line)
            if "exited" in message:
                self._exited[message["exited"]] = message["status"]
            else:
                self._exited.pop(message.get("pid", 0), None)  # the number may have been another's
                replies.append(message)
        return replies


if __name__ == "__main__":
    _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
