"""The names of a disk: which entry is where, durable and pending.

A name is an *entry*; a rename moves it, so it is one entry in two states: the kept operations,
applied in order, leave it in one place or in none, never in two. A place holds one entry: what is
put there later is what is found there.

The durable state is a table of places. Behind it come the changes that are not part of it, in
order; some of them may be durable already, but wait for one before them that concerns the same
entry or place.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaos.disk.changes import Change, Entry, File, Slot
from chaos.disk.content import Content
from chaos.disk.image import directory_number, file_number, link_number

_TREES_KEPT = 1024


class Leaf:
    """A file in a tree, and what it adds to the digest, for one content of it."""

    __slots__ = ("content", "file", "number", "path")

    def __init__(self, path: str, file: File) -> None:
        self.path = path
        self.file = file
        self.content: Content | None = None
        self.number = 0

    def number_for(self, content: Content) -> int:
        """The same as `image.file_number`."""
        if self.content is not content:
            self.number = file_number(self.path, content)
            self.content = content
        return self.number


class Tree:
    """The names of one state: what is reached from the root."""

    __slots__ = ("directories", "leaves", "links", "number")

    def __init__(
        self, directories: dict[str, int], leaves: list[Leaf], links: dict[str, str]
    ) -> None:
        self.directories = directories
        self.leaves = leaves
        self.links = links
        self.number = sum(directory_number(path, mode) for path, mode in directories.items())
        self.number += sum(link_number(path, first) for path, first in links.items())


class Places:
    """Which entry is where, both ways."""

    __slots__ = ("of_entry", "slots")

    def __init__(self) -> None:
        self.slots: dict[Slot, Entry] = {}
        self.of_entry: dict[Entry, Slot] = {}

    def copy(self) -> Places:
        """Another one like it."""
        places = Places()
        places.slots = self.slots.copy()
        places.of_entry = self.of_entry.copy()
        return places

    def put(self, entry: Entry, slot: Slot) -> None:
        """Move or add an entry; whatever was there is gone."""
        self.remove(entry)
        there = self.slots.get(slot)
        if there is not None:
            del self.of_entry[there]
        self.slots[slot] = entry
        self.of_entry[entry] = slot

    def remove(self, entry: Entry) -> None:
        """Take an entry away, wherever it is."""
        slot = self.of_entry.pop(entry, None)
        if slot is not None:
            del self.slots[slot]

    def apply(self, change: Change) -> None:
        """Do what a kept change does."""
        if change.entry is None:
            return
        if change.target is None:
            self.remove(change.entry)
        else:
            self.put(change.entry, change.target)

    def tree(self, root: File) -> Tree:
        """All that is reached from the root, in order of paths."""
        children: dict[int, list[tuple[str, File]]] = {}
        for (parent, name), entry in self.slots.items():
            children.setdefault(parent, []).append((name, entry.file))
        directories: dict[str, int] = {}
        found: list[tuple[str, File]] = []
        waiting = [("", root)]
        while waiting:
            path, directory = waiting.pop()
            directories[path] = directory.mode
            for name, file in children.get(directory.number, ()):
                below = f"{path}/{name}" if path else name
                (waiting if file.is_directory else found).append((below, file))
        return Tree(directories, *_with_links(found))


def _with_links(found: list[tuple[str, File]]) -> tuple[list[Leaf], dict[str, str]]:
    found.sort(key=lambda item: item[0])
    firsts: dict[int, str] = {}
    links: dict[str, str] = {}
    for path, file in found:
        first = firsts.setdefault(file.number, path)
        if first != path:
            links[path] = first
    return [Leaf(path, file) for path, file in found], links


class Names:
    """All names of a disk."""

    def __init__(self, root: File) -> None:
        self.root = root
        self.durable = Places()
        self.changes: list[Change] = []
        self._trees: dict[int, Tree] = {}

    def begin(self, parent: File, name: str, file: File) -> None:
        """A name that is there, and durable, from the beginning."""
        entry = Entry(file)
        entry.parent, entry.name = parent, name
        parent.children[name] = entry
        file.entries.append(entry)
        self.durable.put(entry, (parent.number, name))

    def add(self, change: Change) -> None:
        """A change that was just done in the cache."""
        if change.entry is not None:
            change.entry.waiting += 1
        self.changes.append(change)
        self._trees.clear()

    def unsettled_before(self, change: Change) -> list[Change]:
        """An entry is where its last change put it: those before are moot, so durable with it."""
        before = []
        for other in self.changes:
            if other is change:
                break
            if other.entry is change.entry and not other.is_settled:
                before.append(other)
        return before

    def fold(self) -> list[File]:
        """Make settled changes part of the durable state; returns files that now have no name."""
        self._trees.clear()
        blocked_slots: dict[Slot, None] = {}
        blocked_entries: dict[Entry, None] = {}
        left: list[Change] = []
        touched: dict[File, None] = {}
        for change in self.changes:
            entry = change.entry
            if entry is None:
                continue
            slots = [slot for slot in (change.source, change.target) if slot is not None]
            if (
                change.is_settled
                and entry not in blocked_entries
                and not any(slot in blocked_slots for slot in slots)
            ):
                there = None if change.target is None else self.durable.slots.get(change.target)
                if there is not None:
                    touched[there.file] = None
                touched[entry.file] = None
                entry.waiting -= 1
                self.durable.apply(change)
                continue
            blocked_entries[entry] = None
            for slot in slots:
                blocked_slots[slot] = None
            left.append(change)
        self.changes = left
        return [file for file in touched if not self._has_names(file)]

    def _has_names(self, file: File) -> bool:
        file.entries = [
            entry for entry in file.entries if entry.waiting or entry in self.durable.of_entry
        ]
        return bool(file.entries)

    def tree(self, kept: int) -> Tree:
        """The names when of `changes` those are kept whose bit is set, and the settled ones."""
        tree = self._trees.get(kept)
        if tree is None:
            places = self.durable.copy()
            for index, change in enumerate(self.changes):
                if kept >> index & 1 or change.is_settled:
                    places.apply(change)
            if len(self._trees) >= _TREES_KEPT:
                self._trees.clear()
            tree = self._trees[kept] = places.tree(self.root)
        return tree


def numbers_of(tree: Tree, contents: Mapping[File, Content]) -> int:
    """The digest's number of a tree whose files hold these contents, else what is durable."""
    number = tree.number
    for leaf in tree.leaves:
        content = contents.get(leaf.file) or leaf.file.durable
        number += leaf.number if leaf.content is content else leaf.number_for(content)
    return number


def cached_tree(root: File) -> Tree:
    """The names that programs see."""
    directories: dict[str, int] = {}
    found: list[tuple[str, File]] = []
    waiting = [("", root)]
    while waiting:
        path, directory = waiting.pop()
        directories[path] = directory.mode
        for name, entry in directory.children.items():
            below = f"{path}/{name}" if path else name
            (waiting if entry.file.is_directory else found).append((below, entry.file))
    return Tree(directories, *_with_links(found))
