"""How a run ends: no verdict is better than what was measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.history import CONTROL
from chaos.oracle import HarnessBroken, Suite
from chaos.plan import Wishes, make_plan
from chaos.report.observer import Silent
from chaos.run import Ended, Run
from chaos.targets.launcher import LauncherGone
from chaos.verdict import Verdict
from chaos.waiting.free import FreeWaiting
from properties.suites import default


def nothing(*_: Any) -> None:
    """A part of a run that is not of interest."""


def make_run(monkeypatch: pytest.MonkeyPatch, suite: Suite = default, **parts: Any) -> Run:
    """A run without a server, of whose parts only the given ones do anything."""
    plan = make_plan(1, Wishes(cycles=1, workload="bank"))
    target: Any = SimpleNamespace(conninfo=lambda: "", waiting=FreeWaiting)
    run = Run(plan, target, suite, Silent())
    for name in ("_create", "_cycle", "_live", "_end"):
        monkeypatch.setattr(run, name, parts.get(name, nothing))
    return run


@pytest.mark.parametrize(
    ("struck", "acknowledged", "verdict"),
    [
        (0, 5, Verdict.NOT_MEASURED),
        (1, 0, Verdict.NOT_MEASURED),
        (1, 5, Verdict.HELD),
    ],
)
def test_only_what_was_struck_and_acknowledged_is_measured(
    monkeypatch: pytest.MonkeyPatch, struck: int, acknowledged: int, verdict: Verdict
) -> None:
    run = make_run(monkeypatch)
    # A crash was made to find a startup process, which then was not found.
    run.outcome.kills["backend"] = 1
    run.outcome.struck = struck
    run.driver.tally.acknowledged = acknowledged
    assert run.execute().verdict is verdict


def test_a_run_that_ends_early_without_a_violation_did_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(*_: Any) -> None:
        raise Ended

    run = make_run(monkeypatch, suite=list, _cycle=end)
    with pytest.raises(HarnessBroken, match="no checker says why"):
        run.execute()


def test_a_stall_is_not_blamed_on_the_server_when_the_launcher_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone() -> int | None:
        raise LauncherGone("the launcher is gone")

    run = make_run(monkeypatch, _cycle=lambda _: run._check_progress(30.0))
    monkeypatch.setattr(run.target, "exit_status", gone, raising=False)
    with pytest.raises(LauncherGone):
        run.execute()
    assert run.outcome.violations == []


@pytest.mark.parametrize("problems", [[], ["a client lost its connection: 57P02"]])
def test_an_audit_that_fails_is_the_servers_fault_when_something_went_wrong_there(
    monkeypatch: pytest.MonkeyPatch, problems: list[str]
) -> None:
    def audit(*_: Any) -> None:
        run._do_alone(run._workload.audit())

    def fail(operation: Any) -> str:
        invoked = run.history.invoke(CONTROL, operation.f, {})
        return run.history.complete(invoked, "fail", {}, "57P02 crash").type

    run = make_run(monkeypatch, _cycle=audit)
    monkeypatch.setattr(run, "_how_alone", fail)
    monkeypatch.setattr(run._watch, "calm", lambda: problems)
    if problems:
        assert run.execute().verdict is Verdict.VIOLATED
    else:
        with pytest.raises(HarnessBroken, match="audit without any fault"):
            run.execute()
