"""`chaos mutants`: the bugs that can be planted in the engine, and who catches them.

Exit status: 0; with --matrix 1 when a mutant was not caught, 4 when the harness broke or a checker
fires without the mutant. 2 wrong usage, 130 interrupted; what is known by then is told.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from chaos.cli.entry import INTERRUPTED, Interrupted
from chaos.cli.progress import Progress
from chaos.cli.run import PLAIN_WIDTH, check_out
from chaos.mutants.hunting import Hunt
from chaos.mutants.matrix import hunt_all, only_catchers, shrunk
from chaos.mutants.planting import Mutant, find_mutant, mutant_names
from chaos.oracle import DEFAULT_SUITE, UnknownName
from chaos.plan import BATON, Wishes
from chaos.report.mutants import (
    cut_off_text,
    list_mutants,
    matrix_markdown,
    row_text,
    show_matrix,
    troubles,
)
from chaos.shrink.running import CandidateRefused, InWorkers
from chaos.shrink.search import Limits
from chaos.verdict import EXIT_STATUS, Verdict
from chaos.versions import versions

DEFAULT_SEEDS: Final = 50
SHRINK_ATTEMPTS: Final = 120


@click.command()
@click.option("--matrix", is_flag=True, help="Hunt for each of them.")
@click.option("--seeds", type=click.IntRange(min=1), default=DEFAULT_SEEDS, show_default=True,
              metavar="N", help="Give up after so many, from 0 on.")  # fmt: skip
@click.option("--catches", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Go on until it was caught so often, to learn who sees it.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=None,
              help="How many hunts at once.  [default: one per CPU]")  # fmt: skip
@click.option("--only", "only", multiple=True, metavar="NAME,...",
              help="Of these mutants alone; may be repeated.")  # fmt: skip
@click.option("--naive", is_flag=True,
              help="Compare with killing at random moments, with as much CPU.")  # fmt: skip
@click.option("--shrink", "with_shrink", is_flag=True,
              help="Shrink each run that caught one.")  # fmt: skip
@click.option("--attempts", type=click.IntRange(min=2), default=SHRINK_ATTEMPTS, show_default=True,
              metavar="N", help="Make at most about so many runs to shrink one.")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the matrix there as JSON, too.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="The matrix as tables for a README.")
@click.option("--json", "as_json", is_flag=True, help="JSON, nothing else.")
def mutants(
    matrix: bool,
    seeds: int,
    catches: int,
    jobs: int | None,
    only: tuple[str, ...],
    naive: bool,
    with_shrink: bool,
    attempts: int,
    suite: str,
    out: Path | None,
    markdown: bool,
    as_json: bool,
) -> None:
    """List the bugs that can be planted in the engine, or hunt for each of them.

    What a mutant breaks is told in words, or is the id of a rule, such as CKPT-2: those are stated
    in the READMEs of engine/.
    """
    asked = [name.strip() for text in only for name in text.split(",")]
    names = list(dict.fromkeys(filter(None, asked)))
    if only and not names:
        raise click.UsageError("--only names no mutant; `chaos mutants` lists them")
    try:
        chosen = [find_mutant(name) for name in (names or mutant_names())]
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if not matrix:
        if as_json:
            for one in chosen:
                click.echo(json.dumps(_described(one)))
        else:
            list_mutants(console, chosen)
        return
    if out is not None:
        check_out(out.parent)
    hunts = [Hunt(one, range(seeds), catches, naive) for one in chosen]
    limits = Limits(attempts) if with_shrink else None
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(hunts))
    waiting = Console(stderr=True)
    try:
        with Progress(waiting, is_silent=as_json) as progress:
            rows, is_interrupted = _rows(hunts, jobs, suite, limits, progress)
    except (UnknownName, CandidateRefused) as error:
        raise click.UsageError(str(error)) from error
    over = [hunt for hunt in hunts if hunt.mutant.name in rows]
    found: dict[str, Any] = {
        "seeds": seeds,
        "suite": suite,
        "mutants": [rows[name] for name in sorted(rows)],
        "checkers": only_catchers(over),
        "versions": versions(),
    }
    if as_json:
        click.echo(json.dumps(found))
    elif markdown:
        click.echo(matrix_markdown(found))
    else:
        show_matrix(console, found)
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if is_interrupted:
        undone = [hunt for hunt in hunts if hunt.mutant.name not in rows]
        cut_off = {hunt.mutant.name: hunt.runs for hunt in undone if hunt.is_begun}
        unshrunk = [name for name, row in rows.items() if limits and "shrunk" not in row]
        told = cut_off_text(cut_off, len(undone) - len(cut_off), unshrunk)
        click.echo(told, err=True)
        sys.exit(INTERRUPTED)
    sys.exit(_status(found["mutants"]))


def _described(one: Mutant) -> dict[str, Any]:
    """What `--json` prints of a mutant."""
    return {
        "name": one.name,
        "breaks": one.breaks,
        "mirrors": one.mirrors,
        "sees": list(one.sees),
        "faults": list(one.faults) if one.faults is not None else None,
        "settings": dict(one.settings),
        "profile": one.profile,
        "workload": one.workload,
    }


def _rows(
    hunts: list[Hunt], jobs: int, suite: str, limits: Limits | None, progress: Progress
) -> tuple[dict[str, dict[str, Any]], bool]:
    """By mutant, what is known when all is done; or when it was interrupted, which is also told."""
    rows: dict[str, dict[str, Any]] = {}
    crew = InWorkers(jobs, Wishes(schedule=BATON), suite)
    with closing(crew):
        try:
            for hunt in hunt_all(hunts, crew, progress.tell):
                row = rows[hunt.mutant.name] = hunt.to_object()
                progress.note(row_text(row))
            if limits is not None:
                for done, hunt in enumerate(hunts):
                    progress.tell(f"shrinking {hunt.mutant.name}; mutants", done, len(hunts), 0)
                    size = shrunk(hunt, crew, limits)
                    smallest = {"shrunk": size.to_object() if size is not None else None}
                    rows[hunt.mutant.name] = hunt.to_object() | smallest
        except Interrupted:
            return rows, True
    return rows, False


def _status(rows: list[dict[str, Any]]) -> int:
    if any(row["broken"] or row["clean"] == Verdict.VIOLATED for row in rows):
        return EXIT_STATUS[Verdict.HARNESS_BROKEN]
    caught = not any(troubles(row) for row in rows)
    return EXIT_STATUS[Verdict.HELD if caught else Verdict.VIOLATED]
