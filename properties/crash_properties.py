"""A function over (cluster, history) becomes a test that crashes a database.

    from properties import crash_property

    @crash_property(workload="bank", faults=("backend", "power-loss"), seeds=3)
    def test_no_money_is_lost(cluster, history):
        [(total,)] = cluster.query("SELECT sum(balance) FROM accounts")
        assert total == history.facts["accounts"] * history.facts["balance"]

For each seed a run is done as by `chaos run --seed`: a workload works on a fresh database, faults
strike, it recovers. After each recovery, and at the end, the function is called; an assertion in
it that fails is a violation, and ends the run. The usual checkers judge the same run, unless
another suite is named, or a bug was planted: then it is the function that has to see it.

The function's first two parameters are the database (`chaos.inspection.Database`) and what the
clients saw of it until then (`chaos.history.History`); what more it takes are fixtures.
"""

from __future__ import annotations

import inspect
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pytest

from chaos.disk.profiles import PROFILES
from chaos.faults.catalogue import UnknownFault, parse_faults
from chaos.history import History
from chaos.inspection import Database, QueryRefused, is_failure_of_the_server
from chaos.mutants.planting import planted
from chaos.oracle import DEFAULT_SUITE, UnknownName, Violation, load
from chaos.plan import SCHEDULES, Plan, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.report.words import verdict_line
from chaos.run import Ended
from chaos.session import Session, open_session, wish_options
from chaos.targets.api import TargetUnusable
from chaos.targets.catalogue import target_factory
from chaos.verdict import Verdict
from chaos.workloads.catalogue import WORKLOADS

SEED: Final = "chaos_seed"
RUNS: Final = "chaos_runs"
OWN: Final = "property"
"""What a violation says that the function itself has found."""
BARE_SUITE: Final = "properties.suites:bare"
MOST_CLIENTS: Final = 30

Function = Callable[..., object]


@dataclass(frozen=True)
class CrashProperty:
    """What the decorator was told."""

    function: Function
    wishes: Wishes
    seeds: Sequence[int]
    suite: str


def crash_property(
    *,
    workload: str | None = None,
    faults: str | Sequence[str] | None = None,
    seeds: int | Iterable[int] = 5,
    cycles: int | None = None,
    clients: int | None = None,
    settings: Mapping[str, str] | None = None,
    profile: str | None = None,
    target: str = "engine",
    schedule: str | None = None,
    suite: str | None = DEFAULT_SUITE,
) -> Callable[[Function], Function]:
    """Decorate a test function. All is as for the options of `chaos run`; None leaves it to the
    seed. `seeds`: so many, from 1 on, or which. `suite`: the checkers that judge as well; None: the
    function alone. ValueError when there is no such thing.
    """
    chosen = _seeds(seeds)
    _check("workload", workload, WORKLOADS)
    _check("profile", profile, PROFILES)
    _check("schedule", schedule, SCHEDULES)
    _check_range("cycles", cycles, None)
    _check_range("clients", clients, MOST_CLIENTS)
    try:
        target_factory(target)
        load(suite or BARE_SUITE)
        if faults is not None:
            faults = parse_faults(faults if isinstance(faults, str) else ",".join(faults))
    except (UnknownName, UnknownFault) as error:
        raise ValueError(f"crash_property: {error}") from error
    wishes = Wishes(
        target=target,
        schedule=schedule,
        cycles=cycles,
        clients=clients,
        workload=workload,
        faults=faults,
        settings=settings,
        profile=profile,
    )

    def decorate(function: Function) -> Function:
        return _as_test(function, CrashProperty(function, wishes, chosen, suite or BARE_SUITE))

    return decorate


def _seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    chosen: tuple[Any, ...] = ()
    if isinstance(seeds, int):
        chosen = tuple(range(1, seeds + 1))
    elif isinstance(seeds, Iterable):
        chosen = tuple(seeds)
    if not chosen or not all(isinstance(seed, int) and seed >= 0 for seed in chosen):
        raise ValueError(
            f"crash_property: seeds is {seeds!r}; give how many, or which: range(1, 6)"
        )
    return chosen


def _check(name: str, given: str | None, known: Iterable[str]) -> None:
    if given is not None and given not in (names := sorted(known)):
        raise ValueError(
            f"crash_property: there is no {name} {given!r}; there are {', '.join(names)}"
        )


def _check_range(name: str, given: int | None, most: int | None) -> None:
    if given is not None and (given < 1 or (most is not None and given > most)):
        bounds = f"from 1 to {most}" if most is not None else "at least 1"
        raise ValueError(f"crash_property: {name} is {given}, and must be {bounds}")


def _as_test(function: Function, own: CrashProperty) -> Function:
    """What pytest collects: it takes the fixtures of the function, a seed and the runs."""
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < 2:
        raise TypeError(f"{function.__name__} must take a cluster and a history")
    if parameters[0].name == "self":
        raise TypeError(f"{function.__name__}: a crash property is a function, no method")

    def test(**given: Any) -> None:
        seed, runs = given.pop(SEED), given.pop(RUNS)
        runs.check(own, seed, given)

    kind = inspect.Parameter.KEYWORD_ONLY
    taken = [one.replace(kind=kind) for one in parameters[2:]]
    taken += [inspect.Parameter(name, kind) for name in (SEED, RUNS)]
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(function, name))
    test.__dict__.update(function.__dict__)
    test.__dict__["__wrapped__"] = function
    test.__dict__["__signature__"] = inspect.Signature(taken)
    test.__dict__["crash_property"] = own
    return test


# running -----------------------------------------------------------------------------------------


@dataclass
class Runs:
    """Does the runs of one pytest session, or of one worker of it."""

    out: Path
    mutant: str | None = None
    budget_s: float | None = None
    first: int | None = None
    """Where seeds begin within a budget; None: with the property's own."""
    options: tuple[str, ...] = ()
    """What is to be given to pytest again, so that a seed's run is the same."""
    nodeid: str = ""
    note: Callable[[str, str], None] = lambda _name, _value: None
    _sessions: dict[tuple[str, str], Session] = field(default_factory=dict)

    def check(self, own: CrashProperty, seed: int | None, given: Mapping[str, Any]) -> None:
        """Pass, or raise what pytest shows. Without a seed: as many as the budget allows."""
        if seed is not None:
            if (unmeasured := self._check_seed(own, seed, given)) is not None:
                pytest.skip(f"seed {seed} measured nothing: {unmeasured}")
            return
        began, measured, unmeasured = time.monotonic(), 0, None
        first = min(own.seeds) if self.first is None else self.first
        for number in count(first):
            if number > first and time.monotonic() - began >= (self.budget_s or 0.0):
                break
            unmeasured = self._check_seed(own, number, given)
            measured += unmeasured is None
            self.note("chaos_seeds", f"{first}..{number}")
        if not measured:
            pytest.skip(f"none of the seeds measured anything: {unmeasured}")

    def close(self) -> None:
        """End everything that was started."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _check_seed(self, own: CrashProperty, seed: int, given: Mapping[str, Any]) -> str | None:
        """None when it held, or why it measured nothing."""
        session = self._session(own)
        plan = make_plan(seed, planted(replace(own.wishes, mutant=self.mutant)))
        inspector = _Inspector(own.function, given)
        session.inspector = inspector
        command = self._command(seed)
        try:
            result = session.run(plan, command)
        except TargetUnusable as error:
            pytest.fail(f"seed {seed} could not be run: {error}", pytrace=False)
        finally:
            session.inspector = None
        verdict = Verdict(result["verdict"])
        is_error = inspector.raised is not None and verdict is Verdict.HARNESS_BROKEN
        self.note("chaos_seed", str(seed))
        self.note("chaos_verdict", "error in the test" if is_error else str(verdict))
        self.note("chaos_digest", str(result["digest"]))
        if verdict is Verdict.HELD:
            return None
        if verdict is Verdict.NOT_MEASURED:
            return str(result["reason"])
        self.note("chaos_replay", command)
        if result["bundle"] is not None:
            self.note("chaos_bundle", result["bundle"])
        told = [f"in the run of seed {seed}"] if is_error else _story(result, plan, own.wishes)
        told.append(f"run it again: {command}")
        if inspector.raised is not None:
            inspector.raised.add_note("\n".join(told))
            raise inspector.raised
        pytest.fail("\n".join(told), pytrace=False)

    def _session(self, own: CrashProperty) -> Session:
        key = (own.wishes.target, BARE_SUITE if self.mutant else own.suite)
        if key not in self._sessions:
            self._sessions[key] = open_session(own.wishes, key[1], self.out, Silent())
        return self._sessions[key]

    def _command(self, seed: int) -> str:
        path, _, parameters = self.nodeid.removesuffix("]").rpartition("[")
        if parameters not in (f"seed-{seed}", "budget"):
            path = self.nodeid
        return shlex.join(["pytest", path, "--chaos-seeds", f"{seed}..{seed}", *self.options])


class _Inspector:
    """Calls the function, and takes what it asserts for a violation."""

    def __init__(self, function: Function, given: Mapping[str, Any]) -> None:
        self._function = function
        self._given = given
        self.raised: BaseException | None = None

    def __call__(self, database: Database, history: History) -> Iterable[Violation]:
        try:
            if (answer := self._function(database, history, **self._given)) is not None:
                raise TypeError(f"{self._function.__name__} returned {answer!r}: it has to assert")
        except (AssertionError, pytest.fail.Exception) as error:
            self.raised = error.with_traceback(self._own_part(error.__traceback__))
            said = str(error).partition("\n")[0] or "an assertion failed"
            yield Violation(OWN, said, {}, self._function.__name__)
        except Ended:
            raise  # the database was asked, and did not survive that: the checkers say how
        except Exception as error:
            self.raised = error.with_traceback(self._own_part(error.__traceback__))
            if not isinstance(error, QueryRefused) or not is_failure_of_the_server(error):
                raise
            yield Violation(OWN, str(error), {}, self._function.__name__)

    def _own_part(self, frames: TracebackType | None) -> TracebackType | None:
        """From the function's own frame on: how it was called is of no interest."""
        while frames is not None and frames.tb_frame.f_code is not self._function.__code__:
            frames = frames.tb_next
        return frames


def _story(result: Mapping[str, Any], plan: Plan, wishes: Wishes) -> list[str]:
    """What is told of a run that did not hold."""
    lines = [f"{one['check']}: {one['message']}" for one in result["violations"]]
    lines.append(verdict_line(result))
    options = wish_options(replace(wishes, mutant=plan.mutant))
    command = shlex.join(["chaos", "run", "--seed", str(plan.seed), *options])
    lines.append(f"load and faults are those of: {command}")
    if result["bundle"] is not None:
        lines.append(f"bundle: {result['bundle']}")
    return lines
