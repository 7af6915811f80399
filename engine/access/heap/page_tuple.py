"""A row version as a reader gets it: on a private copy of its page, its values not yet unpacked."""

from __future__ import annotations

from typing import Any

from engine.access.heap.tuple import TupleDescriptor, tuple_xmin
from engine.types import Tid

AnyPage = bytes | bytearray | memoryview


class HeapTuple:
    """A row version. `page` is a copy that nobody changes any more, so no lock or pin is needed."""

    __slots__ = ("_pointer", "block", "descriptor", "number", "page")

    def __init__(
        self, descriptor: TupleDescriptor, page: AnyPage, block: int, number: int, pointer: int
    ) -> None:
        self.descriptor = descriptor
        self.page = page
        self.block = block
        self.number = number
        self._pointer = pointer

    @property
    def tid(self) -> Tid:
        return Tid(self.block, self.number)

    @property
    def offset(self) -> int:
        """Where in `page` the tuple begins."""
        return self._pointer & 0x7FFF

    @property
    def length(self) -> int:
        """Bytes of the tuple, header included."""
        return self._pointer >> 17

    @property
    def xmin(self) -> int:
        """Who inserted it."""
        return tuple_xmin(self.page, self.offset)

    def values(self, count: int | None = None) -> list[Any]:
        """The first `count` values, or all."""
        pointer = self._pointer
        return self.descriptor.deform(self.page, pointer & 0x7FFF, pointer >> 17, count)
