"""The contract of each role: what the reaction checker accepts, and each way of breaking it."""

from __future__ import annotations

from typing import Any

import pytest

from properties.checkers.liveness import Liveness
from properties.checkers.reaction import ReactionChecker
from tests.properties.history_builder import BANK, Builder, judge, messages

ALL = ["checkpointer", "bgwriter", "walwriter", "logger"]
CALM: dict[str, Any] = {"replaced": [], "kept": ALL, "marks": [], "lost": [], "refusals": []}
LOGGER = CALM | {"replaced": ["logger"], "kept": ALL[:3], "marks": ["killed"]}
ANEW: dict[str, Any] = {
    "postmaster_exits": [-9],
    "launches": 1,
    "replaced": ALL,
    "kept": [],
    "orphans_gone_s": 0.01,
    "marks": ["redo_started", "redo_done", "ready"],
    "lost": ["server closed the connection unexpectedly"],
    "refusals": ["Connection refused"],
}
REFUSED = ["old_processes", *ANEW["marks"]]
HUNT = {"struck": True, "killed": True, "missed": "", "exit": 1}
GAVE_UP = ANEW | {"postmaster_exits": [1], "marks": ["gave_up", "redo_started", "redo_done"]}


def reaction(name: str, hunts: Any = (), **seen: Any) -> Builder:
    """A history with one reaction."""
    built = Builder(BANK)
    built.reaction(name, hunts=hunts, **seen)
    return built


@pytest.mark.parametrize("role", ["backend", "checkpointer", "bgwriter", "walwriter"])
def test_a_crash_restart_is_as_contracted(role: str) -> None:
    assert judge(ReactionChecker(), reaction(role).events) == []


@pytest.mark.parametrize(
    ("name", "hunts", "seen"),
    [
        ("logger", [], LOGGER),
        ("stop:postmaster", [], CALM),
        ("stop:checkpointer", [], CALM),
        ("startup", [HUNT], GAVE_UP),
        ("stop:startup", [HUNT | {"killed": False, "exit": None}], {}),
        ("postmaster", [], ANEW | {"refused_while_orphans": True, "marks": REFUSED}),
        ("postmaster+children", [], ANEW),
        ("all", [], ANEW),
    ],
)
def test_other_reactions_are_as_contracted(name: str, hunts: Any, seen: dict[str, Any]) -> None:
    assert judge(ReactionChecker(), reaction(name, hunts, **seen).events) == []


@pytest.mark.parametrize(
    ("doctored", "said"),
    [
        ({"replaced": [], "kept": ALL}, "no crash restart: checkpointer, bgwriter, walwriter"),
        ({"replaced": ["bgwriter", "walwriter"]}, "no crash restart: checkpointer went on"),
        ({"backends_kept": 2}, "2 backends went on"),
        ({"kept": []}, "the logger did not survive"),
        ({"postmaster_exits": [2], "launches": 1}, "the postmaster ended (exit status 2)"),
        ({"marks": ["redo_started"]}, "the log tells of no crash restart"),
        ({"marks": ["crash_restart", "reinitialized"]}, "the log tells of no recovery"),
        ({"lost": ["XX000"]}, "connections ended in an unexpected way: XX000"),
        ({"refusals": ["FATAL: no pg_hba.conf entry"]}, "refused in an unexpected way"),
    ],
)
def test_a_crash_restart_that_was_none(doctored: dict[str, Any], said: str) -> None:
    assert said in messages(ReactionChecker(), reaction("backend", **doctored).events)


def test_a_shutdown_may_meet_who_was_just_let_in() -> None:
    """And nobody else: after a crash the same words are a surprise."""
    words = "FATAL:  terminating connection due to administrator command"
    met = ANEW | {"refusals": [words]}
    assert judge(ReactionChecker(), reaction("place", **met).events) == []
    assert "refused in an unexpected way" in messages(
        ReactionChecker(), reaction("all", **met).events
    )


@pytest.mark.parametrize(
    ("doctored", "said"),
    [
        ({"replaced": [*ALL]}, "checkpointer, bgwriter, walwriter did not survive"),
        ({"replaced": []}, "the logger was not started again"),
        ({"lost": ["57P02"]}, "clients lost their connections: 57P02"),
        ({"marks": ["crash_restart"]}, "there was a crash restart"),
        ({"postmaster_exits": [1]}, "the postmaster ended"),
    ],
)
def test_a_killed_logger_that_was_noticed(doctored: dict[str, Any], said: str) -> None:
    assert said in messages(ReactionChecker(), reaction("logger", **LOGGER | doctored).events)


def test_a_stop_that_was_noticed() -> None:
    seen = CALM | {"lost": ["57P01"]}
    said = messages(ReactionChecker(), reaction("stop:backend", **seen).events)
    assert "clients lost their connections" in said


@pytest.mark.parametrize(
    ("exits", "marks", "said"),
    [
        (None, GAVE_UP["marks"], "went on after its startup process was killed"),
        (2, GAVE_UP["marks"], "not give up with exit status 1 but with 2"),
        (1, ["redo_started"], "does not say that the postmaster gave up"),
    ],
)
def test_a_startup_process_whose_death_was_not_fatal(exits: Any, marks: Any, said: str) -> None:
    seen = GAVE_UP | {"marks": marks}
    built = reaction("startup", [HUNT | {"exit": exits}], **seen)
    assert said in messages(ReactionChecker(), built.events)


def test_a_postmaster_that_went_on_is_reported_with_what_it_was_doing() -> None:
    hunted = HUNT | {"exit": None, "left": ["postgres: checkpointer"], "last_lines": ["one", "two"]}
    said = messages(ReactionChecker(), reaction("startup", [hunted], **GAVE_UP).events)
    assert "its children then: postgres: checkpointer; it logged last: two" in said


@pytest.mark.parametrize(
    ("doctored", "said"),
    [
        ({"orphans_left": ["postgres: checkpointer"]}, "these stayed: postgres: checkpointer"),
        ({"refused_while_orphans": False}, "started while a process of the old one was alive"),
        ({"refused_while_orphans": True}, "was alive failed for another reason"),
        ({"launches": 0}, "the postmaster did not die"),
        ({"launches": 2, "postmaster_exits": [-9, 1]}, "exited with status 1"),
        ({"marks": ["ready"]}, "the log tells of no recovery"),
    ],
)
def test_a_postmaster_whose_death_went_wrong(doctored: dict[str, Any], said: str) -> None:
    built = reaction("postmaster", **ANEW | doctored)
    assert said in messages(ReactionChecker(), built.events)


@pytest.mark.parametrize(
    ("exits", "said"),
    [
        ([1], ""),
        ([-9, 1], "a postmaster ended by itself (exit status -9)"),
        ([1, 2], "a postmaster ended by itself (exit status 2)"),
    ],
)
def test_a_postmaster_that_ended_without_cause_in_a_hunt(exits: list[int], said: str) -> None:
    built = reaction("startup", [HUNT], **GAVE_UP | {"postmaster_exits": exits})
    found = messages(ReactionChecker(), built.events)
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize("name", ["backend", "logger", "startup", "all", "stop:bgwriter"])
def test_another_process_that_died_after_the_fault(name: str) -> None:
    seen = {"backend": {}, "logger": LOGGER, "startup": GAVE_UP, "all": ANEW}.get(name, CALM)
    line = "LOG:  checkpointer process (PID 9) exited with exit code 1"
    hunts = [HUNT] if name == "startup" else []
    built = reaction(name, hunts, **seen | {"crashes": [line]})
    said = messages(ReactionChecker(), built.events)
    assert said == f"after the fault {name}: other processes died: {line}"


def test_a_crash_of_its_own_is_a_violation() -> None:
    built = Builder(BANK)
    built.history.note("calm", {"problems": ["PANIC:  could not fsync"]})
    assert "while no fault was under way: PANIC" in messages(ReactionChecker(), built.events)


def test_replay_that_differs_is_named_whether_or_not_the_server_comes_back() -> None:
    page = "inconsistent page found, rel 1663/5/16384, forknum 0, blkno 3"
    dead = {"recovered": False, "last_words": [f"FATAL:  {page}"], "differences": [page]}
    for seen in (dead, ANEW | {"differences": [page]}):
        (found,) = judge(ReactionChecker(), reaction("all", **seen).events)
        assert found.kind == "replay differs"
        assert f"replay differs from the running pages: {page}" in found.message
    (not_back,) = judge(Liveness(), reaction("all", **dead).events)
    assert not_back.kind == "not back"
