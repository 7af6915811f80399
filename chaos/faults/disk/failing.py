"""Lets the disk fail: one call at its place, or every write for which there is no room any more.

What a fault does is written into the history twice: before it, what the server may say about it (a
licence), and after it, in the strike, at which file of whom it struck.

FAIL-1  A licence is open from before the disk is touched until the server is back, or the disk has
        room again; if nothing was struck it ends at once.
FAIL-2  Whatever happens, room that was taken from the disk is given back.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from chaos.driver import Driver
from chaos.faults.arming import ArmsFaults
from chaos.faults.disk.licence import SAID, Licence
from chaos.faults.places import ERROR, PlacedFault, parse_fault
from chaos.faults.placing import LOAD_BOUND_S, Placer
from chaos.faults.striking import Strike, Striker
from chaos.plan import Fault
from chaos.reaction import Reaction, Watch
from chaos.targets.api import Target

REPORT_BOUND_S: Final = 1.0
"""Who is not heard of the error within so long says nothing about it."""
AFTER_REPORT_S: Final = 0.02
TOLD_BOUND_S: Final = 1.0
STARTS_WHILE_FULL: Final = 2


@runtime_checkable
class HasDisk(ArmsFaults, Protocol):
    """A target whose disk can be made to fail."""

    wal_segment_mb: int

    def where_struck(self, number: int) -> dict[str, Any]:
        """Of a placed fault that has struck: `role`, `pid`, `call`, and which `file` that was."""

    def limit_disk(self, size: int) -> None:
        """Let the files of the data directory grow by so many bytes, and no more."""

    def unlimit_disk(self) -> None:
        """There is room again."""


class DiskFailures:
    """Does the faults of the disk that strike a server that runs."""

    def __init__(
        self,
        target: Target,
        driver: Driver,
        striker: Striker,
        placer: Placer,
        watch: Watch,
        begin_checkpoint: Callable[[], None],
    ) -> None:
        self._target = target
        self._driver = driver
        self._waiting = driver.waiting
        self._striker = striker
        self._placer = placer
        self._watch = watch
        self._begin_checkpoint = begin_checkpoint
        self._licences = 0

    def strike(self, fault: Fault) -> tuple[Strike, Reaction]:
        """What the fault says, until the server has answered in some way."""
        strike = self._striker.begin(fault.name)
        self._placer.reaction = Reaction(fault.name)
        if not fault.placed:
            self._fill(fault, strike)
        else:
            self._fail_at_place(fault, strike)
        return strike, self._placer.reaction

    # one call ------------------------------------------------------------------------------------

    def _fail_at_place(self, fault: Fault, strike: Strike) -> None:
        placed = parse_fault(fault.placed)
        error = _name_of(placed)
        licence = self.open_licence(fault.name, error, placed.action.times)
        if not self._placer.lead_to(fault, strike):
            self.end_licence(licence)
            return
        strike.disk = {
            "error": error,
            "occasion": fault.occasion,
            "licence": licence,
            **self.target().where_struck(self._placer.armed),
        }
        self._await_report(error)
        self._let_it_be_told()

    def _await_report(self, error: str) -> None:
        """Until the log tells of the error, or somebody has ended; then a little longer, in which
        an error that is none of one statement's shows itself.
        """
        if self._driver.pump(REPORT_BOUND_S, lambda: self._is_reported(error)):
            self._driver.pump(AFTER_REPORT_S)

    def _let_it_be_told(self) -> None:
        """Whoever was at something when the disk failed may be slow to log it."""
        self._driver.drain(TOLD_BOUND_S)
        self._driver.pump(AFTER_REPORT_S)

    def _is_reported(self, error: str) -> bool:
        self._watch.read_log()
        said = re.compile(SAID[error][1])
        if self._target.exit_status() is not None:
            return True
        return any(said.search(line) for line in self._watch.lines)

    # a full disk ---------------------------------------------------------------------------------

    def _fill(self, fault: Fault, strike: Strike) -> None:
        match fault.disk.split():
            case ["quota", size, "for", hold]:
                hold_s = int(hold.removesuffix("ms")) / 1000
            case _:
                raise ValueError(f"{fault.disk!r} is nothing that a disk does")
        licence = self.open_licence(fault.name, "quota", None)
        self.target().limit_disk(int(size))
        try:
            self._begin_checkpoint()
            strike.struck = self._driver.pump(LOAD_BOUND_S, lambda: self._is_reported("quota"))
            if strike.struck:
                strike.at = self._waiting.now_s()
                self._stay_full(hold_s, strike)
        finally:
            self.target().unlimit_disk()  # FAIL-2
            self.end_licence(licence)
        if strike.struck:
            self._let_it_be_told()
            strike.disk = {
                "error": "quota",
                "occasion": "load",
                "licence": licence,
                "role": "",
                "call": "",
                "file": "",
                "size": int(size),
            }
        else:
            strike.missed = f"{size} bytes were room enough"

    def _stay_full(self, hold_s: float, strike: Strike) -> None:
        """A server that has ended is started again, now and then, in vain perhaps."""
        deadline, starts = self._waiting.now_s() + hold_s, 0
        while (left := deadline - self._waiting.now_s()) > 0:
            if self._target.exit_status() is not None:
                if starts == STARTS_WHILE_FULL:
                    return
                starts += 1
                self._watch.restart(strike, self._placer.reaction)
            self._driver.pump(left, lambda: self._target.exit_status() is not None)

    # licences ------------------------------------------------------------------------------------

    def open_licence(self, fault: str, error: str, at_most: int | None) -> dict[str, Any]:
        """FAIL-1."""
        self._licences += 1
        licence = Licence(self._licences, fault, error, at_most).to_object()
        self._driver.history.note("licence", licence)
        return licence

    def end_licence(self, licence: dict[str, Any]) -> None:
        """FAIL-1."""
        self._driver.history.note("licence-ends", {"number": licence["number"]})

    def target(self) -> HasDisk:
        """The target, which must be one whose disk can fail."""
        if not isinstance(self._target, HasDisk):
            raise TypeError(f"{self._target.name} has no disk that could fail")
        return self._target


def _name_of(placed: PlacedFault) -> str:
    """As the licences have it: an error's name, or the action's."""
    action = placed.action
    return errno.errorcode[action.errno].lower() if action.kind == ERROR else action.kind
