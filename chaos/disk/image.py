"""A crash image: an immutable view of a directory tree, to be compared, written and read.

The digest is the sum of one number per path, so an image that differs from another in one file
is told apart without a look at the rest. Inode numbers are no part of it: they say which file a
logged operation is about, on a disk whose base this image is.

Files and directories are all it knows: a socket or a pipe is passed over, a symbolic link is
refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Final

from chaos.disk.content import CHUNK, DIRECTORY_MODE, Content
from chaos.disk.operations import DiskError

MODULUS: Final = 1 << 128
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NO_INODES: Final[Mapping[str, int]] = MappingProxyType({})


def file_number(path: str, content: Content) -> int:
    """What a file adds to the digest of its image."""
    return _number(b"f" + os.fsencode(path) + b"\0" + content.digest)


def directory_number(path: str, mode: int) -> int:
    """What a directory adds to the digest of its image."""
    return _number(b"d%s\0%d" % (os.fsencode(path), mode))


def link_number(path: str, first: str) -> int:
    """What it adds that two paths are one file."""
    return _number(b"l%s\0%s" % (os.fsencode(path), os.fsencode(first)))


def _number(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")


def as_digest(number: int) -> str:
    """A sum of such numbers, as a digest."""
    return f"{number % MODULUS:032x}"


class Image:
    """What a directory holds.

    directories: path -> mode; the root is ''.  files: path -> content.
    links: of paths that are one file, each but the first -> the first in order of names.
    inodes: path -> inode number, where the image was read from a directory.
    """

    __slots__ = ("_digest", "directories", "files", "inodes", "links")

    def __init__(
        self,
        directories: Mapping[str, int],
        files: Mapping[str, Content],
        links: Mapping[str, str] = _NONE,
        inodes: Mapping[str, int] = _NO_INODES,
        digest: str = "",
    ) -> None:
        self.directories = directories
        self.files = files
        self.links = links
        self.inodes = inodes
        self._digest = digest

    @classmethod
    def empty(cls) -> Image:
        """Nothing but the root."""
        return cls({"": DIRECTORY_MODE}, {})

    @classmethod
    def read(cls, directory: str | Path) -> Image:
        """What is there now, with inode numbers; OSError, DiskError."""
        directories: dict[str, int] = {}
        files: dict[str, Content] = {}
        inodes: dict[str, int] = {}
        links: dict[str, str] = {}
        first_of: dict[int, str] = {}
        for path, status in _listed(str(directory)):
            inodes[path] = status.st_ino
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                directories[path] = mode
                continue
            first = first_of.setdefault(status.st_ino, path)
            if first != path:
                links[path] = first
                files[path] = files[first]
            else:
                files[path] = Content.of((Path(directory) / path).read_bytes(), mode)
        return cls(directories, files, links, inodes)

    def found_in(self, directory: str | Path) -> Image:
        """The same image with the inode numbers it has in `directory`, where it was written."""
        inodes = {path: status.st_ino for path, status in _listed(str(directory))}
        if inodes.keys() != self.directories.keys() | self.files.keys():
            raise DiskError(f"{directory} does not hold this image")
        return Image(self.directories, self.files, self.links, inodes, self._digest)

    def digest(self) -> str:
        """Hexadecimal; the same for images that hold the same (DISK-8)."""
        if not self._digest:
            number = sum(directory_number(path, mode) for path, mode in self.directories.items())
            number += sum(file_number(path, content) for path, content in self.files.items())
            number += sum(link_number(path, first) for path, first in self.links.items())
            self._digest = as_digest(number)
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return int(self.digest()[:15], 16)

    def write(self, directory: str | Path, previous: Image | None = None) -> None:
        """Make `directory` hold this image and nothing else; OSError.

        previous: what it holds now, as the caller knows; only what differs is touched. None: look.
        """
        root = Path(directory)
        root.mkdir(exist_ok=True, parents=True)
        before = Image.read(root) if previous is None else previous
        self._remove_what_went(root, before)
        for path, mode in sorted(self.directories.items()):
            if path and path not in before.directories:
                (root / path).mkdir()
            if before.directories.get(path) != mode:
                (root / path).chmod(mode)
        for path, content in self.files.items():
            if path in self.links:
                continue
            old = None if path in _linked(before) else before.files.get(path)
            if old is not content and (old is None or old != content):
                _write_file(root / path, content, old)
        for path, first in self.links.items():
            os.link(root / first, root / path)

    def _remove_what_went(self, root: Path, before: Image) -> None:
        """Names that are one file are always made anew: a write to one is a write to all."""
        shared = _linked(before)
        for path in before.files:
            if path not in self.files or path in shared or path in self.links:
                (root / path).unlink()
        for path in sorted(before.directories, reverse=True):
            if path not in self.directories:
                (root / path).rmdir()


def _linked(image: Image) -> set[str]:
    return {*image.links, *image.links.values()}


def _write_file(path: Path, content: Content, old: Content | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    fd = os.open(path, flags | (os.O_TRUNC if old is None else 0), content.mode)
    try:
        if old is None or old.mode != content.mode:
            os.fchmod(fd, content.mode)
        if old is None:
            _write_all(fd, content.data, 0)
            return
        if old.size != content.size:
            os.ftruncate(fd, content.size)
        for index, chunk in enumerate(content.chunks):
            was = old.chunks[index] if index < len(old.chunks) else None
            if was is not chunk and (was is None or was.data != chunk.data):
                start = index * CHUNK
                _write_all(fd, chunk.data[: content.size - start], start)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def _listed(root: str) -> list[tuple[str, os.stat_result]]:
    """Every directory and file below `root`, itself included as '', in order of names."""
    found = [("", os.stat(root))]
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(f"{root}/{directory}") as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_symlink():
                    raise DiskError(f"{root}/{path} is a symbolic link: the disk knows none")
                if entry.is_dir():
                    waiting.append(path)
                elif not entry.is_file():
                    continue
                found.append((path, entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda item: item[0])
