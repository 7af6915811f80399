"""The lock table in shared memory: its layout, and the entries as words at fixed offsets.

Everything is u32 words under the light-weight lock LOCK_PARTITION. A *pointer* is the index of an
entry's first word, 0 is none; zeroed memory is an empty table.

    header   free list and high-water mark of both kinds of entry, counts in use
    procs    one per process slot: its holder entries, and what it waits for
    buckets  heads of the hash chains
    locks    one per object that somebody holds or awaits (PostgreSQL's LOCK)
    holders  one per (object, process) pair (PostgreSQL's PROCLOCK)

A lock's holder entries form a doubly linked list, a process's too. The wait queue is a doubly
linked list of process slots, kept in the procs' words.

Source: PostgreSQL 15, `storage/lock.h`.
"""

from __future__ import annotations

from typing import Final

from engine.config import Config
from engine.lmgr.lock_tag import LockTag

# lock entry
LOCK_NEXT: Final = 0
LOCK_TAG: Final = 1
LOCK_GRANT_MASK: Final = 6
LOCK_WAIT_MASK: Final = 7
LOCK_HOLDERS: Final = 8
LOCK_QUEUE_HEAD: Final = 9
LOCK_QUEUE_TAIL: Final = 10
LOCK_REQUESTS: Final = 11
LOCK_GRANTED: Final = 11
"""+ mode: how many processes hold that mode (12 to 19)."""
LOCK_REQUESTED: Final = 19
"""+ mode: how many hold or await it (20 to 27)."""
LOCK_WORDS: Final = 28

# holder entry
HOLDER_LOCK: Final = 0
HOLDER_SLOT: Final = 1
HOLDER_MASK: Final = 2
HOLDER_NEXT_ON_LOCK: Final = 3
HOLDER_PREVIOUS_ON_LOCK: Final = 4
HOLDER_NEXT_ON_PROC: Final = 5
HOLDER_PREVIOUS_ON_PROC: Final = 6
HOLDER_WORDS: Final = 8

# proc entry
PROC_HOLDERS: Final = 0
PROC_WAIT_LOCK: Final = 1
PROC_WAIT_HOLDER: Final = 2
PROC_WAIT_MODE: Final = 3
PROC_WAIT_STATUS: Final = 4
PROC_QUEUE_NEXT: Final = 5
PROC_QUEUE_PREVIOUS: Final = 6
PROC_WORDS: Final = 8

# header
_LOCK_FREE: Final = 0
_LOCK_HIGH: Final = 1
_HOLDER_FREE: Final = 2
_HOLDER_HIGH: Final = 3
_HEADER_WORDS: Final = 16


class LockTableShared:
    """The words, and the operations that keep the lists and the hash chains.

    The caller holds LOCK_PARTITION exclusively around every call and every access of `words`.
    """

    def __init__(self, memory: memoryview, config: Config, slots: int) -> None:
        self.words = memory.cast("I")
        self.slots = slots
        self.max_locks = _max_locks(config)
        self.max_holders = 2 * self.max_locks
        self.bucket_count = _bucket_count(self.max_locks)
        self._proc_base = _HEADER_WORDS
        self._bucket_base = self._proc_base + slots * PROC_WORDS
        self._lock_base = self._bucket_base + self.bucket_count
        self._holder_base = self._lock_base + self.max_locks * LOCK_WORDS

    @staticmethod
    def size(config: Config, slots: int) -> int:
        """Bytes for `max_locks_per_transaction` x `max_connections` objects."""
        locks = _max_locks(config)
        words = _HEADER_WORDS + slots * PROC_WORDS + _bucket_count(locks)
        words += locks * LOCK_WORDS + 2 * locks * HOLDER_WORDS
        return 4 * words

    def proc(self, slot: int) -> int:
        """Pointer to the words of a process slot."""
        return self._proc_base + slot * PROC_WORDS

    # locks ----------------------------------------------------------------------------------------

    def find_lock(self, tag: LockTag) -> int:
        """The entry of the object, 0 when nobody holds or awaits it."""
        words = self.words
        kind, one, two, three, four = tag
        pointer = words[self._bucket(tag)]
        while pointer:
            if (
                words[pointer + 2] == one
                and words[pointer + 3] == two
                and words[pointer + 1] == kind
                and words[pointer + 4] == three
                and words[pointer + 5] == four
            ):
                return pointer
            pointer = words[pointer]
        return 0

    def create_lock(self, tag: LockTag) -> int:
        """A new entry for the object, 0 when the table is full."""
        words = self.words
        pointer = words[_LOCK_FREE]
        if pointer:
            words[_LOCK_FREE] = words[pointer]
        else:
            used = words[_LOCK_HIGH]
            if used == self.max_locks:
                return 0
            words[_LOCK_HIGH] = used + 1
            pointer = self._lock_base + used * LOCK_WORDS
        bucket = self._bucket(tag)
        words[pointer] = words[bucket]
        words[bucket] = pointer
        (
            words[pointer + 1],
            words[pointer + 2],
            words[pointer + 3],
            words[pointer + 4],
            words[pointer + 5],
        ) = tag
        for word in range(pointer + LOCK_GRANT_MASK, pointer + LOCK_WORDS):
            words[word] = 0
        return pointer

    def free_lock(self, lock: int) -> None:
        """Take an entry that nobody holds or awaits out of the table."""
        words = self.words
        previous = self._bucket(self.tag_of(lock))
        while words[previous] != lock:
            previous = words[previous]
        words[previous] = words[lock]
        words[lock] = words[_LOCK_FREE]
        words[lock + LOCK_TAG] = 0
        words[_LOCK_FREE] = lock

    def tag_of(self, lock: int) -> LockTag:
        """What object the entry is for."""
        return LockTag(*self.words[lock + LOCK_TAG : lock + LOCK_TAG + 5])

    def locks(self) -> list[int]:
        """Every entry in use, in the order of the memory."""
        words = self.words
        end = self._lock_base + words[_LOCK_HIGH] * LOCK_WORDS
        return [p for p in range(self._lock_base, end, LOCK_WORDS) if words[p + LOCK_TAG]]

    def _bucket(self, tag: LockTag) -> int:
        """Where the chain of the tag begins. Python's own hash of ints is not promised to stay."""
        kind, one, two, three, four = tag
        mixed = ((one * 31 + two) * 31 + three) * 31 + four * 7 + kind
        return self._bucket_base + (mixed * 0x9E3779B1 >> 8) % self.bucket_count

    # holders --------------------------------------------------------------------------------------

    def find_holder(self, lock: int, slot: int) -> int:
        """The entry of the process at the object, 0 when there is none."""
        words = self.words
        pointer = words[lock + LOCK_HOLDERS]
        while pointer and words[pointer + HOLDER_SLOT] != slot:
            pointer = words[pointer + HOLDER_NEXT_ON_LOCK]
        return pointer

    def create_holder(self, lock: int, slot: int) -> int:
        """A new entry of the process at the object, 0 when the table is full."""
        words = self.words
        pointer = words[_HOLDER_FREE]
        if pointer:
            words[_HOLDER_FREE] = words[pointer]
        else:
            used = words[_HOLDER_HIGH]
            if used == self.max_holders:
                return 0
            words[_HOLDER_HIGH] = used + 1
            pointer = self._holder_base + used * HOLDER_WORDS
        words[pointer + HOLDER_LOCK] = lock
        words[pointer + HOLDER_SLOT] = slot
        words[pointer + HOLDER_MASK] = 0
        head = lock + LOCK_HOLDERS
        following = words[head]
        words[pointer + HOLDER_NEXT_ON_LOCK] = following
        words[pointer + HOLDER_PREVIOUS_ON_LOCK] = 0
        if following:
            words[following + HOLDER_PREVIOUS_ON_LOCK] = pointer
        words[head] = pointer
        head = self._proc_base + slot * PROC_WORDS
        following = words[head]
        words[pointer + HOLDER_NEXT_ON_PROC] = following
        words[pointer + HOLDER_PREVIOUS_ON_PROC] = 0
        if following:
            words[following + HOLDER_PREVIOUS_ON_PROC] = pointer
        words[head] = pointer
        return pointer

    def free_holder(self, holder: int) -> None:
        """Take the entry off both of its lists."""
        words = self.words
        following = words[holder + HOLDER_NEXT_ON_LOCK]
        previous = words[holder + HOLDER_PREVIOUS_ON_LOCK]
        if following:
            words[following + HOLDER_PREVIOUS_ON_LOCK] = previous
        if previous:
            words[previous + HOLDER_NEXT_ON_LOCK] = following
        else:
            words[words[holder + HOLDER_LOCK] + LOCK_HOLDERS] = following
        following = words[holder + HOLDER_NEXT_ON_PROC]
        previous = words[holder + HOLDER_PREVIOUS_ON_PROC]
        if following:
            words[following + HOLDER_PREVIOUS_ON_PROC] = previous
        if previous:
            words[previous + HOLDER_NEXT_ON_PROC] = following
        else:
            words[self.proc(words[holder + HOLDER_SLOT]) + PROC_HOLDERS] = following
        words[holder] = words[_HOLDER_FREE]
        words[_HOLDER_FREE] = holder

    def holders(self, lock: int) -> list[int]:
        """The holder entries of an object; a waiter that holds nothing there has one too."""
        return self._chain(self.words[lock + LOCK_HOLDERS], HOLDER_NEXT_ON_LOCK)

    def holders_of(self, slot: int) -> list[int]:
        """The holder entries of a process."""
        return self._chain(self.words[self.proc(slot)], HOLDER_NEXT_ON_PROC)

    def _chain(self, pointer: int, link: int) -> list[int]:
        words = self.words
        found = []
        while pointer:
            found.append(pointer)
            pointer = words[pointer + link]
        return found

    # wait queues ----------------------------------------------------------------------------------

    def queue(self, lock: int) -> list[int]:
        """The slots that wait for the object, first in front."""
        words = self.words
        found = []
        slot = words[lock + LOCK_QUEUE_HEAD]
        while slot:
            found.append(slot)
            slot = words[self.proc(slot) + PROC_QUEUE_NEXT]
        return found

    def enqueue(self, lock: int, slot: int, before: int = 0) -> None:
        """Put a slot into the queue in front of `before`, at the end when that is 0."""
        words = self.words
        proc = self.proc(slot)
        if before:
            previous = words[self.proc(before) + PROC_QUEUE_PREVIOUS]
            words[self.proc(before) + PROC_QUEUE_PREVIOUS] = slot
        else:
            previous = words[lock + LOCK_QUEUE_TAIL]
            words[lock + LOCK_QUEUE_TAIL] = slot
        words[proc + PROC_QUEUE_NEXT] = before
        words[proc + PROC_QUEUE_PREVIOUS] = previous
        if previous:
            words[self.proc(previous) + PROC_QUEUE_NEXT] = slot
        else:
            words[lock + LOCK_QUEUE_HEAD] = slot

    def dequeue(self, lock: int, slot: int) -> None:
        """Take a slot out of the queue."""
        words = self.words
        proc = self.proc(slot)
        following = words[proc + PROC_QUEUE_NEXT]
        previous = words[proc + PROC_QUEUE_PREVIOUS]
        if following:
            words[self.proc(following) + PROC_QUEUE_PREVIOUS] = previous
        else:
            words[lock + LOCK_QUEUE_TAIL] = previous
        if previous:
            words[self.proc(previous) + PROC_QUEUE_NEXT] = following
        else:
            words[lock + LOCK_QUEUE_HEAD] = following
        words[proc + PROC_QUEUE_NEXT] = 0
        words[proc + PROC_QUEUE_PREVIOUS] = 0


def _max_locks(config: Config) -> int:
    return int(config.max_locks_per_transaction) * int(config.max_connections)


def _bucket_count(locks: int) -> int:
    """A power of two, about one bucket for every entry."""
    return max(16, 1 << (locks - 1).bit_length())
