"""Which processes a server has, by role, told from their titles.

Reading this is cheap enough for a loop of one millisecond: one small file lists the postmaster's
children, and a child's title is read until it has one.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import Final

from chaos.targets.launcher import children_of


class Role(StrEnum):
    """What a process of the server is."""

    POSTMASTER = "postmaster"
    BACKEND = "backend"
    CHECKPOINTER = "checkpointer"
    BGWRITER = "bgwriter"
    WALWRITER = "walwriter"
    LOGGER = "logger"
    STARTUP = "startup"
    OTHER = "other"
    NEWBORN = "newborn"


TITLES: Final = {
    "checkpointer": Role.CHECKPOINTER,
    "background writer": Role.BGWRITER,
    "walwriter": Role.WALWRITER,
    "logger": Role.LOGGER,
    "startup": Role.STARTUP,
    "archiver": Role.OTHER,
    "autovacuum launcher": Role.OTHER,
    "autovacuum worker": Role.OTHER,
    "logical replication launcher": Role.OTHER,
    "walsender": Role.OTHER,
    "walreceiver": Role.OTHER,
}
PREFIX: Final = "postgres: "


def role_of_title(title: str) -> Role:
    """The role that a process title names; NEWBORN while it is still its parent's."""
    if not title.startswith(PREFIX):
        return Role.NEWBORN
    rest = title[len(PREFIX) :].strip()
    for name, role in TITLES.items():
        if rest == name or rest.startswith(name + " "):
            return role
    return Role.BACKEND


def title_of(pid: int) -> str:
    """A process's title; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0 ").replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def state_of(pid: int) -> str:
    """The state letter that `ps` shows (R, S, D, T, Z, X); empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended (one that is only to be reaped has)."""
    return state_of(pid) not in ("Z", "X", "")


def has_stopped(pid: int) -> bool:
    """Whether a process stands still: stopped, ended, or gone."""
    return state_of(pid) in ("T", "Z", "X", "")


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process; False if it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


class ProcessTable:
    """The children of one postmaster, their roles remembered."""

    def __init__(self, postmaster: int) -> None:
        self.postmaster = postmaster
        self._roles: dict[int, Role] = {}

    def scan(self) -> dict[int, Role]:
        """The postmaster's children that have not ended, with their roles, in order of birth."""
        known, found = self._roles, {}
        for pid in children_of(self.postmaster):
            role = known.get(pid, Role.NEWBORN)
            if role is Role.NEWBORN:
                title = title_of(pid)
                if not title:
                    continue
                role = role_of_title(title)
            found[pid] = role
        self._roles = found
        return {pid: role for pid, role in found.items() if is_running(pid)}

    def of_role(self, role: Role) -> list[int]:
        """The pids of a role; the postmaster's own for POSTMASTER."""
        if role is Role.POSTMASTER:
            return [self.postmaster] if is_running(self.postmaster) else []
        return [pid for pid, its in self.scan().items() if its is role]
