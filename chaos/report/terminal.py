"""The report for people: a line per cycle, a table at the end; on a terminal also what is going on
now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from chaos.mutants.planting import in_words
from chaos.oracle import Violation
from chaos.outcome import CycleReport
from chaos.plan import Plan
from chaos.report.words import (
    counted,
    cycle_line,
    kills_text,
    plan_line,
    recovery_text,
    verdict_line,
)
from chaos.verdict import Verdict

COLUMNS: Final = (
    "seed",
    "verdict",
    "cycles",
    "acknowledged",
    "ok/failed/unknown",
    "back in s",
    "replayed",
    "took s",
)
STYLES: Final = {
    Verdict.HELD: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.NOT_MEASURED: "yellow",
    Verdict.HARNESS_BROKEN: "bold magenta",
}


class Terminal:
    """Writes to a console; plain lines when it is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._seed = 0

    def begin(self, plan: Plan) -> None:
        """One line about the run."""
        self._seed = plan.seed
        self._say(plan_line(plan), style="bold")
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()

    def phase(self, name: str) -> None:
        """What goes on now, at the foot of a terminal."""
        if self._status is not None:
            self._status.update(f"seed {self._seed}: {escape(name)}")

    def cycle(self, report: CycleReport, plan: Plan) -> None:
        """The line about a cycle."""
        self._say(cycle_line(report, len(plan.cycles)))

    def violation(self, violation: Violation) -> None:
        """What was broken, as soon as it is known."""
        self._say(f"  violated: {violation.check}: {violation.message}", style="red")

    def end(self, result: Mapping[str, Any]) -> None:
        """The verdict on one run."""
        self.leave()
        self._say(verdict_line(result), style=STYLES[Verdict(result["verdict"])])
        if result["mutant"] is not None:
            self._say(f"  {in_words(result['mutant'], result['verdict'])}")
        for missed in result["missed"]:
            self._say(f"  did not strike: {missed}", style="dim")
        if result["bundle"] is not None:
            self._say(f"  bundle: {result['bundle']}")

    def table(self, results: list[Mapping[str, Any]]) -> None:
        """All runs, one row each, and what was killed in all of them."""
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
        for name in COLUMNS:
            table.add_column(name, justify="left" if name == "verdict" else "right", no_wrap=True)
        for result in results:
            operations = result["operations"]
            table.add_row(
                str(result["seed"]),
                result["verdict"].replace("_", " "),
                str(result["cycles"]),
                str(result["acknowledged"]),
                f"{operations['ok']}/{operations['fail']}/{operations['info']}",
                recovery_text(result["recovery_s"]),
                str(result["replayed_records"]),
                f"{result['seconds']:.1f}",
                style=STYLES[Verdict(result["verdict"])],
            )
        self._console.print()
        self._console.print(table)
        for what, key in (("killed", "kills"), ("stopped and continued", "stops")):
            total: Counter[str] = Counter()
            for result in results:
                total.update(result[key])
            self._say(f"{what}: {kills_text(total)}")

    def hunted(self, results: list[Mapping[str, Any]]) -> None:
        """How long it took until the first violation, if there was one; nothing of no runs."""
        if not results:
            return
        after = f"{counted(len(results), 'seed')}, {sum(one['cpu_s'] for one in results):.1f} CPU s"
        violated = [one for one in results if one["verdict"] == Verdict.VIOLATED]
        for found in violated[:1]:
            if found["mutant"] is not None:
                self._say(in_words(found["mutant"], found["verdict"]))
            self._say(f"violated at seed {found['seed']}, after {after}")
        if not violated:
            self._say(f"nothing was violated in {after}")

    def again(self, command: str) -> None:
        """The last line: how to see it again."""
        self._say(f"run it again: {command}")

    def leave(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
