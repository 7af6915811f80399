"""The same rules once more, written for reading and for nothing else: the oracle of the model.

It keeps the whole log. To tell what a power loss may leave, it decides for each operation which of
its bits are durable, tries every subset of the others that the rules allow, and replays the whole
log for each. Nothing is shared with the model but the vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.disk.image import Image
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import Order, Profile

Bit = tuple[int, object]
"""(place of the operation, atom | 'size' | 'it')."""

DATA = (Kind.WRITE, Kind.TRUNCATE)


@dataclass
class Fact:
    """An operation, and what was true when it was done."""

    operation: Operation
    file: int = -1
    entry: int = -1
    directories: tuple[int, ...] = ()
    target: tuple[int, str] | None = None
    replaces: bool = False
    size_before: int = 0
    is_noop: bool = False
    bits: list[object] = field(default_factory=list)

    @property
    def is_name(self) -> bool:
        return self.entry >= 0


class Replay:
    """A file system that forgets nothing: files and entries by number."""

    def __init__(self, base: Image) -> None:
        self.contents: dict[int, bytearray] = {}
        self.is_directory: dict[int, bool] = {0: True}
        self.entry_file: dict[int, int] = {}
        self.at: dict[int, tuple[int, str]] = {}
        numbers = {"": 0}
        self.by_inode = {base.inodes[""]: 0}
        for path in sorted([*base.directories, *base.files]):
            if path:
                number = numbers[path] = len(numbers)
                parent, _, name = path.rpartition("/")
                self.is_directory[number] = path in base.directories
                if path in base.files:
                    self.contents[number] = bytearray(base.files[path].data)
                self.by_inode[base.inodes[path]] = number
                self.entry_file[number] = number
                self.at[number] = (numbers[parent], name)

    def find(self, path: str) -> int:
        """The entry; -1 for the root."""
        entry, directory = -1, 0
        for name in filter(None, path.split("/")):
            entry = next(one for one, place in self.at.items() if place == (directory, name))
            directory = self.entry_file[entry]
        return entry

    def directory(self, path: str) -> int:
        entry = self.find(path)
        return 0 if entry < 0 else self.entry_file[entry]

    def put(self, entry: int, place: tuple[int, str]) -> None:
        for other in [one for one, there in self.at.items() if there == place]:
            del self.at[other]
        self.at[entry] = place

    def write(self, file: int, offset: int, data: bytes, limit: int | None = None) -> None:
        content = self.contents[file]
        for index, byte in enumerate(data, offset):
            if limit is None or index < limit:
                content.extend(bytes(max(0, index + 1 - len(content))))
                content[index] = byte

    def resize(self, file: int, size: int) -> None:
        content = self.contents[file]
        del content[size:]
        content.extend(bytes(size - len(content)))

    def tree(self) -> dict[str, bytes]:
        found = {}
        for entry, place in list(self.at.items()):
            path = self.path(place)
            if path is not None:
                file = self.entry_file[entry]
                if self.is_directory[file]:
                    found[f"{path}/"] = b""
                else:
                    found[path] = bytes(self.contents[file])
        return dict(sorted(found.items()))

    def path(self, place: tuple[int, str], depth: int = 0) -> str | None:
        directory, name = place
        if directory == 0:
            return name
        for entry, file in self.entry_file.items():
            if file == directory and entry in self.at and depth < 20:
                above = self.path(self.at[entry], depth + 1)
                return None if above is None else f"{above}/{name}"
        return None


class Oracle:
    """What a disk of this profile may hold after these operations and a power loss."""

    def __init__(self, base: Image, profile: Profile, log: list[Operation]) -> None:
        self.base, self.profile = base, profile
        self.facts: list[Fact] = []
        self.cache = Replay(base)
        for operation in log:
            self.facts.append(self.observe(operation))
        self.durable = self.durable_bits()
        self.dropped = self.dropped_operations()

    # the facts -------------------------------------------------------------------------------

    def observe(self, operation: Operation) -> Fact:
        """Do it to the cache and note what it was."""
        fact, cache, kind = Fact(operation), self.cache, operation.kind
        if kind in (Kind.WRITE, Kind.TRUNCATE, Kind.FSYNC, Kind.FSYNC_FAILED):
            fact.file = cache.by_inode[operation.inode]
        if kind is Kind.WRITE:
            fact.size_before = len(cache.contents[fact.file])
            end = operation.offset + len(operation.data)
            atom = self.profile.atom
            if operation.data:
                fact.bits = list(range(operation.offset // atom, (end - 1) // atom + 1))
            if end > fact.size_before and self.profile.order is not Order.SEQUENCE:
                fact.bits.append("size")
            cache.write(fact.file, operation.offset, operation.data)
        elif kind is Kind.TRUNCATE:
            fact.bits = ["it"]
            cache.resize(fact.file, operation.offset)
        elif kind is Kind.FSYNC_DIRECTORY:
            fact.file = cache.directory(operation.path)
        elif kind not in (Kind.FSYNC, Kind.FSYNC_FAILED):
            self.observe_name(fact)
        return fact

    def observe_name(self, fact: Fact) -> None:
        operation, cache = fact.operation, self.cache
        kind = operation.kind
        fact.bits = ["it"]
        old_parent, _, old_name = operation.path.rpartition("/")
        new_parent, _, new_name = operation.other.rpartition("/")
        here = cache.directory(old_parent)
        if kind in (Kind.CREATE, Kind.MAKE_DIRECTORY):
            number = max(cache.entry_file, default=0) + len(cache.is_directory) + 1
            cache.is_directory[number] = kind is Kind.MAKE_DIRECTORY
            cache.contents[number] = bytearray()
            cache.by_inode[operation.inode] = number
            cache.entry_file[number] = fact.file = number
            fact.entry, fact.target, fact.directories = number, (here, old_name), (here,)
        elif kind is Kind.LINK:
            there = cache.directory(new_parent)
            fact.file = cache.entry_file[cache.find(operation.path)]
            fact.entry = max(cache.entry_file) + 1000
            cache.entry_file[fact.entry] = fact.file
            fact.target, fact.directories = (there, new_name), (there,)
        else:
            fact.entry = cache.find(operation.path)
            fact.file = cache.entry_file[fact.entry]
            fact.directories = (here,)
            if kind is Kind.RENAME:
                there = cache.directory(new_parent)
                fact.directories = tuple(dict.fromkeys((here, there)))
                fact.target = (there, new_name)
                before = [one for one, at in cache.at.items() if at == fact.target]
                fact.replaces = bool(before)
                if before and cache.entry_file[before[0]] == fact.file:
                    fact.is_noop, fact.bits, fact.entry = True, [], -1
                    return
        if fact.target is None:
            del cache.at[fact.entry]
        else:
            cache.put(fact.entry, fact.target)

    # what is durable -------------------------------------------------------------------------

    def durable_bits(self) -> set[Bit]:
        """The bits that no power loss takes away."""
        found: set[Bit] = set()
        for at, fact in enumerate(self.facts):
            if fact.operation.kind in (Kind.FSYNC, Kind.FSYNC_DIRECTORY):
                if self.profile.order is Order.ANY:
                    self.sync_one(at, fact, found)
                else:
                    self.sync_log(at, fact, found)
        if self.profile.cached_operations:
            changes = [at for at, fact in enumerate(self.facts) if fact.bits]
            kept = set(changes[: max(0, len(changes) - self.profile.cached_operations)])
            found = {bit for bit in found if bit[0] in kept}
        return found

    def sync_one(self, at: int, sync: Fact, found: set[Bit]) -> None:
        for place, fact in enumerate(self.facts[:at]):
            if fact.operation.kind in DATA and sync.operation.kind is Kind.FSYNC:
                if fact.file == sync.file:
                    found.update((place, bit) for bit in fact.bits)
            elif fact.is_name and sync.operation.kind is Kind.FSYNC_DIRECTORY:
                unsynced = [one for one in fact.directories if not self.synced(one, place, at)]
                if not unsynced:
                    for earlier, other in enumerate(self.facts[: place + 1]):
                        if other.entry == fact.entry:
                            found.add((earlier, "it"))

    def synced(self, directory: int, since: int, until: int) -> bool:
        return any(
            fact.operation.kind is Kind.FSYNC_DIRECTORY and fact.file == directory
            for fact in self.facts[since : until + 1]
        )

    def sync_log(self, at: int, sync: Fact, found: set[Bit]) -> None:
        concern = [
            place
            for place, fact in enumerate(self.facts[:at])
            if fact.bits and (fact.file == sync.file or sync.file in fact.directories)
        ]
        for place, fact in enumerate(self.facts[: max(concern, default=-1) + 1]):
            is_free = fact.operation.kind is Kind.WRITE and self.profile.order is Order.JOURNAL
            if not is_free or fact.file == sync.file:
                found.update((place, bit) for bit in fact.bits)
            if fact.replaces and self.profile.replaces_after_data:
                for earlier, other in enumerate(self.facts[:place]):
                    if other.file == fact.file and "size" in other.bits:
                        found.update((earlier, bit) for bit in self.grown(other))

    def grown(self, fact: Fact) -> list[object]:
        """The bits that come with the new size."""
        atom = self.profile.atom
        return [
            bit
            for bit in fact.bits
            if bit == "size" or (isinstance(bit, int) and (bit + 1) * atom > fact.size_before)
        ]

    def dropped_operations(self) -> set[Bit]:
        """The bits that no power loss keeps."""
        found: set[Bit] = set()
        for at, fact in enumerate(self.facts):
            if fact.operation.kind is Kind.FSYNC_FAILED:
                for place, other in enumerate(self.facts[:at]):
                    if other.operation.kind is Kind.WRITE and other.file == fact.file:
                        before = Oracle(
                            self.base, self.profile, [one.operation for one in self.facts[:at]]
                        )
                        found.update(
                            (place, bit) for bit in other.bits if (place, bit) not in before.durable
                        )
        self.durable -= found
        return found

    # what may be left ------------------------------------------------------------------------

    def allowed(self, kept: set[Bit]) -> bool:
        if self.profile.order is Order.ANY:
            return True
        if self.profile.order is Order.SEQUENCE:
            every = [
                (place, bit)
                for place, fact in enumerate(self.facts)
                for bit in fact.bits
                if (place, bit) not in self.dropped
            ]
            return kept == set(every[: len(kept)])
        return all(self.allowed_in_journal(place, kept) for place in range(len(self.facts)))

    def allowed_in_journal(self, place: int, kept: set[Bit]) -> bool:
        fact = self.facts[place]
        logged_before = {
            (at, "it") for at, other in enumerate(self.facts[:place]) if "it" in other.bits
        }
        grown_before = {
            (at, "size")
            for at, other in enumerate(self.facts[:place])
            if other.file == fact.file and "size" in other.bits
        } - self.dropped
        if (place, "it") in kept:
            takes_data = fact.replaces and self.profile.replaces_after_data
            return logged_before <= kept and (not takes_data or grown_before <= kept)
        if "size" in fact.bits and (place, "size") not in self.dropped:
            atom = self.profile.atom
            if (place, "size") in kept:
                grown = {(place, bit) for bit in self.grown(fact)}
                return logged_before <= kept and grown_before <= kept and grown <= kept
            start = max(fact.operation.offset, fact.size_before)
            return not any(
                at == place
                and isinstance(bit, int)
                and max(bit * atom, fact.operation.offset) >= start
                for at, bit in kept
            )
        return True

    def free_bits(self) -> list[Bit]:
        return [
            (place, bit)
            for place, fact in enumerate(self.facts)
            for bit in fact.bits
            if (place, bit) not in self.durable and (place, bit) not in self.dropped
        ]

    def states(self) -> Iterator[dict[str, bytes]]:
        """Each state that may be left, as often as there are ways to it."""
        free = self.free_bits()
        for count in range(len(free) + 1):
            for chosen in itertools.combinations(free, count):
                kept = self.durable | set(chosen)
                if self.allowed(kept):
                    yield self.replayed(kept)

    def replayed(self, kept: set[Bit]) -> dict[str, bytes]:
        state = Replay(self.base)
        state.is_directory = self.cache.is_directory
        state.entry_file = self.cache.entry_file
        for number in self.cache.contents:
            state.contents.setdefault(number, bytearray())
        for place, fact in enumerate(self.facts):
            if fact.operation.kind is Kind.WRITE:
                self.replay_write(state, place, fact, kept)
            elif (place, "it") not in kept:
                continue
            elif fact.operation.kind is Kind.TRUNCATE:
                state.resize(fact.file, fact.operation.offset)
            elif fact.target is not None:
                state.put(fact.entry, fact.target)
            else:
                state.at.pop(fact.entry, None)
        return state.tree()

    def replay_write(self, state: Replay, place: int, fact: Fact, kept: set[Bit]) -> None:
        start, data = fact.operation.offset, fact.operation.data
        end, atom = start + len(data), self.profile.atom
        has_size = (place, "size") in kept
        limit = None
        if self.profile.order is Order.JOURNAL and not has_size:
            limit = len(state.contents[fact.file])
        for bit in fact.bits:
            if isinstance(bit, int) and (place, bit) in kept:
                low, high = max(start, bit * atom), min(end, (bit + 1) * atom)
                state.write(fact.file, low, data[low - start : high - start], limit)
        if has_size and len(state.contents[fact.file]) < end:
            state.resize(fact.file, end)
