"""A cluster with WAL, buffers, commit log and tables, but without a postmaster or catalogs.

Sessions in the test's own process take turns; `run` forks one that really runs beside the others.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.access.heap.heap import Heap
from engine.access.heap.page_tuple import HeapTuple
from engine.access.heap.tuple import Attribute, TupleDescriptor
from engine.access.heap.visibility import Visibility
from engine.access.relation import Relation
from engine.config import Config
from engine.datadir import CLOG_DIRECTORY, clog_segment_path
from engine.errors import EngineError
from engine.host.api import Signal
from engine.host.real import RealHost
from engine.instance import Instance, Shared
from engine.lmgr.lock_table import LockTable
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.recovery.bootstrap import bootstrap_wal
from engine.recovery.redo import RedoResult
from engine.recovery.redo_functions import redo_functions
from engine.recovery.redo_services import RedoServices
from engine.recovery.startup import StartupSequence
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType
from engine.storage.free_space_map import FreeSpaceMap
from engine.storage.paths import relation_path
from engine.storage.redo_context import RedoContext
from engine.transaction.outcome import OutcomeRecorder
from engine.transaction.pending_deletes import PendingDeletes
from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import Transactions
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork

DATABASE = 5
INT4 = Attribute("id", 23, 4, "i")
INT8 = Attribute("balance", 20, 8, "d")
TEXT = Attribute("note", 25, -1, "i", by_value=False)
LARGEST_LINE = 10_000


class SessionSettings:
    """The few settings that a transaction looks up."""

    def __init__(self, **values: Any) -> None:
        self.values = {
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": False,
            "synchronous_commit": "on",
            "deadlock_timeout": 1000,
            "lock_timeout": 0,
            **values,
        }

    def get(self, name: str) -> Any:
        return self.values[name]


class Session:
    """What one backend has: transactions and heap, over its own instance."""

    def __init__(self, cluster: HeapCluster, slot: int, **settings: Any) -> None:
        instance = Instance(
            cluster.host, cluster.shared, cluster.config, BackendType.CLIENT_BACKEND, slot
        )
        self.instance = instance
        self.settings = SessionSettings(**settings)
        self.locks = LockTable(
            instance.host,
            cluster.shared.lock_table,
            instance.locks,
            instance.procs,
            slot,
            self.settings,  # type: ignore[arg-type]
            instance.interrupts,
        )
        self.locks.xid_in_progress = instance.proc_array.is_in_progress
        self.transactions = Transactions(
            instance.host,
            xids=instance.xids,
            proc_array=instance.proc_array,
            procs=instance.procs,
            outcome=OutcomeRecorder(
                instance.host, instance.wal, instance.clog, instance.procs, slot
            ),
            pending_deletes=PendingDeletes(instance.buffers, instance.smgr),
            lock_table=self.locks,
            held=(instance.locks, instance.buffers),
            settings=self.settings,
        )
        self.visibility = Visibility(self.transactions, instance.clog, instance.wal.flushed_lsn)
        self.heap = Heap(
            instance.host,
            instance.buffers,
            instance.wal,
            instance.smgr,
            self.transactions,
            self.visibility,
            self.locks,
            FreeSpaceMap(instance.buffers, instance.smgr),
            instance.interrupts.check,
        )

    # transactions ---------------------------------------------------------------------------------

    def begin(self, isolation: str | None = None) -> None:
        transactions = self.transactions
        transactions.start_command()
        transactions.begin_block(isolation)
        transactions.commit_command()

    def commit(self) -> None:
        self.transactions.start_command()
        self.transactions.end_block()
        self.transactions.commit_command()

    def rollback(self) -> None:
        self.transactions.start_command()
        self.transactions.user_abort_block()
        self.transactions.commit_command()

    @contextmanager
    def statement(
        self, relation: Relation | None = None, mode: LockMode = LockMode.ROW_EXCLUSIVE
    ) -> Iterator[Snapshot]:
        """One statement, in the transaction block or by itself. It locks its relation as the
        executor does: without that, VACUUM would cut pages off that others are about to use."""
        transactions = self.transactions
        transactions.start_command()
        try:
            if relation is not None:
                self.locks.acquire(LockTag.relation(relation.database, relation.oid), mode)
            snapshot = transactions.snapshot()
            transactions.set_active_snapshot(snapshot)
            yield snapshot
        except BaseException:
            transactions.abort_current()
            raise
        del snapshot
        transactions.set_active_snapshot(None)
        transactions.commit_command()

    # statements -----------------------------------------------------------------------------------

    def rows(self, relation: Relation) -> list[list[Any]]:
        with self.statement(relation, LockMode.ACCESS_SHARE) as snapshot:
            return [row.values() for row in self.heap.scan(relation, snapshot)]

    def insert(self, relation: Relation, *rows: Sequence[Any]) -> None:
        with self.statement(relation):
            for row in rows:
                self.heap.insert(relation, row)

    def find(self, relation: Relation, key: Any, snapshot: Snapshot) -> HeapTuple | None:
        for row in self.heap.scan(relation, snapshot):
            if row.values(1)[0] == key:
                return row
        return None

    def update(
        self, relation: Relation, key: Any, change: Callable[[list[Any]], list[Any]], **options: Any
    ) -> int:
        """UPDATE ... WHERE id = key as the executor does it, re-checking what others changed; how
        many rows."""
        with self.statement(relation) as snapshot:
            row = self.find(relation, key, snapshot)
            while row is not None:
                outcome = self.heap.update(relation, row.tid, change(row.values()), **options)
                if outcome.is_ok:
                    return 1
                if self.transactions.uses_transaction_snapshot:
                    raise EngineError("40001", "could not serialize access")
                row = self.heap.latest_version(relation, outcome)
                if row is not None and row.values(1)[0] != key:
                    row = None
            return 0

    def delete(self, relation: Relation, key: Any) -> int:
        with self.statement(relation) as snapshot:
            row = self.find(relation, key, snapshot)
            return int(row is not None and self.heap.delete(relation, row.tid).is_ok)

    def vacuum(self, relation: Relation, freeze_min_age: int = 50_000_000) -> Any:
        with self.statement(relation, LockMode.SHARE_UPDATE_EXCLUSIVE):
            return self.heap.vacuum(relation, freeze_min_age=freeze_min_age)


class HeapCluster:
    """Shared memory and files; new at first, and started again by `restart`."""

    def __init__(self, root: Path, *, host: RealHost | None = None, **settings: Any) -> None:
        self.root = root
        self.host = host or RealHost(str(root))
        self.config = Config().replace(
            **{
                "shared_buffers": 64,
                "wal_buffers": 16,
                "max_connections": 12,
                "wal_segment_size": 1 << 20,
                "fsync": False,
                **settings,
            }
        )
        self.pids: list[int] = []
        self.journal = self.host.pipe()
        self._relations = 16384
        self._said = b""
        self._next_slot = FIRST_BACKEND_SLOT
        if not (root / "global").exists():
            for directory in ("global", "base", f"base/{DATABASE}", "pg_wal", "pg_xact"):
                (root / directory).mkdir(parents=True)
            self._bootstrap()
        self.redo = self.start()

    def _bootstrap(self) -> None:
        path = self.root / clog_segment_path(0)
        path.write_bytes(bytes(BLOCK_SIZE))
        assert CLOG_DIRECTORY == "pg_xact"
        bootstrap_wal(self.host, self.config, segment_size=int(self.config.wal_segment_size))

    def start(self) -> RedoResult:
        """New shared memory, and what the startup process does."""
        self.shared = Shared(self.host, self.config)
        self._next_slot = FIRST_BACKEND_SLOT
        # Nobody could have files removed, or leave the syncing to somebody, without a checkpointer.
        self.checkpointer = Instance(
            self.host, self.shared, self.config, BackendType.CHECKPOINTER, BackendType.CHECKPOINTER
        )
        instance = Instance(
            self.host, self.shared, self.config, BackendType.STARTUP, BackendType.STARTUP
        )
        instance.buffers.in_recovery = True
        pages = RedoContext(instance.buffers, instance.smgr, instance.log)
        services = RedoServices(
            self.host,
            instance.log,
            instance.control,
            instance.clog,
            self.shared.xids,
            instance.buffers,
            instance.smgr,
            pages,
        )
        sequence = StartupSequence(
            self.host,
            instance.log,
            self.config,
            control=instance.control,
            wal=instance.wal,
            clog=instance.clog,
            services=services,
            table=redo_functions(services),
            request_checkpoint=lambda flags: None,
        )
        result = sequence.run()
        instance.leave()
        return result

    def crash_and_restart(self, **settings: Any) -> HeapCluster:
        """The processes are gone, the files stay, shared memory is made anew."""
        again = HeapCluster(self.root, host=self.host, **settings)
        again._relations = self._relations
        return again

    def session(self, **settings: Any) -> Session:
        """A session in this process."""
        self._next_slot += 1
        return Session(self, self._next_slot - 1, **settings)

    def relation(self, *attributes: Attribute, fillfactor: int = 100) -> Relation:
        """A new, empty table; of (id int4, balance int8) unless said otherwise."""
        self._relations += 1
        oid = self._relations
        locator = RelFileLocator(1663, DATABASE, oid)
        (self.root / relation_path(locator, RelFork.MAIN)).touch()
        descriptor = TupleDescriptor(attributes or (INT4, INT8))
        return Relation(oid, f"t{oid}", 2200, "r", locator, descriptor, DATABASE, fillfactor)

    # processes ------------------------------------------------------------------------------------

    def run(self, name: str, body: Callable[[Session, Callable[[str], None]], None]) -> int:
        """Fork a session that runs `body(session, say)`; what it says, `next_line` reads."""
        slot = self._next_slot
        self._next_slot += 1

        def say(text: str) -> None:
            self.host.send(self.journal[1], f"{name} {text}\n".encode())

        def main() -> None:
            try:
                session = Session(self, slot)
                body(session, say)
                session.transactions.abort_out_of_any()
                say("ended")
            except EngineError as error:
                say(f"error {error.sqlstate} {error.message}")
            except BaseException:
                traceback.print_exc()
                say("crashed")
                raise

        pid = self.host.fork("backend", slot, main)
        self.pids.append(pid)
        return pid

    def next_line(self, timeout_ms: float = 60_000) -> str:
        """The next line that a session said."""
        while b"\n" not in self._said:
            ready = self.host.wait(timeout_ms, read=[self.journal[0]], latch=False)
            assert ready, "nothing more was said"
            self._said += self.host.receive(self.journal[0], LARGEST_LINE)
        line, self._said = self._said.split(b"\n", 1)
        return line.decode()

    def lines(self, count: int) -> list[str]:
        """The next lines, sorted: who comes first is not the test's business."""
        return sorted(self.next_line() for _ in range(count))

    def end(self) -> None:
        """No process stays."""
        for pid in self.pids:
            self.host.signal(pid, Signal.KILL)
        left = set(self.pids)
        while left:
            left -= {child.pid for child in self.host.reap()}
            self.host.sleep(1)
