"""One process of the engine: the shared memory, and the services that the process has over it.

`Shared` is made by the postmaster before any fork; `Instance` by each child after its fork. This
is the one place that knows how the parts fit together; every part gets what it needs handed in.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.catalog.generation import CatalogGenerationShared
from engine.config import Config, reread_configuration
from engine.errors import EngineError
from engine.host.api import Host
from engine.lmgr.lock_shared import LockTableShared
from engine.recovery.checkpoint_request import CheckpointRequests, CheckpointRequestShared
from engine.recovery.control import Control, ControlShared, read_control_file
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log
from engine.shmem.lwlock import MUTEX_COUNT, LWLocks
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType, ProcTable
from engine.storage.buffer.buffers import Buffers
from engine.storage.buffer.pool import BufferPool
from engine.storage.smgr import Smgr
from engine.storage.sync_queue import SyncShared
from engine.storage.sync_requests import SyncRequests
from engine.transaction.clog import Clog, ClogShared
from engine.transaction.proc_array import ProcArray
from engine.transaction.xids import XidGenerator, XidShared
from engine.types import RelFork
from engine.wal.insert import RegisteredBlock
from engine.wal.record import STANDARD
from engine.wal.shared import WalShared
from engine.wal.wal import Wal

_ALIGNMENT = 64


class Shared:
    """All shared memory: one mapping, cut into the parts that the subsystems know how to read."""

    def __init__(self, host: Host, config: Config) -> None:
        self.slots = slot_count(config)
        self.mutexes = host.create_mutexes(MUTEX_COUNT)
        host.create_latches(self.slots + 1)
        sizes = {
            "crash": _ALIGNMENT,
            "procs": ProcTable.size(self.slots),
            "locks": LWLocks.size(int(config.shared_buffers)),
            "control": ControlShared.size(config),
            "wal": WalShared.size(config),
            "buffers": BufferPool.size(config),
            "sync": SyncShared.size(config),
            "clog": ClogShared.size(config),
            "xids": XidShared.size(config),
            "checkpoint": CheckpointRequestShared.size(config),
            "lock_table": LockTableShared.size(config, self.slots),
            "catalog": CatalogGenerationShared.size(config),
        }
        parts = _carve(host.map_shared(sum(map(_aligned, sizes.values()))), sizes)
        self._crash_announced = parts["crash"]
        self.procs = ProcTable(parts["procs"], self.slots)
        self.lock_words = parts["locks"]
        self.control = ControlShared(parts["control"], config)
        self.wal = WalShared(parts["wal"], config)
        self.buffers = BufferPool(parts["buffers"], config)
        self.sync = SyncShared(parts["sync"], config)
        self.clog = ClogShared(parts["clog"], config)
        self.xids = XidShared(parts["xids"], config)
        self.checkpoint = CheckpointRequestShared(parts["checkpoint"], config)
        self.lock_table = LockTableShared(parts["lock_table"], config, self.slots)
        self.catalog = CatalogGenerationShared(parts["catalog"], config)
        self.control.initialize(read_control_file(host))

    @staticmethod
    def dead_end_latch(config: Config) -> int:
        """The latch of children that have no slot."""
        return slot_count(config)

    def announce_crash(self) -> None:
        """The others are about to be told to quit because one of them crashed."""
        self._crash_announced[0] = 1

    def is_crash_announced(self) -> bool:
        """Whether QUIT means a crash; otherwise it means an immediate shutdown."""
        return bool(self._crash_announced[0])


def slot_count(config: Config) -> int:
    """How many process slots there are."""
    return FIRST_BACKEND_SLOT + int(config.max_connections)


class Instance:
    """The services of one process.

    `kind` and `slot` say who it is. Whatever is held here (pins, locks, descriptors) is this
    process's. One that is alone, without a postmaster, is its own checkpointer.
    """

    def __init__(
        self,
        host: Host,
        shared: Shared,
        config: Config,
        kind: BackendType,
        slot: int,
        *,
        is_alone: bool = False,
    ) -> None:
        self.host = host
        self.shared = shared
        self.config = config
        self.kind = kind
        self.slot = slot
        self.procs = shared.procs
        self.procs.claim(slot, kind, host)
        self.log = Log(host, config)
        self.interrupts = Interrupts(host)
        self.on_reload: list[Callable[[Config], None]] = []
        self.locks = LWLocks(host, shared.lock_words, shared.mutexes, shared.procs, slot)
        self.control = Control(host, shared.control, self.locks, config)
        self.checkpoint_requests = CheckpointRequests(
            host, shared.checkpoint, self.locks, slot, self.interrupts.check
        )
        cluster = self.control.read()
        self.wal = Wal(
            host,
            shared.wal,
            self.locks,
            config,
            system_identifier=cluster.system_identifier,
            timeline=cluster.checkpoint.timeline,
            segment_size=cluster.wal_segment_size,
            slot=slot,
            request_checkpoint=self.checkpoint_requests.request_for_wal_volume,
        )
        is_startup = kind is BackendType.STARTUP
        self.sync = SyncRequests(
            host,
            shared.sync,
            self.locks,
            self.log,
            owner=slot if is_alone or kind is BackendType.CHECKPOINTER else None,
            fsync=bool(config.fsync),
        )
        self.smgr = Smgr(host, self.sync, self.log, in_recovery=is_startup)
        self.buffers = Buffers(
            host,
            shared.buffers,
            self.locks,
            self.smgr,
            shared.procs,
            slot,
            config,
            self.log,
            flush_wal=self.wal.flush,
            log_hint=self._log_hint,
            checksums=cluster.data_checksum_version > 0,
            in_recovery=is_startup,
        )
        self.clog = Clog(
            host,
            shared.clog,
            self.locks,
            self.wal,
            self.sync,
            self.log,
            in_recovery=is_startup,
        )
        self.proc_array = ProcArray(shared.xids, shared.procs, slot, self.locks)
        self.xids = XidGenerator(shared.xids, self.locks, self.clog, self.wal, shared.procs, slot)

    def _log_hint(self, buffer: int) -> int:
        locator, fork, block = self.buffers.tag(buffer)
        page = memoryview(bytes(self.buffers.page(buffer)))
        # The maps keep their content where other pages have their hole.
        flags = STANDARD if fork == RelFork.MAIN else 0
        block_to_log = RegisteredBlock(buffer, page, locator, fork, block, flags)
        return self.wal.insert_image_for_hint(block_to_log)

    def reload_if_asked(self) -> None:
        """Read postgresql.conf again after SIGHUP; one with an error changes nothing."""
        if not self.interrupts.reload_requested:
            return
        self.interrupts.reload_requested = False
        try:
            self.config, _ = reread_configuration(self.host, self.config)
        except EngineError as error:
            self.log.error(error)
            return
        self.log = Log(self.host, self.config)
        self.wal.replace_config(self.config)
        self.sync.fsync = bool(self.config.fsync)
        self.buffers.background_sweep.configure(self.config)
        for listener in self.on_reload:
            listener(self.config)

    def recover_from_error(self, error: EngineError) -> None:
        """An auxiliary process goes on after an ERROR: say it, and let go of everything."""
        self.log.error(error)
        self.locks.release_all()
        self.buffers.release_all()
        self.smgr.close_all()

    def leave(self) -> None:
        """The process ends in order: it holds nothing, and nobody looks at its slot."""
        self.locks.release_all()
        self.buffers.release_all()
        self.procs.give_up(self.slot)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _carve(memory: memoryview, sizes: dict[str, int]) -> dict[str, memoryview]:
    parts = {}
    position = 0
    for name, size in sizes.items():
        parts[name] = memory[position : position + size]
        position += _aligned(size)
    return parts
