"""The role-kill matrix for people: a table, its legend, the gaps, and one line that sums it up.

    12 cs       killed there 12 times; what the postmaster did, most frequent first (see legend)
    (340)       reached 340 times, and nobody was ever killed there: a gap
                blank: not reached

On a terminal that is too narrow the table comes in parts, a few roles each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.coverage import Cell, Coverage
from chaos.report.words import counted

LETTERS: Final = {
    "crash restart": "c",
    "started anew": "s",
    "gave up": "g",
    "replaced alone": "a",
    "nothing": "n",
    "did not come back": "X",
}
MEANINGS: Final = {
    "crash restart": "the postmaster ended all others, made shared memory anew and replayed",
    "started anew": "the postmaster was gone, and another one was started",
    "gave up": "the postmaster gave up, since its startup process was killed",
    "replaced alone": "one process was started again, nobody else noticed",
    "nothing": "nothing followed: it was ending, or the server was",
    "did not come back": "the server did not come back",
}
OTHER_LETTERS: Final = "bdefhijklmopqrtuvwxyz"
FIRST_HEADING: Final = "call or point"
GAP: Final = 2
"""Blanks between columns."""


class Letters:
    """A letter for each reaction; one that nobody foresaw takes the next that is free."""

    def __init__(self, coverage: Coverage) -> None:
        seen = dict.fromkeys(word for cell in coverage.cells() for word in cell.reactions)
        known = {word: letter for word, letter in LETTERS.items() if word in seen}
        others = [word for word in seen if word not in LETTERS]
        self._letters = known | dict(zip(others, OTHER_LETTERS, strict=False))

    def of(self, cell: Cell) -> str:
        """The reactions at one place, most frequent first."""
        return "".join(self._letters.get(word, "?") for word, _ in cell.reactions.most_common())

    def legend(self) -> list[str]:
        """A line for each letter in use."""
        return [
            f"  {letter}  {word}" + (f": {MEANINGS[word]}" if word in MEANINGS else "")
            for word, letter in self._letters.items()
        ]


def cell_text(cell: Cell | None, letters: Letters) -> str:
    """As the head of this file shows it."""
    if cell is None:
        return ""
    return f"{cell.kills} {letters.of(cell)}" if cell.kills else f"({cell.reached})"


def _styled(cell: Cell | None, letters: Letters) -> Text:
    is_gap = cell is not None and not cell.kills
    return Text(cell_text(cell, letters), style="yellow" if is_gap else "")


class CoverageReport:
    """Writes to a console. `width` bounds the tables; None for one table, however wide."""

    def __init__(self, console: Console, width: int | None) -> None:
        self._console = console
        self._width = width

    def show(self, coverage: Coverage) -> None:
        """All of it."""
        letters = Letters(coverage)
        for roles in self._parts(coverage, letters):
            self._console.print(self._table(coverage, roles, letters))
            self._console.print()
        if coverage.reached:
            self._say("  12 cs  killed there 12 times, and what followed, most frequent first:")
            for line in letters.legend():
                self._say(f"  {line}")
            self._say("  (340)  reached 340 times, never struck")
            self._console.print()
        self._show_gaps(coverage)
        self._say(summary(coverage), style="bold")

    def _show_gaps(self, coverage: Coverage) -> None:
        gaps = coverage.never_struck()
        if gaps:
            self._say("reached and never struck:", style="yellow")
            for role in coverage.roles():
                places = [f"{cell.call} ({cell.reached})" for cell in gaps if cell.role == role]
                if places:
                    self._say(f"  {role}: {', '.join(places)}")
        elif coverage.reached:
            self._say("reached and never struck: nothing")
        if coverage.reached and (calls := coverage.reached_by_nobody()):
            self._say(f"reached by nobody: {', '.join(calls)}")

    def _parts(self, coverage: Coverage, letters: Letters) -> list[list[str]]:
        """The roles, as many at once as fit."""
        heading = max(len(call) for call in (*coverage.calls(), FIRST_HEADING))
        parts: list[list[str]] = []
        used = 0
        for role in coverage.roles():
            texts = (cell_text(coverage.cell(role, call), letters) for call in coverage.calls())
            width = GAP + max(len(role), *(len(text) for text in texts))
            if not parts or (self._width is not None and used + width > self._width):
                parts.append([])
                used = heading
            parts[-1].append(role)
            used += width
        return parts

    def _table(self, coverage: Coverage, roles: Sequence[str], letters: Letters) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
        table.add_column(FIRST_HEADING, no_wrap=True)
        for role in roles:
            table.add_column(role, justify="right", no_wrap=True)
        for call in coverage.calls():
            cells = [coverage.cell(role, call) for role in roles]
            if any(cells):
                table.add_row(call, *(_styled(cell, letters) for cell in cells))
        return table

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def summary(coverage: Coverage) -> str:
    """One line."""
    line = counted(coverage.runs, "run")
    if coverage.unscheduled:
        line += f" ({coverage.unscheduled} without places: only the baton tells them)"
    if coverage.percent is None:
        return f"{line}: no place was reached"
    return (
        f"{line}: {coverage.struck} of {counted(coverage.reached, 'place')} reached were struck"
        f" ({coverage.percent} %), {counted(coverage.kills, 'kill')}"
    )
