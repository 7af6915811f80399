"""What a crash may take with it when `synchronous_commit` is off.

A server then answers COMMIT before the commit record is on disk, and may lose, in a crash, what it
acknowledged within three times `wal_writer_delay` before (and a little more, on a busy machine).
What is lost is the end of the WAL: nothing that came after a lost transaction is left.
"""

from __future__ import annotations

import re
from typing import Any, Final

from chaos.history import Event
from chaos.suffix import is_asynchronous

SLACK_US: Final = 1_000_000
DEFAULT_DELAY_US: Final = 200_000
HARMLESS: Final = frozenset({"logger"})
"""Killed, these take nothing with them."""


def forgiven_us(settings: dict[str, str]) -> int | None:
    """How long before a crash an acknowledgement is worth nothing; None: it is always worth all."""
    if not is_asynchronous(settings):
        return None
    found = re.fullmatch(r"(\d+)\s*(us|ms|s)?", settings.get("wal_writer_delay", ""))
    units = {"us": 1, "ms": 1000, None: 1000, "s": 1_000_000}
    delay_us = int(found[1]) * units[found[2]] if found else DEFAULT_DELAY_US
    return 3 * delay_us + SLACK_US


def may_lose(begin: Event) -> bool:
    """Whether the run that begins so has asynchronous commits."""
    return forgiven_us(begin.value.get("settings", {})) is not None


def is_crash(told: dict[str, Any]) -> bool:
    """Whether all processes that share memory have ended, by the value of the event `reaction`:
    a fault killed one of them, or the server gave itself up, as it may when a disk fails.
    """
    seen = told["reaction"]
    is_restarted = "crash_restart" in seen["marks"] or seen.get("launches") or seen.get("replay")
    return bool(told["strike"]["kills"].keys() - HARMLESS or is_restarted)
