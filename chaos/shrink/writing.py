"""The end of a shrink: the run as a scenario, and as a test that needs nothing but the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from chaos.oracle import DEFAULT_SUITE
from chaos.plan import Plan
from chaos.scenario.format import parse_scenario
from chaos.scenario.plan_table import plan_tables
from chaos.scenario.toml_text import toml_text
from chaos.shrink.signature import Signature

_TEST: Final = '''"""{hypothesis}

{source}
This file is all that is needed: run it with pytest wherever the package is installed. It fails with
the signature

    {signature}

for as long as the target has that bug. Runs of one plan are the same step for step.
"""

from contextlib import closing
from pathlib import Path

from chaos.scenario.format import parse_scenario
from chaos.scenario.playing import Stage

SCENARIO = r"""
{scenario}"""


def test_{slug}(tmp_path: Path) -> None:
    scenario = parse_scenario(SCENARIO, __file__, "{slug}")
    with closing(Stage(tmp_path{suite})) as stage:
        result = stage.play(scenario, Path(__file__), "pytest " + __file__)
    assert result["verdict"] not in ("violated", "harness_broken"), result["reason"]
'''


class Written(NamedTuple):
    """The two files."""

    scenario: Path
    test: Path


def scenario_text(plan: Plan, signature: Signature, source: str) -> str:
    """The scenario; read back, it is the same plan."""
    slug = signature.slug
    head = {"name": slug, "hypothesis": hypothesis(signature), "source": source}
    text = toml_text(head | plan_tables(plan))
    read = parse_scenario(text, slug, slug)
    if read.plan != plan:
        raise AssertionError(f"the scenario says something else than the plan: {read.plan}")
    return text


def hypothesis(signature: Signature) -> str:
    """What holds when the bug is mended."""
    return f"Nothing of this is found: {signature}."


def test_text(scenario: str, signature: Signature, source: str, suite: str) -> str:
    """The pytest file."""
    return _TEST.format(
        hypothesis=hypothesis(signature),
        source=source,
        signature=signature,
        scenario=scenario,
        slug=signature.slug,
        suite="" if suite == DEFAULT_SUITE else f', "{suite}"',
    )


def write(out: Path, plan: Plan, signature: Signature, source: str, suite: str) -> Written:
    """Both files, in that directory; those of an earlier shrink of the same failure go."""
    scenario = scenario_text(plan, signature, source)
    out.mkdir(parents=True, exist_ok=True)
    written = Written(out / f"{signature.slug}.toml", out / f"test_{signature.slug}.py")
    written.scenario.write_text(scenario, encoding="utf-8")
    written.test.write_text(test_text(scenario, signature, source, suite), encoding="utf-8")
    return written
