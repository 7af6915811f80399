"""What a power loss may leave of the files in one directory: a list of objections, or none.

A plain reading of POSIX, with none of the disk model's machinery: it keeps, for each file, what is
durable and which bytes were written since at which place, and for each name which files it has
stood for since the directory was synced. Then it looks at a crash image and says what cannot be.

    a byte is what was durable there, or was written there since, or is a zero where there was
    nothing (behind the old end, or behind where the file was cut)
    a size is the durable one, one that the file was cut to, the end of a write, or the end of a
    sector of a write
    a name stands for a file that it has stood for since the directory was synced, or for none if
    there was none at some time since
    a file whose name was durable is still there, if nobody has removed it since and no other file
    has had one of its names
    when nothing was changed since the last sync, all of this leaves one possibility
    of a file whose sync has failed once, no byte is left that the failure dropped; there may be
    zeros instead, and its size may be any

It is too generous where changes depend on each other (a journal's order, a rename that is one
change of two names); what it objects to is wrong on every disk that keeps what was synced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class PlainFile:
    """`cached` is what programs read; the rest is what a power loss may take it from. `pending` are
    the writes (offset, data) and cuts (size) that the next sync makes durable.
    """

    cached: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    sizes: set[int] = field(default_factory=lambda: {0})
    written: dict[int, set[int]] = field(default_factory=dict)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)
    shortest: int = 0
    has_durable_name: bool = False
    is_removed: bool = False
    is_spoiled: bool = False

    def synced(self, content: bytes) -> None:
        """This is durable now, and nothing is pending."""
        self.durable = bytes(content)
        self.sizes = {len(content)}
        self.written = {}
        self.pending = []
        self.shortest = len(content)

    def change(self, change: tuple[int, bytes] | int) -> None:
        """A write, or a cut to that size."""
        _apply(self.cached, change)
        self.pending.append(change)

    def sync(self) -> None:
        """What is pending is durable. After a failed sync that may be less than what is read."""
        content = bytearray(self.durable)
        for change in self.pending:
            _apply(content, change)
        self.synced(bytes(content))

    def objections(self, content: bytes) -> list[str]:
        """What cannot be in this content."""
        found = []
        if len(content) not in self.sizes and not self.is_spoiled:
            found.append(f"has {len(content)} bytes, which may be {sorted(self.sizes)}")
        for at, byte in enumerate(content):
            if at < len(self.durable) and byte == self.durable[at]:
                continue
            if byte in self.written.get(at, ()):
                continue
            if byte == 0 and (self.is_spoiled or at >= min(self.shortest, len(self.durable))):
                continue
            found.append(f"has {byte:#04x} at {at}, which was never there")
            break
        return found


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    """A hole becomes zeros."""
    offset, data = (change, b"") if isinstance(change, int) else change
    end = offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[offset:end] = data
    if isinstance(change, int):
        del content[end:]


@dataclass(slots=True)
class PlainDisk:
    """One directory. A file is known by a number that its creator gives it."""

    atom: int = 512
    files: dict[int, PlainFile] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    stood_for: dict[str, list[int | None]] = field(default_factory=dict)

    def restart(self, names: Mapping[str, int], contents: Mapping[int, bytes]) -> None:
        """This was found, and is durable."""
        self.names = dict(names)
        self.stood_for = {}
        self.files = {}
        for number, content in contents.items():
            file = self.files[number] = PlainFile(bytearray(content), has_durable_name=True)
            file.synced(content)

    # what is done ------------------------------------------------------------------------------

    def create(self, name: str, number: int) -> None:
        """A new file."""
        self.files[number] = PlainFile()
        self._name(name, number)

    def write(self, number: int, offset: int, data: bytes) -> None:
        """Some bytes."""
        file, end = self.files[number], offset + len(data)
        file.change((offset, data))
        for at, byte in enumerate(data, offset):
            file.written.setdefault(at, set()).add(byte)
        file.sizes.add(end)
        file.sizes.update(range(offset - offset % self.atom + self.atom, end, self.atom))

    def truncate(self, number: int, size: int) -> None:
        """The file ends there."""
        file = self.files[number]
        file.change(size)
        file.sizes.add(size)
        file.shortest = min(file.shortest, size)

    def rename(self, old: str, new: str) -> None:
        """Over whatever had that name."""
        number = self.names[old]
        replaced = self.names.get(new)
        if replaced is not None and replaced != number:
            self.files[replaced].is_removed = True
        self._name(old, None)
        self._name(new, number)

    def unlink(self, name: str) -> None:
        """The name goes."""
        self.files[self.names[name]].is_removed = True
        self._name(name, None)

    def fsync(self, number: int) -> None:
        """Content and size are durable."""
        self.files[number].sync()

    def fsync_failed(self, number: int) -> None:
        """What was written is lost, though programs still read it; sizes that were set are not."""
        file = self.files[number]
        file.is_spoiled = True
        file.written = {}
        file.pending = [change for change in file.pending if isinstance(change, int)]

    def fsync_directory(self) -> None:
        """The names are durable."""
        self.stood_for = {}
        for number in self.names.values():
            self.files[number].has_durable_name = True

    def _name(self, name: str, number: int | None) -> None:
        self.stood_for.setdefault(name, [self.names.get(name)]).append(number)
        if number is None:
            del self.names[name]
        else:
            self.names[name] = number

    # what may be left --------------------------------------------------------------------------

    def may_stand_for(self, name: str) -> list[int | None]:
        """The files that the name may stand for after a power loss."""
        return self.stood_for.get(name, [self.names.get(name)])

    def objections(self, image: Mapping[str, bytes]) -> list[str]:
        """What cannot be in this image: of a disk that lost its power now."""
        found: list[str] = []
        there: list[int] = []
        for name in sorted({*image, *self.names, *self.stood_for}):
            may_be = self.may_stand_for(name)
            content = image.get(name)
            if content is None:
                if None not in may_be:
                    found.append(f"{name} is gone")
                continue
            wrong: list[str] = ["is there"]
            for number in may_be:
                if number is not None:
                    wrong = self.files[number].objections(content)
                    if not wrong:
                        there.append(number)
            if wrong and not any(number in there for number in may_be):
                found += [f"{name} {why}" for why in wrong]
        for number, file in self.files.items():
            if number not in there and file.has_durable_name and not self._may_be_lost(number):
                found.append(f"file {number} is lost, though its name was durable")
        return found

    def _may_be_lost(self, number: int) -> bool:
        """Somebody has removed it, or another file has had one of its names."""
        if self.files[number].is_removed:
            return True
        states = [self.may_stand_for(name) for name in {**self.names, **self.stood_for}]
        return any(
            number in may_be and any(one not in (number, None) for one in may_be)
            for may_be in states
        )
