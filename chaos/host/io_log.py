"""What one process does to the files of the data directory, written down as it is done.

IOLOG-1  An operation is in the log exactly when it has had its effect, with what it really did: a
         short write with the bytes that went through, a lost one not at all.
IOLOG-2  Operations stand in the order of their effects. Only who has the turn makes calls, and an
         effect and its line are not interrupted by anybody's turn.
IOLOG-3  The log changes nothing: it takes no step, and nobody in the world can read it.
"""

from __future__ import annotations

from chaos.disk.log import LogWriter
from chaos.disk.operations import Kind
from chaos.host.call_sites import CallSites
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import ROLES
from chaos.scheduler.layout import ROLE, STEP


class IoLog:
    """One process's end of the log. A forked child goes on with its copy."""

    def __init__(self, path: str, baton: Baton) -> None:
        self._writer = LogWriter(path)
        self._baton = baton
        self._sites = CallSites()

    def note(
        self,
        kind: Kind,
        inode: int,
        path: str,
        *,
        offset: int = 0,
        other: str = "",
        data: bytes | bytearray | memoryview = b"",
    ) -> None:
        """This process has done so; `path` and `other` are relative to the data directory."""
        baton = self._baton
        self._writer.append(
            kind,
            int(baton.words[STEP]),
            inode,
            offset,
            path,
            other,
            data,
            self._sites.innermost(),
            ROLES[baton.fields[ROLE][baton.slot]],
        )
