"""What a person sees of a shrink."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from chaos.report.shrinking import ShrinkReport
from chaos.shrink.search import Limits, Search
from chaos.shrink.writing import Written
from tests.chaos.shrink.database import LOST, FormulaRunner, large_plan, search_for

WRITTEN = Written(Path("lost.toml"), Path("test_lost.py"))


def shown(console: Console) -> None:
    """Report a whole shrink there."""
    report = ShrinkReport(console)
    runner = FormulaRunner(lambda plan: [LOST] if plan.clients >= 2 else [])
    plan = large_plan()
    search = Search(plan, search_for(runner).wanted, runner, Limits(), report)
    search.shrink()
    report.end(search, WRITTEN, "chaos replay lost.toml")


def test_each_gain_is_a_line_and_the_end_a_table_and_the_command() -> None:
    console = Console(file=io.StringIO(), width=110)
    shown(console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "repeats: durability: lost, after a crash"
    assert lines[1].startswith("  6 cycles, 8 clients, ")
    gains = [line for line in lines if line.startswith("  run ")]
    assert gains[0].split()[2:5] == ["cycles", "1", "cycle,"]
    assert len(gains) == len(set(gains))
    table = [line.split() for line in lines if line.startswith(("before", "after"))]
    assert [row[:3] for row in table] == [["before", "6", "8"], ["after", "1", "2"]]
    assert lines[-3:] == [
        "scenario: lost.toml",
        "test: test_lost.py",
        "run it again: chaos replay lost.toml",
    ]


def test_a_terminal_shows_the_work_under_way() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    shown(console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "clients: " in text
    assert "best: 1 cycle, " in text
