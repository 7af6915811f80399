"""Steps as tables of a scenario file: what `format.py` reads, written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from chaos.scenario.steps import (
    Act,
    Arm,
    Await,
    Close,
    Continue,
    CutPower,
    Damage,
    Expected,
    Kill,
    Look,
    Restart,
    Say,
    Scenario,
    Shutdown,
    Start,
    Step,
    Stop,
    Wait,
)
from chaos.scenario.toml_text import toml_text


def scenario_text(scenario: Scenario, steps: Sequence[Step] | None = None) -> str:
    """The file of a scenario that has steps; with these, if they are not its own."""
    top: dict[str, Any] = {"name": scenario.name, "hypothesis": scenario.hypothesis}
    if scenario.source:
        top["source"] = scenario.source
    top["targets"] = list(scenario.targets)
    if scenario.schedule is not None:
        top["schedule"] = scenario.schedule
    top |= {"seed": scenario.seed, "wal_segment_mb": scenario.wal_segment_mb}
    top["bound_s"] = scenario.bound_s
    if steps is None:
        steps = scenario.steps
    if any(isinstance(step.act, CutPower) for step in steps):
        top["profile"] = scenario.profile
    if scenario.mutant is not None:
        top["mutant"] = scenario.mutant
    if scenario.settings:
        top["settings"] = scenario.settings
    top["step"] = [step_table(step) for step in steps]
    if scenario.holds:
        top["hold"] = [
            {"sql": hold.sql, "rows": [list(row) for row in hold.rows]} for hold in scenario.holds
        ]
    return toml_text(top)


def step_table(step: Step) -> dict[str, Any]:
    """One [[step]]."""
    table = _act_table(step.act)
    if step.log:
        table["log"] = list(step.log)
    if step.no_log:
        table["no_log"] = list(step.no_log)
    return table


def _act_table(act: Act) -> dict[str, Any]:
    match act:
        case Say():
            return _say_table(act)
        case Close(session):
            return {"session": session, "close": True}
        case Arm(fault):
            return {"arm": str(fault)}
        case Kill(victims):
            return {"kill": " + ".join(map(str, victims))}
        case CutPower(kept):
            return {"power_loss": kept}
        case Stop(victim):
            return {"stop": str(victim)}
        case Continue(victim):
            return {"continue": str(victim)}
        case Start(until):
            return {"start": until}
        case Shutdown(mode, status):
            return {"shutdown": mode, "status": status}
        case Restart(mode):
            return {"restart": mode}
        case Await(what):
            return {"await": what}
        case _:
            return _rest_table(act)


def _rest_table(act: Wait | Damage | Look) -> dict[str, Any]:
    match act:
        case Wait(milliseconds):
            return {"wait_ms": milliseconds}
        case Damage(how):
            return {"damage": how}
        case Look():
            return {}
    assert_never(act)


def _say_table(say: Say) -> dict[str, Any]:
    table: dict[str, Any] = {"session": say.session}
    expected = _expected_table(say.expected)
    if say.sql is not None:
        table["sql"] = say.sql
    elif not {"waits", "lost", "refused"} & expected.keys():
        table["finishes"] = True
    table |= expected
    if say.save is not None:
        table["save"] = say.save
    return table


def _expected_table(expected: Expected) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if expected.rows is not None:
        table["rows"] = [list(row) for row in expected.rows]
    if expected.tag is not None:
        table["tag"] = expected.tag
    if expected.error is not None:
        table["error"] = expected.error or True
    if expected.lost is not None:
        table["lost"] = expected.lost or True
    if expected.is_refused:
        table["refused"] = True
    if expected.is_waiting:
        table["waits"] = True
    if expected.message is not None:
        table["message"] = expected.message
    return table
