"""A data directory: its files by names relative to it, and whether it may be looked at at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

VERSION: Final = "15"
TABLESPACE_DIRECTORY: Final = "PG_15_202209061"
PAGES_PER_FILE: Final = 131072
"""A fork is cut into files of 1 GiB."""
_RELATION: Final = re.compile(r"(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?")


class CannotCheck(Exception):
    """There is nothing that could be checked, or it must not be: why, in a sentence."""


class RelationFile(NamedTuple):
    """One file of a fork. `database` is 0 for the shared relations; `fork` main, fsm, vm, init."""

    path: str
    tablespace: int
    database: int
    number: int
    fork: str
    segment: int
    size: int


class Directory:
    """The files of one cluster."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """A whole file; None if there is none."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise CannotCheck(f'cannot read "{path}": {error.strerror}') from error

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A file that is there, to be read piece by piece."""
        try:
            with (self.root / path).open("rb") as file:
                yield file
        except OSError as error:
            raise CannotCheck(f'cannot read "{path}": {error.strerror}') from error

    def size(self, entry: os.DirEntry[str]) -> int:
        """The bytes of what a listing has shown."""
        try:
            return entry.stat().st_size
        except OSError as error:
            path = Path(entry.path).relative_to(self.root)
            raise CannotCheck(f'cannot read "{path}": {error.strerror}') from error

    def listing(self, path: str) -> list[os.DirEntry[str]]:
        """What is in a directory, by name; nothing if there is none."""
        try:
            with os.scandir(self.root / path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise CannotCheck(f'cannot read "{path}": {error.strerror}') from error

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return [entry.name for entry in self.listing(path)]

    def databases(self) -> list[tuple[int, int, str]]:
        """Tablespace, database and directory of every directory with relations in it."""
        found = [(1664, 0, "global")]
        parents = [(1663, "base")]
        tablespaces = [name for name in self.names("pg_tblspc") if name.isdigit()]
        parents += [(int(name), f"pg_tblspc/{name}/{TABLESPACE_DIRECTORY}") for name in tablespaces]
        for tablespace, parent in parents:
            names = [name for name in self.names(parent) if name.isdigit()]
            found += [(tablespace, int(name), f"{parent}/{name}") for name in names]
        return found

    def relation_files(self) -> list[RelationFile]:
        """Every file of every relation."""
        found = []
        for tablespace, database, directory in self.databases():
            for entry in self.listing(directory):
                match = _RELATION.fullmatch(entry.name)
                if match is None:
                    continue
                path = f"{directory}/{entry.name}"
                number, fork, segment = int(match[1]), match[2] or "main", int(match[3] or 0)
                size = self.size(entry)
                found.append(RelationFile(path, tablespace, database, number, fork, segment, size))
        return found


def open_directory(root: str | Path, *, is_stopped: bool = False) -> Directory:
    """The directory of a cluster that no server runs on; CannotCheck. With `is_stopped` that is
    known, and nobody is looked for.
    """
    path = Path(root)
    try:
        version = (path / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        what = "is not a data directory (it has no PG_VERSION)" if path.is_dir() else "is not there"
        raise CannotCheck(f'"{path}" {what}') from None
    except (OSError, ValueError) as error:
        raise CannotCheck(f'cannot read "{path / "PG_VERSION"}": {error}') from error
    if version != VERSION:
        raise CannotCheck(f"the cluster has the format of version {version}, not {VERSION}")
    pid = 0 if is_stopped else _living_postmaster(path)
    if pid:
        raise CannotCheck(f"a server is running on it (process {pid}): stop it first")
    return Directory(path)


def _living_postmaster(root: Path) -> int:
    """The process that postmaster.pid names, if it lives; else 0."""
    try:
        first = (root / "postmaster.pid").read_text(encoding="ascii").partition("\n")[0]
        pid = abs(int(first))
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, OverflowError, ProcessLookupError):
        return 0
    except OSError as error:
        if error.errno != errno.EPERM:
            raise CannotCheck(f"cannot tell whether a server runs on it: {error}") from error
    return pid
