"""Who does one thing after the other sees its own doings, and does not go back in time.

Of each thing that has versions (`seen_versions.py`) a session, which is one process of the history,
has seen a latest one in its committed transactions, or made it. After that

- *read your writes*: it reads no version before the one that it made;
- *monotonic reads*: nor one before the one that it read;
- *monotonic writes*: what it writes comes after what it has written;
- *writes follow reads*: and after what it has read.

A snapshot is taken after the transaction has begun, and what a session has done was acknowledged by
then: so all four hold under both isolation levels, whatever crashes in between. A crash that may
take back what was acknowledged (`asynchronous.py`) begins everything anew.

Source: Terry et al., "Session guarantees for weakly consistent replicated data" (PDIS 1994).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chaos.history import Event, Process
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash, may_lose
from properties.checkers.seen_versions import Seen, Thing, versions_in


class _Known(NamedTuple):
    """The latest version of a thing that a session knows; -1: none."""

    read: int = -1
    made: int = -1
    event: int = -1


class SessionOrder:
    """See the head of this file."""

    name = "session_order"

    def __init__(self) -> None:
        self._known: dict[Process, dict[Thing, _Known]] = {}
        self._is_asynchronous = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Judge each transaction as it is known to be committed."""
        if event.type == "ok":
            known = self._known.setdefault(event.process, {})
            for seen in versions_in(event):
                before = known.get(seen.thing, _Known())
                if (kind := _broken(seen, before)) is not None:
                    yield self._violation(event, seen, before, kind)
                known[seen.thing] = _after(seen, before, event.index)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._known.clear()

    def _violation(self, event: Event, seen: Seen, before: _Known, kind: str) -> Violation:
        did = "made" if seen.is_write else "read"
        had = "made" if kind in ("read your writes", "monotonic writes") else "read"
        known = before.made if had == "made" else before.read
        message = (
            f"{kind}: process {event.process} {did} version {seen.version} of {seen.thing} after it"
            f" had {had} version {known}"
        )
        return Violation(self.name, message, {"event": event.index, "before": before.event}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()


def _broken(seen: Seen, before: _Known) -> str | None:
    """Which of the four is broken."""
    if seen.is_write:
        if seen.version <= before.made:
            return "monotonic writes"
        return "writes follow reads" if seen.version <= before.read else None
    if seen.version < before.made:
        return "read your writes"
    return "monotonic reads" if seen.version < before.read else None


def _after(seen: Seen, before: _Known, event: int) -> _Known:
    if seen.is_write:
        return _Known(before.read, max(before.made, seen.version), event)
    return _Known(max(before.read, seen.version), before.made, event)
