"""The transactions of one process: begin, command counter, snapshots, commit, abort.

The calls are named after xact.c's. Around every command a session calls `start_command` and
`commit_command`, or `abort_current` after an error; BEGIN, COMMIT and ROLLBACK only change the
state of the block (`block_state.py`), and the following `commit_command` acts on it.

Source: PostgreSQL 15, `access/transam/xact.c`, `utils/time/snapmgr.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol
from weakref import ref

from engine.errors import FatalError, Notice, SqlError, SqlState, check, not_supported
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.procs import ProcTable
from engine.transaction.block_state import STATUS, TRANSITIONS, Action, BlockState, Event
from engine.transaction.combo_cids import ComboCommandIds
from engine.transaction.outcome import DELAY_CHECKPOINT, OutcomeRecorder
from engine.transaction.pending_deletes import PendingDeletes
from engine.transaction.proc_array import ProcArray
from engine.transaction.snapshot import Snapshot
from engine.transaction.xids import XidGenerator
from engine.types import INVALID_LSN, CommandId, RelFileLocator, Xid, xid_precedes

READ_COMMITTED: Final = "read committed"
REPEATABLE_READ: Final = "repeatable read"
SERIALIZABLE: Final = "serializable"

_LAST_COMMAND_ID: Final = 0xFFFFFFFE


class Settings(Protocol):
    """Where a session's settings are (`engine.config.session.SessionSettings`)."""

    def get(self, name: str) -> object: ...


class TransactionLocks(Protocol):
    """What a transaction needs of the lock table."""

    def lock_own_xid(self, xid: int) -> None: ...

    def release_all(self) -> None: ...


class Releases(Protocol):
    """Something that an aborted transaction may have left held: LWLocks, buffer pins."""

    def release_all(self) -> None: ...


class Transactions:
    """The transaction state of one process.

    `at_end` are called with "was it a commit" at each end of a transaction, locks still held;
    `invalidate_catalog` makes every process forget what it remembers of the catalogs.
    """

    def __init__(
        self,
        host: Host,
        *,
        xids: XidGenerator,
        proc_array: ProcArray,
        procs: ProcTable,
        outcome: OutcomeRecorder,
        pending_deletes: PendingDeletes,
        lock_table: TransactionLocks,
        held: tuple[Releases, ...] = (),
        settings: Settings | None = None,
        notices: Callable[[Notice], None] = lambda notice: None,
        invalidate_catalog: Callable[[], None] = lambda: None,
    ) -> None:
        self.host = host
        self.proc_array = proc_array
        self.xids = xids
        self.settings = settings
        self.notices = notices
        self.invalidate_catalog = invalidate_catalog
        self.at_end: list[Callable[[bool], None]] = []
        self._procs = procs
        self._slot = proc_array.slot
        self._outcome = outcome
        self._pending = pending_deletes
        self._lock_table = lock_table
        self._held = held
        self.combo_cids = ComboCommandIds()
        self._block = BlockState.DEFAULT
        self.is_active = False
        self.xid = Xid(0)
        """This transaction's xid, 0 while it has none."""
        self._command = 0
        self._command_used = False
        self.isolation = READ_COMMITTED
        self.read_only = False
        self.statement_timestamp = 0
        self.transaction_timestamp = 0
        self._first_snapshot: Snapshot | None = None
        self._active_snapshot: Snapshot | None = None
        self._handed_out: list[ref[Snapshot]] = []
        self._catalog_changed = False

    # the block ------------------------------------------------------------------------------------

    def start_command(self) -> None:
        """A command begins (`StartTransactionCommand`)."""
        self.statement_timestamp = self.host.now_us()
        self._event(Event.START_COMMAND)
        if self._handed_out:
            self._move_xmin()

    def commit_command(self) -> None:
        """The command ended well (`CommitTransactionCommand`)."""
        self._event(Event.COMMIT_COMMAND)

    def abort_current(self) -> None:
        """The command failed (`AbortCurrentTransaction`)."""
        self._event(Event.ABORT_CURRENT)

    def begin_block(self, isolation: str | None = None, read_only: bool | None = None) -> None:
        """BEGIN, with what it says of the transaction."""
        self._event(Event.BEGIN_BLOCK)
        if isolation is not None:
            self.set_isolation(isolation)
        if read_only is not None:
            self.set_read_only(read_only)

    def end_block(self) -> bool:
        """COMMIT; False when there is only a failed transaction to roll back."""
        self._event(Event.END_BLOCK)
        return self._block is not BlockState.ABORT_END

    def user_abort_block(self) -> None:
        """ROLLBACK."""
        self._event(Event.USER_ABORT_BLOCK)

    def begin_implicit_block(self) -> None:
        """Several statements came in one message: they are one transaction."""
        self._event(Event.BEGIN_IMPLICIT_BLOCK)

    def end_implicit_block(self) -> None:
        """That message ends."""
        self._event(Event.END_IMPLICIT_BLOCK)

    def abort_out_of_any(self) -> None:
        """The session ends: no transaction may stay (`AbortOutOfAnyTransaction`)."""
        if self.is_active:
            self._abort()
        self._block = BlockState.DEFAULT

    def is_aborted_block(self) -> bool:
        """Whether only COMMIT and ROLLBACK are allowed now."""
        return self._block in (BlockState.ABORT, BlockState.ABORT_END)

    def in_block(self) -> bool:
        """Whether the session is inside BEGIN ... COMMIT, failed or not."""
        return self._block not in (BlockState.DEFAULT, BlockState.STARTED)

    def status(self) -> bytes:
        """ReadyForQuery's byte."""
        return STATUS[self._block]

    def prevent_in_block(self, statement: str) -> None:
        """25001 when the statement would be inside a block (`PreventInTransactionBlock`)."""
        if self.in_block():
            raise SqlError(
                SqlState.ACTIVE_SQL_TRANSACTION,
                f"{statement} cannot run inside a transaction block",
            )

    def prevent_if_read_only(self, statement: str) -> None:
        """25006 when the transaction is read only (`PreventCommandIfReadOnly`)."""
        if self.read_only:
            raise SqlError(
                SqlState.READ_ONLY_SQL_TRANSACTION,
                f"cannot execute {statement} in a read-only transaction",
            )

    def _event(self, event: Event) -> None:
        transition = TRANSITIONS.get((self._block, event))
        check(transition, "XACT-3", "no such transition", state=self._block, command=event)
        if transition is None:
            return
        action, state = transition
        if action is not Action.NOTHING:
            self._act(action)
        self._block = state

    def _act(self, action: Action) -> None:
        if action is Action.START:
            self._start()
        elif action is Action.COMMIT:
            self._commit()
        elif action is Action.NEXT_COMMAND:
            self.command_counter_increment()
        elif action in (Action.ABORT, Action.ABORT_AND_CLEAN_UP):
            # First the state: whatever happens below, the transaction is not used again.
            self._abort()
        elif action is Action.WARN_IN_PROGRESS:
            self._warn(
                SqlState.ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress"
            )
        elif action is Action.WARN_NONE:
            self._warn(SqlState.NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress")

    def _warn(self, sqlstate: str, message: str) -> None:
        self.notices(Notice("WARNING", sqlstate, message))

    # what it is -----------------------------------------------------------------------------------

    def set_isolation(self, level: str) -> None:
        """SET TRANSACTION ISOLATION LEVEL."""
        if level == SERIALIZABLE:
            raise not_supported("isolation level SERIALIZABLE")
        if level != self.isolation and self._first_snapshot is not None:
            raise SqlError(
                SqlState.ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION ISOLATION LEVEL must be called before any query",
            )
        self.isolation = level

    def set_read_only(self, read_only: bool) -> None:
        """SET TRANSACTION READ ONLY or READ WRITE."""
        if not read_only and self.read_only and self._first_snapshot is not None:
            raise SqlError(
                SqlState.ACTIVE_SQL_TRANSACTION,
                "transaction read-write mode must be set before any query",
            )
        self.read_only = read_only

    @property
    def uses_transaction_snapshot(self) -> bool:
        """Whether all statements share one snapshot (`IsolationUsesXactSnapshot`)."""
        return self.isolation == REPEATABLE_READ

    def current_xid(self) -> Xid:
        """This transaction's xid, given out now if it has none (`GetCurrentTransactionId`)."""
        xid = self.xid
        if not xid:
            check(self.is_active, "XACT-7", "an xid is asked for outside a transaction")
            xid = self.xid = self.xids.assign()
            self._lock_table.lock_own_xid(xid)
        return xid

    def current_xid_if_assigned(self) -> Xid:
        """This transaction's xid, 0 if it has none."""
        return self.xid

    def command_id(self, used: bool = True) -> CommandId:
        """The number of the current command; `used` when a row is stored with it."""
        if used:
            self._command_used = True
        return CommandId(self._command)

    def command_counter_increment(self) -> None:
        """What was done so far becomes visible to what follows (`CommandCounterIncrement`)."""
        if not self._command_used:
            return
        if self._command >= _LAST_COMMAND_ID:
            raise SqlError(
                SqlState.PROGRAM_LIMIT_EXCEEDED,
                "cannot have more than 2^32-2 commands in a transaction",
            )
        self._command += 1
        self._command_used = False

    # snapshots ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The snapshot for a new statement (`GetTransactionSnapshot`)."""
        check(self.is_active, "XACT-7", "a snapshot is asked for outside a transaction")
        first = self._first_snapshot
        if first is not None and self.isolation == REPEATABLE_READ:
            # MVCC-3: the same moment for the whole transaction.
            return self._handed(first.at_command(self._command))
        if self.isolation == SERIALIZABLE:
            raise not_supported("isolation level SERIALIZABLE")
        snapshot = self.proc_array.take_snapshot(self._command)
        if first is None:
            # Under READ COMMITTED only the fact that there was one is kept, not its rows.
            is_kept = self.isolation == REPEATABLE_READ
            self._first_snapshot = snapshot if is_kept else Snapshot(0, 0, (), 0)
        return self._handed(snapshot)

    def catalog_snapshot(self) -> Snapshot:
        """A snapshot of now, whatever the isolation level: catalogs are read as they are."""
        check(self.is_active, "XACT-7", "a snapshot is asked for outside a transaction")
        return self._handed(self.proc_array.take_snapshot(self._command))

    @property
    def active_snapshot(self) -> Snapshot | None:
        """What the running statement sees."""
        return self._active_snapshot

    def set_active_snapshot(self, snapshot: Snapshot | None) -> None:
        """A statement runs with this snapshot; None when it ended."""
        self._active_snapshot = snapshot
        if snapshot is None:
            self._move_xmin()

    def _handed(self, snapshot: Snapshot) -> Snapshot:
        self._handed_out.append(ref(snapshot))
        if len(self._handed_out) > 64:
            self._handed_out = [one for one in self._handed_out if one() is not None]
        return snapshot

    def _move_xmin(self) -> None:
        """MVCC-4: protect what a snapshot that somebody still holds sees, and no more
        (`SnapshotResetXmin`)."""
        if self.uses_transaction_snapshot and self._first_snapshot is not None:
            return
        oldest = 0
        still_held = []
        for one in self._handed_out:
            snapshot = one()
            if snapshot is not None:
                still_held.append(one)
                if not oldest or xid_precedes(snapshot.xmin, oldest):
                    oldest = snapshot.xmin
        self._handed_out = still_held
        if oldest != self.proc_array.own_xmin:
            self.proc_array.set_own_xmin(oldest)

    # files and catalogs ---------------------------------------------------------------------------

    def schedule_drop(self, locator: RelFileLocator, at_commit: bool) -> None:
        """Have a relation's files go away with the transaction's commit, or else its abort."""
        self._pending.schedule(locator, at_commit=at_commit)

    def on_commit_invalidate(self) -> None:
        """The transaction changed catalogs: others must look again when it ends."""
        self._catalog_changed = True

    @contextmanager
    def delaying_checkpoint(self) -> Iterator[None]:
        """No redo point is taken inside the block: for what the WAL and a file say together.

        A PANIC leaves it so: the file is not what the WAL says, and a checkpoint that got done
        before the others quit would keep recovery from putting that right.
        """
        delay, slot = self._procs.delay_checkpoint, self._slot
        before = delay[slot]
        delay[slot] = before | DELAY_CHECKPOINT
        try:
            yield
        except (SqlError, FatalError):
            delay[slot] = before
            raise
        delay[slot] = before

    # start, commit, abort -------------------------------------------------------------------------

    def _start(self) -> None:
        self.is_active = True
        settings = self.settings
        if settings is not None:
            self.isolation = str(settings.get("default_transaction_isolation"))
            self.read_only = bool(settings.get("default_transaction_read_only"))
        else:
            self.isolation = READ_COMMITTED
            self.read_only = False
        self._command = 0
        self._command_used = False
        self.transaction_timestamp = self.statement_timestamp
        self._procs.xact_start_us[self._slot] = self.transaction_timestamp

    def _commit(self) -> None:
        xid, lsn = self.xid, INVALID_LSN
        if xid:
            lsn = self._outcome.commit(
                xid,
                self._pending.of_outcome(is_commit=True),
                is_synchronous=self._commits_synchronously(),
            )
        self._leave_proc_array(xid)
        self.host.point(Point.COMMIT_PROC_ARRAY_LEFT, lsn)
        self._finish(is_commit=True)

    def _commits_synchronously(self) -> bool:
        return self.settings is None or self.settings.get("synchronous_commit") != "off"

    def _abort(self) -> None:
        # What the failed command held must be free before anything below takes it again.
        for held in self._held:
            held.release_all()
        if not self.is_active:
            return
        xid = self.xid
        if xid:
            self._outcome.abort(xid, self._pending.of_outcome(is_commit=False))
        self._leave_proc_array(xid)
        self._finish(is_commit=False)

    def _leave_proc_array(self, xid: int) -> None:
        self.proc_array.end_transaction(xid)
        self.xid = Xid(0)
        self._first_snapshot = None
        self._active_snapshot = None
        self._handed_out.clear()

    def _finish(self, *, is_commit: bool) -> None:
        """What follows the outcome, the same order for both (XACT-1 step 7)."""
        self.is_active = False
        if self._catalog_changed:
            self._catalog_changed = False
            # Before the locks: whoever waited for a relation must not trust what it remembers.
            self.invalidate_catalog()
        for call in self.at_end:
            call(is_commit)
        self._lock_table.release_all()
        self._pending.execute(is_commit=is_commit)
        self.combo_cids.clear()
        self._procs.xact_start_us[self._slot] = 0
