"""Barriers left out: what is said when nothing breaks; flushes left out; and the engine."""

from __future__ import annotations

import json
import random
import sys
import types
from pathlib import Path

import pytest

from chaos.barriers import flushes
from chaos.barriers.report import last_word_on_each, what_breaks
from chaos.barriers.searching import NOT_SERVING, PACKAGE, WAL, Search, Tried, in_parts
from chaos.barriers.sites import may_name_a_barrier, sites_in_source
from chaos.disk.choice import Choice
from chaos.disk.profiles import PROFILES
from chaos.explore.enumeration import Enumeration, State
from chaos.explore.exploring import Group
from chaos.explore.recording import Script, steps_with_crash
from chaos.explore.wording import KINDS
from chaos.oracle import DEFAULT_SUITE, Violation, load


def a_state(number: int, family: str) -> State:
    return State(number, f"{number}", family, number, number, Choice("", 0, 0))


def broken() -> Group:
    return Group(Violation("durability", "lost", {}, "lost"), a_state(0, "all"), None)


def test_that_nothing_breaks_is_said_with_what_was_looked_at() -> None:
    """BARRIER-1."""
    tried = Tried("sync", "f", "clog", reached=3)
    assert "superfluous in this run" in tried.why_not()
    tried.enumerated, tried.distinct, tried.checked = 90, 40, 10
    assert tried.why_not() == "none within the budget (10 of 40 states)"
    tried.checked = 40
    assert "in any state" in tried.why_not()
    assert "never had anything to do" in Tried("flush", "f", "WAL", reached=0).why_not()


def test_a_barrier_without_which_the_server_does_not_go_on_has_broken() -> None:
    refused = Tried("flush", "f", "WAL", 1, refused="PANIC: no checkpoint record")
    assert refused.breaks
    assert "does not go on: PANIC" in what_breaks(refused)


def test_of_several_trials_of_a_barrier_the_one_with_a_violation_is_shown() -> None:
    first = Tried("flush", "f", "WAL", 1, refused="PANIC")
    second = Tried("flush", "f", "WAL", 1, group=broken(), under="elsewhere")
    third = Tried("flush", "f", "WAL", 1)
    assert last_word_on_each([first, second, third]) == [second]
    assert what_breaks(second) == "durability: lost (elsewhere)"


def test_plain_states_are_checked_first_and_no_more_than_asked() -> None:
    families = ["torn", "one", "all"] * 30
    states = [a_state(number, family) for number, family in enumerate(families)]
    found = Enumeration(states)
    order = [state for part in in_parts(found, 50, random.Random(1)) for state in part]
    assert len(order) == 50
    assert {state.family for state in order[:30]} == {"all"}
    assert {state.family for state in order[30:]} == {"one"}


def test_states_soon_behind_what_was_left_out_come_before_all_others() -> None:
    states = [a_state(number, "torn" if number % 2 else "all") for number in range(100)]
    order = [
        state.place
        for part in in_parts(Enumeration(states), 100, random.Random(1), [60])
        for state in part
    ]
    assert sorted(order[:6]) == list(range(60, 66))
    assert {place % 2 for place in order[:3]} == {0}
    assert sorted(order) == list(range(100))


def test_call_sites_are_found_in_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up_engine"
    (package / "door").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "door" / "x.py").write_text("def f(h): h.fsync(1)\n")
    (package / "a.py").write_text(
        "class A:\n"
        "    def one(self): self._host.fsync(3)\n"
        "    def two(self): self.client.flush()\n"
        "    def three(self): self._wal.flush(1); self.flush_wal(2)\n"
        "def four(host):\n"
        "    host.fsync_directory('x')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sites_in_source("made_up_engine", ("door",)) == [
        "made_up_engine/a.py: A.one",
        "made_up_engine/a.py: A.three",
        "made_up_engine/a.py: four",
    ]


class Wal:
    """As far as the patches know one."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def flushed_lsn(self) -> int:
        return max(self.done, default=0)

    def insert_allowed(self) -> bool:
        return True

    def flush(self, lsn: int) -> None:
        self.done.append(lsn)


def one_site(wal: Wal, lsn: int) -> None:
    wal.flush(lsn)


def another_site(wal: Wal, lsn: int) -> None:
    wal.flush(lsn)


@pytest.fixture
def patchable(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("made_up_wal")
    module.Wal = Wal  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_up_wal", module)
    monkeypatch.setattr(flushes, "FLUSH", ("made_up_wal", "Wal", "flush"))
    monkeypatch.setattr(Wal, "flush", Wal.flush)


@pytest.mark.usefixtures("patchable")
def test_a_flush_is_left_out_at_one_call_site_and_at_no_other() -> None:
    flushes.leave_out(flushes.site_of(one_site.__code__))
    wal = Wal()
    one_site(wal, 1)
    another_site(wal, 2)
    assert wal.done == [2]


@pytest.mark.usefixtures("patchable")
def test_flushes_that_have_something_to_do_are_counted_by_call_site(tmp_path: Path) -> None:
    path = tmp_path / "flushes"
    flushes.count_into(str(path))
    wal = Wal()
    one_site(wal, 5)
    one_site(wal, 4)
    another_site(wal, 7)
    assert wal.done == [5, 4, 7]
    assert [n for _, n in sorted(flushes.counted_in(path).items())] == [1, 1]
    assert flushes.counted_in(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("Segments", True),
        ("/ clog", True),
        ("SyncRequests._sync / clog", True),
        ("sync_data_directory / pg_twophase", True),
        ("_sync / base/5/1259", True),
        ("WAL", True),
        ("xyzzy", False),
        ("SyncRequests._sync / xyzzy", False),
        ("Nobody._sync / clog", False),
    ],
)
def test_a_name_that_no_barrier_can_have_is_known_from_the_source(text: str, may: bool) -> None:
    assert may_name_a_barrier(text, (*KINDS, WAL), PACKAGE, NOT_SERVING) is may


def tried_only(only: str) -> list[Tried]:
    steps = steps_with_crash(18)
    script = Script(transactions=18, steps=steps)
    search = Search(
        script, PROFILES["strict"], load(DEFAULT_SUITE), 1, lambda *_: None, 120, only,
        circumstances=(),
    )  # fmt: skip
    found = []
    for one, recorded in search.run():
        json.dumps(one.to_object(recorded))
        found.append(one)
    return found


def test_without_the_sync_of_clog_at_a_checkpoint_commits_are_lost() -> None:
    (one,) = tried_only("SyncRequests._sync / clog")
    assert one.group is not None
    assert one.group.violation.check == "durability"
    assert one.group.minimal is not None
    assert one.group.minimal.causes[0].operation.path == "pg_xact/0000"
    assert "--without" in one.command


def test_without_the_flush_of_a_commit_something_breaks() -> None:
    (one,) = tried_only("OutcomeRecorder.commit")
    assert one.breaks
    assert (one.how, one.file) == ("flush", "WAL")
    assert "--patch" in one.command


def test_the_sync_of_a_directory_that_never_changes_is_called_superfluous() -> None:
    found = tried_only("sync_data_directory / pg_twophase")
    assert [one.why_not() for one in found] == [
        "superfluous in this run: nothing was durable through it alone"
    ]
