"""`chaos selftest`: would the harness notice?

Exit status: 0 when all that must be noticed was, 4 when not. 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import json
import sys

import click

from chaos.mutants.planting import apply_to_harness, harness_mutant_names
from chaos.oracle import DEFAULT_SUITE, UnknownName, load
from chaos.selftest import CANARY_CHECKS, CHECKS, run_checks
from chaos.verdict import EXIT_STATUS, Verdict


@click.command()
@click.option("--quick", is_flag=True, help="Leave out the runs of an engine with a bug.")
@click.option("--mutant", metavar="NAME",
              help="Plant this bug in the harness first; a check must fail then.")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per check, nothing else.")
def selftest(quick: bool, mutant: str | None, suite: str, as_json: bool) -> None:
    """Give the harness what it must notice: doubt, a failing checker, an engine with a bug."""
    try:
        load(suite)
        if mutant is not None:
            if mutant not in (names := harness_mutant_names()):
                raise UnknownName(
                    f"the harness has no mutant {mutant!r}; there are {', '.join(names)}"
                )
            apply_to_harness(mutant)
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
    failed = 0
    for one in run_checks(CHECKS if quick else (*CHECKS, *CANARY_CHECKS), suite):
        failed += one.problem is not None
        if as_json:
            told = {"check": one.check.name, "says": one.check.says, "problem": one.problem}
            click.echo(json.dumps(told))
        else:
            click.echo(f"{'ok  ' if one.problem is None else 'FAIL'}  {one.check.says}")
            if one.problem is not None:
                click.echo(f"      {one.problem}")
    sys.exit(EXIT_STATUS[Verdict.HARNESS_BROKEN if failed else Verdict.HELD])
