"""What scenarios with children have in common."""

from __future__ import annotations

from engine.host.api import ChildExit, Host


def reap_children(host: Host, count: int) -> list[ChildExit]:
    """The next `count` children that end, in the order in which they are reaped."""
    ended = host.reap()
    while len(ended) < count:
        host.wait(1000)
        ended += host.reap()
    return ended


def exit_statuses(host: Host, count: int) -> list[int | None]:
    """The exit statuses of the next `count` children that end, None for one that was killed."""
    return [ended.status for ended in reap_children(host, count)]


def receive_all(host: Host, fd: int) -> bytes:
    """What comes out of a pipe or socket until its end."""
    parts: list[bytes] = []
    while True:
        try:
            part = host.receive(fd, 4096)
        except BlockingIOError:
            host.wait(1000, read=[fd])
            continue
        if not part:
            return b"".join(parts)
        parts.append(part)
