"""`chaos replay`: play scenarios that were written down, and say where it came otherwise; run
again what a bundle is of, and say whether it was the same run.

Exit status: 0 held, 1 violated, 2 wrong usage or a file that is no scenario, 3 not measured,
4 harness broken (another run than the bundle's, though no version has changed, is that too); over
several the gravest. 130 when interrupted.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from chaos.cli.bundles import replay_one
from chaos.cli.run import DEFAULT_OUT, check_out
from chaos.oracle import DEFAULT_SUITE, UnknownName
from chaos.plan import SCHEDULES
from chaos.replay import NoBundle
from chaos.scenario.format import ScenarioError, read_scenario
from chaos.scenario.playing import SCENARIO, Stage
from chaos.scenario.steps import Scenario
from chaos.targets.api import TargetUnusable
from chaos.verdict import EXIT_STATUS, Verdict, gravest


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="SCENARIO.toml|BUNDLE...",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--target", help="engine, postgres, or module:attribute.  [default: the scenario's]")
@click.option("--schedule", type=click.Choice(SCHEDULES), help="[default: the scenario's]")
@click.option("--seed", type=click.IntRange(min=0), help="[default: the scenario's, or 0]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_OUT,
              show_default=True, metavar="DIR", help="Where failures are kept.")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers of scenarios with a workload.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per scenario, nothing else.")
def replay(
    files: tuple[Path, ...],
    target: str | None,
    schedule: str | None,
    seed: int | None,
    out: Path,
    suite: str,
    as_json: bool,
) -> None:
    """Play scenarios: settings, statements, faults and what must come of them, step by step.

    Run bundles again: their digests say whether it was the same run, and if not, which step was
    the first to differ.
    """
    check_out(out)
    found = [_scenario_in(file) for file in files]
    bundles = [file for file in found if file.is_dir()]
    if bundles and (target is not None or schedule is not None or seed is not None):
        raise click.UsageError("a bundle has a target, a schedule and a seed of its own")
    verdicts = []
    try:
        scenarios = [
            (file, _seeded(read_scenario(file), seed)) for file in found if file not in bundles
        ]
        with closing(Stage(out, suite)) as stage:
            for result, command in _results(stage, scenarios, target, schedule):
                verdicts.append(Verdict(result["verdict"]))
                click.echo(json.dumps(result) if as_json else line_about(result, command))
        for bundle in bundles:
            verdicts.append(replay_one(bundle, as_json=as_json))  # noqa: PERF401 - each reports
    except (ScenarioError, NoBundle, TargetUnusable, UnknownName) as error:
        raise click.UsageError(str(error)) from error
    sys.exit(EXIT_STATUS[gravest(verdicts)])


def _scenario_in(path: Path) -> Path:
    """What is kept of a scenario that failed is a directory with that scenario in it."""
    return path / SCENARIO if (path / SCENARIO).is_file() else path


def _seeded(scenario: Scenario, seed: int | None) -> Scenario:
    """With the seed that was asked for; a plan has its own."""
    return scenario if seed is None or scenario.plan is not None else replace(scenario, seed=seed)


def _results(
    stage: Stage, scenarios: list[tuple[Path, Scenario]], target: str | None, schedule: str | None
) -> Iterator[tuple[dict[str, Any], str]]:
    for file, scenario in scenarios:
        words = ["chaos", "replay", str(file), "--seed", str(scenario.seed)]
        for option, value in (("--target", target), ("--schedule", schedule)):
            words += [option, value] if value is not None else []
        command = shlex.join(words)
        yield stage.play(scenario, file, command, target, schedule), command


def line_about(result: dict[str, Any], command: str) -> str:
    """What a person reads about one scenario."""
    verdict = str(result["verdict"]).replace("_", " ")
    head = f"{verdict:<14} {result['scenario']}  {result['target']}, {result['schedule']}"
    planted = result.get("mutant")
    if planted:
        name = planted if isinstance(planted, str) else planted["name"]
        head += f", mutant {name}"
    digest = f", digest {result['digest'][:12]}" if result.get("digest") else ""
    lines = [f"{head}, {result['seconds']:.1f} s{digest}"]
    if result["verdict"] == Verdict.VIOLATED:
        lines += [f"    {violation['message']}" for violation in result["violations"]]
    elif result["reason"]:
        lines.append(f"    {result['reason']}")
    if result["bundle"]:
        lines += [f"    kept in {result['bundle']}", f"    run it again: {command}"]
    return "\n".join(lines)
