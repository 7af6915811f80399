"""What a backend has beyond every process: locks, transactions, the heap, the catalogs, SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.access.heap.heap import Heap
from engine.access.heap.visibility import Visibility
from engine.backend.abc import Role
from engine.catalog.cache import Catalog
from engine.catalog.generation import CatalogGeneration
from engine.catalog.heap_access import CatalogHeapAccess
from engine.config import SessionSettings
from engine.errors import FatalError, Notice, SqlError
from engine.instance import Instance
from engine.lmgr.lock_table import LockTable
from engine.processes.cluster import ClusterFacts
from engine.sql.engine import SqlEngine
from engine.sql.services import Services, SessionIdentity
from engine.storage.free_space_map import FreeSpaceMap
from engine.transaction.outcome import OutcomeRecorder
from engine.transaction.pending_deletes import PendingDeletes
from engine.transaction.transactions import Transactions

T = TypeVar("T")


class BackendServices:
    """The parts of one backend, made for its `Instance` (`engine.backend.abc.SessionServices`)."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.settings = SessionSettings(instance.config)
        self.lock_table = LockTable(
            instance.host,
            instance.shared.lock_table,
            instance.locks,
            instance.procs,
            instance.slot,
            self.settings,
            instance.interrupts,
        )
        self._generation = CatalogGeneration(instance.shared.catalog, instance.locks)
        self.transactions = Transactions(
            instance.host,
            xids=instance.xids,
            proc_array=instance.proc_array,
            procs=instance.procs,
            outcome=OutcomeRecorder(
                instance.host, instance.wal, instance.clog, instance.procs, instance.slot
            ),
            pending_deletes=PendingDeletes(instance.buffers, instance.smgr),
            lock_table=self.lock_table,
            held=(instance.locks, instance.buffers),
            settings=self.settings,
            invalidate_catalog=self._generation.advance,
        )
        self.heap = Heap(
            instance.host,
            instance.buffers,
            instance.wal,
            instance.smgr,
            self.transactions,
            Visibility(self.transactions, instance.clog, instance.wal.flushed_lsn),
            self.lock_table,
            FreeSpaceMap(instance.buffers, instance.smgr),
            instance.interrupts.check,
        )
        self._shared_catalog = self._open_catalog(0)
        instance.on_reload.append(self.settings.replace_config)
        instance.buffers.reader.setting = self.settings.get
        instance.wal.take_settings_from(self.settings.get)

    def find_role(self, name: str) -> Role | None:
        """A role by its name, from pg_authid."""
        row = self._in_transaction(lambda: self._shared_catalog.role_by_name(name))
        if row is None:
            return None
        return Role(row.oid, row.rolname, row.rolsuper, row.rolcanlogin, row.rolpassword)

    def find_database(self, name: str) -> int | None:
        """A database's oid by its name, from pg_database."""
        row = self._in_transaction(lambda: self._shared_catalog.database_by_name(name))
        return row.oid if row is not None and row.datallowconn else None

    def open_engine(self, user: str, database: str, notices: Callable[[Notice], None]) -> SqlEngine:
        """The SQL engine of a session, once it is known who wants what."""
        self.transactions.notices = notices
        instance, oid = self._instance, self.find_database(database) or 0
        names = {oid: database}
        catalog = self._open_catalog(oid)
        return SqlEngine(
            Services(
                clock=instance.host,
                catalog=catalog,
                table=self.heap,
                transactions=self.transactions,
                locks=self.lock_table,
                settings=self.settings,
                interrupts=instance.interrupts,
                cluster=ClusterFacts(instance, self.heap, self.settings, names.get),
                identity=SessionIdentity(instance.host.pid(), user, database, oid),
                notices=notices,
            )
        )

    def on_lock_wait(self, listener: Callable[[bool], None]) -> None:
        """Be told when a wait for a lock begins and ends."""
        self.lock_table.on_wait = listener

    def quits_by_crash(self) -> bool:
        """Whether QUIT, if it comes, means that another process crashed."""
        return self._instance.shared.is_crash_announced()

    def _open_catalog(self, database: int) -> Catalog:
        instance = self._instance
        return Catalog(
            instance.host,
            database=database,
            heap=CatalogHeapAccess(self.heap),
            transactions=self.transactions,
            smgr=instance.smgr,
            wal=instance.wal,
            lock_table=self.lock_table,
            new_oid=instance.xids.new_oid,
            shared_generation=self._generation,
        )

    def _in_transaction(self, read: Callable[[], T]) -> T:
        """A transaction of its own, that an error aborts; a PANIC leaves everything as it is."""
        transactions = self.transactions
        transactions.start_command()
        try:
            result = read()
        except (SqlError, FatalError):
            transactions.abort_current()
            raise
        transactions.commit_command()
        return result
