"""What is durable, and what is not yet: how each operation of the log changes that.

The tree is known in two states, the durable one and the cached one, and by the changes that lie
between them. Which of these a power loss may keep is in `chaos/disk/rules.py`; what becomes
durable when is here.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from chaos.disk.changes import Change, Entry, File, apply_change, write_change
from chaos.disk.content import DIRECTORY_MODE, EMPTY, Content, Editor
from chaos.disk.image import Image
from chaos.disk.names import Names
from chaos.disk.operations import NAMES, DiskError, Kind, Operation
from chaos.disk.profiles import Order, Profile
from chaos.disk.rules import rules_for


class State:
    """The files of a disk that began as `base`, whose inode numbers are those of the log."""

    def __init__(self, base: Image, profile: Profile) -> None:
        self.profile: Final = profile
        self._rules = rules_for(profile)
        self._clips = profile.order is Order.JOURNAL
        self._applied = -1
        self.restart(base)

    def restart(self, image: Image) -> None:
        """After a power loss: this is what is on disk, nothing is pending.

        Its inode numbers are those found now (`Image.found_in`).
        """
        self._files = 0
        self._changes = 0
        self._by_inode: dict[int, File] = {}
        self._pending: dict[int, Change] = {}
        self._acknowledged: list[int] = []
        root = self._new_file(image.inodes.get("", -1), True, EMPTY, image.directories[""])
        self._root = root
        self._names = Names(root)
        at: dict[str, File] = {"": root}
        for path, mode in sorted(image.directories.items()):
            if path:
                at[path] = self._new_file(image.inodes.get(path, -1), True, EMPTY, mode)
                self._begin_name(at, path, at[path])
        for path, content in sorted(image.files.items()):
            first = image.links.get(path, path)
            file = at.get(first)
            if file is None:
                inode = image.inodes.get(first, -1)
                file = at[first] = self._new_file(inode, False, content, content.mode)
            self._begin_name(at, path, file)

    def _new_file(self, inode: int, is_directory: bool, content: Content, mode: int) -> File:
        """Whatever had that inode before is another file (DISK-4)."""
        file = File(self._files, inode, is_directory, content, mode)
        self._files += 1
        if inode >= 0:
            self._by_inode[inode] = file
        return file

    def _begin_name(self, at: dict[str, File], path: str, file: File) -> None:
        parent, _, name = path.rpartition("/")
        self._names.begin(at[parent], name, file)

    # what happens ----------------------------------------------------------------------------

    def apply(self, operation: Operation) -> None:
        """The next operation of the log; DiskError when it cannot have happened to this disk."""
        if operation.number <= self._applied:
            raise DiskError(
                f"operation {operation.number} comes after {self._applied}: not in log order"
            )
        kind = operation.kind
        if kind is Kind.WRITE:
            if operation.data:
                self._write(operation, self._file(operation))
        elif kind is Kind.TRUNCATE:
            self._truncate(operation, self._file(operation))
        elif kind is Kind.FSYNC:
            self._synced(self._file(operation))
        elif kind is Kind.FSYNC_DIRECTORY:
            self._synced(self._directory(operation, operation.path))
        elif kind is Kind.FSYNC_FAILED:
            self._sync_failed(self._file(operation))
        elif kind in NAMES:
            self._change_names(operation)
        self._applied = operation.number

    def _file(self, operation: Operation) -> File:
        file = self._by_inode.get(operation.inode)
        if file is None:
            raise DiskError(
                f"operation {operation.number} ({operation.kind.name} {operation.path!r}): no file "
                f"has the inode {operation.inode}: neither the base nor the log told of it"
            )
        return file

    def _directory(self, operation: Operation, path: str) -> File:
        file = self._root
        for name in path.split("/") if path else ():
            entry = file.children.get(name)
            if entry is None or not entry.file.is_directory:
                raise DiskError(
                    f"operation {operation.number} ({operation.kind.name}): "
                    f"there is no directory {path!r}"
                )
            file = entry.file
        return file

    def _add(self, change: Change) -> None:
        self._changes += 1
        self._pending[change.order] = change
        change.file.last = change.operation.number
        if self.profile.cached_operations:
            self._flush_cache()

    def _write(self, operation: Operation, file: File) -> None:
        change = write_change(
            operation,
            file,
            self._changes,
            self.profile.atom,
            self.profile.order is not Order.SEQUENCE,
        )
        file.cache.write(operation.offset, operation.data)
        self._add_data(change)

    def _truncate(self, operation: Operation, file: File) -> None:
        change = Change(operation, file, self._changes)
        file.cache.truncate(operation.offset)
        self._add_data(change)

    def _add_data(self, change: Change) -> None:
        file = change.file
        if not file.entries:
            return  # it has no name, and never will: it is gone after every power loss
        file.changes.append(change)
        file.states.clear()
        self._add(change)

    def _change_names(self, operation: Operation) -> None:
        kind = operation.kind
        parent, name = self._place(operation, operation.path)
        change: Change
        if kind in (Kind.CREATE, Kind.MAKE_DIRECTORY):
            self._must_be_free(operation, parent, name)
            is_directory = kind is Kind.MAKE_DIRECTORY
            mode = DIRECTORY_MODE if is_directory else EMPTY.mode
            file = self._new_file(operation.inode, is_directory, EMPTY, mode)
            change = self._name_added(operation, file, parent, name)
        elif kind is Kind.LINK:
            file = self._entry(operation, parent, name).file
            parent, name = self._place(operation, operation.other)
            self._must_be_free(operation, parent, name)
            change = self._name_added(operation, file, parent, name)
        elif kind is Kind.RENAME:
            entry = self._entry(operation, parent, name)
            to_parent, to_name = self._place(operation, operation.other)
            there = to_parent.children.get(to_name)
            if there is not None and there.file is entry.file:
                return  # two names of one file: rename(2) does nothing
            change = Change(operation, entry.file, self._changes)
            change.entry = entry
            change.source = (parent.number, name)
            change.target = (to_parent.number, to_name)
            change.replaced = there is not None
            change.unsynced = [parent] if parent is to_parent else [parent, to_parent]
            if there is not None:
                there.parent = None
            del parent.children[name]
            self._put(entry, to_parent, to_name)
            to_parent.last = operation.number
        else:
            entry = self._entry(operation, parent, name)
            if entry.file.children:
                raise DiskError(
                    f"operation {operation.number} ({kind.name}): {operation.path!r} is not empty"
                )
            change = Change(operation, entry.file, self._changes)
            change.entry = entry
            change.source = (parent.number, name)
            change.unsynced = [parent]
            del parent.children[name]
            entry.parent = None
        parent.last = operation.number
        self._names.add(change)
        self._add(change)

    def _name_added(self, operation: Operation, file: File, parent: File, name: str) -> Change:
        change = Change(operation, file, self._changes)
        change.entry = Entry(file)
        file.entries.append(change.entry)
        change.target = (parent.number, name)
        change.unsynced = [parent]
        self._put(change.entry, parent, name)
        return change

    @staticmethod
    def _put(entry: Entry, parent: File, name: str) -> None:
        entry.parent, entry.name = parent, name
        parent.children[name] = entry

    def _place(self, operation: Operation, path: str) -> tuple[File, str]:
        parent, _, name = path.rpartition("/")
        if not name:
            raise DiskError(f"operation {operation.number} ({operation.kind.name}) has no name")
        return self._directory(operation, parent), name

    @staticmethod
    def _must_be_free(operation: Operation, parent: File, name: str) -> None:
        if name in parent.children:
            raise DiskError(
                f"operation {operation.number} ({operation.kind.name}): {name!r} is there already"
            )

    @staticmethod
    def _entry(operation: Operation, parent: File, name: str) -> Entry:
        entry = parent.children.get(name)
        if entry is None:
            raise DiskError(
                f"operation {operation.number} ({operation.kind.name}): "
                f"there is no {operation.path!r}"
            )
        if operation.inode and entry.file.inode not in (operation.inode, -1):
            raise DiskError(
                f"operation {operation.number} ({operation.kind.name}): {operation.path!r} is the "
                f"inode {entry.file.inode}, not {operation.inode}"
            )
        return entry

    # what becomes durable --------------------------------------------------------------------

    def _synced(self, file: File) -> None:
        """Content and size of a file; of a directory, the names in it (DISK-1, DISK-2)."""
        if self.profile.order is Order.ANY:
            if file.is_directory:
                settled = self._names_synced(file)
            else:
                settled = [change for change in file.changes if not change.is_settled]
        else:
            settled = self._forced(file)
        if self.profile.cached_operations:
            for change in settled:
                heapq.heappush(self._acknowledged, change.order)
            self._flush_cache()
        else:
            self._settle(settled)

    def _names_synced(self, directory: File) -> list[Change]:
        """A rename from one directory to another waits for both."""
        settled: list[Change] = []
        for change in self._names.changes:
            if directory in change.unsynced:
                change.unsynced.remove(directory)
                if not change.unsynced and not change.is_settled:
                    settled += self._names.unsettled_before(change)
                    settled.append(change)
        return settled

    def _forced(self, file: File) -> list[Change]:
        """One log: with the file's last change goes all that was logged before it (DISK-6)."""
        settled: list[Change] = []
        for change in self._pending.values():
            if change.operation.number > file.last:
                break
            is_data = change.is_write and self.profile.order is Order.JOURNAL
            if not is_data or change.file is file:
                settled.append(change)
                if change.replaced and self.profile.replaces_after_data:
                    settled += self._grown_before(change)
        return settled

    @staticmethod
    def _grown_before(rename: Change) -> list[Change]:
        """What else is settled with a rename over a name: the growth of the file renamed."""
        settled = []
        for change in rename.file.changes:
            if change.grows and change.order < rename.order:
                change.must |= change.grown | 1 << change.atoms
                if change.is_settled:
                    settled.append(change)
        return settled

    def _flush_cache(self) -> None:
        """The device's cache holds the last changes, however often they were synced."""
        oldest = self._changes - self.profile.cached_operations
        settled = []
        while self._acknowledged and self._acknowledged[0] < oldest:
            change = self._pending.get(heapq.heappop(self._acknowledged))
            if change is not None:
                settled.append(change)
        self._settle(settled)

    def _settle(self, settled: Iterable[Change]) -> None:
        files: dict[File, None] = {}
        has_names = False
        for change in settled:
            change.must = change.full
            self._pending.pop(change.order, None)
            if change.entry is None:
                files[change.file] = None
            else:
                has_names = True
        for file in files:
            self._fold(file)
        if has_names:
            for file in self._names.fold():
                self._forget(file)

    def _fold(self, file: File) -> None:
        """Make what is settled part of the durable content."""
        file.states.clear()
        count = 0
        while count < len(file.changes) and file.changes[count].is_settled:
            count += 1
        if count:
            editor = Editor(file.durable)
            for change in file.changes[:count]:
                apply_change(editor, change, change.must, self.profile.atom, self._clips)
            file.durable = editor.content()
            del file.changes[:count]

    def _forget(self, file: File) -> None:
        """It has no name any more, in no state: nobody will ever see what is in it."""
        for change in file.changes:
            self._pending.pop(change.order, None)
        file.changes.clear()
        file.states.clear()

    def _sync_failed(self, file: File) -> None:
        """DISK-5: what was to be written is lost for ever, and read as if it were not."""
        for change in file.changes:
            if change.is_write and not change.is_settled:
                change.dropped = True
                self._pending.pop(change.order, None)
        self._fold(file)
