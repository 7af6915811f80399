"""A cluster without a postmaster, for tests of checkpoints and recovery.

One process plays all roles, each with its own `Instance` over the same shared memory. A crash is
to drop the shared memory and make it anew: what was written to files stays.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.access.heap.insert import put_tuple
from engine.access.heap.tuple import XMAX_INVALID, form_tuple
from engine.access.heap.wal_records import (
    INIT_PAGE,
    INSERT,
    INSERT_MAIN,
    RM_HEAP,
    TUPLE_HEADER,
)
from engine.config import Config
from engine.datadir import CLOG_DIRECTORY, DIRECTORIES, clog_segment_path
from engine.host.api import Buffer
from engine.host.points import Point
from engine.host.real import RealHost
from engine.instance import Instance, Shared
from engine.recovery.bootstrap import bootstrap_wal
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.recovery.checkpoint_schedule import CheckpointSchedule
from engine.recovery.control import read_control_file
from engine.recovery.control_file import ControlFile
from engine.recovery.redo import RedoResult
from engine.recovery.redo_functions import redo_functions
from engine.recovery.redo_services import RedoServices
from engine.recovery.startup import StartupSequence
from engine.shmem.procs import BackendType
from engine.storage.page import (
    free_space,
    init_page,
    item,
    item_count,
    set_page_lsn,
)
from engine.storage.redo_context import RedoContext
from engine.transaction.clog import COMMITTED
from engine.transaction.commit_record import XACT_COMMIT, outcome_record
from engine.transaction.outcome import OutcomeRecorder
from engine.types import RelFileLocator, RelFork
from engine.wal.insert import RegisteredBlock
from engine.wal.record import STANDARD, WILL_INIT

SEGMENT = 1 << 20
LOCATOR = RelFileLocator(1663, 5, 16384)
MAIN = RelFork.MAIN
_ROW_AT = 24


class Struck(Exception):
    """A fault that the test planned has struck: the process is dead."""


class FaultyHost(RealHost):
    """The real host, which keeps the log, and dies at the n-th pass of a point or write."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.lines: list[str] = []
        self.passes: list[Point] = []
        self.values: list[tuple[Point, int]] = []
        self.die_at_point: tuple[Point, int] | None = None
        self.die_at_write = 0
        self.fail_sync = 0
        self._writes = 0

    def write_log(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            self.lines.append(line.split("] ", 1)[-1])

    def point(self, point: Point, value: int = 0) -> None:
        self.passes.append(point)
        self.values.append((point, value))
        if self.die_at_point is not None and self.die_at_point[0] is point:
            left = self.die_at_point[1] - 1
            self.die_at_point = (point, left)
            if left == 0:
                raise Struck(point.value)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        if self.die_at_write:
            self._writes += 1
            if self._writes == self.die_at_write:
                raise Struck("write")
        return super().pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        if self.fail_sync:
            raise OSError(self.fail_sync, os.strerror(self.fail_sync))
        super().fsync(fd)


class RecoveryCluster:
    """A data directory, and the processes over it between `start` and `crash`."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.config = Config().replace(
            shared_buffers=64,
            max_connections=5,
            wal_buffers=16,
            wal_segment_size=SEGMENT,
            min_wal_size=2,
            max_wal_size=4,
            **settings,  # type: ignore[arg-type]
        )
        self.host = FaultyHost(str(root))
        self.shared: Shared

    def initialize(self) -> RecoveryCluster:
        """initdb, as far as recovery cares."""
        self.root.mkdir(exist_ok=True)
        for directory in (*DIRECTORIES, "base/5"):
            self.host.make_directory(directory)
        (self.root / clog_segment_path(0)).write_bytes(bytes(8192))
        assert (self.root / CLOG_DIRECTORY).is_dir()
        bootstrap_wal(self.host, self.config, segment_size=SEGMENT)
        return self

    def copy(self, target: Path) -> RecoveryCluster:
        """The same files again, as they are now, at another place."""
        shutil.copytree(self.root, target)
        other = RecoveryCluster(target)
        other.config = self.config
        return other

    # life -----------------------------------------------------------------------------------------

    def boot(self) -> None:
        """New shared memory, and the processes' services over it."""
        self.shared = Shared(self.host, self.config)
        self.checkpointer = self._instance(BackendType.CHECKPOINTER, 2)
        self.startup = self._instance(BackendType.STARTUP, 1)
        self.backend = self._instance(BackendType.CLIENT_BACKEND, 9)
        self.checkpoints = Checkpoints(
            self.host,
            self.checkpointer.log,
            self.config,
            wal=self.checkpointer.wal,
            control=self.checkpointer.control,
            buffers=self.checkpointer.buffers,
            clog=self.checkpointer.clog,
            sync=self.checkpointer.sync,
            xids=self.checkpointer.xids,
            proc_array=self.checkpointer.proc_array,
            procs=self.checkpointer.procs,
            requests=self.checkpointer.checkpoint_requests,
        )
        self.outcome = OutcomeRecorder(
            self.host, self.backend.wal, self.backend.clog, self.backend.procs, 9
        )

    def start(self) -> RedoResult:
        """Boot and run the startup process to its end."""
        self.boot()
        return self.recover()

    def recover(self) -> RedoResult:
        """Run the startup process."""
        startup = self.startup
        services = RedoServices(
            host=self.host,
            log=startup.log,
            control=startup.control,
            clog=startup.clog,
            xids=self.shared.xids,
            buffers=startup.buffers,
            smgr=startup.smgr,
            pages=RedoContext(startup.buffers, startup.smgr, startup.log),
        )
        return StartupSequence(
            self.host,
            startup.log,
            self.config,
            control=startup.control,
            wal=startup.wal,
            clog=startup.clog,
            services=services,
            table=redo_functions(services),
            request_checkpoint=self.checkpoints.create,
        ).run()

    def crash(self) -> None:
        """All processes are killed at once: files keep what was written, memory is gone."""
        for instance in (self.startup, self.checkpointer, self.backend):
            instance.smgr.close_all()
            instance.wal.close()
        self.host.die_at_point = None
        self.host.die_at_write = 0

    def stop(self) -> None:
        """An orderly shutdown."""
        self.schedule().shut_down()
        self.crash()

    def checkpoint(self, flags: CheckpointFlags = CheckpointFlags.FORCE) -> bool:
        """An immediate checkpoint."""
        return self.checkpoints.create(flags | CheckpointFlags.IMMEDIATE)

    def schedule(self) -> CheckpointSchedule:
        """The checkpointer's rounds."""
        return CheckpointSchedule(
            self.host,
            self.checkpointer.log,
            self.config,
            checkpoints=self.checkpoints,
            requests=self.checkpointer.checkpoint_requests,
            sync=self.checkpointer.sync,
            wal=self.checkpointer.wal,
        )

    def control(self) -> ControlFile:
        """pg_control as it is on disk."""
        return read_control_file(self.host)

    def log_lines(self) -> list[str]:
        """What was logged since the last call, without prefix."""
        lines = self.host.lines[:]
        self.host.lines.clear()
        return lines

    def _instance(self, kind: BackendType, slot: int) -> Instance:
        return Instance(self.host, self.shared, self.config, kind, slot)

    # work -----------------------------------------------------------------------------------------

    def begin(self) -> int:
        """A transaction's xid."""
        return int(self.backend.xids.assign())

    def insert(self, xid: int, row: bytes, locator: RelFileLocator = LOCATOR) -> None:
        """A heap tuple, as HEAP-1 and WAL-1 say: change, mark dirty, log, stamp."""
        instance = self.backend
        buffers = instance.buffers
        if not instance.smgr.exists(locator, MAIN):
            instance.smgr.create(locator, MAIN)
        blocks = instance.smgr.nblocks(locator, MAIN)
        buffer = -1
        if blocks:
            buffer = buffers.read(locator, MAIN, blocks - 1)
            buffers.lock(buffer)
            if free_space(buffers.page(buffer)) < len(row) + 40:
                buffers.unlock_release(buffer)
                buffer = -1
        flags, info = STANDARD, INSERT
        if buffer < 0:
            buffer = buffers.extend(locator, MAIN)
            init_page(buffers.page(buffer))
            flags, info, blocks = WILL_INIT | STANDARD, INSERT | INIT_PAGE, blocks + 1
        page = buffers.page(buffer)
        body = b"\x00" + row
        number = put_tuple(
            page, blocks - 1, form_tuple(xid, 0, 0, 0, 0, 1, XMAX_INVALID, _ROW_AT, body)
        )
        buffers.mark_dirty(buffer)
        data = TUPLE_HEADER.pack(1, XMAX_INVALID, _ROW_AT) + body
        block = RegisteredBlock(buffer, page, locator, MAIN, blocks - 1, flags, data)
        end = instance.wal.insert(RM_HEAP, info, INSERT_MAIN.pack(number, 0), (block,), xid)
        set_page_lsn(page, end)
        buffers.unlock_release(buffer)

    def commit(self, xid: int, dropped: tuple[RelFileLocator, ...] = ()) -> None:
        """Commit durably."""
        self.outcome.commit(xid, dropped, is_synchronous=True)
        self.backend.proc_array.end_transaction(xid)

    def commit_rows(self, *rows: bytes) -> int:
        """One transaction that inserts these rows."""
        xid = self.begin()
        for row in rows:
            self.insert(xid, row)
        self.commit(xid)
        return xid

    def rows(self, locator: RelFileLocator = LOCATOR) -> list[bytes]:
        """The committed rows in the order of the heap."""
        instance = self.backend
        if not instance.smgr.exists(locator, MAIN):
            return []
        found = []
        for block in range(instance.smgr.nblocks(locator, MAIN)):
            buffer = instance.buffers.read(locator, MAIN, block)
            page = instance.buffers.page(buffer)
            for number in range(1, item_count(page) + 1):
                row = bytes(item(page, number))
                if instance.clog.status(int.from_bytes(row[:4], "little")) == COMMITTED:
                    found.append(row[_ROW_AT:])
            instance.buffers.release(buffer)
        return found

    def files(self) -> dict[str, bytes]:
        """The content of every file that holds data."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for directory in ("base", "pg_xact")
            for path in sorted((self.root / directory).rglob("*"))
            if path.is_file()
        }


def commit_record_without_files() -> bytes:
    """The main data of the smallest commit record."""
    return outcome_record(XACT_COMMIT, 0)[1]
