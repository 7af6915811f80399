"""Where in the engine a call through the door is made, for whoever reads of it later."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Final

from engine.host.api import Host

_HOST_PACKAGE: Final = os.path.dirname(sys.modules[Host.__module__].__file__ or "")
_ENGINE_PACKAGE: Final = os.path.dirname(_HOST_PACKAGE)
_SOURCE_ROOT: Final = os.path.dirname(_ENGINE_PACKAGE)


class CallSites:
    """Names the caller's place; what it has once named it remembers."""

    def __init__(self) -> None:
        self._functions: dict[CodeType, str] = {}
        self._sites: dict[tuple[CodeType, int], str] = {}

    def innermost(self) -> str:
        """Where the engine makes the call: its innermost frame outside its own door."""
        functions = self._functions
        frame: FrameType | None = sys._getframe(1)
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
