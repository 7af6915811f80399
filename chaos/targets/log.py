"""What the server has written to its log, read as it grows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class ServerLog:
    """The log files of one server: what goes to stderr before its logger runs, and the logger's."""

    def __init__(self, files: Iterable[Path], directory: Path) -> None:
        self._files = list(files)
        self._directory = directory
        self._offsets: dict[Path, int] = {}
        self._partial: dict[Path, bytes] = {}

    def paths(self) -> list[Path]:
        """The files there are."""
        collected = sorted(self._directory.iterdir()) if self._directory.is_dir() else []
        return [path for path in [*self._files, *collected] if path.is_file()]

    def news(self) -> list[str]:
        """The complete lines that came since the last call."""
        lines: list[str] = []
        for path in self.paths():
            offset = self._offsets.get(path, 0)
            if path.stat().st_size <= offset:
                continue
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            self._offsets[path] = offset + len(data)
            *complete, rest = (self._partial.get(path, b"") + data).split(b"\n")
            self._partial[path] = rest
            lines += [line.decode(errors="replace") for line in complete]
        return lines


MARKS: Final = {
    "killed": re.compile(r"was terminated by signal 9"),
    "crash_restart": re.compile(r"terminating any other active server processes"),
    "reinitialized": re.compile(r"all server processes terminated; reinitializing"),
    "redo_started": re.compile(r"redo starts at"),
    "redo_done": re.compile(r"redo done at"),
    "redo_not_required": re.compile(r"redo is not required"),
    "gave_up": re.compile(
        r"aborting startup due to startup process failure"
        r"|shutting down due to startup process failure"
    ),
    "ready": re.compile(r"database system is ready to accept connections"),
    "interrupted": re.compile(r"database system was (interrupted|not properly shut down)"),
    "old_processes": re.compile(
        # Not the lock of a socket: that would not keep a server on another port away.
        r"pre-existing shared memory block|lock file \"(?:.*/)?postmaster\.pid\" already exists"
        r"|processes of an earlier postmaster are still running"
    ),
    "panic": re.compile(r"\bPANIC:"),
}
"""What log lines of interest say, by a name for each."""


def marks_in(lines: Iterable[str]) -> list[str]:
    """The names of MARKS that occur, in the order of MARKS."""
    return list(_marks_in("\n".join(lines)))


_DIFFERENCE: Final = re.compile(r"inconsistent page found, .*")


def differences_in(lines: Iterable[str]) -> list[str]:
    """What replay made otherwise than it was (wal_consistency_checking): each page once, however
    often recovery was tried.
    """
    found = (_DIFFERENCE.search(line) for line in lines)
    return list(dict.fromkeys(match[0] for match in found if match))


@functools.lru_cache(maxsize=4)
def _marks_in(text: str) -> tuple[str, ...]:
    """Whoever watches a log asks again and again, mostly when nothing was added."""
    return tuple(name for name, pattern in MARKS.items() if pattern.search(text))


@dataclass(frozen=True, slots=True)
class Replay:
    """What one complete redo did; None where the target does not tell."""

    records: int | None
    bytes: int | None
    seconds: float | None


_OWN_FIGURE: Final = re.compile(r"redo replayed (\d+) records \((\d+) bytes\) in ([0-9.]+) s")
_REDO_STARTS: Final = re.compile(r"redo starts at ([0-9A-F]+)/([0-9A-F]+)")
_REDO_DONE: Final = re.compile(r"redo done at ([0-9A-F]+)/([0-9A-F]+).*?(?:elapsed: ([0-9.]+) s)?$")


def parse_lsn(high: str, low: str) -> int:
    """`0/15018A0` as a number."""
    return int(high, 16) << 32 | int(low, 16)


def replay_in(lines: Iterable[str]) -> tuple[Replay | None, tuple[int, int] | None]:
    """The last complete redo that a log tells of, and where it began and ended (LSNs)."""
    figure: Replay | None = None
    span: tuple[int, int] | None = None
    start: int | None = None
    for line in lines:
        if found := _REDO_STARTS.search(line):
            start = parse_lsn(found[1], found[2])
        elif (found := _REDO_DONE.search(line)) and start is not None:
            end = parse_lsn(found[1], found[2])
            span = (start, end)
            seconds = float(found[3]) if found[3] else None
            if figure is None or figure.records is None:
                figure = Replay(None, end - start, seconds)
        elif found := _OWN_FIGURE.search(line):
            figure = Replay(int(found[1]), int(found[2]), float(found[3]))
    return figure, span
