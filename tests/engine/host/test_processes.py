"""Processes of the real host: what a failed fork leaves."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from engine.host.real import RealHost


def test_a_fork_that_fails_leaves_signals_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", no_more)
    with pytest.raises(OSError, match="temporarily unavailable"):
        RealHost(str(tmp_path)).fork("backend", 0, lambda: None)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
