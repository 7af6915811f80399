"""Sync requests: which files must be made durable at the next checkpoint, and which removed after.

Every process writes to files; one process, the checkpointer, makes them durable. A writer puts a
request into the queue (`SyncShared`), the checkpointer takes the requests over into tables of its
own and works through them at each checkpoint:

    pre_checkpoint()    before the redo point: from here on dropped files wait for the next round
    process()           after the buffers are written: fsync every file that was written
    post_checkpoint()   after pg_control: remove the files dropped before this checkpoint began

The rules SYNC-1 to SYNC-6 are in the README of `engine/storage`.

Source: PostgreSQL 15, `storage/sync/sync.c`, `ForwardSyncRequest` (`postmaster/checkpointer.c`).
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from engine.errors import check
from engine.host.api import Host, OpenMode
from engine.shmem.log import Log
from engine.shmem.lwlock import EXCLUSIVE, SYNC_QUEUE, LWLocks
from engine.storage.sync_queue import FORGET, SYNC, UNLINK, SyncShared
from engine.storage.sync_tags import KIND_DIRECTORY, SyncTag
from engine.wal.file_error import close_written, file_panic

_RETRY_MS: Final = 10
_CALLS_PER_ABSORB: Final = 10
_CYCLE_MASK: Final = 0xFFFF


class SyncStatistics(NamedTuple):
    """What `checkpoint complete` logs about the syncs."""

    files: int
    longest_us: int
    total_us: int


class SyncRequests:
    """The requests of one process; `owner` is its slot when it is the checkpointer.

    A process that runs alone (initdb) is its own checkpointer. With `fsync` off nothing is synced,
    but the order of all else stays.
    """

    def __init__(
        self,
        host: Host,
        shared: SyncShared,
        locks: LWLocks,
        log: Log,
        *,
        owner: int | None = None,
        fsync: bool = True,
    ) -> None:
        self.fsync = fsync
        self._host = host
        self._shared = shared
        self._locks = locks
        self._log = log
        self._is_owner = owner is not None
        self._registered: dict[SyncTag, int] = {}
        self._pending: dict[SyncTag, int] = {}
        self._unlinks: list[tuple[SyncTag, int]] = []
        self._sync_cycle = 0
        self._checkpoint_cycle = 0
        self._is_unfinished = False
        if owner is not None:
            shared.owner = owner

    # any process -------------------------------------------------------------------------------

    def register(self, tag: SyncTag) -> None:
        """Have a file synced at the next checkpoint; called after the write to it (SYNC-1)."""
        cycle = self._shared.cycle
        if self._registered.get(tag) == cycle and not cycle & 1:
            return  # SYNC-4
        if self._is_owner:
            self._remember(SYNC, tag)
        elif self._forward(SYNC, tag):
            self._registered[tag] = cycle
        elif self.fsync:
            self._sync(tag)  # SYNC-2

    def register_unlink(self, tag: SyncTag) -> None:
        """Have a file removed after the next checkpoint (SYNC-5)."""
        self._insist(UNLINK, tag)

    def register_forget(self, tag: SyncTag) -> None:
        """Withdraw the sync requests for a file that is about to be removed."""
        self._registered.pop(tag, None)
        self._insist(FORGET, tag)

    # the checkpointer --------------------------------------------------------------------------

    def absorb(self) -> None:
        """Take over what is in the queue."""
        if not self._is_owner or not self._shared.length:
            return
        self._locks.acquire(SYNC_QUEUE, EXCLUSIVE)
        requests = self._shared.take_all()
        self._locks.release(SYNC_QUEUE)
        for what, tag in requests:
            self._remember(what, tag)

    def pre_checkpoint(self) -> None:
        """Draw the line: files dropped from now on belong to the next checkpoint (SYNC-5)."""
        self.absorb()
        self._checkpoint_cycle = (self._checkpoint_cycle + 1) & _CYCLE_MASK

    def process(self) -> SyncStatistics:
        """Make every file durable for which there is a request; a failure is a PANIC (SYNC-3).

        Requests that come while this runs are left for the next time, so that it ends.
        """
        check(self._is_owner, "SYNC-6", "only the checkpointer syncs")
        self.absorb()
        self._shared.begin_cycle()
        if self._is_unfinished:
            self._pending = dict.fromkeys(self._pending, self._sync_cycle)
        self._sync_cycle = (self._sync_cycle + 1) & _CYCLE_MASK
        self._is_unfinished = True
        durations: list[int] = []
        for number, tag in enumerate(list(self._pending), 1):
            if number % _CALLS_PER_ABSORB == 0:
                self.absorb()
            if self._pending.get(tag, self._sync_cycle) == self._sync_cycle:
                continue
            if self.fsync:
                durations.extend(self._sync_pending(tag))
            self._pending.pop(tag, None)
        self._is_unfinished = False
        self._shared.end_cycle()
        return SyncStatistics(len(durations), max(durations, default=0), sum(durations))

    def post_checkpoint(self) -> None:
        """Remove the files whose drop was known before this checkpoint began (SYNC-5)."""
        done = 0
        for tag, cycle in self._unlinks:
            if cycle == self._checkpoint_cycle:
                break
            done += 1
            try:
                self._host.unlink(tag.path)
            except OSError as error:
                # The name may be gone already: redo of the drop removes it at once.
                if error.errno != errno.ENOENT:
                    self._log.warning(f'could not remove file "{tag.path}": {error.strerror}')
        del self._unlinks[:done]

    # -------------------------------------------------------------------------------------------

    def _insist(self, what: int, tag: SyncTag) -> None:
        if self._is_owner:
            self._remember(what, tag)
            return
        # Nobody else can do this in the checkpointer's place, so wait for room.
        while not self._forward(what, tag):
            self._host.sleep(_RETRY_MS)

    def _forward(self, what: int, tag: SyncTag) -> bool:
        shared, locks = self._shared, self._locks
        locks.acquire(SYNC_QUEUE, EXCLUSIVE)
        owner = shared.owner
        accepted = owner is not None and shared.add(what, tag)
        is_filling = shared.length >= shared.capacity // 2
        locks.release(SYNC_QUEUE)
        if owner is not None and is_filling:
            self._host.wake(owner)
        return accepted

    def _remember(self, what: int, tag: SyncTag) -> None:
        if what == SYNC:
            # An older request's cycle stays: it is the older one that must not wait any longer.
            self._pending.setdefault(tag, self._sync_cycle)
        elif what == FORGET:
            self._pending.pop(tag, None)
        else:
            self._unlinks.append((tag, self._checkpoint_cycle))

    def _sync_pending(self, tag: SyncTag) -> list[int]:
        """Sync one file; [how long it took], or [] when the request was withdrawn meanwhile."""
        for attempt in (1, 2):
            start_us = self._host.monotonic_us()
            if self._sync(tag, may_be_missing=attempt == 1):
                return [self._host.monotonic_us() - start_us]
            # The file is not there: its drop must be known by now, or something is wrong.
            self.absorb()
            if tag not in self._pending:
                return []
        return []

    def _sync(self, tag: SyncTag, *, may_be_missing: bool = False) -> bool:
        """Make a file durable; False when it does not exist and that is tolerated."""
        path = tag.path
        try:
            if tag.kind == KIND_DIRECTORY:
                self._host.fsync_directory(path)
                return True
            fd = self._host.open(path, OpenMode.WRITE)
        except OSError as error:
            if may_be_missing and error.errno == errno.ENOENT:
                return False
            raise file_panic(error, f'could not fsync file "{path}"') from error
        try:
            self._host.fsync(fd)
        except OSError as error:
            # SYNC-3: the kernel may have dropped the pages; a second fsync would say all is well.
            raise file_panic(error, f'could not fsync file "{path}"') from error
        finally:
            close_written(self._host, fd, path)
        return True
