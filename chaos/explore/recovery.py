"""Recoverers: a crash image in, what the recovered database answers out.

A `Recoverer` keeps one directory on a memory file system. Of the next image it writes what differs
from what is there, which it knows: the last image, and what the last recovery did to it. Recovery
and statements run in a fresh process (recovery_process.py), and whatever becomes of that is an
outcome, never an error of the tool.

RECOVERY-3  The same image, with the same statements, gives the same answers and the same bytes.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.disk.content import CHUNK, DIRECTORY_MODE, Chunk, Content
from chaos.disk.image import Image
from chaos.explore import recovery_process
from chaos.explore.pages import PageChecker
from chaos.explore.recovery_process import Server
from chaos.targets.launcher import Launcher, Program
from chaos.targets.server import SHARED_MEMORY
from chaos.workloads.api import Answer

ENGINE: Final = Server(
    "engine.processes.single_user:SingleUser", "engine.processes.single_user:Prepared"
)
SERVE: Final = "chaos.explore.recovery_process:serve"
DEFAULT_SECONDS: Final = 20.0
REPLY_GRACE_S: Final = 10.0


class RecovererBroken(Exception):
    """The process that recoveries are forked from is gone: the harness is broken."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, with its level: ERROR, FATAL, PANIC; UNFORESEEN for an exception that the server
    has no word for, HANG, DIED. `sqlstate` is '' where there is none."""

    level: str
    sqlstate: str
    message: str

    def __str__(self) -> str:
        state = f" {self.sqlstate}" if self.sqlstate else ""
        return f"{self.level}{state}: {self.message}"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one image.

    failure: why there is no recovered database; else None.
    answers: to the statements, in order, up to the one that was an `error`.
    pages: what is wrong with pages of the recovered files.
    after: the files as recovery and statements have left them.
    With an I/O log: `before` is the image with the inode numbers it had, and the first
    `recovered_at` operations of the log are those of the recovery itself.
    """

    failure: Problem | None
    answers: tuple[Answer, ...]
    error: Problem | None
    pages: tuple[str, ...]
    log: tuple[str, ...]
    after: Image
    before: Image | None = None
    io_log: Path | None = None
    recovered_at: int = 0

    @property
    def ok(self) -> bool:
        """It came up, every statement was answered, and its pages are in order."""
        return self.failure is None and self.error is None and not self.pages


@dataclass(slots=True)
class Spent:
    """CPU time of the processes that recovered, in seconds: all of it, and of that the recoveries
    and the statements; the rest is what a process costs.
    """

    cpu_s: float = 0.0
    recovery_s: float = 0.0
    statements_s: float = 0.0

    def add(self, cpu_s: float, recovery_s: float, statements_s: float) -> None:
        """One more process."""
        self.cpu_s += cpu_s
        self.recovery_s += recovery_s
        self.statements_s += statements_s


class Recoverer:
    """Recovers images, one after the other. Use as a context manager, or call `close`.

    base: an image that recovers, of the cluster that all images are of: it is recovered once, in
    the process that the others are forked from.  settings: over those of the image.  patches:
    functions that change the server, each `module:function argument`.  seconds: how long one
    recovery may take.
    """

    def __init__(
        self,
        base: Image,
        statements: Sequence[str] = (),
        *,
        server: Server = ENGINE,
        settings: Mapping[str, str] | None = None,
        patches: Sequence[str] = (),
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="chaos-recovery-", dir=_scratch()))
        self.directory = self._root / "data"
        self.directory.mkdir(mode=DIRECTORY_MODE)
        self.there: Image | None = Image.empty()
        self._seconds = seconds
        self._pages = PageChecker()
        self.spent = Spent()
        ours, theirs = socket.socketpair()
        with theirs:
            self._launcher = Launcher([theirs.fileno()])
            self._connection = ours
            self._launcher.guard([str(self._root)])
            self._launcher.load(SERVE)
            program = Program(
                output=str(self._root / "stderr"),
                function=SERVE,
                arguments=[
                    theirs.fileno(),
                    str(self.directory),
                    [server.single_user, server.prepared],
                    dict(settings or {}),
                    list(patches),
                ],
                keeps=[theirs.fileno()],
            )
            self._launcher.start(program)
        self._connection.settimeout(seconds + REPLY_GRACE_S)
        self.warm_up = self._run(base, statements, None, shut_down=False, warm_up=True)

    def __enter__(self) -> Recoverer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and remove the directory."""
        self._connection.close()
        self._launcher.close()
        shutil.rmtree(self._root, ignore_errors=True)

    def recover(
        self,
        image: Image,
        statements: Sequence[str] = (),
        *,
        io_log: Path | None = None,
        shut_down: bool = False,
    ) -> Recovered:
        """Recover the image and run the statements. With `io_log` the operations on the files are
        logged there, to a file that is made anew. With `shut_down` the process ends in order, with
        a checkpoint; else it leaves as it is.
        """
        return self._run(image, statements, io_log, shut_down=shut_down, warm_up=False)

    def _run(
        self,
        image: Image,
        statements: Sequence[str],
        io_log: Path | None,
        *,
        shut_down: bool,
        warm_up: bool,
    ) -> Recovered:
        image.write(self.directory, self.there)
        self.there = None
        before = None
        if io_log is not None:
            io_log.unlink(missing_ok=True)
            before = image.found_in(self.directory)
        reply = self._ask(
            {
                "statements": list(statements),
                "io_log": str(io_log) if io_log else "",
                "shut_down": shut_down,
                "warm_up": warm_up,
                "seconds": self._seconds,
            }
        )
        self.spent.add(reply["cpu_s"], *reply["parts_s"])
        after = _image_after(self.directory, image, reply["chunks"], reply["names"])
        self.there = after
        failure = _problem(reply["failure"])
        return Recovered(
            failure=failure,
            answers=tuple(
                Answer([tuple(row) for row in rows], tag) for rows, tag in reply["answers"]
            ),
            error=_problem(reply["error"]),
            pages=self._pages.check(after) if failure is None else (),
            log=tuple(reply["log"].splitlines()),
            after=after,
            before=before,
            io_log=io_log,
            recovered_at=reply["recovered_at"],
        )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            recovery_process.send(self._connection, request)
            reply = recovery_process.receive(self._connection)
        except OSError as error:
            raise RecovererBroken(f"no answer: {error}") from error
        if reply is None:
            said = (self._root / "stderr").read_text(errors="replace")
            raise RecovererBroken(f"the process that recoveries are forked from is gone: {said}")
        return reply


def _scratch() -> str | None:
    """Where images are written: a memory file system, if there is one."""
    return str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None


def _problem(described: dict[str, str] | None) -> Problem | None:
    return None if described is None else Problem(**described)


def _image_after(
    directory: Path, before: Image, chunks: dict[str, list[int]] | None, names: list[str] | None
) -> Image:
    """What is in the directory, where these parts of these files have changed; None: look."""
    if chunks is None or names is None or before.links:
        return Image.read(directory)
    directories, files, links = dict(before.directories), dict(before.files), dict(before.links)
    for path in names:
        _look_again(directory, path, directories, files, links)
    for path, numbers in chunks.items():
        if path in files and path not in names:
            files[path] = _reread(directory / path, files[path], numbers)
    return Image(directories, files, links)


def _look_again(
    root: Path,
    path: str,
    directories: dict[str, int],
    files: dict[str, Content],
    links: dict[str, str],
) -> None:
    """A name that appeared, went, or was given to another file."""
    directories.pop(path, None)
    files.pop(path, None)
    links.pop(path, None)
    try:
        status = os.stat(root / path)
    except FileNotFoundError:
        return
    mode = status.st_mode & 0o7777
    if os.path.isdir(root / path):
        directories[path] = mode
    else:
        files[path] = Content.of((root / path).read_bytes(), mode)


def _reread(path: Path, before: Content, numbers: list[int]) -> Content:
    """The content where these chunks were written, and the file may have become longer."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        parts = list(before.chunks)
        have = len(parts)
        missing = range(have, -(-size // CHUNK))
        parts.extend([Chunk(b"")] * len(missing))
        for number in dict.fromkeys([*numbers, *missing]):
            data = os.pread(fd, CHUNK, number * CHUNK)
            parts[number] = Chunk(data + bytes(CHUNK - len(data)))
    finally:
        os.close(fd)
    return Content(tuple(parts), size, before.mode)
