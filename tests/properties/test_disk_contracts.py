"""What a failing disk demands of a server, what it forgives, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.faults.disk.licence import Licence
from properties.checkers.disk_contracts import allowed, kind_of
from properties.checkers.errors import Errors
from properties.checkers.reaction import ReactionChecker
from tests.properties.history_builder import BANK, Builder, judge, messages

ALL = ["checkpointer", "bgwriter", "walwriter", "logger"]
CALM: dict[str, Any] = {"replaced": [], "kept": ALL, "marks": [], "lost": [], "refusals": []}
MARKS = ["crash_restart", "reinitialized", "redo_started", "redo_done", "ready", "panic"]
RESTARTED: dict[str, Any] = {"marks": MARKS}
ANEW: dict[str, Any] = {
    "postmaster_exits": [-9, 1],
    "launches": 2,
    "replaced": ALL,
    "kept": [],
    "orphans_gone_s": 0.01,
    "marks": ["redo_started", "redo_done", "ready"],
    "lost": ["server closed the connection unexpectedly"],
    "refusals": ["Connection refused"],
}


def line(level: str, text: str, pid: int = 1004) -> str:
    """A line of the server's log."""
    return f"2022-03-07 20:26:40.143 UTC [{pid}] {level}:  {text}"


EIO = 'could not fsync file "base/5/16384": Input/output error'
READ = 'could not read block 3 in file "base/5/16384": Input/output error'
ENDED = line("LOG", "checkpointer process (PID 1004) exited with exit code 2", pid=1002)


def failing(
    call: str,
    file: str = "base/5/16384",
    *,
    role: str = "checkpointer",
    error: str = "eio",
    occasion: str = "load",
    fault: str = "io-error",
    **more: Any,
) -> dict[str, Any]:
    """What was done to the disk."""
    licence = Licence(1, fault, error, 1).to_object()
    done = {"error": error, "occasion": occasion, "role": role, "call": call, "file": file}
    return done | {"licence": licence} | more


def judged(disk: dict[str, Any], kills: dict[str, int] | None = None, **seen: Any) -> str:
    """What the checker has to say about one reaction."""
    built = Builder(BANK)
    built.reaction("io-error", disk=disk, kills=kills or {}, **seen)
    return messages(ReactionChecker(), built.events)


# a failed fsync ----------------------------------------------------------------------------------

PANICKED = RESTARTED | {"reports": [line("PANIC", EIO)], "crashes": [line("PANIC", EIO), ENDED]}


def test_a_panic_and_a_crash_restart_are_what_a_failed_fsync_demands() -> None:
    assert judged(failing("fsync"), **PANICKED) == ""


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (CALM, "the answer was 'nothing', and had to be 'panic'"),
        (CALM | {"reports": [line("ERROR", EIO)]}, "the answer was 'error'"),
        (CALM | {"reports": [line("PANIC", EIO)]}, "no crash restart"),
        (RESTARTED, "the answer was 'nothing'"),
    ],
)
def test_a_failed_fsync_that_is_swallowed_is_a_violation(seen: dict[str, Any], said: str) -> None:
    assert said in judged(failing("fsync"), **seen)


def test_only_who_says_why_may_die() -> None:
    other = line("LOG", "background writer process (PID 1005) was terminated by signal 11", 1002)
    seen = PANICKED | {"crashes": [*PANICKED["crashes"], other]}
    assert "other processes died" in judged(failing("fsync"), **seen)
    unlicensed = line("PANIC", "WAL-3: invariant broken")
    seen = PANICKED | {"crashes": [*PANICKED["crashes"], unlicensed.replace("1004", "1009")]}
    assert "other processes died" in judged(failing("fsync"), **seen)


# reads and writes --------------------------------------------------------------------------------


def test_a_page_that_cannot_be_read_is_an_error_of_that_statement_alone() -> None:
    disk = failing("pread_into", role="backend")
    assert judged(disk, **CALM | {"reports": [line("ERROR", READ)]}) == ""
    assert "the answer was 'nothing'" in judged(disk, **CALM)
    assert "the answer was 'panic'" in judged(disk, **PANICKED)
    lost = CALM | {"reports": [line("ERROR", READ)], "lost": ["57P02"]}
    assert "clients lost their connections" in judged(disk, **lost)


def test_a_session_that_cannot_begin_is_refused_with_the_reason() -> None:
    disk = failing("pread_into", role="backend")
    seen = CALM | {"reports": [line("FATAL", READ)], "refusals": [f"FATAL:  {READ}"]}
    assert judged(disk, **seen) == ""


def test_another_error_is_no_report() -> None:
    disk = failing("pread_into", role="backend")
    seen = CALM | {"reports": [line("ERROR", READ.replace("Input/output error", "Bad thing"))]}
    assert "the answer was 'nothing'" in judged(disk, **seen)


def test_before_the_server_is_up_its_postmaster_gives_up_and_says_why() -> None:
    disk = failing("pread", "pg_wal/000000010000000000000001", role="startup", occasion="start")
    reported = [line("FATAL", READ)]
    ended = line("LOG", "startup process (PID 1004) exited with exit code 1", pid=1002)
    seen = ANEW | {"reports": reported, "crashes": [ended]}
    assert judged(disk, {"all": 1}, **seen) == ""
    assert "does not say why" in judged(disk, {"all": 1}, **ANEW)
    otherwise = seen | {"postmaster_exits": [-9, 2]}
    assert "ended with exit status 2" in judged(disk, {"all": 1}, **otherwise)
    went_on = ANEW | {"postmaster_exits": [-9]}
    assert "the answer was 'nothing', and had to be 'gave up'" in judged(
        disk, {"all": 1}, **went_on
    )


@pytest.mark.parametrize(
    ("call", "file", "role", "error", "occasion", "answers"),
    [
        ("fsync", "pg_wal/000000010000000000000001", "backend", "eio", "load", ("panic",)),
        ("fsync_directory", "pg_wal", "checkpointer", "eio", "load", ("panic",)),
        ("fsync", "pg_wal/xlogtemp.1004", "backend", "eio", "load", ("error", "panic")),
        ("pwrite", "pg_wal/000000010000000000000001", "walwriter", "enospc", "load", ("panic",)),
        ("pwrite", "pg_wal/000000010000000000000001", "walwriter", "short", "load", ("nothing",)),
        ("pwrite", "pg_xact/0000", "checkpointer", "eio", "load", ("error", "panic")),
        ("pwrite", "pg_xact/0000", "checkpointer", "eio", "crash", ("error", "panic", "gave up")),
        ("pwrite", "global/pg_control", "checkpointer", "eio", "load", ("panic",)),
        ("pwrite", "base/5/16384", "backend", "short", "load", ("error",)),
        ("pwrite", "global/1262", "bgwriter", "enospc", "load", ("error",)),
    ],
)
def test_the_file_decides_how_a_server_may_answer(
    call: str, file: str, role: str, error: str, occasion: str, answers: tuple[str, ...]
) -> None:
    disk = failing(call, file, role=role, error=error, occasion=occasion)
    assert allowed(disk) == answers


def test_every_file_has_a_kind() -> None:
    kinds = [kind_of(path) for path in ("pg_wal", "pg_xact/0000", "base/5/1", "PG_VERSION", "")]
    assert kinds == ["WAL", "commit log", "relation", "other", "other"]


# a full disk -------------------------------------------------------------------------------------

FULL = 'could not extend file "base/5/16384": No space left on device'
QUOTA = failing("", "", role="", error="quota", fault="disk-full")


def test_a_full_disk_may_be_an_error_or_a_panic_but_not_silence_with_a_crash() -> None:
    assert judged(QUOTA, **CALM | {"reports": [line("ERROR", FULL)]}) == ""
    panicked = {"reports": [line("PANIC", FULL)], "crashes": [line("PANIC", FULL), ENDED]}
    assert judged(QUOTA, **RESTARTED | panicked) == ""
    assert "no PANIC says why" in judged(QUOTA, **RESTARTED | {"reports": [line("ERROR", FULL)]})
    assert "other processes died" in judged(QUOTA, **RESTARTED | panicked | {"reports": [],
                                            "crashes": [ENDED]})  # fmt: skip


# rot ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_read", "is_there", "noticed", "is_wrong"),
    [
        (True, True, False, True),
        (True, True, True, False),
        (True, False, False, False),
        (False, True, False, False),
    ],
)
def test_rot_is_noticed_or_healed_or_not_read(
    is_read: bool, is_there: bool, noticed: bool, is_wrong: bool
) -> None:
    facts: dict[str, Any] = {"is_read": is_read, "is_there": is_there, "noticed": noticed}
    where = {"role": "", "fault": "bit-rot", "error": "rot", "occasion": "start"}
    disk = failing("", "base/5/16384", **where, block=1, bit=77, **facts)
    seen = ANEW | {"postmaster_exits": [-9, -9]}
    said = judged(disk, {"all": 2}, **seen)
    assert ("bit 77 of block 1 of base/5/16384 was wrong, and nobody said so" in said) == is_wrong


@pytest.mark.parametrize(
    ("is_read", "is_there", "noticed", "is_wrong"),
    [
        (True, True, False, True),
        (True, True, True, False),
        (True, False, False, False),
        (False, True, False, False),
    ],
)
def test_a_misdirected_write_is_noticed_or_healed_or_not_read(
    is_read: bool, is_there: bool, noticed: bool, is_wrong: bool
) -> None:
    facts: dict[str, Any] = {"is_read": is_read, "is_there": is_there, "noticed": noticed}
    where = {"role": "", "fault": "misdirected-write", "error": "misdirect", "occasion": "start"}
    disk = failing("", "base/5/16384", **where, block=1, intended=0, **facts)
    seen = ANEW | {"postmaster_exits": [-9, -9]}
    said = judged(disk, {"all": 2}, **seen)
    told = "block 1 of base/5/16384 had the page of block 0, and nobody said so"
    assert (told in said) == is_wrong


# what clients may be told ------------------------------------------------------------------------


def licensed(built: Builder, at_most: int | None = 1) -> None:
    """Open a licence for EIO."""
    built.history.note("licence", Licence(1, "io-error", "eio", at_most).to_object())


def error_of(built: Builder, error: str) -> None:
    """An operation that failed so."""
    built.operation("transfer", {}, "fail", error)


def test_an_error_is_licensed_as_often_as_the_disk_failed() -> None:
    built = Builder(BANK)
    licensed(built)
    error_of(built, f"58030 {READ}")
    assert judge(Errors(), built.events) == []
    error_of(built, f"58030 {READ}")
    assert "unexpected error: 58030" in messages(Errors(), built.events)


@pytest.mark.parametrize("error", [f"53100 {FULL}", "58030 could not do it: Bad thing", "XX000 x"])
def test_only_the_error_that_the_disk_gave_is_licensed(error: str) -> None:
    built = Builder(BANK)
    licensed(built, None)
    error_of(built, error)
    assert "unexpected error" in messages(Errors(), built.events)


def test_a_licence_is_for_what_was_under_way_until_the_server_was_back() -> None:
    built = Builder(BANK)
    error_of(built, f"58030 {READ}")
    assert len(judge(Errors(), built.events)) == 1  # before it was given
    built = Builder(BANK)
    licensed(built, None)
    late = built.history.invoke(0, "transfer", {})
    built.reaction("io-error", disk=failing("pread_into"))
    built.history.complete(late, "fail", {}, f"58030 {READ}")
    assert judge(Errors(), built.events) == []
    error_of(built, f"58030 {READ}")
    assert len(judge(Errors(), built.events)) == 1  # after the repair


def test_a_disk_that_did_not_fail_licenses_nothing_any_more() -> None:
    built = Builder(BANK)
    licensed(built, None)
    built.history.note("licence-ends", {"number": 1})
    error_of(built, f"58030 {READ}")
    assert len(judge(Errors(), built.events)) == 1
