"""`chaos replay`: play scenarios that were written down, and say where it came otherwise.

Exit status: 0 held, 1 violated, 2 wrong usage or a file that is no scenario, 3 not measured,
4 harness broken; over several the gravest. 130 when interrupted.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from chaos.cli.run import DEFAULT_OUT
from chaos.oracle import UnknownName
from chaos.scenario.format import SCHEDULES, ScenarioError, read_scenario
from chaos.scenario.playing import Stage
from chaos.scenario.steps import Scenario
from chaos.targets.api import TargetUnusable
from chaos.verdict import EXIT_STATUS, Verdict, gravest


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="SCENARIO.toml...",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--target", help="engine, postgres, or module:attribute.  [default: the scenario's]")
@click.option("--schedule", type=click.Choice(SCHEDULES), help="[default: the scenario's]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_OUT,
              show_default=True, metavar="DIR", help="Where failures are kept.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per scenario, nothing else.")
def replay(
    files: tuple[Path, ...],
    target: str | None,
    schedule: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Play scenarios: settings, statements, faults and what must come of them, step by step."""
    verdicts = []
    try:
        scenarios = [(file, read_scenario(file)) for file in files]
        with closing(Stage(out)) as stage:
            for result in _results(stage, scenarios, target, schedule):
                verdicts.append(Verdict(result["verdict"]))
                click.echo(json.dumps(result) if as_json else line_about(result))
    except (ScenarioError, TargetUnusable, UnknownName) as error:
        raise click.UsageError(str(error)) from error
    sys.exit(EXIT_STATUS[gravest(verdicts)])


def _results(
    stage: Stage, scenarios: list[tuple[Path, Scenario]], target: str | None, schedule: str | None
) -> Iterator[dict[str, Any]]:
    for file, scenario in scenarios:
        words = ["chaos", "replay", str(file)]
        for option, value in (("--target", target), ("--schedule", schedule)):
            words += [option, value] if value is not None else []
        yield stage.play(scenario, file, shlex.join(words), target, schedule)


def line_about(result: dict[str, Any]) -> str:
    """What a person reads about one scenario."""
    verdict = str(result["verdict"]).replace("_", " ")
    head = f"{verdict:<14} {result['scenario']}  {result['target']}, {result['schedule']}"
    lines = [f"{head}, {result['seconds']:.1f} s"]
    if result["verdict"] == Verdict.VIOLATED:
        lines += [f"    {violation['message']}" for violation in result["violations"]]
    elif result["reason"]:
        lines.append(f"    {result['reason']}")
    if result["bundle"]:
        lines.append(f"    kept in {result['bundle']}")
    return "\n".join(lines)
