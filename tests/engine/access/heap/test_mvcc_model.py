"""The heap against a model: a list of versions, each with who made it and who ended it.

Three sessions take turns; VACUUM, pruning and crashes may come at any moment and change nothing
that anybody sees.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.access.heap.visibility import TupleUpdate
from tests.engine.access.heap.heap_cluster import INT4, INT8, TEXT, HeapCluster, Session
from tests.engine.access.heap.masked_pages import masked_pages

SESSIONS = 3
KEYS = 5

numbers = st.integers(0, SESSIONS - 1)
keys = st.integers(0, KEYS - 1)
texts = st.sampled_from(["", "a" * 50, "b" * 700, "c" * 2500])


@dataclass
class ModelTransaction:
    """A transaction of the model. `seen` are those committed when its snapshot was taken."""

    isolation: str
    seen: frozenset[int] | None = None
    command: int = 0
    changed: bool = False


@dataclass
class Version:
    """A row version: made by (transaction, command), ended by the same or None."""

    key: int
    value: int
    text: str
    made: tuple[int, int]
    ended: list[tuple[int, int]] = field(default_factory=list)


class Model:
    """Versions, and which transactions have committed."""

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.committed: set[int] = set()
        self.aborted: set[int] = set()

    def sees(self, version: Version, me: int, at: ModelTransaction, seen: frozenset[int]) -> bool:
        def is_past(event: tuple[int, int]) -> bool:
            who, command = event
            return command < at.command if who == me else who in seen

        return is_past(version.made) and not any(is_past(ended) for ended in version.ended)

    def holder(self, version: Version, me: int) -> str:
        """What is in the way of a change by `me`: nobody, a running transaction, or a change."""
        for who, _ in version.ended:
            if who in self.aborted:
                continue
            if who in self.committed:
                return "changed"
            return "own" if who == me else "running"
        return "nobody"


class MvccMachine(RuleBasedStateMachine):
    """Sessions that insert, update, delete, commit, roll back; the heap and the model agree."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="mvcc-model-"))
        self.cluster = HeapCluster(self.directory, full_page_writes=False)
        self.table = self.cluster.relation(INT4, INT8, TEXT)
        self.model = Model()
        self.next_id = 1
        self.serial = 0
        self.sessions: list[Session] = []
        self.running: list[tuple[int, ModelTransaction] | None] = []
        self._open_sessions()

    def teardown(self) -> None:
        self.cluster.end()
        shutil.rmtree(self.directory)

    def _open_sessions(self) -> None:
        self.sessions = [self.cluster.session() for _ in range(SESSIONS)]
        self.running = [None] * SESSIONS

    # the model's side -----------------------------------------------------------------------------

    def _transaction(self, number: int) -> tuple[int, ModelTransaction, bool]:
        """The session's transaction, or one for a statement by itself."""
        current = self.running[number]
        if current is not None:
            return *current, False
        self.next_id += 1
        return self.next_id, ModelTransaction("read committed"), True

    def _seen(self, at: ModelTransaction) -> frozenset[int]:
        if at.isolation == "repeatable read":
            if at.seen is None:
                at.seen = frozenset(self.model.committed)
            return at.seen
        return frozenset(self.model.committed)

    def _visible(self, number: int) -> list[Version]:
        me, at, _ = self._transaction(number)
        seen = self._seen(at)
        return [one for one in self.model.versions if self.model.sees(one, me, at, seen)]

    def _command_done(self, me: int, at: ModelTransaction, alone: bool, changed: bool) -> None:
        if changed:
            at.command += 1
        if alone:
            self.model.committed.add(me)

    # rules ----------------------------------------------------------------------------------------

    @initialize()
    def some_rows(self) -> None:
        for key in range(KEYS):
            self.insert(0, key, "")

    @rule(number=numbers, isolation=st.sampled_from(["read committed", "repeatable read"]))
    def begin(self, number: int, isolation: str) -> None:
        if self.running[number] is None:
            self.next_id += 1
            self.running[number] = (self.next_id, ModelTransaction(isolation))
            self.sessions[number].begin(isolation)

    @rule(number=numbers, commits=st.booleans())
    def end(self, number: int, commits: bool) -> None:
        current = self.running[number]
        if current is not None:
            (self.model.committed if commits else self.model.aborted).add(current[0])
            self.running[number] = None
            session = self.sessions[number]
            (session.commit if commits else session.rollback)()

    @rule(number=numbers, key=keys, text=texts)
    def insert(self, number: int, key: int, text: str) -> None:
        me, at, alone = self._transaction(number)
        self._seen(at)
        self.serial += 1
        self.sessions[number].insert(self.table, (key, self.serial, text))
        self.model.versions.append(Version(key, self.serial, text, (me, at.command)))
        self._command_done(me, at, alone, changed=True)

    @rule(number=numbers, key=keys, text=texts, deletes=st.booleans())
    def update_or_delete(self, number: int, key: int, text: str, deletes: bool) -> None:
        self.change(number, key, text, deletes)

    def change(self, number: int, key: int, text: str, deletes: bool) -> None:
        """Update or delete every visible row of the key; those that others are at are left."""
        me, at, alone = self._transaction(number)
        session, heap = self.sessions[number], self.sessions[number].heap
        expected = {one.value: one for one in self._visible(number) if one.key == key}
        changed = False
        with session.statement() as snapshot:
            rows = [row for row in heap.scan(self.table, snapshot) if row.values(1)[0] == key]
            assert sorted(row.values()[1] for row in rows) == sorted(expected)
            for row in rows:
                version = expected[row.values()[1]]
                holder = self.model.holder(version, me)
                self.serial += 1
                if deletes:
                    outcome = heap.delete(self.table, row.tid, wait=False)
                else:
                    new = [key, self.serial, text]
                    outcome = heap.update(self.table, row.tid, new, wait=False)
                wanted = {
                    "nobody": (TupleUpdate.OK,),
                    "own": (TupleUpdate.SELF_MODIFIED,),
                    "running": (TupleUpdate.BEING_MODIFIED,),
                    "changed": (TupleUpdate.UPDATED, TupleUpdate.DELETED),
                }[holder]
                assert outcome.result in wanted, (holder, outcome)
                if outcome.is_ok:
                    changed = True
                    version.ended.append((me, at.command))
                    if not deletes:
                        self.model.versions.append(
                            Version(key, self.serial, text, (me, at.command))
                        )
        # A command id is used by who tries to change a row, whatever comes of it.
        self._command_done(me, at, alone, changed=changed or bool(rows))

    @rule(number=numbers)
    def read(self, number: int) -> None:
        self._compare(number)

    @rule(number=numbers, key=keys, text=texts)
    def change_again(self, number: int, key: int, text: str) -> None:
        """More changes than anything else: they are what fills pages."""
        self.change(number, key, text, deletes=False)

    @rule(number=numbers, freeze_min_age=st.sampled_from([0, 3, 1000]))
    @precondition(lambda self: all(one is None for one in self.running[:1]))
    def vacuum(self, number: int, freeze_min_age: int) -> None:
        if self.running[number] is None:
            self.sessions[number].vacuum(self.table, freeze_min_age=freeze_min_age)

    @rule(luck=st.integers(0, 15), is_wal_complete=st.booleans())
    def crash(self, luck: int, is_wal_complete: bool) -> None:
        """What ran is aborted. If all WAL was flushed, the pages are what they were."""
        if luck:
            return
        pages = None
        if is_wal_complete:
            instance = self.sessions[0].instance
            instance.wal.flush(instance.wal.end_lsn())
            pages = masked_pages(self.sessions[0], self.table)
        for current in self.running:
            if current is not None:
                self.model.aborted.add(current[0])
        self.cluster = self.cluster.crash_and_restart(full_page_writes=False)
        self._open_sessions()
        if pages is not None:
            assert masked_pages(self.sessions[0], self.table) == pages

    @invariant()
    def a_fresh_look_sees_what_is_committed(self) -> None:
        for number in range(SESSIONS):
            if self.running[number] is None:
                self._compare(number)
                return

    def _compare(self, number: int) -> None:
        expected: list[Any] = [[one.key, one.value, one.text] for one in self._visible(number)]
        assert sorted(self.sessions[number].rows(self.table)) == sorted(expected)


MvccMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=50, deadline=None)
test_the_heap_shows_what_the_model_shows = MvccMachine.TestCase
