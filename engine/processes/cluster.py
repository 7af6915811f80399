"""What SQL functions and commands ask of the server as a whole, as one backend answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.access.heap.heap import Heap
from engine.access.relation import Relation
from engine.config import SessionSettings
from engine.host.api import Signal
from engine.instance import Instance
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.shmem.procs import (
    BACKEND_TYPE_NAMES,
    SESSION_STATE_TEXT,
    BackendType,
    SessionState,
)


class ClusterFacts:
    """`engine.sql.services.Cluster` over an instance. `database_name` tells a database's name."""

    def __init__(
        self,
        instance: Instance,
        heap: Heap,
        settings: SessionSettings,
        database_name: Callable[[int], str | None],
    ) -> None:
        self._instance = instance
        self._heap = heap
        self._settings = settings
        self._database_name = database_name

    @property
    def start_time_us(self) -> int:
        """When this server's memory was made: the checkpointer is the first to live in it."""
        return self._instance.procs.backend_start_us[BackendType.CHECKPOINTER]

    def is_in_recovery(self) -> bool:
        """Whether WAL is still being replayed."""
        return self._instance.wal.in_recovery()

    def wal_insert_lsn(self) -> int:
        """Where the next record will begin."""
        return self._instance.wal.insert_lsn()

    def wal_written_lsn(self) -> int:
        """Written up to here."""
        return self._instance.wal.written_lsn()

    def wal_flushed_lsn(self) -> int:
        """On disk up to here."""
        return self._instance.wal.flushed_lsn()

    def full_xid(self, xid: int) -> int:
        """The 64-bit form of a recent xid: the newest that is not after the next one."""
        following = int(self._instance.shared.xids.next_full_xid)
        full = following & ~0xFFFFFFFF | xid
        return full if full <= following else full - (1 << 32)

    def request_checkpoint(self) -> None:
        """CHECKPOINT: at once, and wait for its end."""
        self._instance.checkpoint_requests.request(
            CheckpointFlags.IMMEDIATE | CheckpointFlags.FORCE | CheckpointFlags.WAIT
        )

    def signal_backend(self, pid: int, *, terminate: bool) -> bool:
        """Cancel the query of a backend, or end it; False when there is none with that pid."""
        procs = self._instance.procs
        slot = procs.slot_of(pid)
        if slot is None or procs.backend_type[slot] != BackendType.CLIENT_BACKEND:
            return False
        return self._instance.host.signal(pid, Signal.TERM if terminate else Signal.INT)

    def vacuum(self, relation: Relation) -> None:
        """Reclaim the dead rows of one relation."""
        age = int(self._settings.get("vacuum_freeze_min_age"))
        self._heap.vacuum(relation, freeze_min_age=age)

    def activity(self) -> Iterator[tuple[Any, ...]]:
        """The rows of pg_stat_activity: one for every process that has a slot."""
        procs = self._instance.procs
        for slot in range(1, procs.slots):
            if procs.is_in_use[slot]:
                yield self._activity_of(slot)

    def _activity_of(self, slot: int) -> tuple[Any, ...]:
        procs = self._instance.procs
        kind = BackendType(procs.backend_type[slot])
        is_client = kind is BackendType.CLIENT_BACKEND
        database = procs.database[slot]
        address, _, port = procs.text(slot, "client").partition(" ")
        wait_type, wait_name = procs.wait_event(slot)
        return (
            database or None,
            self._database_name(database) if database else None,
            procs.pid[slot],
            None,
            procs.role[slot] or None,
            procs.text(slot, "user") or None,
            procs.text(slot, "application_name"),
            address or None,
            None,
            int(port) if port else (-1 if is_client else None),
            procs.backend_start_us[slot],
            procs.xact_start_us[slot] or None,
            procs.query_start_us[slot] or None,
            procs.state_change_us[slot] or None,
            wait_type or None,
            wait_name or None,
            SESSION_STATE_TEXT[SessionState(procs.state[slot])] if is_client else None,
            procs.xid[slot] or None,
            procs.xmin[slot] or None,
            None,
            procs.text(slot, "query"),
            BACKEND_TYPE_NAMES[kind].description,
        )
