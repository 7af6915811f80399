"""The way in. Ctrl-C, SIGTERM and SIGHUP end whatever is under way in order, from the first moment
on: so the handlers are there before anything that takes long to import, which is everything else.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""Exit status, as a shell has it for Ctrl-C."""


class Interrupted(BaseException):
    """One of the signals came. No KeyboardInterrupt, since libraries have their ways with that."""


def main() -> None:
    """`chaos` with the arguments of the process; leaves by SystemExit."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    forget_libpq_settings()
    try:
        from chaos.cli.commands import commands

        commands()
    except Interrupted:
        sys.stderr.write("interrupted: everything was stopped and removed\n")
        sys.exit(INTERRUPTED)
    finally:
        _ignore()


def forget_libpq_settings() -> None:
    """What libpq would take from PGOPTIONS, PGTZ and the like is no part of what a seed decides."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """A second one is not needed, and would only disturb the cleaning up."""
    _ignore()
    raise Interrupted


def _ignore() -> None:
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
