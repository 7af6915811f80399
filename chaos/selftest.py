"""The harness's test of itself: would it notice?

A harness that reports *held* whatever happens looks like one whose target is right. So each check
here gives a part of it something that must be noticed: a checker an outcome that was in doubt, the
disk a file that was closed and not synced, the judge a checker that fails, the whole of it an
engine with a bug. Nothing of a user's data is touched; most checks take milliseconds.

SELF-1  A check passes only by something that was noticed, never by silence.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from chaos.disk.image import Image
from chaos.disk.log import read_log
from chaos.disk.model import Disk
from chaos.disk.profiles import PROFILES
from chaos.history import CONTROL, Event, History
from chaos.host import BatonHost
from chaos.host.files import WORLD
from chaos.mutants.planting import planted
from chaos.oracle import HarnessBroken, Judge, Suite, Violation, load
from chaos.outcome import Outcome
from chaos.plan import DEFAULT_PROFILE, Plan, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.run import Run
from chaos.scheduler.world import Schedule, World
from chaos.session import open_session
from chaos.verdict import Verdict
from engine.host.api import OpenMode

CANARIES: Final = ("replay-stops-one-early", "commit-before-flush")
"""Planted bugs that only a crash, and only a power loss, brings to light."""
CANARY_SEEDS: Final = 6
SEED: Final = 7
ACCOUNTS: Final = 3
BALANCE: Final = 100


class NotNoticed(Exception):
    """A check of the harness has failed: what it should have noticed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the harness must notice; `do` raises NotNoticed when it does not."""

    name: str
    says: str
    do: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """How a check went; `problem` is None when it passed."""

    check: Check
    problem: str | None


def run_checks(checks: Sequence[Check], suite: str) -> Iterable[Checked]:
    """One after another; an exception is a problem like any other."""
    for check in checks:
        try:
            check.do(suite)
        except NotNoticed as missed:
            yield Checked(check, str(missed))
        except Exception as error:  # noqa: BLE001 - whatever it is, the harness is not in order
            yield Checked(check, f"{type(error).__name__}: {error}")
        else:
            yield Checked(check, None)


def _expect(noticed: object, what: str) -> None:
    if not noticed:
        raise NotNoticed(what)


# checkers ----------------------------------------------------------------------------------------


def _judged(suite: Suite, events: Sequence[Event]) -> list[str]:
    judge = Judge(suite)
    judge.hear(events)
    return [f"{one.check}: {one.kind}" for one in judge.violations]


def _transfer(history: History, transaction: int, outcome: Any, version: int) -> None:
    value: dict[str, Any] = {"from": 1, "to": 2, "amount": 10, "versions": []}
    invoked = history.invoke(transaction, "transfer", value, transaction=transaction)
    known = {"versions": [[1, version], [2, version]]} if outcome == "ok" else {}
    history.complete(invoked, outcome, value | known)


def _audit(history: History, ledger: list[int]) -> None:
    moved, rows = len(ledger), []
    for account, sign in ((1, -1), (2, 1), (3, 0)):
        rows.append([account, BALANCE + sign * 10 * moved, moved * abs(sign)])
    invoked = history.invoke(CONTROL, "audit", {})
    history.complete(invoked, "ok", {"ledger": ledger, "accounts": rows})


def _bank() -> History:
    history = History(lambda: 0.0)
    facts = {"accounts": ACCOUNTS, "balance": BALANCE, "settings": {}, "bound_s": 30.0}
    history.note("begin", facts | {"workload": "bank"})
    return history


def _check_lost(suite: str) -> None:
    history = _bank()
    _transfer(history, 1, "ok", 1)
    _audit(history, [])
    _expect(_judged(load(suite), history.events), "a transaction that was acknowledged is gone")


def _check_doubt(suite: str) -> None:
    history = _bank()
    _transfer(history, 1, "info", 1)
    _audit(history, [])
    _audit(history, [1])
    _expect(
        _judged(load(suite), history.events),
        "a transaction in doubt was found not to be there, and then it was",
    )


def _check_clean(suite: str) -> None:
    history = _bank()
    _transfer(history, 1, "ok", 1)
    _transfer(history, 2, "info", 2)
    _audit(history, [1])
    said = _judged(load(suite), history.events)
    _expect(not said, f"nothing was wrong, and yet: {', '.join(said)}")


class _Failing:
    """A checker with a bug."""

    name = "failing"

    def observe(self, event: Event) -> Iterable[Violation]:
        raise ZeroDivisionError(event.index)

    def finish(self) -> Iterable[Violation]:
        return ()


def _check_exception(_suite: str) -> None:
    try:
        _judged(lambda: (_Failing(),), _bank().events)
    except HarnessBroken:
        return
    raise NotNoticed("a checker raised an exception, and the judge went on")


# plans, runs, digests ----------------------------------------------------------------------------


def _check_seeded(_suite: str) -> None:
    plans = []
    for disturbed in (1, 2):
        random.seed(disturbed)
        plans.append(make_plan(SEED, Wishes()))
    _expect(plans[0] == plans[1], "the same seed gave two plans")
    one, other = plans[0], make_plan(SEED + 1, Wishes())
    drawn = [(plan.settings, plan.mix, plan.seeds) for plan in (one, other)]
    _expect(drawn[0] != drawn[1], "two seeds gave the same settings, work and schedule")


def _concluded(struck: int, acknowledged: int) -> Verdict:
    outcome = Outcome(make_plan(SEED, Wishes()))
    outcome.struck, outcome.acknowledged, outcome.is_complete = struck, acknowledged, True
    stage = SimpleNamespace(outcome=outcome, history=(), _beyond_contract=lambda: "")
    Run._conclude(cast(Run, stage))
    return outcome.verdict


def _check_measured(_suite: str) -> None:
    _expect(_concluded(0, 9) is Verdict.NOT_MEASURED, "no fault struck, and the run held")
    _expect(_concluded(9, 0) is Verdict.NOT_MEASURED, "nothing was acknowledged, and the run held")
    _expect(_concluded(9, 9) is Verdict.HELD, "a run that held was not told so")


def _digest(numbers: Iterable[int]) -> str:
    with tempfile.TemporaryDirectory(prefix="chaos-selftest-") as directory:
        (Path(directory) / "data").mkdir()
        with closing(World()) as world:
            world.begin(Schedule(seed=SEED), None)
            host = BatonHost(world.baton, directory, f"{WORLD}/data")
            for number in numbers:
                host.sleep(number)
            return world.finish()


def _check_digest(_suite: str) -> None:
    _expect(_digest((1, 2)) == _digest((1, 2)), "the same steps gave two digests")
    _expect(_digest((1, 2)) != _digest((1, 3)), "two runs that differ in a step have one digest")


# the disk ----------------------------------------------------------------------------------------


def _check_disk(_suite: str) -> None:
    with tempfile.TemporaryDirectory(prefix="chaos-selftest-") as directory:
        data = Path(directory) / "data"
        data.mkdir()
        (data / "file").write_bytes(b"old")
        disk = Disk(Image.read(data), PROFILES[DEFAULT_PROFILE])
        log = Path(directory) / "io"
        with closing(World()) as world:
            world.begin(Schedule(seed=SEED), None)
            host = BatonHost(world.baton, directory, f"{WORLD}/data", str(log))
            fd = host.open("file", OpenMode.WRITE)
            host.pwrite(fd, b"new", 0)
            host.close(fd)
            done, position = read_log(log)
            for operation in done:
                disk.apply(operation)
            _expect(_content(disk) == b"old", "a file that was closed was taken for synced")
            fd = host.open("file", OpenMode.WRITE)
            host.fsync(fd)
            host.close(fd)
            for operation in read_log(log, position)[0]:
                disk.apply(operation)
            _expect(_content(disk) == b"new", "a file that was synced was lost")


def _content(disk: Disk) -> bytes:
    return disk.durable().files["file"].data


# everything at once ------------------------------------------------------------------------------


def _canary(name: str) -> Callable[[str], None]:
    def check(suite: str) -> None:
        wishes = planted(Wishes(mutant=name))
        with open_session(wishes, suite, None, Silent()) as session:
            for seed in range(CANARY_SEEDS):
                plan: Plan = make_plan(seed, wishes)
                if session.run(plan, "")["mutant"]["caught"]:
                    return
        raise NotNoticed(f"the bug {name!r} was planted, and not found in {CANARY_SEEDS} runs")

    return check


CHECKS: Final = (
    Check("lost", "what was acknowledged and is gone is a violation", _check_lost),
    Check("doubt", "operations of unknown outcome are judged", _check_doubt),
    Check("clean", "nothing is said of a history that is right", _check_clean),
    Check("exception", "a checker that fails breaks the harness", _check_exception),
    Check("seed", "the seed alone decides the plan", _check_seeded),
    Check("measured", "a run without faults, or without work, has not held", _check_measured),
    Check("digest", "a digest belongs to its steps", _check_digest),
    Check("disk", "closing syncs nothing, syncing does", _check_disk),
)
CANARY_CHECKS: Final = tuple(
    Check(f"canary {name}", f"the bug is found: {name}", _canary(name)) for name in CANARIES
)
