"""The commit log, pg_xact: two bits for each xid.

STATUS-1  The commit log has a page for every xid from the oldest to the next.
STATUS-2  The bits from the next xid on are zero.

Source: PostgreSQL 15, `access/transam/clog.c` (TrimCLOG), `access/transam/slru.c`.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from properties.invariants.control import Control
from properties.invariants.directory import Directory
from properties.invariants.pages import PAGE, Ints
from properties.invariants.report import Findings

DIRECTORY: Final = "pg_xact"
XIDS_PER_PAGE: Final = PAGE * 4
PAGES_PER_SEGMENT: Final = 32
XIDS_PER_SEGMENT: Final = XIDS_PER_PAGE * PAGES_PER_SEGMENT
IN_PROGRESS: Final = 0
COMMITTED: Final = 1
ABORTED: Final = 2
SUB_COMMITTED: Final = 3
UNKNOWN: Final = 4
"""The commit log has no such page."""
STATUS: Final = ("in progress", "committed", "aborted", "sub-committed", "not in the commit log")
FIRST_NORMAL: Final = 3
_SEGMENT: Final = re.compile(r"[0-9A-F]{4,6}")


class CommitLog:
    """The statuses of all xids. After an orderly shutdown "in progress" means aborted, or prepared
    for a commit in two phases.
    """

    def __init__(self, directory: Directory) -> None:
        self._segments: dict[int, npt.NDArray[np.uint8]] = {}
        for name in directory.names(DIRECTORY):
            data = directory.read(f"{DIRECTORY}/{name}") if _SEGMENT.fullmatch(name) else None
            if data is not None:
                self._segments[int(name, 16)] = np.frombuffer(data, dtype=np.uint8)

    def statuses(self, xids: Ints) -> Ints:
        """The status of each xid; those below 3 have always been committed, but 0 is nobody's."""
        found = np.full(len(xids), UNKNOWN, dtype=np.int64)
        segments, within = np.divmod(xids, XIDS_PER_SEGMENT)
        for number, data in self._segments.items():
            here = np.flatnonzero((segments == number) & (within // 4 < len(data)))
            if len(here):
                at = within[here]
                found[here] = data[at // 4] >> (2 * (at % 4)) & 3
        found[xids < FIRST_NORMAL] = COMMITTED
        found[xids == 0] = ABORTED
        return found

    def check(self, control: Control, findings: Findings) -> None:
        """STATUS-1 and STATUS-2."""
        findings.looked_at["commit log segments"] += len(self._segments)
        first = control.oldest_xid // XIDS_PER_PAGE
        last = ((control.next_xid - 1) & 0xFFFFFFFF) // XIDS_PER_PAGE
        pages_in_all = (1 << 32) // XIDS_PER_PAGE
        count = (last - first) % pages_in_all + 1
        for page in (np.arange(first, first + count) % pages_in_all).tolist():
            segment, within = divmod(page, PAGES_PER_SEGMENT)
            data = self._segments.get(segment)
            if data is None or len(data) < (within + 1) * PAGE:
                said = f"there is no page for the xids from {page * XIDS_PER_PAGE} on"
                findings.add("STATUS-1", f"{DIRECTORY}/{segment:04X}", said, within)
        self._check_the_future(control, findings)

    def _check_the_future(self, control: Control, findings: Findings) -> None:
        """To the end of the page of the next xid; what is on later ones is not read before it is
        made anew.
        """
        segment, within = divmod(control.next_xid, XIDS_PER_SEGMENT)
        page = within // XIDS_PER_PAGE
        data = self._segments.get(segment)
        if data is None or len(data) < (page + 1) * PAGE:
            return
        ahead = XIDS_PER_PAGE - within % XIDS_PER_PAGE
        xids = control.next_xid + np.arange(ahead, dtype=np.int64)
        statuses = self.statuses(xids)
        for at in np.flatnonzero(statuses)[:3].tolist():
            said = (
                f"xid {xids[at]} is {STATUS[statuses[at]]}, and the next xid is {control.next_xid}"
            )
            findings.add("STATUS-2", f"{DIRECTORY}/{segment:04X}", said, page)
