"""What one process does to the files of the data directory, written down as it is done.

IOLOG-1  An operation is in the log exactly when it has had its effect, with what it really did: a
         short write with the bytes that went through, a lost one not at all.
IOLOG-2  Operations stand in the order of their effects. Only who has the turn makes calls, and an
         effect and its line are not interrupted by anybody's turn.
IOLOG-3  The log changes nothing: it takes no step, and nobody in the world can read it.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Final

from chaos.disk.log import LogWriter
from chaos.disk.operations import Kind
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import ROLES
from chaos.scheduler.layout import ROLE, STEP
from engine.host.api import Host

_HOST_PACKAGE: Final = os.path.dirname(sys.modules[Host.__module__].__file__ or "")
_ENGINE_PACKAGE: Final = os.path.dirname(_HOST_PACKAGE)
_SOURCE_ROOT: Final = os.path.dirname(_ENGINE_PACKAGE)


class IoLog:
    """One process's end of the log. A forked child goes on with its copy."""

    def __init__(self, path: str, baton: Baton) -> None:
        self._writer = LogWriter(path)
        self._baton = baton
        self._functions: dict[CodeType, str] = {}
        self._sites: dict[tuple[CodeType, int], str] = {}

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
            self._site(),
            ROLES[baton.fields[ROLE][baton.slot]],
        )

    def _site(self) -> str:
        """Where the engine makes the call: its innermost frame outside its own door."""
        functions = self._functions
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            function = functions.get(code)
            if function is None:
                function = functions[code] = _name_in_engine(code)
            if function:
                place = code, frame.f_lineno
                site = self._sites.get(place)
                if site is None:
                    site = self._sites[place] = f"{function}:{frame.f_lineno}"
                return site
            frame = frame.f_back
        return ""


def _name_in_engine(code: CodeType) -> str:
    """`engine/wal/flush.py: WalFlusher.flush`; nothing for code that is not the engine's."""
    path = code.co_filename
    if not path.startswith(f"{_ENGINE_PACKAGE}/") or path.startswith(f"{_HOST_PACKAGE}/"):
        return ""
    return f"{path[len(_SOURCE_ROOT) + 1 :]}: {code.co_qualname}"
