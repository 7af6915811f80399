"""The tables of `chaos mutants`: which there are, and who catches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from chaos.mutants.planting import Mutant
from chaos.report.words import counted

ALONE: Final = "*"
"""Behind a checker that nobody else agreed with."""
RULES: Final = (
    "breaks: a rule in words, or its id; ids are stated in the READMEs of engine/"
    " (grep -rn CKPT-2 engine)."
)
"""What the column of that name has."""


def list_mutants(console: Console, mutants: Sequence[Mutant]) -> None:
    """Name, rule, bug, what exposes it."""
    table = _table(counted(len(mutants), "mutant"))
    table.add_column("mutant", no_wrap=True)
    for heading in ("breaks", "mirrors", "exposed by"):
        table.add_column(heading, overflow="fold")
    for one in mutants:
        table.add_row(one.name, one.breaks, one.mirrors, exposed_by(one))
    console.print(RULES, highlight=False, soft_wrap=True)
    _print(console, table)


def exposed_by(mutant: Mutant) -> str:
    """What its runs have that a default run leaves to the seed."""
    parts = [f"faults {', '.join(mutant.faults)}"] if mutant.faults else []
    parts += [f"{name} {text}" for name, text in mutant.settings.items()]
    parts += [f"profile {mutant.profile}"] if mutant.profile else []
    parts += [f"workload {mutant.workload}"] if mutant.workload else []
    return ", ".join(parts) or "a default run"


def show_matrix(console: Console, found: Mapping[str, Any]) -> None:
    """A row per mutant, then a row per checker; what is wrong last."""
    rows: list[Mapping[str, Any]] = found["mutants"]
    at_most = counted(found["seeds"], "seed")
    table = _table(f"{counted(len(rows), 'mutant')}, at most {at_most} each")
    table.add_column("mutant", no_wrap=True)
    table.add_column("seeds", justify="right")
    table.add_column("CPU s", justify="right")
    table.add_column("seen by (* alone)", overflow="fold")
    has_naive = any(row["naive"] for row in rows)
    if has_naive:
        table.add_column("at random", justify="right")
    has_shrunk = any(row.get("shrunk") for row in rows)
    if has_shrunk:
        table.add_column("shrunk to", overflow="fold")
    for row in rows:
        cells = [row["mutant"], seeds_text(row), f"{row['cpu_s']:.1f}", seen_text(row)]
        cells += [naive_text(row["naive"])] if has_naive else []
        cells += [size_text(row.get("shrunk"))] if has_shrunk else []
        table.add_row(*cells, style="" if row["caught"] else "bold red")
    _print(console, table)
    table = _table("checkers")
    table.add_column("checker", no_wrap=True)
    table.add_column("mutants seen", justify="right")
    table.add_column("only catcher of", overflow="fold")
    for name, row in found["checkers"].items():
        table.add_row(name, str(len(row["sees"])), ", ".join(row["only"]) or "-")
    _print(console, table)
    for row in rows:
        for line in troubles(row):
            console.print(f"{row['mutant']}: {line}", style="red", markup=False, highlight=False)


def matrix_markdown(found: Mapping[str, Any]) -> str:
    """The matrix as tables for a README."""
    star = f"\\{ALONE}"
    head = ["mutant", "seeds", "CPU s", f"seen by ({star} alone)", "at random", "shrunk to"]
    rows = [
        [
            f"`{row['mutant']}`",
            seeds_text(row),
            f"{row['cpu_s']:.1f}",
            seen_text(row).replace(ALONE, star),
            naive_text(row["naive"]),
            size_text(row.get("shrunk")),
        ]
        for row in found["mutants"]
    ]
    checkers = [
        [f"`{name}`", str(len(row["sees"])), ", ".join(f"`{one}`" for one in row["only"]) or "-"]
        for name, row in found["checkers"].items()
    ]
    second = ["checker", "mutants seen", "only catcher of"]
    return "\n".join([*_markdown(head, rows), "", *_markdown(second, checkers)])


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def row_text(row: Mapping[str, Any]) -> str:
    """One hunt that is over, in a line: for those who wait."""
    seeds = counted(row["seeds"], "seed") if row["caught"] else seeds_text(row)
    return f"{row['mutant']}: {seeds}, {row['cpu_s']:.1f} CPU s, {seen_text(row) or 'not seen'}"


def seeds_text(row: Mapping[str, Any]) -> str:
    """After how many it was caught."""
    return str(row["seeds"]) if row["caught"] else f"not in {row['runs']}"


def seen_text(row: Mapping[str, Any]) -> str:
    """The checkers, who spoke first comes first."""
    names = row["checkers"]
    return ", ".join(names) + (ALONE if len(names) == 1 else "")


def naive_text(naive: Mapping[str, Any] | None) -> str:
    """What killing at random moments came to, with as much CPU."""
    if naive is None:
        return "-"
    if naive["caught_after"] is None:
        return f"not in {naive['runs']}"
    return f"{naive['caught_after']}, {naive['cpu_s']:.1f} s"


def size_text(size: Mapping[str, Any] | None) -> str:
    """The smallest run."""
    if size is None:
        return "-"
    parts = [counted(size[f"{noun}s"], noun) for noun in ("cycle", "client", "operation")]
    return ", ".join(parts)


def troubles(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with a mutant, a line each."""
    lines = list(row["broken"])
    if row["clean"] not in (None, "held"):
        lines.append(f"seed {row['seed']} without it: {row['clean'].replace('_', ' ')}")
    if not row["caught"] and not row["broken"]:
        seen = sorted({pair for run in row["misnamed"] for pair in run})
        lines.append("not caught" + (f"; seen by {', '.join(seen)}" if seen else ""))
    return lines


def cut_off_text(cut_off: Mapping[str, int], waiting: int, unshrunk: Sequence[str]) -> str:
    """What an interruption left undone: hunts that had begun, and how many had not; runs that were
    caught, and not shrunk.
    """
    parts = [f"{name} was cut off after {counted(runs, 'run')}" for name, runs in cut_off.items()]
    parts += [f"{counted(waiting, 'hunt')} had not begun"] if waiting else []
    parts += [f"not shrunk: {', '.join(unshrunk)}"] if unshrunk else []
    return "interrupted: " + ("; ".join(parts) or "all hunts were over")


def _print(console: Console, table: Table) -> None:
    """The table; where it goes into a file, without the blanks that fill its lines."""
    if console.is_terminal:
        console.print(table, markup=False)
        return
    with console.capture() as captured:
        console.print(table, markup=False)
    for line in captured.get().splitlines():
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False,
                 padding=(0, 1))  # fmt: skip
