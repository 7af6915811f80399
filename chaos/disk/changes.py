"""What the model knows of files, of names, and of each change that is not durable yet."""

from __future__ import annotations

from typing import Final

from chaos.disk.choice import Pending
from chaos.disk.content import EMPTY, FILE_MODE, Content, Editor
from chaos.disk.operations import Kind, Operation

Slot = tuple[int, str]
"""A place for a name: the directory's number, and the name in it."""


class File:
    """A file or a directory, known by its number alone, which no other ever had.

    durable: what a power loss leaves when all that is pending is lost.  cache: what reads see.
    changes: of its content, not yet part of `durable`, in log order.  last: the number of the last
    operation that changed the file, its names, or the names in it.  children: of a directory,
    what the cache has.
    """

    __slots__ = (
        "cache",
        "changes",
        "children",
        "durable",
        "entries",
        "inode",
        "is_directory",
        "last",
        "mode",
        "number",
        "states",
    )

    def __init__(
        self,
        number: int,
        inode: int,
        is_directory: bool,
        content: Content = EMPTY,
        mode: int = FILE_MODE,
    ) -> None:
        self.number: Final = number
        self.inode: Final = inode
        self.is_directory: Final = is_directory
        self.mode: Final = mode
        self.durable = content
        self.cache = Editor(content)
        self.changes: list[Change] = []
        self.children: dict[str, Entry] = {}
        self.entries: list[Entry] = []
        self.last = -1
        self.states: dict[tuple[int, ...], Content] = {}


class Entry:
    """One name of a file, through all its renames.

    parent, name: where the cache has it; a parent of None: nowhere.  waiting: how many changes of
    it are not folded into what is durable.
    """

    __slots__ = ("file", "name", "parent", "waiting")

    def __init__(self, file: File) -> None:
        self.file: Final = file
        self.parent: File | None = None
        self.name = ""
        self.waiting = 0


class Change:
    """One operation that is not durable yet, or lies behind one that is not.

    atoms, grows: as in `Pending`.  must: the bits that are durable.  dropped: the other bits are
    lost for ever.
    WRITE: first_atom: the place of its first atom in the file, in atoms; beyond: the mask of the
    atoms that lie wholly behind the old end; grown: of those too that lie across it.
    Names: entry, source, target: what is moved, from where, to where; replaced: the target was
    taken; unsynced: the directories whose fsync it waits for.
    """

    __slots__ = (
        "atoms",
        "beyond",
        "dropped",
        "entry",
        "file",
        "first_atom",
        "full",
        "grown",
        "grows",
        "must",
        "operation",
        "order",
        "place",
        "replaced",
        "source",
        "target",
        "unsynced",
    )

    def __init__(self, operation: Operation, file: File, order: int) -> None:
        self.operation: Final = operation
        self.file: Final = file
        self.order: Final = order
        self.place = -1
        self.atoms = 1
        self.grows = False
        self.full = 1
        self.must = 0
        self.dropped = False
        self.first_atom = 0
        self.beyond = 0
        self.grown = 0
        self.entry: Entry | None = None
        self.source: Slot | None = None
        self.target: Slot | None = None
        self.replaced = False
        self.unsynced: list[File] = []

    @property
    def is_settled(self) -> bool:
        """Whether no power loss has a choice about it."""
        return self.dropped or self.must == self.full

    @property
    def is_write(self) -> bool:
        """Whether it has atoms."""
        return self.operation.kind is Kind.WRITE

    def as_pending(self) -> Pending:
        """For those outside the model."""
        return Pending(self.operation, self.atoms, self.grows, self.must)


def write_change(
    operation: Operation, file: File, order: int, atom: int, size_is_a_bit: bool
) -> Change:
    """The change that a WRITE is, given the file's size before it in the cache."""
    change = Change(operation, file, order)
    start, end = operation.offset, operation.offset + len(operation.data)
    change.first_atom = start // atom
    change.atoms = (end - 1) // atom - change.first_atom + 1
    size = file.cache.size
    every = (1 << change.atoms) - 1
    if end > size:
        change.grows = size_is_a_bit
        first_beyond = max(start, size)
        index = first_beyond // atom - change.first_atom
        change.grown = every >> index << index
        is_across = start < size and size % atom != 0
        change.beyond = change.grown >> (index + 1) << (index + 1) if is_across else change.grown
    change.full = (1 << (change.atoms + change.grows)) - 1
    return change


def apply_change(editor: Editor, change: Change, mask: int, atom: int, clips: bool) -> None:
    """Do to a content what the kept bits of a change did, and nothing else (DISK-3).

    clips: what lies behind the end of the file is not seen unless the new size is kept too.
    """
    operation = change.operation
    if operation.kind is Kind.TRUNCATE:
        if mask:
            editor.truncate(operation.offset)
        return
    start = operation.offset
    end = start + len(operation.data)
    size_is_kept = change.grows and bool(mask >> change.atoms)
    limit = editor.size if clips and not size_is_kept else end
    if mask == change.full:
        if limit >= end:
            editor.write(start, operation.data)
        elif limit > start:
            editor.write(start, operation.data[: limit - start])
        return
    index = 0
    atoms = mask & ((1 << change.atoms) - 1)
    view = memoryview(operation.data)
    while atoms:
        skipped = (atoms & -atoms).bit_length() - 1
        atoms >>= skipped
        index += skipped
        run = (~atoms & (atoms + 1)).bit_length() - 1
        low = max(start, (change.first_atom + index) * atom)
        high = min(end, limit, (change.first_atom + index + run) * atom)
        if low < high:
            editor.write(low, view[low - start : high - start])
        atoms >>= run
        index += run
    if size_is_kept:
        editor.grow(end)
