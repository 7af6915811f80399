"""The queue of sync requests in shared memory, on its way from all processes to the checkpointer.

Layout: header of 4 x u32 (length, slot + 1 of the checkpointer or 0, cycle, spare), then `capacity`
requests of 8 x u32: what is asked, the six fields of the tag, spare. All but the cycle is read and
written under the lock SYNC_QUEUE, which the callers hold.

Source: PostgreSQL 15, `ForwardSyncRequest`, `CompactCheckpointerRequestQueue` and
`AbsorbSyncRequests` in `postmaster/checkpointer.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.config import Config
from engine.storage.sync_tags import SyncTag

SYNC: Final = 1
"""Make the file durable."""
UNLINK: Final = 2
"""Remove the file after the next checkpoint."""
FORGET: Final = 3
"""The file is going away: what was asked for it before is void."""

_REQUEST: Final = Struct("<8I")
_HEADER_BYTES: Final = 16
_LENGTH: Final = 0
_OWNER: Final = 1
_CYCLE: Final = 2
_SMALLEST: Final = 64


class SyncShared:
    """The queue's memory. As many requests as there are shared buffers, 64 at least."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        self.capacity = self._capacity(config)
        self._header = memory[:_HEADER_BYTES].cast("I")
        self._requests = memory[_HEADER_BYTES:]

    @classmethod
    def size(cls, config: Config) -> int:
        """Bytes of shared memory."""
        return _HEADER_BYTES + _REQUEST.size * cls._capacity(config)

    @staticmethod
    def _capacity(config: Config) -> int:
        return max(_SMALLEST, int(config.shared_buffers))

    @property
    def length(self) -> int:
        """Requests in the queue."""
        return self._header[_LENGTH]

    @property
    def owner(self) -> int | None:
        """The checkpointer's slot, None while there is no checkpointer."""
        slot = self._header[_OWNER]
        return slot - 1 if slot else None

    @owner.setter
    def owner(self, slot: int | None) -> None:
        self._header[_OWNER] = 0 if slot is None else slot + 1

    @property
    def cycle(self) -> int:
        """Odd while files are being synced, one higher after; see SYNC-4."""
        return self._header[_CYCLE]

    def begin_cycle(self) -> None:
        """Files are about to be synced."""
        self._header[_CYCLE] |= 1

    def end_cycle(self) -> None:
        """All that were pending are synced."""
        self._header[_CYCLE] = (self._header[_CYCLE] + 1) & 0xFFFFFFFE

    def add(self, what: int, tag: SyncTag) -> bool:
        """Append a request; False when the queue is full of different requests."""
        header = self._header
        length = header[_LENGTH]
        if length >= self.capacity:
            if not self._compact():
                return False
            length = header[_LENGTH]
        _REQUEST.pack_into(self._requests, length * _REQUEST.size, what, *tag, 0)
        header[_LENGTH] = length + 1
        return True

    def take_all(self) -> list[tuple[int, SyncTag]]:
        """Empty the queue; its requests in the order they came."""
        requests = self._list()
        self._header[_LENGTH] = 0
        return [(row[0], SyncTag(*row[1:7])) for row in requests]

    def _compact(self) -> bool:
        """Drop requests that come again later; whether that made room."""
        requests = self._list()
        last: dict[tuple[int, ...], None] = {}
        for row in requests:
            # A later equal request stays, not the first: a FORGET may lie between the two.
            last.pop(row, None)
            last[row] = None
        if len(last) == len(requests):
            return False
        packed = b"".join([_REQUEST.pack(*row) for row in last])
        self._requests[: len(packed)] = packed
        self._header[_LENGTH] = len(last)
        return True

    def _list(self) -> list[tuple[int, ...]]:
        used = self._header[_LENGTH] * _REQUEST.size
        return list(_REQUEST.iter_unpack(self._requests[:used]))
