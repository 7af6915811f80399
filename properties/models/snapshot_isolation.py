"""Snapshot isolation as PostgreSQL has it: what each session must hear, and who waits for whom.

Rows are chains of versions. Each version says which transaction made it; a deletion is a version
too, without a value. At most the last version of a chain is of a transaction that still runs.

    READ COMMITTED     a statement sees what was committed when it began. A change that finds the
                       row changed meanwhile takes the newest version, and asks its condition again
    REPEATABLE READ    all statements see what was committed when the first of them began. A change
                       that finds the row changed since gives up: 40001

    a row whose last version is of another running transaction: the change waits for its end, and
    who came first is through first
    a circle of waiters: who closes it gives up, 40P01, and that lets the others go on
    an error in a block: the transaction is rolled back at once, the rest of the block hears 25P02
    a crash: whatever was not committed has never been. What was committed synchronously stays; of
    what was committed asynchronously, a suffix may go. What was under way when the process died is
    in doubt: it is looked up, and must be one of the states that are possible

The model knows nothing of pages, locks or logs, nor of the database that it judges (STATE-3).
Source: PostgreSQL 15's documentation, chapter 13.2; Berenson et al. (SIGMOD 1995) for the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from properties.models.steps import (
    Begin,
    BySession,
    ByStatement,
    Checkpoint,
    Commit,
    Delete,
    Insert,
    Kill,
    Leave,
    Level,
    Mode,
    PowerLoss,
    Read,
    Restart,
    Rollback,
    Step,
    Strike,
    Update,
    Vacuum,
)

SERIALIZATION_FAILURE: Final = "40001"
DEADLOCK: Final = "40P01"
IN_FAILED_BLOCK: Final = "25P02"

Rows = tuple[tuple[int, int], ...]
"""(key, value), by key."""

FLUSHED: Final = ("commit-record-flushed", "commit-clog-marked", "commit-proc-array-left")
"""Who is killed here during a synchronous commit has committed, though nobody was told."""
IN_COMMIT: Final = ("commit-record-inserted", *FLUSHED)
IN_CHANGE: Final = ("heap-page-changed", "heap-record-inserted")
IN_CHECKPOINT: Final = (
    "checkpoint-redo-taken",
    "checkpoint-buffers-written",
    "checkpoint-files-synced",
    "checkpoint-record-flushed",
    "checkpoint-control-file-written",
)
IN_RECOVERY: Final = ("recovery-started", "redo-record-applied", "redo-finished")
BACKEND_OF: Final = "backend of "
SURVIVED: Final = ("logger",)
"""The postmaster replaces these, and nobody else notices."""


@dataclass(slots=True, eq=False)
class Transaction:
    """`commits` is its place among all commits, from 1, or 0 while it runs. `seen` is how many
    had committed when its snapshot was taken; None before the first statement.
    """

    level: Level
    commits: int = 0
    seen: int | None = None
    has_written: bool = False
    is_block: bool = True


@dataclass(slots=True)
class Version:
    """What a transaction made of a row; the value is None where it was deleted."""

    maker: Transaction
    value: int | None


@dataclass(slots=True)
class Waiter:
    """A statement that waits, what it has seen, and since when (a number that grows)."""

    session: str
    step: ByStatement
    transaction: Transaction
    seen: int
    since: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What a session hears. Exactly one of: an answer (`tag`, and `rows` where it has some), an
    `error`, that it `waits`, or nothing ever, since the connection `is_lost`.
    """

    session: str
    tag: str | None = None
    rows: tuple[tuple[int, ...], ...] | None = None
    error: str | None = None
    waits: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class _Session:
    transaction: Transaction | None = None
    has_failed: bool = False


@dataclass(slots=True)
class Model:
    """One database with one table. `keys` are those of the rows that are there at the beginning,
    each with the value 0. Synchronous commits or asynchronous ones: all of a run.
    """

    keys: Sequence[int] = (1, 2, 3)
    is_synchronous: bool = True
    chains: dict[int, list[Version]] = field(default_factory=dict)
    waiters: list[Waiter] = field(default_factory=list)
    doubtful: list[Rows] = field(default_factory=list)
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _commits: int = 0
    _waits: int = 0
    _states: list[Rows] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._become(tuple((key, 0) for key in self.keys))

    # what is asked of it -------------------------------------------------------------------------

    def allows(self, step: Step) -> bool:
        """Whether the step makes sense now; if not it is passed over."""
        match step:
            case Kill(whom) if whom.startswith(BACKEND_OF):
                return whom.removeprefix(BACKEND_OF) in self._sessions
            case Kill() | PowerLoss() | Restart() | Vacuum() | Checkpoint():
                return True
        if any(waiter.session == step.session for waiter in self.waiters):
            return False
        session = self._sessions.get(step.session, _Session())
        match step:
            case Begin():
                return session.transaction is None and not session.has_failed
            case Rollback():
                return session.transaction is not None or session.has_failed
            case Commit(_, strike):
                if strike is not None:
                    return self._comes_to(strike.point, session.transaction)
                return session.transaction is not None or session.has_failed
            case Insert(_, key, _, strike):
                return key not in self.chains and (strike is None or not session.has_failed)
            case Update(_, _, _, _, strike) | Delete(_, _, strike):
                return strike is None or self._would_change(step)
            case Leave():
                return step.session in self._sessions
        return True

    def do(self, step: Step) -> list[Heard]:
        """What is heard: first by who does the step, then by those whom it wakes, in their order.

        After a crash there may be several possible states: see `possible` and `resolve`.
        """
        match step:
            case Vacuum() | Checkpoint(None):
                self._flushed_by(step)
                return []
            case Checkpoint() | PowerLoss() | Restart(Mode.IMMEDIATE):
                self._crash(self._states)
                return []
            case Restart():
                self._crash(self._states[-1:])
                return []
            case Kill(whom):
                if whom not in SURVIVED:
                    self._crash(self._states)
                return []
        return list(self._do_in_session(step))

    @property
    def possible(self) -> list[Rows]:
        """What the table may hold, seen from outside: the likeliest first, which is that nothing
        was lost. One, but after a crash that left something in doubt.
        """
        return self.doubtful or [self.committed()]

    def resolve(self, rows: Rows) -> None:
        """This is what was found. ValueError if it is not possible."""
        if rows not in self.possible:
            raise ValueError(f"{rows} is not possible, {self.possible} are")
        if self.doubtful:
            self._become(rows)

    def committed(self) -> Rows:
        """What a new snapshot sees."""
        return self._visible(None, self._commits)

    def waiting(self) -> list[str]:
        """Sessions that wait, the longest first."""
        return [waiter.session for waiter in self.waiters]

    def in_block(self, session: str) -> bool:
        """Whether it is in a transaction block, failed or not."""
        found = self._sessions.get(session)
        return found is not None and (found.transaction is not None or found.has_failed)

    def in_blocks(self) -> list[str]:
        """Sessions that are in a transaction block, failed or not, and do not wait."""
        waiting = self.waiting()
        return [name for name in self._sessions if self.in_block(name) and name not in waiting]

    def held(self) -> list[tuple[int, str]]:
        """Each key whose row a running transaction has changed, with that one's session."""
        return [
            (key, name)
            for key, chain in self.chains.items()
            for name, session in self._sessions.items()
            if session.transaction is chain[-1].maker
        ]

    # sessions ------------------------------------------------------------------------------------

    def _do_in_session(self, step: BySession) -> Iterator[Heard]:
        name = step.session
        session = self._sessions.setdefault(name, _Session())
        match step:
            case Leave():
                self._end(session)
                del self._sessions[name]
            case Begin(_, level):
                session.transaction = Transaction(level)
                yield Heard(name, "BEGIN")
            case Rollback():
                self._end(session)
                yield Heard(name, "ROLLBACK")
            case Commit(_, strike):
                if strike is not None:
                    yield Heard(name, is_lost=True)
                    self._crash_in_commit(session, strike)
                    return
                yield Heard(name, "ROLLBACK" if session.has_failed else "COMMIT")
                if session.transaction is not None:
                    self._commit(session.transaction)
                self._end(session)
            case Read():
                yield self._read(name, session)
            case Insert() | Update() | Delete():
                yield from self._change_in_session(step, session)
        yield from self._wake()

    def _read(self, name: str, session: _Session) -> Heard:
        if session.has_failed:
            return Heard(name, error=IN_FAILED_BLOCK)
        transaction = session.transaction or Transaction(Level.READ_COMMITTED)
        return Heard(name, rows=self._visible(transaction, self._snapshot(transaction)))

    def _change_in_session(self, step: ByStatement, session: _Session) -> Iterator[Heard]:
        if session.has_failed:
            yield Heard(step.session, error=IN_FAILED_BLOCK)
            return
        if step.strike is not None:
            yield Heard(step.session, is_lost=True)
            self._crash(self._states)
            return
        transaction = session.transaction or Transaction(Level.READ_COMMITTED, is_block=False)
        self._waits += 1
        waiter = Waiter(
            step.session, step, transaction, self._snapshot(transaction), since=self._waits
        )
        heard = self._change(waiter)
        if heard is None and self._closes_a_circle(waiter):
            heard = Heard(step.session, error=DEADLOCK)
        if heard is None:
            self.waiters.append(waiter)
            yield Heard(step.session, waits=True)
        else:
            self._answered(waiter, heard)
            yield heard

    def _answered(self, waiter: Waiter, heard: Heard) -> None:
        """A statement is over: by itself it is a transaction, and an error ends one."""
        session, transaction = self._sessions[waiter.session], waiter.transaction
        if heard.error is not None:
            self._abort(transaction)
            session.transaction = None
            session.has_failed = transaction.is_block
        elif not transaction.is_block:
            self._commit(transaction)

    def _end(self, session: _Session) -> None:
        """The session's transaction, if it is not committed by now, has never been."""
        if session.transaction is not None and not session.transaction.commits:
            self._abort(session.transaction)
        session.transaction = None
        session.has_failed = False

    def _wake(self) -> Iterator[Heard]:
        """Who waited for what is over now goes on, first come, first served."""
        is_changed = True
        while is_changed:
            is_changed = False
            for waiter in list(self.waiters):
                heard = self._change(waiter)
                if heard is not None:
                    self.waiters.remove(waiter)
                    self._answered(waiter, heard)
                    yield heard
                    is_changed = True
                    break

    # rows ----------------------------------------------------------------------------------------

    def _snapshot(self, transaction: Transaction) -> int:
        if transaction.level is Level.READ_COMMITTED:
            return self._commits
        if transaction.seen is None:
            transaction.seen = self._commits
        return transaction.seen

    def _seen_version(self, chain: list[Version], me: Transaction | None, seen: int) -> int | None:
        """Where in the chain the version is that this snapshot sees; None: none at all."""
        for at in range(len(chain) - 1, -1, -1):
            maker = chain[at].maker
            if maker is me or 0 < maker.commits <= seen:
                return at
        return None

    def _visible(self, me: Transaction | None, seen: int) -> Rows:
        found = []
        for key in sorted(self.chains):
            chain = self.chains[key]
            at = self._seen_version(chain, me, seen)
            value = None if at is None else chain[at].value
            if value is not None:
                found.append((key, value))
        return tuple(found)

    def _change(self, waiter: Waiter) -> Heard | None:
        """Try the change; None: it must wait."""
        step, me = waiter.step, waiter.transaction
        name = step.session
        if isinstance(step, Insert):
            self.chains[step.key] = [Version(me, step.value)]
            me.has_written = True
            return Heard(name, "INSERT 0 1")
        nothing = Heard(name, f"{_verb(step)} 0")
        chain = self.chains.get(step.key, [])
        at = self._seen_version(chain, me, waiter.seen)
        if at is None or not _fits(step, chain[at].value):
            return nothing
        last = chain[-1]
        if at < len(chain) - 1:
            if not last.maker.commits:
                return None
            if me.level is Level.REPEATABLE_READ:
                return Heard(name, error=SERIALIZATION_FAILURE)
            if not _fits(step, last.value):
                return nothing
        value = None if isinstance(step, Delete) else (last.value or 0) + step.by
        chain.append(Version(me, value))
        me.has_written = True
        if value is None:
            return Heard(name, "DELETE 1")
        return Heard(name, "UPDATE 1", ((value,),))

    def _would_change(self, step: ByStatement) -> bool:
        """Whether the step changes a row at once: then a strike on the way finds somebody."""
        session = self._sessions.get(step.session, _Session())
        if session.has_failed or isinstance(step, Insert):
            return not session.has_failed
        me = session.transaction
        is_old = me is not None and me.level is Level.REPEATABLE_READ and me.seen is not None
        seen = me.seen if is_old and me is not None and me.seen is not None else self._commits
        chain = self.chains.get(step.key, [])
        at = self._seen_version(chain, me, seen)
        return at is not None and at == len(chain) - 1 and _fits(step, chain[at].value)

    def _comes_to(self, point: str, transaction: Transaction | None) -> bool:
        """Whether its commit does: it has something to commit, and waits for the flush."""
        if transaction is None or not transaction.has_written:
            return False
        return self.is_synchronous or point != FLUSHED[0]

    def _closes_a_circle(self, new: Waiter) -> bool:
        """Whether who waits for whom leads back to the one who is about to wait."""
        blocker = self._blocker(new)
        for _ in self.waiters:
            if blocker is new.transaction:
                return True
            found = [one for one in self.waiters if one.transaction is blocker]
            if not found:
                return False
            blocker = self._blocker(found[0])
        return blocker is new.transaction

    def _blocker(self, waiter: Waiter) -> Transaction:
        return self.chains[waiter.step.key][-1].maker

    # ends of transactions, and of everything -----------------------------------------------------

    def _commit(self, transaction: Transaction) -> None:
        if transaction.has_written:
            self._commits += 1
            transaction.commits = self._commits
            if self.is_synchronous:
                self._states.clear()
            self._states.append(self.committed())

    def _abort(self, transaction: Transaction) -> None:
        for key in list(self.chains):
            chain = self.chains[key]
            while chain and chain[-1].maker is transaction:
                chain.pop()
            if not chain:
                del self.chains[key]

    def _flushed_by(self, step: Step) -> None:
        """A checkpoint makes durable whatever was committed before it."""
        if isinstance(step, Checkpoint):
            del self._states[:-1]

    def _crash_in_commit(self, session: _Session, strike: Strike) -> None:
        transaction = session.transaction
        before = list(self._states)
        if transaction is not None:
            self._commit(transaction)
        after = self._states[-1]
        is_certain = self.is_synchronous and strike.point in FLUSHED
        self._crash([after] if is_certain else [*before, after])

    def _crash(self, states: list[Rows]) -> None:
        """Sessions and what they had not committed are gone; one of these states is left."""
        left = list(dict.fromkeys(reversed(states)))
        self._become(left[0])
        self.doubtful = left if len(left) > 1 else []

    def _become(self, rows: Rows) -> None:
        """Begin anew, with these rows and nothing else."""
        ancient = Transaction(Level.READ_COMMITTED, commits=1)
        self.chains = {key: [Version(ancient, value)] for key, value in rows}
        self._commits = 1
        self.waiters = []
        self._sessions = {}
        self.doubtful = []
        self._states = [rows]


def _verb(step: Update | Delete) -> str:
    return "UPDATE" if isinstance(step, Update) else "DELETE"


def _fits(step: Update | Delete, value: int | None) -> bool:
    """Whether the row is there, and is as the condition wants it."""
    if value is None:
        return False
    return not isinstance(step, Update) or step.below is None or value < step.below
