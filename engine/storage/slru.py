"""SLRU: a few shared pages over a directory of small files, for status data that is indexed by xid.

Each area has one control lock for its bookkeeping and contents, and one lock for each page slot,
held EXCLUSIVE while the slot's page is read or written so that others can wait for it. The control
lock is not held during I/O.

    EMPTY --read--> READING --ok--> VALID --write--> WRITING --> VALID
                       `--failed--> EMPTY              `--failed--> VALID and dirty

A page is copied before it is written, so it may be changed meanwhile; the WAL is flushed up to the
highest LSN of the changes in the copy first (CLOG-3).

A file has 32 pages and is called by its number, four hexadecimal digits.

Source: PostgreSQL 15, `access/transam/slru.c`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, Literal

from engine.errors import SqlError, SqlState
from engine.host.api import Host, OpenMode
from engine.shmem.log import Log
from engine.shmem.lwlock import EXCLUSIVE, SHARED, LWLocks
from engine.storage.sync_requests import SyncRequests
from engine.storage.sync_tags import SyncTag
from engine.types import BLOCK_SIZE
from engine.wal.file_error import file_panic, file_sqlstate

PAGES_PER_FILE: Final = 32

EMPTY: Final = 0
READING: Final = 1
VALID: Final = 2
WRITING: Final = 3

_NO_PAGE: Final = 0xFFFFFFFF
_LATEST_PAGE: Final = 0
_CLOCK: Final = 1
_HEADER_WORDS: Final = 4
_ZERO_PAGE: Final = bytes(BLOCK_SIZE)


class SlruShared:
    """Slots of one area: what page each has, in what state, when it was used, and the bytes.

    `groups` is the number of LSNs kept for a page.
    """

    def __init__(self, memory: memoryview, slots: int, groups: int) -> None:
        self.slots = slots
        self.groups = groups
        self.pages = [
            memory[start : start + BLOCK_SIZE] for start in range(0, slots * BLOCK_SIZE, BLOCK_SIZE)
        ]
        position = slots * BLOCK_SIZE

        def words(length: int, code: Literal["I", "Q"]) -> memoryview:
            nonlocal position
            size = length * (8 if code == "Q" else 4)
            part = memory[position : position + size].cast(code)
            position += size
            return part

        self.highest_lsn = words(1, "Q")
        """The highest LSN ever noted for a change, 0 if none was."""
        self.group_lsns = words(slots * groups, "Q")
        self.header = words(_HEADER_WORDS, "I")
        self.numbers = words(slots, "I")
        self.states = words(slots, "I")
        self.dirty = words(slots, "I")
        self.used = words(slots, "I")

    @staticmethod
    def bytes_for(slots: int, groups: int) -> int:
        """Bytes of shared memory."""
        return slots * (BLOCK_SIZE + 8 * groups + 16) + 8 + 4 * _HEADER_WORDS


class Slru:
    """One area as one process uses it. All but `checkpoint` is called under the control lock.

    In recovery a file that is missing reads as zeroes.
    """

    def __init__(
        self,
        host: Host,
        shared: SlruShared,
        locks: LWLocks,
        sync: SyncRequests,
        log: Log,
        *,
        directory: str,
        tag: Callable[[int], SyncTag],
        control_lock: int,
        first_slot_lock: int,
        flush_wal: Callable[[int], None],
        in_recovery: bool,
    ) -> None:
        self.in_recovery = in_recovery
        self.flush_wal = flush_wal
        self._host = host
        self._shared = shared
        self._locks = locks
        self._sync = sync
        self._log = log
        self._directory = directory
        self._tag = tag
        self._control_lock = control_lock
        self._first_slot_lock = first_slot_lock

    # pages ---------------------------------------------------------------------------------------

    def find(self, page: int) -> int:
        """The slot that has the page ready, -1 if none; the control lock may be SHARED."""
        shared = self._shared
        for slot in range(shared.slots):
            if shared.numbers[slot] == page and shared.states[slot] >= VALID:
                self._touch(slot)
                return slot
        return -1

    def bring(self, page: int, xid: int) -> int:
        """The slot that has the page, read if need be; control lock EXCLUSIVE, given up meanwhile.

        An error names `xid`, for whose status the page was wanted.
        """
        shared, locks = self._shared, self._locks
        while True:
            slot = self._choose_slot(page)
            if shared.states[slot] == EMPTY:
                break
            if shared.states[slot] != READING:
                self._touch(slot)
                return slot
            self._wait(slot)
        shared.numbers[slot] = page
        shared.states[slot] = READING
        shared.dirty[slot] = 0
        lock = self._first_slot_lock + slot
        locks.acquire(lock, EXCLUSIVE)
        locks.release(self._control_lock)
        failure: SqlError | None = None
        try:
            self._read(page, xid, shared.pages[slot])
        except SqlError as error:
            failure = error
        self._clear_lsns(slot)
        locks.acquire(self._control_lock, EXCLUSIVE)
        shared.states[slot] = EMPTY if failure else VALID
        locks.release(lock)
        if failure is not None:
            raise failure
        self._touch(slot)
        return slot

    def make_zero(self, page: int) -> int:
        """Give a new page, all zero and dirty, a slot; it is the latest page now."""
        shared = self._shared
        slot = self._choose_slot(page)
        while shared.states[slot] in (READING, WRITING):
            self._wait(slot)
            slot = self._choose_slot(page)
        shared.numbers[slot] = page
        shared.states[slot] = VALID
        shared.dirty[slot] = 1
        shared.pages[slot][:] = _ZERO_PAGE
        self._clear_lsns(slot)
        self._touch(slot)
        self.set_latest(page)
        return slot

    def set_latest(self, page: int) -> None:
        """This page is being added to: it never leaves its slot."""
        self._shared.header[_LATEST_PAGE] = page

    def write(self, slot: int) -> bool:
        """Write the slot's page if it is dirty; control lock EXCLUSIVE, given up meanwhile."""
        shared, locks = self._shared, self._locks
        page = shared.numbers[slot]
        while shared.states[slot] == WRITING and shared.numbers[slot] == page:
            self._wait(slot)
        is_same = shared.states[slot] == VALID and shared.numbers[slot] == page
        if not is_same or not shared.dirty[slot]:
            return False
        shared.states[slot] = WRITING
        shared.dirty[slot] = 0
        # Changes after this copy make the page dirty again; they may be ahead of the WAL.
        copy = bytes(shared.pages[slot])
        first = slot * shared.groups
        lsn = max(shared.group_lsns[first : first + shared.groups])
        lock = self._first_slot_lock + slot
        locks.acquire(lock, EXCLUSIVE)
        locks.release(self._control_lock)
        failure: SqlError | None = None
        try:
            self._write(page, copy, lsn)
        except SqlError as error:
            failure = error
        locks.acquire(self._control_lock, EXCLUSIVE)
        shared.states[slot] = VALID
        if failure is not None:
            shared.dirty[slot] = 1
        locks.release(lock)
        if failure is not None:
            raise failure
        return True

    def checkpoint(self) -> int:
        """Write all dirty pages and make the names of new files durable; how many pages."""
        locks = self._locks
        written = 0
        locks.acquire(self._control_lock, EXCLUSIVE)
        for slot in range(self._shared.slots):
            written += self.write(slot)
        locks.release(self._control_lock)
        # Even if nothing was written here: another process may have made a file to clear its slot.
        if self._sync.fsync:
            try:
                self._host.fsync_directory(self._directory)
            except OSError as error:
                raise file_panic(error, f'could not fsync file "{self._directory}"') from error
        return written

    # slots ---------------------------------------------------------------------------------------

    def _touch(self, slot: int) -> None:
        """Note the use. Races with other readers only blur the order."""
        header, used = self._shared.header, self._shared.used
        now = header[_CLOCK]
        if used[slot] != now:
            now = (now + 1) & 0x7FFFFFFF
            header[_CLOCK] = now
            used[slot] = now

    def _choose_slot(self, page: int) -> int:
        """The page's slot, or one that is EMPTY: made so from the least recently used page."""
        shared = self._shared
        while True:
            numbers, states = shared.numbers, shared.states
            empty = oldest = oldest_busy = -1
            for slot in range(shared.slots):
                state = states[slot]
                if state == EMPTY:
                    empty = slot if empty < 0 else empty
                elif numbers[slot] == page:
                    return slot
                elif state != VALID:
                    oldest_busy = self._older(slot, oldest_busy)
                elif numbers[slot] != shared.header[_LATEST_PAGE]:
                    oldest = self._older(slot, oldest)
            if empty >= 0:
                return empty
            if oldest < 0:
                self._wait(oldest_busy)
            elif shared.dirty[oldest]:
                self.write(oldest)
            else:
                states[oldest] = EMPTY
                numbers[oldest] = _NO_PAGE

    def _older(self, slot: int, other: int) -> int:
        used = self._shared.used
        return slot if other < 0 or used[slot] < used[other] else other

    def _wait(self, slot: int) -> None:
        """Wait for the slot's I/O; the control lock is given up meanwhile."""
        shared, locks = self._shared, self._locks
        lock = self._first_slot_lock + slot
        locks.release(self._control_lock)
        locks.acquire(lock, SHARED)
        locks.release(lock)
        locks.acquire(self._control_lock, EXCLUSIVE)
        if shared.states[slot] in (READING, WRITING) and locks.try_acquire(lock, SHARED):
            # Whoever did the I/O left it with an error.
            if shared.states[slot] == READING:
                shared.states[slot] = EMPTY
            else:
                shared.states[slot] = VALID
                shared.dirty[slot] = 1
            locks.release(lock)

    def _clear_lsns(self, slot: int) -> None:
        shared = self._shared
        if shared.groups and shared.highest_lsn[0]:
            first = slot * shared.groups
            zeroes = memoryview(bytes(8 * shared.groups)).cast("Q")
            shared.group_lsns[first : first + shared.groups] = zeroes

    # files ---------------------------------------------------------------------------------------

    def _path(self, page: int) -> tuple[str, int]:
        """The file that has the page, and where in it."""
        file, inside = divmod(page, PAGES_PER_FILE)
        return f"{self._directory}/{file:04X}", inside * BLOCK_SIZE

    def _read(self, page: int, xid: int, view: memoryview) -> None:
        path, offset = self._path(page)
        doing = f'Could not open file "{path}"'
        try:
            fd = self._host.open(path)
            doing = f'Could not read from file "{path}" at offset {offset}'
            try:
                length = self._host.pread_into(fd, view, offset)
            finally:
                self._host.close(fd)
        except OSError as error:
            if error.errno != errno.ENOENT or not self.in_recovery:
                raise _no_status(xid, f"{doing}: {error.strerror}.", error) from error
            # WAL may speak of transactions whose status was truncated away since.
            self._log.log(f'file "{path}" doesn\'t exist, reading as zeroes')
            view[:] = _ZERO_PAGE
            return
        if length != BLOCK_SIZE:
            raise _no_status(xid, f"{doing}: read too few bytes.")

    def _write(self, page: int, data: bytes, lsn: int) -> None:
        if lsn:
            self.flush_wal(lsn)  # CLOG-3
        path, offset = self._path(page)
        doing = f'Could not open file "{path}"'
        try:
            fd = self._host.open(path, OpenMode.WRITE | OpenMode.CREATE)
            doing = f'Could not write to file "{path}" at offset {offset}'
            try:
                if self._host.pwrite(fd, data, offset) != BLOCK_SIZE:
                    # It does not say why it stopped; for want of room, most likely.
                    raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                self._host.close(fd)
        except OSError as error:
            raise _no_status(0, f"{doing}: {error.strerror}.", error) from error
        self._sync.register(self._tag(page // PAGES_PER_FILE))  # SYNC-1


def _no_status(xid: int, detail: str, error: OSError | None = None) -> SqlError:
    state = SqlState.INTERNAL_ERROR if error is None else file_sqlstate(error)
    return SqlError(state, f"could not access status of transaction {xid}", detail=detail)
