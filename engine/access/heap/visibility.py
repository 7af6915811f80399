"""Who sees a row version: the questions about xmin and xmax, and the hint bits that keep answers.

    satisfies_mvcc     may a reader with this snapshot see it?
    satisfies_update   may this command change it, must it wait, or is it too late?
    satisfies_vacuum   may it be removed?

Each works on the 32-bit words of a page, or of a copy of one; `base` is the index of the tuple's
first word (tuples are aligned to 8). What a hint bit would say is looked up in the commit log once,
then stored in the tuple. The order of the questions matters (MVCC-2): first "is it in progress?" or
"was it when the snapshot was taken?", then "did it commit?", because an xid leaves the proc array
only after its outcome is in the commit log.

Source: PostgreSQL 15, `access/heap/heapam_visibility.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from engine.access.heap.tuple import (
    COMBO_CID,
    LOCK_MASK,
    XMAX_COMMITTED,
    XMAX_EXCL_LOCK,
    XMAX_INVALID,
    XMAX_IS_MULTI,
    XMAX_LOCK_ONLY,
    XMIN_COMMITTED,
    XMIN_FROZEN,
    XMIN_INVALID,
)
from engine.errors import check
from engine.transaction.clog import ABORTED, COMMITTED
from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import Transactions
from engine.types import FIRST_NORMAL_XID

# Word of a tuple, counted from its first.
XMAX_WORD: Final = 1
CID_WORD: Final = 2
CTID_BLOCK_WORD: Final = 3
MASK_WORD: Final = 5
"""infomask in the low half, hoff in the byte above."""

_SETTLED: Final = XMIN_COMMITTED | XMIN_INVALID | XMAX_INVALID
_SETTLED_LIVE: Final = XMIN_COMMITTED | XMAX_INVALID
_FROZEN_LIVE: Final = XMIN_FROZEN | XMAX_INVALID
_REMEMBERED_OUTCOMES: Final = 8192
_NO_XID: Final = -1
"""Equal to no xid that a tuple has."""

Hint = tuple[int, int]
"""A hint bit to store: (word index of the tuple, bit)."""


class TupleUpdate(Enum):
    """What became of an attempt to change a row version (`TM_Result`)."""

    OK = "ok"
    INVISIBLE = "invisible"
    SELF_MODIFIED = "self modified"
    UPDATED = "updated"
    DELETED = "deleted"
    BEING_MODIFIED = "being modified"


class TupleState(Enum):
    """What VACUUM thinks of a row version (`HTSV_Result`)."""

    DEAD = "dead"
    LIVE = "live"
    RECENTLY_DEAD = "recently dead"
    INSERT_IN_PROGRESS = "insert in progress"
    DELETE_IN_PROGRESS = "delete in progress"


class VisibilityClog(Protocol):
    """What visibility asks of the commit log."""

    def status(self, xid: int) -> int: ...

    def commit_lsn(self, xid: int) -> int:
        """The WAL position that must be flushed before anybody may rely on the commit on disk; 0 if
        that is done."""


def is_locked_only(mask: int) -> bool:
    """Whether xmax only locked the tuple (`HEAP_XMAX_IS_LOCKED_ONLY`)."""
    return mask & XMAX_LOCK_ONLY != 0 or mask & (XMAX_IS_MULTI | LOCK_MASK) == XMAX_EXCL_LOCK


class Visibility:
    """Answers for one process. `flushed_lsn` tells how far the WAL is on disk.

    The methods note in `hints` which hint bits they found worth storing, and store them in the
    words that they were given; the caller marks the page dirty as hinted if there are any and the
    words are a page's own. `page_lsn` must be set to the page's LSN before (0 is always safe).
    """

    def __init__(
        self,
        transactions: Transactions,
        clog: VisibilityClog,
        flushed_lsn: Callable[[], int],
    ) -> None:
        self._transactions = transactions
        self._combo = transactions.combo_cids
        self._is_in_progress = transactions.proc_array.is_in_progress
        self._clog = clog
        self._flushed_lsn = flushed_lsn
        self._outcomes: dict[int, bool] = {}
        self.hints: list[Hint] = []
        self.page_lsn = 0

    # facts ----------------------------------------------------------------------------------------

    def did_commit(self, xid: int) -> bool:
        """Whether a transaction that has ended committed; one that a crash ended did not."""
        outcome = self._outcomes.get(xid)
        if outcome is None:
            if xid < FIRST_NORMAL_XID:
                return xid != 0
            status = self._clog.status(xid)
            outcome = status == COMMITTED
            if outcome or status == ABORTED:
                # An outcome never changes. (In progress may just mean a crash, and is asked again.)
                if len(self._outcomes) >= _REMEMBERED_OUTCOMES:
                    self._outcomes.clear()
                self._outcomes[xid] = outcome
        return outcome

    def cmin(self, words: memoryview, base: int, mask: int) -> int:
        """The command that inserted the tuple; only for this transaction's own."""
        command = int(words[base + CID_WORD])
        return self._combo.cmin(command) if mask & COMBO_CID else command

    def cmax(self, words: memoryview, base: int, mask: int) -> int:
        """The command that deleted the tuple; only if this transaction did."""
        command = int(words[base + CID_WORD])
        return self._combo.cmax(command) if mask & COMBO_CID else command

    def _hint(self, words: memoryview, base: int, bit: int, committed_xid: int = 0) -> None:
        """Store a hint bit (`SetHintBits`).

        HEAP-3: that `committed_xid` committed may be stored only if the page cannot reach the disk
        before the commit record does: that is flushed, or the page's own LSN lies behind it.
        """
        if committed_xid >= FIRST_NORMAL_XID:
            lsn = self._clog.commit_lsn(committed_xid)
            if lsn > self.page_lsn and lsn > self._flushed_lsn():
                return
        words[base + MASK_WORD] |= bit
        self.hints.append((base, bit))

    # a reader with a snapshot ---------------------------------------------------------------------

    def visible_items(
        self, words: memoryview, line_pointers: list[int], snapshot: Snapshot
    ) -> list[int]:
        """Of a page's line pointers, the offset numbers of the tuples that the snapshot sees."""
        seen: list[int] = []
        add = seen.append
        xmin = snapshot.xmin
        slow = self.satisfies_mvcc
        number = 0
        for pointer in line_pointers:
            number += 1
            if pointer & 0x18000 != 0x8000:
                continue
            base = (pointer & 0x7FFF) >> 2
            mask = words[base + 5] & _SETTLED
            # Both fast ways out are cases of `satisfies_mvcc`, spelled out because nearly all
            # tuples of nearly all scans take them.
            if mask == _SETTLED_LIVE:
                if (words[base] - xmin) & 0xFFFFFFFF >= 0x80000000:
                    add(number)
                    continue
            elif mask == _FROZEN_LIVE:
                add(number)
                continue
            elif mask & XMIN_FROZEN == XMIN_INVALID:
                continue
            if slow(words, base, snapshot):
                add(number)
        return seen

    def satisfies_mvcc(self, words: memoryview, base: int, snapshot: Snapshot) -> bool:
        """Whether the snapshot sees the tuple (`HeapTupleSatisfiesMVCC`)."""
        mask = words[base + MASK_WORD]
        own_xid = self._transactions.xid or _NO_XID
        if not mask & XMIN_COMMITTED:
            if mask & XMIN_INVALID:
                return False
            xmin = words[base]
            if xmin == own_xid:
                return self._own_is_visible(words, base, mask, snapshot)
            if snapshot.is_running(xmin):
                return False
            if not self.did_commit(xmin):
                self._hint(words, base, XMIN_INVALID)
                return False
            self._hint(words, base, XMIN_COMMITTED, xmin)
        elif not mask & XMIN_INVALID and snapshot.is_running(words[base]):
            return False
        # From here on the insertion is seen.
        if mask & XMAX_INVALID or is_locked_only(mask):
            return True
        _check_no_multi(mask)
        xmax = words[base + XMAX_WORD]
        if mask & XMAX_COMMITTED:
            return snapshot.is_running(xmax)
        if xmax == own_xid:
            return self.cmax(words, base, mask) >= snapshot.command_id
        if snapshot.is_running(xmax):
            return True
        if not self.did_commit(xmax):
            self._hint(words, base, XMAX_INVALID)
            return True
        self._hint(words, base, XMAX_COMMITTED, xmax)
        return False

    def _own_is_visible(self, words: memoryview, base: int, mask: int, snapshot: Snapshot) -> bool:
        if self.cmin(words, base, mask) >= snapshot.command_id:
            return False
        if mask & XMAX_INVALID or is_locked_only(mask):
            return True
        _check_no_multi(mask)
        if words[base + XMAX_WORD] != words[base]:
            self._hint(words, base, XMAX_INVALID)
            return True
        return self.cmax(words, base, mask) >= snapshot.command_id

    # a command that changes the tuple -------------------------------------------------------------

    def satisfies_update(
        self, words: memoryview, base: int, command_id: int, *, is_latest: bool
    ) -> TupleUpdate:
        """Whether the running command may change the tuple (`HeapTupleSatisfiesUpdate`).

        `is_latest`: the ctid points at the tuple itself, so there is no newer version. The page is
        locked, and `words` are its own.
        """
        mask = words[base + MASK_WORD]
        own_xid = self._transactions.xid or _NO_XID
        xmax = words[base + XMAX_WORD]
        if not mask & XMIN_COMMITTED:
            if mask & XMIN_INVALID:
                return TupleUpdate.INVISIBLE
            xmin = words[base]
            if xmin == own_xid:
                return self._own_update(words, base, mask, command_id)
            if self._is_in_progress(xmin):
                return TupleUpdate.INVISIBLE
            if not self.did_commit(xmin):
                self._hint(words, base, XMIN_INVALID)
                return TupleUpdate.INVISIBLE
            self._hint(words, base, XMIN_COMMITTED, xmin)
        if mask & XMAX_INVALID:
            return TupleUpdate.OK
        gone = TupleUpdate.DELETED if is_latest else TupleUpdate.UPDATED
        locked_only = is_locked_only(mask)
        if mask & XMAX_COMMITTED:
            return TupleUpdate.OK if locked_only else gone
        _check_no_multi(mask)
        if xmax == own_xid:
            if locked_only:
                return TupleUpdate.BEING_MODIFIED
            return self._after_own_change(words, base, mask, command_id)
        if self._is_in_progress(xmax):
            return TupleUpdate.BEING_MODIFIED
        if locked_only or not self.did_commit(xmax):
            self._hint(words, base, XMAX_INVALID)
            return TupleUpdate.OK
        self._hint(words, base, XMAX_COMMITTED, xmax)
        return gone

    def _own_update(self, words: memoryview, base: int, mask: int, command_id: int) -> TupleUpdate:
        """The tuple was inserted by this transaction."""
        if self.cmin(words, base, mask) >= command_id:
            return TupleUpdate.INVISIBLE
        if mask & XMAX_INVALID:
            return TupleUpdate.OK
        _check_no_multi(mask)
        xmax = words[base + XMAX_WORD]
        if is_locked_only(mask):
            in_progress = xmax == words[base] or self._is_in_progress(xmax)
            return TupleUpdate.BEING_MODIFIED if in_progress else TupleUpdate.OK
        if xmax != words[base]:
            self._hint(words, base, XMAX_INVALID)
            return TupleUpdate.OK
        return self._after_own_change(words, base, mask, command_id)

    def _after_own_change(
        self, words: memoryview, base: int, mask: int, command_id: int
    ) -> TupleUpdate:
        """This transaction has changed it: in this command, or before it began?"""
        if self.cmax(words, base, mask) >= command_id:
            return TupleUpdate.SELF_MODIFIED
        return TupleUpdate.INVISIBLE

    # removal --------------------------------------------------------------------------------------

    def satisfies_vacuum(self, words: memoryview, base: int, oldest_xid: int) -> TupleState:
        """Whether the tuple may be removed: DEAD means nobody can see it any more
        (`HeapTupleSatisfiesVacuum`). `oldest_xid` is the horizon."""
        mask = words[base + MASK_WORD]
        if not mask & XMIN_COMMITTED:
            if mask & XMIN_INVALID:
                return TupleState.DEAD
            xmin = words[base]
            if self._is_in_progress(xmin):
                is_deleted = not mask & XMAX_INVALID and not is_locked_only(mask)
                if is_deleted and words[base + XMAX_WORD] == self._transactions.xid:
                    return TupleState.DELETE_IN_PROGRESS
                return TupleState.INSERT_IN_PROGRESS
            if not self.did_commit(xmin):
                self._hint(words, base, XMIN_INVALID)
                return TupleState.DEAD
            self._hint(words, base, XMIN_COMMITTED, xmin)
        if mask & XMAX_INVALID:
            return TupleState.LIVE
        xmax = words[base + XMAX_WORD]
        if is_locked_only(mask):
            if not mask & XMAX_COMMITTED and not self._is_in_progress(xmax):
                self._hint(words, base, XMAX_INVALID)
            return TupleState.LIVE
        _check_no_multi(mask)
        if not mask & XMAX_COMMITTED:
            if self._is_in_progress(xmax):
                return TupleState.DELETE_IN_PROGRESS
            if not self.did_commit(xmax):
                self._hint(words, base, XMAX_INVALID)
                return TupleState.LIVE
            self._hint(words, base, XMAX_COMMITTED, xmax)
        if (xmax - oldest_xid) & 0xFFFFFFFF >= 0x80000000:
            return TupleState.DEAD
        return TupleState.RECENTLY_DEAD


def _check_no_multi(mask: int) -> None:
    check(not mask & XMAX_IS_MULTI, "HEAP-9", "xmax is a multixact, which nothing here makes")
