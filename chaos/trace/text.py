"""Steps as text, a line each: number, virtual time in seconds, process, call, who is next.

      4711    1.204480  backend 3       pwrite pg_wal/000000010000000000000001 @8192 crc 1a2b3c4d
      4712    1.204485  backend 3       fsync pg_wal/000000010000000000000001  -> checkpointer 1

Files have the names that the engine has for them: below its data directory, or in `/world`, which
is where it sees the run's directory. A call stands there at the moment at which it was about to
happen; a process that waits is heard of again when it has the turn for its next step.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from chaos.scheduler.calls import CALL_NAMES, FIRST_POINT, POINT_NUMBERS, ROLES, Call
from chaos.trace.recording import Recording
from chaos.trace.steps import Cast, Step, steps
from engine.host.api import OpenMode
from engine.host.points import About

HEAD: Final = f"{'step':>9}  {'virtual s':>11}  {'process':<16}  call"
UNKNOWN: Final = "?"
"""A file that no path was told for: a pipe, or one more than the table of names takes."""
_ABOUT: Final = {number: point.about for point, number in POINT_NUMBERS.items()}
_SHOWN: Final = "{:>9}  {:>11.6f}  {:<16}  {}"


class Wording:
    """The words for the steps of one trace: it has the names of the files, and who is who."""

    def __init__(self, names: Sequence[str], cast: Cast) -> None:
        self._names = names
        self._cast = cast

    def line(self, step: Step) -> str:
        """The whole line."""
        said = self.call(step)
        if step.next is not None:
            said += f"  -> {step.next}"
        return _SHOWN.format(step.number, step.time_us / 1e6, str(step.process), said)

    def call(self, step: Step) -> str:
        """The call, and what it is about."""
        if step.call >= FIRST_POINT:
            about = self._about_point(step)
        else:
            about = _WORDS.get(step.call, _nothing)(self, step)
        name = CALL_NAMES.get(step.call, f"call {step.call}")
        return f"{name} {about}" if about else name

    def _about_point(self, step: Step) -> str:
        about = _ABOUT.get(step.call)
        if about is About.LSN:
            return lsn_text(step.a)
        if about is About.BLOCK:
            return f"block {step.a}"
        return str(self._cast.find(step.a)) if about is About.PID else ""

    def _file(self, number: int) -> str:
        return self._names[number - 1] if 0 < number <= len(self._names) else UNKNOWN

    # one call each -------------------------------------------------------------------------------

    def _path(self, step: Step) -> str:
        return self._file(step.a)

    def _open(self, step: Step) -> str:
        modes = [mode.name.lower() for mode in OpenMode(step.b) if mode.name]
        return f"{self._file(step.a)} to {' '.join(modes) or 'read'}"

    def _read(self, step: Step) -> str:
        return f"{self._file(step.a)} @{step.b} {step.check} bytes"

    def _write(self, step: Step) -> str:
        return f"{self._file(step.a)} @{step.b} crc {step.check:08x}"

    def _truncate(self, step: Step) -> str:
        return f"{self._file(step.a)} to {step.b} bytes"

    def _rename(self, step: Step) -> str:
        return f"{self._file(step.a)} to {self._file(step.b)}"

    def _receive(self, step: Step) -> str:
        return f"channel {step.a}, up to {step.b} bytes"

    def _send(self, step: Step) -> str:
        return f"channel {step.a}, {step.b} bytes crc {step.check:08x}"

    def _bytes(self, step: Step) -> str:
        return f"{step.a} bytes"

    def _log(self, step: Step) -> str:
        return f"{step.a} bytes crc {step.check:08x}"

    def _count(self, step: Step) -> str:
        return str(step.a)

    def _sleep(self, step: Step) -> str:
        return f"{step.a / 1000:g} ms"

    def _wait(self, step: Step) -> str:
        parts = ["without end" if step.a < 0 else f"{step.a / 1000:g} ms"]
        read, write = step.b >> 8, step.b & 0xFF
        if read:
            parts.append(f"{read} to read")
        if write:
            parts.append(f"{write} to write")
        return ", ".join(parts)

    def _wake(self, step: Step) -> str:
        owner = self._cast.latches.get(step.a)
        return f"latch {step.a}" + (f" of {owner}" if owner is not None else "")

    def _fork(self, step: Step) -> str:
        return ROLES[step.a] if 0 <= step.a < len(ROLES) else f"role {step.a}"

    def _exit(self, step: Step) -> str:
        return f"status {step.a}"

    def _signal(self, step: Step) -> str:
        return f"{signal_name(step.b)} to {self._cast.find(step.a)}"

    def _signals(self, step: Step) -> str:
        return " ".join(signal_name(number) for number in range(64) if step.a >> number & 1)

    def _process(self, step: Step) -> str:
        return str(self._cast.find(step.a))

    def _begin(self, step: Step) -> str:
        return f"pid {step.a}"

    def _death(self, step: Step) -> str:
        return ending(step.b)


def _nothing(_wording: Wording, _step: Step) -> str:
    return ""


_WORDS: Final[dict[int, Callable[[Wording, Step], str]]] = {
    Call.BEGIN: Wording._begin,
    Call.OPEN: Wording._open,
    Call.CLOSE: Wording._path,
    Call.PREAD: Wording._read,
    Call.PREAD_INTO: Wording._read,
    Call.PWRITE: Wording._write,
    Call.FSYNC: Wording._path,
    Call.FSYNC_DIRECTORY: Wording._path,
    Call.TRUNCATE: Wording._truncate,
    Call.FILE_SIZE: Wording._path,
    Call.RENAME: Wording._rename,
    Call.UNLINK: Wording._path,
    Call.MAKE_DIRECTORY: Wording._path,
    Call.LIST_DIRECTORY: Wording._path,
    Call.STAT: Wording._path,
    Call.LOCK_FILE: Wording._path,
    Call.RECEIVE: Wording._receive,
    Call.SEND: Wording._send,
    Call.WRITE_LOG: Wording._log,
    Call.SLEEP: Wording._sleep,
    Call.FORK: Wording._fork,
    Call.EXIT: Wording._exit,
    Call.SIGNAL: Wording._signal,
    Call.TAKE_SIGNALS: Wording._signals,
    Call.PROCESS_EXISTS: Wording._process,
    Call.MAP_SHARED: Wording._bytes,
    Call.CREATE_MUTEXES: Wording._count,
    Call.CREATE_LATCHES: Wording._count,
    Call.MUTEX_ACQUIRE: Wording._count,
    Call.MUTEX_RELEASE: Wording._count,
    Call.WAKE: Wording._wake,
    Call.WAIT: Wording._wait,
    Call.DEATH: Wording._death,
}
"""The calls that are about something."""


def lsn_text(lsn: int) -> str:
    """A position in the WAL, as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def signal_name(number: int) -> str:
    """`TERM`, `KILL`."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"signal {number}"


def ending(status: int) -> str:
    """How a process ended: its exit status, or minus the signal."""
    return f"by {signal_name(-status)}" if status < 0 else f"exit status {status}"


def text_lines(recording: Recording) -> Iterator[str]:
    """The whole trace."""
    cast = Cast()
    wording = Wording(recording.names, cast)
    yield HEAD
    for step in steps(recording.entries(), cast):
        yield wording.line(step)


def lines_to(recording: Recording, number: int, count: int) -> list[str]:
    """The lines of so many steps up to the one of that number, as far as the trace has them."""
    cast = Cast()
    wording = Wording(recording.names, cast)
    found = []
    for step in steps(recording.entries(), cast):
        if step.number > number - count:
            found.append(wording.line(step))
        if step.number >= number:
            break
    return found
