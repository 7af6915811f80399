"""The process slots: one fixed record in shared memory for every process that may touch it.

The postmaster gives a slot to each child at its fork, so no free list lies in shared memory; slot
n's latch is latch n. Slot 0 is the postmaster's: it has a latch and a title there, and reads
nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from engine.host.api import Host

POSTMASTER_SLOT: Final = 0
FIRST_BACKEND_SLOT: Final = 9
APPLICATION_NAME_BYTES: Final = 64
QUERY_BYTES: Final = 1024
USER_BYTES: Final = 64
CLIENT_BYTES: Final = 64
WAIT_BYTES: Final = 32


class BackendType(IntEnum):
    """The kinds of process; a kind with one process only has its value as its slot."""

    POSTMASTER = 0
    STARTUP = 1
    CHECKPOINTER = 2
    BACKGROUND_WRITER = 3
    WAL_WRITER = 4
    LOGGER = 5
    CLIENT_BACKEND = 9


@dataclass(frozen=True)
class BackendTypeNames:
    """What `ps` shows behind `postgres: `, what `pg_stat_activity.backend_type` says, and what
    `Host.fork` is told."""

    title: str
    description: str
    role: str


BACKEND_TYPE_NAMES: Final = {
    BackendType.POSTMASTER: BackendTypeNames("postmaster", "postmaster", "postmaster"),
    BackendType.STARTUP: BackendTypeNames("startup", "startup", "startup"),
    BackendType.CHECKPOINTER: BackendTypeNames("checkpointer", "checkpointer", "checkpointer"),
    BackendType.BACKGROUND_WRITER: BackendTypeNames(
        "background writer", "background writer", "bgwriter"
    ),
    BackendType.WAL_WRITER: BackendTypeNames("walwriter", "walwriter", "walwriter"),
    BackendType.LOGGER: BackendTypeNames("logger", "logger", "logger"),
    BackendType.CLIENT_BACKEND: BackendTypeNames("client backend", "client backend", "backend"),
}

DEAD_END_ROLE: Final = "dead-end"
"""The role of a backend that only refuses its client, and has no slot."""


class SessionState(IntEnum):
    """`pg_stat_activity.state`."""

    UNDEFINED = 0
    IDLE = 1
    ACTIVE = 2
    IDLE_IN_TRANSACTION = 3
    IDLE_IN_FAILED_TRANSACTION = 4
    DISABLED = 5


SESSION_STATE_TEXT: Final = {
    SessionState.UNDEFINED: None,
    SessionState.IDLE: "idle",
    SessionState.ACTIVE: "active",
    SessionState.IDLE_IN_TRANSACTION: "idle in transaction",
    SessionState.IDLE_IN_FAILED_TRANSACTION: "idle in transaction (aborted)",
    SessionState.DISABLED: "disabled",
}

_TEXT_FIELDS: Final = (
    ("application_name", APPLICATION_NAME_BYTES),
    ("user", USER_BYTES),
    ("client", CLIENT_BYTES),
    ("wait_type", WAIT_BYTES),
    ("wait_name", WAIT_BYTES),
    ("query", QUERY_BYTES),
)
_TEXT_BYTES: Final = sum(2 + size for _, size in _TEXT_FIELDS)
_LENGTH: Final = struct.Struct("<H")

_U32_FIELDS: Final = (
    "pid", "backend_type", "state", "database", "role", "cancel_key", "xid", "xmin",
    "delay_checkpoint", "lw_waiting", "lw_mode", "lw_next", "lock_wait", "lock_mode",
    "lock_status", "is_in_use",
)  # fmt: skip
_U64_FIELDS: Final = ("backend_start_us", "xact_start_us", "query_start_us", "state_change_us")


class ProcTable:
    """Every slot, as arrays by field: `table.xid[slot]`.

    `xid` and `xmin` are 0 when there is none, and are read and written under the lock PROC_ARRAY as
    `procarray.c` says. The text fields are for `pg_stat_activity` only and may be read torn.
    """

    def __init__(self, memory: memoryview, slots: int) -> None:
        self.slots = slots
        position = 0

        def words(width: int, code: Literal["I", "Q"]) -> memoryview:
            nonlocal position
            part = memory[position : position + width * slots].cast(code)
            position += width * slots
            return part

        self.backend_start_us = words(8, "Q")
        self.xact_start_us = words(8, "Q")
        self.query_start_us = words(8, "Q")
        self.state_change_us = words(8, "Q")
        self.pid = words(4, "I")
        self.backend_type = words(4, "I")
        self.state = words(4, "I")
        self.database = words(4, "I")
        self.role = words(4, "I")
        self.cancel_key = words(4, "I")
        self.xid = words(4, "I")
        self.xmin = words(4, "I")
        self.delay_checkpoint = words(4, "I")
        self.lw_waiting = words(4, "I")
        self.lw_mode = words(4, "I")
        self.lw_next = words(4, "I")
        self.lock_wait = words(4, "I")
        self.lock_mode = words(4, "I")
        self.lock_status = words(4, "I")
        self.is_in_use = words(4, "I")
        self._text = memory[position : position + _TEXT_BYTES * slots]
        self._text_offset = {}
        offset = 0
        for name, size in _TEXT_FIELDS:
            self._text_offset[name] = (offset, size)
            offset += 2 + size

    @staticmethod
    def size(slots: int) -> int:
        """Bytes of shared memory for that many slots."""
        return slots * (4 * len(_U32_FIELDS) + 8 * len(_U64_FIELDS) + _TEXT_BYTES)

    def set_text(self, slot: int, field: str, value: str) -> None:
        """Store a text field, cut to its size at a character boundary."""
        offset, size = self._text_offset[field]
        raw = value.encode()
        if len(raw) > size:
            raw = raw[:size].decode(errors="ignore").encode()
        start = slot * _TEXT_BYTES + offset
        self._text[start + 2 : start + 2 + len(raw)] = raw
        _LENGTH.pack_into(self._text, start, len(raw))

    def text(self, slot: int, field: str) -> str:
        """A text field as last stored."""
        offset, size = self._text_offset[field]
        start = slot * _TEXT_BYTES + offset
        length = min(_LENGTH.unpack_from(self._text, start)[0], size)
        return bytes(self._text[start + 2 : start + 2 + length]).decode(errors="replace")

    def set_wait_event(self, slot: int, wait_type: str, wait_name: str) -> None:
        """What the process waits for now; two empty strings for nothing."""
        self.set_text(slot, "wait_type", wait_type)
        self.set_text(slot, "wait_name", wait_name)

    def wait_event(self, slot: int) -> tuple[str, str]:
        """What the process waits for: (type, name)."""
        return self.text(slot, "wait_type"), self.text(slot, "wait_name")

    def claim(self, slot: int, backend_type: BackendType, host: Host) -> None:
        """Make the slot this process's, all its fields new. Called by the child itself."""
        for field in (*_U32_FIELDS, *_U64_FIELDS):
            getattr(self, field)[slot] = 0
        for name, _ in _TEXT_FIELDS:
            self.set_text(slot, name, "")
        self.backend_type[slot] = backend_type
        self.backend_start_us[slot] = host.now_us()
        self.pid[slot] = host.pid()
        self.is_in_use[slot] = 1

    def give_up(self, slot: int) -> None:
        """The process is about to end in order: nobody looks at the slot from here on."""
        self.is_in_use[slot] = 0
        self.delay_checkpoint[slot] = 0
        self.xid[slot] = 0
        self.xmin[slot] = 0
        self.pid[slot] = 0

    def slot_of(self, pid: int) -> int | None:
        """The slot of the process with that pid."""
        for slot in range(1, self.slots):
            if self.is_in_use[slot] and self.pid[slot] == pid:
                return slot
        return None
