"""A disk on the bench: operations by name, on a tree that is kept in mind, and all it may leave."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from chaos.disk.choice import Choice
from chaos.disk.content import Content
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import NAMES, Kind, Operation
from chaos.disk.profiles import PROFILES, Profile

Tree = dict[str, bytes]


_Found = TypeVar("_Found")


class AnyOrder(list[_Found]):
    """Equal to a list that holds the same, in whatever order."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and sorted(self, key=repr) == sorted(other, key=repr)


def tree_of(image: Image) -> Tree:
    """Path -> bytes; a directory has a slash behind it and no bytes."""
    found = {path: content.data for path, content in image.files.items()}
    found |= {f"{path}/": b"" for path in image.directories if path}
    return dict(sorted(found.items()))


def an_image(files: Mapping[str, bytes], directories: tuple[str, ...] = ()) -> Image:
    """With inode numbers from 1, directories first."""
    modes = dict.fromkeys(("", *directories), 0o700)
    contents = {path: Content.of(data) for path, data in files.items()}
    inodes = {path: number for number, path in enumerate([*modes, *contents], 1)}
    return Image(modes, contents, inodes=inodes)


class Bench:
    """A disk and its host: each call is one operation, and `log` has them all."""

    def __init__(
        self,
        profile: str | Profile = "strict",
        files: Mapping[str, bytes] | None = None,
        directories: tuple[str, ...] = (),
        atom: int | None = None,
    ) -> None:
        found = PROFILES[profile] if isinstance(profile, str) else profile
        self.profile = found if atom is None else replace(found, atom=atom)
        self.base = an_image(files or {}, directories)
        self.disk = Disk(self.base, self.profile)
        self.log: list[Operation] = []
        self.inodes = dict(self.base.inodes)
        self.next_inode = 100

    def do(
        self, kind: Kind, inode: int, path: str = "", other: str = "", offset: int = 0,
        data: bytes = b"",
    ) -> Operation:  # fmt: skip
        number = len(self.log)
        operation = Operation(number, number * 10, kind, inode, path, other, offset, data)
        self.disk.apply(operation)
        self.log.append(operation)
        return operation

    def create(self, path: str, inode: int = 0) -> int:
        inode = inode or self.next_inode
        self.next_inode += 1
        self.do(Kind.CREATE, inode, path)
        self.inodes[path] = inode
        return inode

    def make_directory(self, path: str) -> int:
        self.next_inode += 1
        self.do(Kind.MAKE_DIRECTORY, self.next_inode, path)
        self.inodes[path] = self.next_inode
        return self.next_inode

    def write(self, path: str | int, offset: int, data: bytes) -> None:
        self.do(Kind.WRITE, self.inode(path), str(path), offset=offset, data=data)

    def truncate(self, path: str, size: int) -> None:
        self.do(Kind.TRUNCATE, self.inode(path), path, offset=size)

    def rename(self, old: str, new: str) -> None:
        self.do(Kind.RENAME, self.inodes[old], old, new)
        if self.inodes.get(new) == self.inodes[old]:
            return
        for path in list(self.inodes):
            if path == old or path.startswith(f"{old}/"):
                self.inodes[new + path[len(old) :]] = self.inodes.pop(path)

    def link(self, old: str, new: str) -> None:
        self.do(Kind.LINK, self.inodes[old], old, new)
        self.inodes[new] = self.inodes[old]

    def unlink(self, path: str) -> None:
        self.do(Kind.UNLINK, self.inodes.pop(path), path)

    def remove_directory(self, path: str) -> None:
        self.do(Kind.REMOVE_DIRECTORY, self.inodes.pop(path), path)

    def fsync(self, path: str | int) -> None:
        self.do(Kind.FSYNC, self.inode(path), str(path))

    def fsync_directory(self, path: str) -> None:
        self.do(Kind.FSYNC_DIRECTORY, self.inodes[path], path)

    def fsync_failed(self, path: str) -> None:
        self.do(Kind.FSYNC_FAILED, self.inode(path), path)

    def inode(self, path: str | int) -> int:
        return path if isinstance(path, int) else self.inodes[path]

    @property
    def free_inodes(self) -> list[int]:
        """The numbers of files that have no name any more, the last one at the end."""
        used = [operation.inode for operation in self.log if operation.kind in NAMES]
        return [inode for inode in used if inode not in self.inodes.values()]

    # what it may leave -----------------------------------------------------------------------

    @property
    def bits(self) -> int:
        """How many of them are to be chosen."""
        return sum((one.full & ~one.must).bit_count() for one in self.disk.pending)

    def choices(self) -> Iterator[Choice]:
        """All that are legal, by trying all that there are."""
        for masks in itertools.product(*(range(one.full + 1) for one in self.disk.pending)):
            given = zip(masks, self.disk.pending, strict=True)
            if all(mask & one.must == one.must for mask, one in given):
                choice = self.disk.choose(masks)
                if choice is not None:
                    yield choice

    def possible(self) -> AnyOrder[Tree]:
        """Each tree that a power loss may leave, once."""
        found = {repr(tree): tree for tree in map(self.left, self.choices())}
        return AnyOrder(found.values())

    def possible_names(self) -> AnyOrder[list[str]]:
        """The names alone."""
        return AnyOrder([list(tree) for tree in self.possible()])

    def left(self, choice: Choice | None) -> Tree:
        assert choice is not None, "the choice is not legal"
        return tree_of(self.disk.crash(choice))

    def file(self, path: str) -> AnyOrder[bytes | None]:
        """What a power loss may leave of one file: its contents, None when it is gone."""
        found = {repr(tree.get(path)): tree.get(path) for tree in self.possible()}
        return AnyOrder(found.values())

    @property
    def durable(self) -> Tree:
        return tree_of(self.disk.durable())

    @property
    def cached(self) -> Tree:
        return tree_of(self.disk.cached())
