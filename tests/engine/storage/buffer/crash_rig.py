"""Buffers, WAL, checkpoints and recovery in one process, over files whose disk is modelled.

A crash drops the memory and leaves either what was written (the process was killed) or what a disk
may have kept (the power is gone); `start` then does what the startup process does. The process may
also be killed at any of its calls of the door, recovery's own among them.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
from pathlib import Path
from typing import Final

from chaos.disk.image import Image
from chaos.disk.log import START, LogWriter, read_log
from chaos.disk.model import Disk
from chaos.disk.operations import Kind
from chaos.disk.profiles import PROFILES
from chaos.host.alone import AloneHost
from engine.config import Config
from engine.datadir import clog_segment_path
from engine.host.api import Buffer
from engine.instance import Instance, Shared
from engine.recovery.bootstrap import bootstrap_wal
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.recovery.redo import RedoResult
from engine.recovery.redo_functions import redo_functions
from engine.recovery.redo_services import RedoServices
from engine.recovery.start_point import StartPoint
from engine.recovery.startup import StartupSequence
from engine.shmem.lwlock import EXCLUSIVE
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType
from engine.storage.page import init_page, page_lsn, set_page_lsn
from engine.storage.redo_context import NEEDS_REDO, NOT_FOUND, RedoContext
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork
from engine.wal.insert import RegisteredBlock
from engine.wal.reader import WalReader
from engine.wal.record import STANDARD, WILL_INIT, WalRecord
from engine.wal.rmgr import Rmgr

MAIN: Final = RelFork.MAIN
LOCATORS: Final = tuple(RelFileLocator(1663, 5, 16384 + number) for number in range(2))
SHOWN: Final = "/world/data"
NUMBER: Final = struct.Struct("<Q")
AT: Final = BLOCK_SIZE - 8
HINT_AT: Final = BLOCK_SIZE - 16
SPECIAL: Final = 16
"""Bytes behind the hole that images leave out: the number, and a place for hints."""
Key = tuple[RelFileLocator, int]


class Died(BaseException):
    """The process was killed here. No handler of the engine's may see it as an error."""


class MortalHost(AloneHost):
    """Dies at the n-th call about files from now, or lets the n-th fsync fail, if told to."""

    def __init__(self, root: str, log: LogWriter) -> None:
        super().__init__(root, SHOWN, log)
        self.calls_left: int | None = None
        self.syncs_left: int | None = None

    def _count(self) -> None:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Died

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        self._count()
        return super().pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        self._count()
        if self.syncs_left is not None:
            self.syncs_left -= 1
            if self.syncs_left < 0:
                self.syncs_left = None
                self._note(Kind.FSYNC_FAILED, fd, self._files[fd])
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().fsync(fd)

    def fsync_directory(self, path: str) -> None:
        self._count()
        super().fsync_directory(path)

    def rename(self, old: str, new: str) -> None:
        self._count()
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._count()
        super().unlink(path)

    def give_back(self) -> None:
        """Close what a dead process had open."""
        for fd in list(self._files):
            self.close(fd)


class NotingSequence(StartupSequence):
    """Notes where replay ended, before anything new is written behind that."""

    ends: list[int]

    def _open_wal(self, start: StartPoint, reader: WalReader, result: RedoResult) -> None:
        self.ends.append(int(result.end_lsn))
        super()._open_wal(start, reader, result)


class CrashRig:
    """One cluster of pages with a number each. `start` before anything else."""

    def __init__(self, root: Path, profile: str) -> None:
        self.top = root
        self.root = root / "data"
        for directory in ("global", "base", "base/5", "pg_wal", "pg_xact"):
            (self.root / directory).mkdir(parents=True)
        (self.root / clog_segment_path(0)).write_bytes(bytes(BLOCK_SIZE))
        for locator in LOCATORS:
            self.path(locator).touch()
        self.config = Config().replace(
            shared_buffers=16, wal_buffers=16, max_connections=2, wal_segment_size=1 << 20,
            fsync=True, log_checkpoints=False,
        )  # fmt: skip
        bootstrap_wal(AloneHost(str(self.root), SHOWN), self.config, segment_size=1 << 20)
        self._log = LogWriter(root / "io.log")
        self._position = START
        self.disk = Disk(Image.read(self.root), PROFILES[profile])
        self.host = MortalHost(str(self.root), self._log)
        self.ends: list[int] = []
        self.instance: Instance
        self.checkpoints: Checkpoints

    def close(self) -> None:
        self.host.give_back()
        self._log.close()
        shutil.rmtree(self.top)

    # from the beginning to the end of a process -----------------------------------------------

    def start(self) -> None:
        """Recover; `ends` has one more place where replay found the end of the log."""
        shared = Shared(self.host, self.config)
        recovery = self._become(shared, BackendType.STARTUP, int(BackendType.STARTUP))
        services = RedoServices(
            self.host, recovery.log, recovery.control, recovery.clog, shared.xids,
            recovery.buffers, recovery.smgr,
            RedoContext(recovery.buffers, recovery.smgr, recovery.log),
        )  # fmt: skip
        sequence = NotingSequence(
            self.host, recovery.log, self.config,
            control=recovery.control, wal=recovery.wal, clog=recovery.clog, services=services,
            table={**redo_functions(services), Rmgr.HEAP: redo_number},
            request_checkpoint=recovery.checkpoint_requests.request,
        )  # fmt: skip
        sequence.ends = self.ends
        sequence.run()
        recovery.leave()
        recovery.smgr.close_all()
        self.instance = self._become(shared, BackendType.CLIENT_BACKEND, FIRST_BACKEND_SLOT)

    def _become(self, shared: Shared, kind: BackendType, slot: int) -> Instance:
        instance = Instance(self.host, shared, self.config, kind, slot, is_alone=True)
        self.checkpoints = Checkpoints(
            instance.host, instance.log, self.config,
            wal=instance.wal, control=instance.control, buffers=instance.buffers,
            clog=instance.clog, sync=instance.sync, xids=instance.xids,
            proc_array=instance.proc_array, procs=instance.procs,
            requests=instance.checkpoint_requests,
        )  # fmt: skip
        instance.checkpoint_requests.make_alone = self.checkpoints.create
        return instance

    def crash(self, seed: int | None) -> None:
        """The memory is gone. With a seed the power is too, and the disk draws what it keeps."""
        self.host.give_back()
        operations, self._position = read_log(self.top / "io.log", self._position)
        for operation in operations:
            self.disk.apply(operation)
        if seed is not None:
            image = self.disk.crash(self.disk.draw(random.Random(seed)))
            image.write(self.root)
            self.disk.restart(image.found_in(self.root))
        self.host = MortalHost(str(self.root), self._log)

    # what a process does ------------------------------------------------------------------------

    def extend(self, locator: RelFileLocator, number: int) -> tuple[int, int]:
        """A new page with that number: its block, and the end of the record."""
        buffers = self.instance.buffers
        buffer = buffers.extend(locator, MAIN)
        block = buffers.tag(buffer)[2]
        init_page(buffers.page(buffer), SPECIAL)
        return block, self._finish(buffer, locator, block, number, STANDARD | WILL_INIT)

    def change(self, locator: RelFileLocator, block: int, number: int) -> int:
        """The end of the record."""
        buffers = self.instance.buffers
        buffer = buffers.read(locator, MAIN, block)
        buffers.lock(buffer, EXCLUSIVE)
        return self._finish(buffer, locator, block, number, STANDARD)

    def _finish(
        self, buffer: int, locator: RelFileLocator, block: int, number: int, flags: int
    ) -> int:
        instance = self.instance
        page = instance.buffers.page(buffer)
        NUMBER.pack_into(page, AT, number)
        instance.buffers.mark_dirty(buffer)
        registered = RegisteredBlock(buffer, page, locator, MAIN, block, flags)
        lsn = instance.wal.insert(Rmgr.HEAP, 0, NUMBER.pack(number), (registered,))
        set_page_lsn(page, lsn)
        instance.buffers.unlock_release(buffer)
        return int(lsn)

    def hint(self, locator: RelFileLocator, block: int, byte: int) -> None:
        """A change that nobody would miss: without a record of its own."""
        buffers = self.instance.buffers
        buffer = buffers.read(locator, MAIN, block)
        buffers.lock(buffer)
        buffers.page(buffer)[HINT_AT] = byte
        buffers.mark_dirty_hint(buffer)
        buffers.unlock_release(buffer)

    def look(self, locator: RelFileLocator, block: int) -> int:
        """The number of a page."""
        buffers = self.instance.buffers
        buffer = buffers.read(locator, MAIN, block)
        number = int(NUMBER.unpack_from(buffers.page(buffer), AT)[0])
        buffers.release(buffer)
        return number

    def length(self, locator: RelFileLocator) -> int:
        """How many pages the file has."""
        return self.instance.smgr.nblocks(locator, MAIN)

    def checkpoint(self) -> None:
        """A whole one."""
        self.checkpoints.create(CheckpointFlags.IMMEDIATE | CheckpointFlags.FORCE)

    def lsns_in_files(self) -> list[int]:
        """The LSN of each page, as it was written last."""
        found = []
        for locator in LOCATORS:
            data = memoryview(self.path(locator).read_bytes())
            pages = range(0, len(data) - BLOCK_SIZE + 1, BLOCK_SIZE)
            found += [page_lsn(data[at : at + BLOCK_SIZE]) for at in pages]
        return found

    def path(self, locator: RelFileLocator) -> Path:
        """Where a relation's pages are."""
        return self.root / f"base/{locator.database}/{locator.relation}"


def redo_number(record: WalRecord, context: RedoContext) -> None:
    """Replay of a page's number, as a resource manager does it."""
    if record.blocks[0].will_init:
        buffer = context.init_for_redo(record, 0)
        init_page(context.page(buffer), SPECIAL)
        action = NEEDS_REDO
    else:
        action, buffer = context.read_for_redo(record, 0)
    if action == NEEDS_REDO:
        NUMBER.pack_into(context.page(buffer), AT, NUMBER.unpack(record.main)[0])
        context.changed(buffer, record)
    elif action != NOT_FOUND:
        context.unchanged(buffer)
