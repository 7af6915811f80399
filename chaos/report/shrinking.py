"""What a shrink shows: a line for each pass that gained something, the work at the foot of a
terminal, and at the end a table of sizes before and after.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from chaos.report.words import counted
from chaos.shrink.passes import Pass
from chaos.shrink.search import Search, Size
from chaos.shrink.signature import Signature
from chaos.shrink.writing import Written

SIZES: Final = tuple(field.name for field in fields(Size))


def size_text(size: Size) -> str:
    """A size in one line."""
    parts = [
        counted(size.cycles, "cycle"),
        counted(size.clients, "client"),
        counted(size.faults, "fault"),
        counted(size.settings, "setting"),
        counted(size.operations, "operation"),
    ]
    parts += [counted(size.preemptions, "preemption")] if size.preemptions is not None else []
    parts += [counted(size.steps, "step")] if size.steps is not None else []
    return ", ".join(parts)


class ShrinkReport:
    """A `Progress` on a console; plain lines when it is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._pass = "does it repeat?"
        self._runs = 0
        self._best: Size | None = None

    def checked(self, signature: Signature, size: Size) -> None:
        """The original repeats."""
        self._say(f"repeats: {signature}", style="bold")
        self._say(f"  {size_text(size)}")
        self._best = size

    def began(self, one: Pass) -> None:
        """A pass begins."""
        self._pass = one.name
        self._show()

    def tried(self, runs: int) -> None:
        """So many runs were made so far."""
        self._runs = runs
        self._show()

    def improved(self, size: Size) -> None:
        """There is a new best: told when a reader can see the difference."""
        if size != self._best:
            self._say(f"  run {self._runs:>3}  {self._pass:<12}  {size_text(size)}")
        self._best = size
        self._show()

    def end(self, search: Search, written: Written, command: str) -> None:
        """Both sizes, both files, and the command."""
        self.leave()
        before, after = search.before, search.size
        if before is None or after is None:
            return
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
        table.add_column("")
        for name in SIZES:
            table.add_column(name, justify="right", no_wrap=True)
        for name, size in (("before", before), ("after", after)):
            table.add_row(name, *(_cell(getattr(size, field)) for field in SIZES))
        self._console.print()
        self._console.print(table)
        ended = "; there was more to try" if search.is_spent else ""
        self._say(f"{counted(search.runs, 'run')} in {search.seconds:.0f} s{ended}")
        self._say(f"scenario: {written.scenario}")
        self._say(f"test: {written.test}")
        self._say(f"run it again: {command}")

    def leave(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show(self) -> None:
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        best = f"; best: {size_text(self._best)}" if self._best is not None else ""
        self._status.update(f"{self._pass}: {counted(self._runs, 'run')}{best}")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _cell(value: int | None) -> str:
    return "-" if value is None else str(value)
