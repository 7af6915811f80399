"""xmin and xmax against the commit log and the horizons. After an orderly shutdown only.

STATUS-3  No xid in a row is the next one or later.
STATUS-4  No xid in a row is older than its relation's relfrozenxid, unless the row is frozen; no
          multixact is older than relminmxid, or the next one or later.
STATUS-5  xmin is marked as committed, or frozen, only if it committed.
STATUS-6  xmin is marked as invalid only if it did not commit.
STATUS-7  xmax is marked as committed only if it committed.
STATUS-8  xmax is marked as invalid only if it did not commit, or was a mere lock.

Source: PostgreSQL 15, `access/heap/heapam_visibility.c` (SetHintBits), `access/heap/heapam.c`
(heap_prepare_freeze_tuple), `contrib/amcheck/verify_heapam.c` (check_tuple_visibility).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from properties.invariants.clog import (
    COMMITTED,
    FIRST_NORMAL,
    STATUS,
    UNKNOWN,
    CommitLog,
)
from properties.invariants.control import Control
from properties.invariants.heap_batch import Batch
from properties.invariants.pages import Bools, Ints
from properties.invariants.tuples import (
    XMAX_COMMITTED,
    XMAX_INVALID,
    XMAX_IS_MULTI,
    XMIN_COMMITTED,
    XMIN_FROZEN,
    XMIN_INVALID,
    is_locked_only,
)


@dataclass(slots=True)
class Fates:
    """What became of the xids of a batch's tuples.

    xmin, xmax: statuses (clog.py); of xmax only where it is an xid that changed the row.
    is_frozen: whatever the commit log says of xmin.  changed: xmax is an xid, not a multixact, and
    not a mere lock, whatever the hint bits say of it.
    """

    xmin: Ints
    xmax: Ints
    is_frozen: Bools
    changed: Bools

    @property
    def is_made(self) -> Bools:
        """The version came to be."""
        made: Bools = self.is_frozen | (self.xmin == COMMITTED)
        return made

    @property
    def is_ended(self) -> Bools:
        """An xid that committed updated or deleted it."""
        ended: Bools = self.changed & (self.xmax == COMMITTED)
        return ended


def fates(batch: Batch, log: CommitLog) -> Fates:
    """Ask the commit log about each xid of a batch once."""
    tuples = batch.tuples
    mask = tuples.infomask
    multi = mask & XMAX_IS_MULTI != 0
    asked, places = np.unique(np.concatenate([tuples.xmin, tuples.xmax]), return_inverse=True)
    answered = log.statuses(asked)[places.reshape(-1)]
    count = len(tuples.xmin)
    batch.findings.looked_at["xids"] += len(asked)
    batch.findings.skipped["xmax: members of multixacts"] += int(np.count_nonzero(multi))
    return Fates(
        answered[:count],
        answered[count:],
        mask & XMIN_FROZEN == XMIN_FROZEN,
        (tuples.xmax != 0) & ~multi & ~is_locked_only(mask),
    )


def check_xids(batch: Batch, fate: Fates, control: Control) -> None:
    """All of STATUS-3 to STATUS-8."""
    tuples = batch.tuples
    mask = tuples.infomask
    multi = mask & XMAX_IS_MULTI != 0
    _check_bounds(batch, fate, control, multi)
    xmin_normal = tuples.xmin >= FIRST_NORMAL
    # What was frozen long ago is no longer in the commit log.
    in_log = ~fate.is_frozen | ~_precede(tuples.xmin, np.int64(control.oldest_xid))
    hinted = (mask & XMIN_COMMITTED != 0) & xmin_normal & in_log
    _tell(batch, "STATUS-5", hinted & (fate.xmin != COMMITTED), "xmin", "committed", fate.xmin)
    hinted = mask & XMIN_FROZEN == XMIN_INVALID
    _tell(batch, "STATUS-6", hinted & (fate.xmin == COMMITTED), "xmin", "invalid", fate.xmin)
    xmax_normal = ~multi & (tuples.xmax >= FIRST_NORMAL)
    hinted = (mask & XMAX_COMMITTED != 0) & xmax_normal
    _tell(batch, "STATUS-7", hinted & (fate.xmax != COMMITTED), "xmax", "committed", fate.xmax)
    hinted = (mask & XMAX_INVALID != 0) & xmax_normal & fate.changed
    _tell(batch, "STATUS-8", hinted & (fate.xmax == COMMITTED), "xmax", "invalid", fate.xmax)


def _check_bounds(batch: Batch, fate: Fates, control: Control, multi: Bools) -> None:
    """STATUS-3 and STATUS-4."""
    tuples = batch.tuples
    fork = batch.fork_of
    frozen_xid = np.array([one.frozen_xid for one in batch.forks], dtype=np.int64)[fork]
    min_multi = np.array([one.min_multi for one in batch.forks], dtype=np.int64)[fork]
    next_xid = np.int64(control.next_xid)
    xmax_is_xid = ~multi
    for name, xid, counts, may_be_old in (
        ("xmin", tuples.xmin, tuples.xmin >= FIRST_NORMAL, fate.is_frozen),
        ("xmax", tuples.xmax, xmax_is_xid & (tuples.xmax >= FIRST_NORMAL), None),
    ):
        late = counts & ~_precede(xid, next_xid)
        if may_be_old is not None:
            late &= ~may_be_old
        if late.any():
            batch.complain_of(
                "STATUS-3",
                np.flatnonzero(late),
                lambda at, name=name, xid=xid: (
                    f"its {name} is {xid[at]}, and the next xid {next_xid}"
                ),  # type: ignore[misc]
            )
        old = counts & (frozen_xid >= FIRST_NORMAL) & _precede(xid, frozen_xid)
        if may_be_old is not None:
            old &= ~may_be_old
        if old.any():
            batch.complain_of(
                "STATUS-4",
                np.flatnonzero(old),
                lambda at, name=name, xid=xid: (  # type: ignore[misc]
                    f"its {name} is {xid[at]}, older than relfrozenxid {frozen_xid[at]}"
                ),
            )
    wrong = multi & (tuples.xmax != 0)
    wrong &= ~_precede(tuples.xmax, np.int64(control.next_multi)) | (
        (min_multi > 0) & _precede(tuples.xmax, min_multi)
    )
    if wrong.any():
        batch.complain_of(
            "STATUS-4",
            np.flatnonzero(wrong),
            lambda at: (
                f"its xmax is the multixact {tuples.xmax[at]}; relminmxid is {min_multi[at]}, "
                f"the next one {control.next_multi}"
            ),
        )


def _precede(xids: Ints, others: Ints | np.int64) -> Bools:
    """As `precedes` of control.py, for arrays."""
    before: Bools = (xids - others) & 0x80000000 != 0
    return before


def _tell(
    batch: Batch, invariant: str, wrong: Bools, name: str, marked: str, statuses: Ints
) -> None:
    if not wrong.any():
        return
    xids = batch.tuples.xmin if name == "xmin" else batch.tuples.xmax

    def say(at: int) -> str:
        status = STATUS[statuses[at]]
        is_ = status if statuses[at] == UNKNOWN else f"{status} in the commit log"
        return f"its {name} {xids[at]} is marked as {marked}, and is {is_}"

    batch.complain_of(invariant, np.flatnonzero(wrong), say)
