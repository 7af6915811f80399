"""What a file holds, immutable and shared between images, and its digest.

A `Content` is a list of chunks of CHUNK bytes. A new one that differs in a page shares all other
chunks with the old one, and its digest is got from the old one's and that page's: so a file of
16 MB in a thousand crash images costs what differs between them.

The digest of a file is over the sum, modulo a prime, of its chunks' digests, each times a power
that belongs to its place; a chunk of zeros counts nothing, so a hole costs nothing. It tells
files apart that differ by accident; against somebody who looks for collisions it is no defence.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

CHUNK: Final = 8192
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700

_PRIME: Final = (1 << 127) - 1
_BASE: Final = 0x5851F42D4C957F2D14057B7EF767814F % _PRIME
_powers: Final = [_BASE]


def _power(index: int) -> int:
    while index >= len(_powers):
        _powers.append(_powers[-1] * _BASE % _PRIME)
    return _powers[index]


class Chunk:
    """CHUNK bytes, and their digest once somebody asked."""

    __slots__ = ("_digest", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._digest = -1

    @property
    def digest(self) -> int:
        """Below the prime; 0 is that of zeros."""
        if self._digest < 0:
            if self.data == ZEROS.data:
                self._digest = 0
            else:
                digest = blake2b(self.data, digest_size=16).digest()
                self._digest = int.from_bytes(digest, "big") % _PRIME
        return self._digest


ZEROS: Final = Chunk(bytes(CHUNK))


class Content:
    """What one file holds: `size` bytes and its mode. What lies behind the size is zeros."""

    __slots__ = ("_digest", "_total", "chunks", "mode", "size")

    def __init__(
        self, chunks: tuple[Chunk, ...], size: int, mode: int = FILE_MODE, total: int = -1
    ) -> None:
        self.chunks = chunks
        self.size = size
        self.mode = mode
        self._total = total
        self._digest = b""

    @classmethod
    def of(cls, data: bytes, mode: int = FILE_MODE) -> Content:
        """The content that is these bytes."""
        editor = Editor(cls((), 0, mode))
        editor.write(0, data)
        return editor.content()

    @property
    def data(self) -> bytes:
        """All bytes, put together anew at each call."""
        return b"".join([chunk.data for chunk in self.chunks])[: self.size]

    @property
    def total(self) -> int:
        """The sum over the chunks."""
        if self._total < 0:
            _power(len(self.chunks))
            products = [
                chunk.digest * power for chunk, power in zip(self.chunks, _powers, strict=False)
            ]
            self._total = sum(products) % _PRIME
        return self._total

    @property
    def has_total(self) -> bool:
        """Whether the sum is known already."""
        return self._total >= 0

    @property
    def digest(self) -> bytes:
        """16 bytes over mode, size and content."""
        if not self._digest:
            text = b"%d %d %d" % (self.mode, self.size, self.total)
            self._digest = blake2b(text, digest_size=16).digest()
        return self._digest

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Content) and self.digest == other.digest

    def __hash__(self) -> int:
        return int.from_bytes(self.digest[:8], "big")

    def __repr__(self) -> str:
        return f"Content({self.size} bytes, {self.digest.hex()[:8]})"


EMPTY: Final = Content((), 0)


class Editor:
    """Makes a new content from an old one by writes and truncations."""

    __slots__ = ("_base", "_chunks", "_content", "_touched", "size")

    def __init__(self, base: Content) -> None:
        self._base = base
        self._chunks = list(base.chunks)
        self._touched: dict[int, None] = {}
        self._content: Content | None = base
        self.size = base.size

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """As pwrite(2): what lies between the old end and `offset` becomes zeros."""
        end = offset + len(data)
        if end == offset:
            return
        self.grow(end)
        self._content = None
        view = memoryview(data)
        for index in range(offset // CHUNK, (end - 1) // CHUNK + 1):
            start = index * CHUNK
            low, high = max(offset, start), min(end, start + CHUNK)
            part = view[low - offset : high - offset]
            if high - low == CHUNK:
                new = bytes(part)
            else:
                old = self._chunks[index].data
                new = b"".join((old[: low - start], part, old[high - start :]))
            self._chunks[index] = Chunk(new)
            self._touched[index] = None

    def grow(self, size: int) -> None:
        """Make the file at least `size` long; what is new is zeros."""
        if size > self.size:
            self._content = None
            self.size = size
            self._resize()

    def truncate(self, size: int) -> None:
        """As ftruncate(2)."""
        if size == self.size:
            return
        shrinks = size < self.size
        self._content = None
        self.size = size
        self._resize()
        within = size % CHUNK
        if shrinks and within:
            index = size // CHUNK
            self._chunks[index] = Chunk(self._chunks[index].data[:within] + bytes(CHUNK - within))
            self._touched[index] = None

    def _resize(self) -> None:
        count = -(-self.size // CHUNK)
        have = len(self._chunks)
        if count > have:
            self._chunks.extend([ZEROS] * (count - have))
        else:
            del self._chunks[count:]
        for index in range(min(count, have), min(max(count, have), len(self._base.chunks))):
            self._touched[index] = None

    def content(self) -> Content:
        """What the file holds now."""
        if self._content is None:
            self._content = self._made()
            self._base = self._content
            self._touched.clear()
        return self._content

    def _made(self) -> Content:
        base = self._base
        total = -1
        if base.has_total:
            total = base.total
            have = len(self._chunks)
            for index in self._touched:
                old = base.chunks[index].digest if index < len(base.chunks) else 0
                new = self._chunks[index].digest if index < have else 0
                total += (new - old) * _power(index)
            total %= _PRIME
        return Content(tuple(self._chunks), self.size, base.mode, total)
