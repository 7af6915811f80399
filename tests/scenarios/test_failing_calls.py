"""Whatever call on a file fails in whatever process: it is an error that somebody foresaw, nothing
that was acknowledged is lost, and the server comes back by itself or at the next start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest

from chaos.connection import ConnectionLost, Refusal
from chaos.faults.places import parse_fault
from chaos.scenario.checksums import bad_checksums
from chaos.scenario.comparing import Unexpected
from chaos.scenario.server import Server
from chaos.scenario.sessions import Sessions
from chaos.scheduler.world import Schedule
from chaos.targets.api import Target
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.making import Maker
from chaos.workloads.api import Answer
from engine.errors import panic_text, unexpected_as_panic

SETTINGS = {
    "shared_buffers": "128kB",
    "max_wal_size": "2MB",
    "min_wal_size": "2MB",
    "bgwriter_delay": "50ms",
    "wal_writer_delay": "20ms",
}
BOUND_S = 60.0

CALLS = {
    "backend": (
        *("open", "close", "pread_into", "pwrite", "fsync", "fsync_directory", "truncate"),
        *("file_size", "rename", "stat"),
    ),
    "checkpointer": (
        *("open", "close", "pwrite", "fsync", "fsync_directory", "rename", "unlink"),
        *("list_directory", "stat"),
    ),
    "startup": (
        *("open", "close", "pread", "pwrite", "fsync", "fsync_directory", "list_directory"),
        *("stat", "pread_into"),
    ),
    "bgwriter": ("open", "close", "pwrite"),
    "walwriter": ("open", "pwrite", "fsync"),
    "logger": ("open", "stat", "file_size", "pwrite"),
    "postmaster": ("open", "close", "pread", "pwrite", "fsync", "unlink", "stat", "truncate"),
}
PLACES = [f"{role} {call}" for role, calls in CALLS.items() for call in calls]
UNFORESEEN = re.compile(r"unexpected \w+Error|Traceback|This is a bug")


class Story:
    """A table is made, filled, changed, cut; the server crashes, is stopped, and starts again.

    `sure` are the ids whose INSERT was acknowledged, `never` those whose INSERT was refused.
    """

    def __init__(self, maker: Maker) -> None:
        self.target = cast(BatonEngineTarget, maker.baton(Schedule(0), SETTINGS, 1))
        self.sure: set[int] = set()
        self.never: set[int] = set()

    def tell(self, place: str) -> None:
        target = self.target
        target.create()
        self.sessions = Sessions(target.waiting(), target.conninfo)
        self.server = Server(cast(Target, target), self.sessions, BOUND_S)
        self.server.launch()
        self.server.await_up()
        self.say("CREATE TABLE t (id int, filler text)")
        number = target.arm(parse_fault(f"{place}: eio"), 0)
        self.insert(range(1, 250))
        self.say("BEGIN; CREATE TABLE u (id int); INSERT INTO u VALUES (1); ROLLBACK")
        self.say("CHECKPOINT")
        self.say("DELETE FROM t WHERE id > 100000")
        self.say("VACUUM t")
        self.say("CREATE TABLE w (id int); DROP TABLE w")
        self.say("SET synchronous_commit = off; UPDATE t SET filler = 'y' WHERE id % 3 = 0")
        self.sessions.pump(0.2, lambda: False)
        self.insert(range(250, 500))
        for mode in ("immediate", "fast"):
            self.come_back()
            self.server.shutdown(mode)
            self.come_back()
            self.say("SELECT count(*) FROM t")
            self.insert(range(500, 510) if mode == "fast" else range(510, 520))
        self.has_struck = target.has_struck(number)
        target.disarm(number)

    def insert(self, ids: range) -> None:
        values = f"SELECT i, repeat('x', 900) FROM generate_series({ids.start}, {ids.stop - 1}) i"
        came = self.say(f"INSERT INTO t {values}")
        if isinstance(came, Answer):
            self.sure.update(ids)
        elif isinstance(came, Refusal):
            self.never.update(ids)

    def say(self, sql: str) -> Answer | Refusal | ConnectionLost:
        """What came of it; after a loss the server is up again."""
        session = self.sessions.find("a")
        while session is None or session.lost is not None:
            self.sessions.forget("a")
            self.come_back()
            session = self.sessions.open("a", BOUND_S)
        session.ask(sql)
        assert self.sessions.pump(BOUND_S, lambda: bool(session.lost or session.answer)), sql
        came = session.lost or session.answer
        session.answer = None
        assert came is not None
        return came

    def come_back(self) -> None:
        """A start that the fault ends is followed by one that it does not."""
        try:
            self.server.settle()
        except Unexpected:
            self.server.launch()
            self.server.await_up()

    def end(self) -> list[int]:
        """The ids that are there, after which the server is stopped."""
        came = self.say("SELECT id FROM t ORDER BY id")
        assert isinstance(came, Answer), came
        found = [int(str(row[0])) for row in came.rows]
        for sql in ("VACUUM t", "CREATE TABLE more (id int); INSERT INTO more VALUES (1)"):
            assert isinstance(self.say(sql), Answer), sql
        self.sessions.forget_all()
        assert self.server.shutdown("fast") == 0
        assert self.target.leftovers() == []
        return found


def test_what_nobody_foresaw_would_be_noticed() -> None:
    assert UNFORESEEN.search(panic_text(unexpected_as_panic(OSError(5, "Input/output error"))))


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    with closing(Maker()) as one:
        yield one


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_fails_is_foreseen_and_costs_nothing_acknowledged(
    maker: Maker, place: str
) -> None:
    story = Story(maker)
    is_fit = False
    try:
        story.tell(place)
        found = story.end()
        assert story.has_struck, "nobody came there: the list of calls is wrong"
        said = "\n".join([*story.server.lines, (story.target.directory / "stderr").read_text()])
        assert UNFORESEEN.findall(said) == []
        assert len(found) == len(set(found))
        assert story.sure - set(found) == set(), "acknowledged, and lost"
        assert story.never & set(found) == set(), "refused, and there"
        assert not bad_checksums(story.target.data_directory)
        is_fit = True
    finally:
        story.target.destroy()
        maker.clear(is_fit=is_fit)
