"""The table of `chaos barriers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from chaos.barriers.searching import Tried
from chaos.explore.report import cause_in_words

LONGEST: Final = 100


def show(console: Console, tried: Sequence[Tried], not_reached: Sequence[str]) -> None:
    """A row per barrier; those that protected nothing in this run are one row per call site."""
    tried = last_word_on_each(tried)
    table = Table(title="barriers, each left out", show_lines=False, expand=False)
    table.add_column("barrier", overflow="fold")
    table.add_column("file", overflow="fold")
    table.add_column("reached", justify="right")
    table.add_column("what breaks", overflow="fold")
    table.add_column("states", justify="right")
    idle: dict[str, list[Tried]] = {}
    for one in tried:
        if one.how == "sync" and not one.enumerated:
            idle.setdefault(one.site, []).append(one)
            continue
        table.add_row(
            barrier_in_words(one), one.file, str(one.reached), what_breaks(one),
            f"{one.checked:,}",
        )  # fmt: skip
    for same in idle.values():
        files = same[0].file if len(same) == 1 else f"{len(same)} others"
        reached = str(sum(one.reached for one in same))
        table.add_row(barrier_in_words(same[0]), files, reached, same[0].why_not(), "0")
    console.print(table, markup=False)
    if not_reached:
        console.print("call sites that no recorded run has reached:", highlight=False)
        for site in not_reached:
            console.print(f"    {site}", highlight=False, markup=False, soft_wrap=True)
    for one in tried:
        if one.group is not None and one.group.minimal is not None:
            for cause in one.group.minimal.causes[:1]:
                said = f"without {one.site} ({one.file}): {cause_in_words(cause)}"
                console.print(said, highlight=False, markup=False, soft_wrap=True)


def barrier_in_words(one: Tried) -> str:
    """The function, and below it its file."""
    path, _, function = one.site.partition(": ")
    return f"{one.how}: {function}\n  {path.partition('/')[2]}"


def last_word_on_each(tried: Sequence[Tried]) -> list[Tried]:
    """Of a barrier that was tried in several circumstances the trial that broke something; a
    violation says more than a server that does not go on.
    """
    known: dict[tuple[str, str], Tried] = {}
    for one in tried:
        before = known.get((one.site, one.file))
        if before is None or (one.breaks and before.group is None):
            known[one.site, one.file] = one
    return list(known.values())


def what_breaks(one: Tried) -> str:
    """The invariant, or why there is none."""
    if one.refused:
        said = f"the server does not go on: {one.refused}"
    elif one.group is None:
        return one.why_not()
    else:
        said = f"{one.group.violation.check}: {one.group.violation.message}"
        said = said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."
    return f"{said} ({one.under})" if one.under else said
