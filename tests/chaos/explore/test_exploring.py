"""Exploring runs that were made up, with a recoverer that looks into a file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import pytest

from chaos.disk.image import Image
from chaos.disk.profiles import PROFILES
from chaos.explore.checking import Found
from chaos.explore.exploring import Exploration, Explorer, in_rounds, round_of
from chaos.explore.recorded import Moment, Recorded
from chaos.explore.report import big, lines_about, notes
from chaos.explore.workers import OpenRecoverer, Task, Workers
from chaos.history import Event
from chaos.oracle import Checker, HarnessBroken
from properties.checkers.durability import Durability
from properties.checkers.well_formed import WellFormed
from tests.chaos.explore.made_up import (
    SECTOR,
    a_bench,
    event,
    ledger_file,
    opener,
    recorded_of,
    sector,
)

TRANSACTIONS = 5


def suite() -> Sequence[Checker]:
    return [WellFormed(), Durability()]


def a_run(*, syncs: bool = True) -> Recorded:
    """Each transaction writes its sector of `a`, syncs, and is acknowledged; `b` is only written
    to.
    """
    bench = a_bench()
    events: list[Event] = []
    places: list[int] = []
    moments: dict[int, list[Moment]] = {}

    def note(kind: str, transaction: int) -> None:
        events.append(event(len(events), kind, 0, transaction))
        places.append(len(bench.log))

    for number in range(1, TRANSACTIONS + 1):
        note("invoke", number)
        moments[len(events) - 1] = [Moment(len(bench.log), {"totals": []}, True)]
        bench.write("a", (number - 1) * SECTOR, sector(number))
        bench.write("b", 0, sector(number))
        if syncs:
            bench.fsync("a")
        note("ok", number)
    return recorded_of(bench, events, places, moments)


def explorer_of(recorded: Recorded, jobs: int = 1, open_recoverer: OpenRecoverer | None = None,
                profile: str = "strict") -> Explorer:  # fmt: skip
    found = open_recoverer or opener(ledger_file("a"))
    return Explorer(recorded, PROFILES[profile], suite, found, jobs)


def explored(recorded: Recorded, jobs: int = 1, without: frozenset[int] = frozenset(),
             profile: str = "strict", budget_s: float | None = None) -> Exploration:  # fmt: skip
    with explorer_of(recorded, jobs, profile=profile) as explorer:
        return explorer.explore(0, budget_s, without)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_run_that_syncs_before_it_acknowledges_holds_in_every_state(jobs: int) -> None:
    """EXPLORE-5: all that was enumerated is checked."""
    result = explored(a_run(), jobs)
    assert result.checked == result.enumeration.distinct > 10
    assert (result.violating, result.groups) == (0, [])
    assert result.is_complete


def test_without_the_sync_the_write_whose_loss_is_enough_is_named() -> None:
    recorded = a_run(syncs=False)
    result = explored(recorded)
    assert result.violating
    for group in result.groups:
        assert group.signature == ("durability", "lost")
        assert group.minimal is not None
        (cause,) = group.minimal.causes
        assert (cause.fate, cause.operation.path) == ("lost", "a")
    assert sum(group.count for group in result.groups) == result.violating


def test_a_sync_that_is_left_out_of_a_run_is_like_one_that_was_never_made() -> None:
    """EXPLORE-6."""
    recorded = a_run()
    syncs = frozenset(one.number for one in recorded.operations if one.kind.name == "FSYNC")
    result = explored(recorded, without=syncs)
    assert result.violating
    assert {group.signature for group in result.groups} == {("durability", "lost")}


def test_a_lying_device_is_seen_through() -> None:
    assert explored(a_run(), profile="lying-fsync").violating


def test_one_job_and_several_find_the_same() -> None:
    first, second = (explored(a_run(syncs=False), jobs) for jobs in (1, 3))
    assert _told(first) == _told(second)


def _told(result: Exploration) -> dict[str, object]:
    told = result.to_object()
    return {key: told[key] for key in ("legal", "enumerated", "distinct", "checked", "violating",
                                       "violations")}  # fmt: skip


def test_with_the_budget_used_up_what_was_not_checked_is_counted_and_said() -> None:
    """EXPLORE-5."""

    def slow(image: Image) -> Found:
        time.sleep(0.05)
        return ledger_file("a")(image)

    with explorer_of(a_run(), open_recoverer=opener(slow)) as explorer:
        result = explorer.explore(0, 0.2)
    assert 0 < result.checked < result.enumeration.distinct
    assert not result.is_complete
    left = result.enumeration.distinct - result.checked
    assert f"{left:,} distinct images were not checked" in "\n".join(notes(result))


class Pressed(BaseException):
    """As Ctrl-C."""


def test_interrupted_it_tells_what_was_found_so_far() -> None:
    recorded, seen = a_run(syncs=False), 0

    def interrupt(what: str, done: int, _of: int, _violating: int) -> None:
        nonlocal seen
        if what == "recovering":
            seen = done
            if done == 9:
                raise Pressed

    open_recoverer = opener(ledger_file("a"))
    with Explorer(recorded, PROFILES["strict"], suite, open_recoverer, 1, interrupt) as explorer:
        result = explorer.explore(0, interrupted=(Pressed,))
    assert (result.is_interrupted, result.checked, seen) == (True, 9, 9)
    assert result.violating >= 1
    assert "interrupted" in "\n".join(notes(result))


def test_a_recoverer_that_breaks_is_the_harness_and_not_a_violation() -> None:
    def broken(_image: Image) -> Found:
        raise RuntimeError("out of order")

    explorer = explorer_of(a_run(), open_recoverer=opener(broken))
    with explorer, pytest.raises(HarnessBroken, match="out of order"):
        explorer.explore(0)


def test_a_worker_that_is_killed_is_the_harness_too() -> None:
    def killed(_image: Image) -> Found:
        os.kill(os.getpid(), signal.SIGKILL)
        return Found()

    explorer = explorer_of(a_run(), open_recoverer=opener(killed))
    with explorer, pytest.raises(HarnessBroken, match="gone"):
        explorer.explore(0)


def test_workers_leave_nothing_behind_also_in_the_midst_of_a_task() -> None:
    def slow(_image: Image) -> Found:
        time.sleep(60)
        return Found()

    recorded = a_run()
    explorer = explorer_of(recorded, 2, opener(slow))
    pids = list(explorer.workers._pids.values())
    state = explorer.enumerate(0).states[0]
    explorer.workers._pipes[0].send([Task(0, state.place, state.choice)])
    explorer.workers.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_tasks_may_come_in_any_order() -> None:
    recorded = a_run(syncs=False)
    profile = PROFILES["strict"]
    with explorer_of(recorded) as explorer:
        states = explorer.enumerate(0).states
    tasks = [Task(one.number, one.place, one.choice) for one in reversed(states)]
    with Workers(
        2, recorded.base, recorded.operations, profile, opener(ledger_file("a"))
    ) as workers:
        backwards = {task.number: found for task, found in workers.run(tasks)}
    assert len(backwards) == len(states)


def test_the_report_names_the_operation_its_role_and_where_it_was_made() -> None:
    result = explored(a_run(syncs=False))
    lines = "\n".join(lines_about(1, result.groups[0], result))
    assert "durability: transaction" in lines
    assert "lost: write of a a, 512 bytes at" in lines
    assert "crash before operation" in lines


def test_big_numbers_are_readable() -> None:
    assert big(999_999) == "999,999"
    assert big(1 << 300) == "2.0 x 10^90"


def test_when_there_is_not_time_for_all_no_part_of_the_run_is_left_out() -> None:
    with explorer_of(a_run()) as explorer:
        states = explorer.enumerate(0).states
    ordered = in_rounds(states, 4)
    assert sorted(one.number for one in ordered) == [one.number for one in states]
    rounds = [round_of(one) for one in ordered]
    assert rounds == sorted(rounds)
    plain = [one.place for one in ordered if round_of(one) == 0]
    quarter = plain[: len(plain) // 4]
    assert quarter == sorted(quarter)
    assert min(plain) <= quarter[0] < quarter[-1]
    assert quarter[-1] >= max(plain) - 4
