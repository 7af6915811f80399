"""Random programs for a bench: actions drawn as small numbers, so that they shrink."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chaos.disk.profiles import Profile
from tests.chaos.disk.bench import Bench

ACTIONS = (
    "write", "write", "append", "truncate", "create", "rename", "unlink", "link",
    "make_directory", "remove_directory", "fsync", "fsync_directory", "fsync_failed",
)  # fmt: skip

ABOUT_NAMES = (
    "create", "rename", "rename", "rename", "unlink", "append", "fsync_directory", "fsync_directory"
)  # fmt: skip

Action = tuple[str, int, int, int]

NAMES = ("a", "b", "d/a", "d/b", "e/a")


def perform(
    profile: Profile, actions: Sequence[Action], atom: int = 4, most_bits: int = 11
) -> Bench:
    """Do on a small tree what can be done; ends before there are too many states to try."""
    bench = Bench(profile, {"a": b"aaaaaa", "d/b": b"0123456789"}, ("d",), atom=atom)
    for name, first, second, third in actions:
        if bench.bits + 4 > most_bits:
            break
        act(bench, name, first, second, third)
    return bench


def act(bench: Bench, name: str, first: int, second: int, third: int) -> None:
    """One action, or nothing when it cannot be done."""
    directories = sorted(path for path in bench.cached if path.endswith("/"))
    folders = ["", *(path[:-1] for path in directories)]
    files = sorted(path for path in bench.inodes if path not in folders)
    free = [
        path for path in NAMES if path.rpartition("/")[0] in folders and path not in bench.inodes
    ]
    if name == "create" and free:
        free_inodes = bench.free_inodes if third < 4 else []
        bench.create(free[first % len(free)], inode=free_inodes[-1] if free_inodes else 0)
    elif name == "make_directory" and "e" not in folders:
        bench.make_directory("e")
    elif name == "remove_directory" and "e" in folders:
        if not any(path.startswith("e/") for path in bench.inodes):
            bench.remove_directory("e")
    elif name == "fsync_directory":
        bench.fsync_directory(folders[first % len(folders)])
    elif files:
        _act_on_file(bench, name, files[first % len(files)], files, free, second, third)


def _act_on_file(
    bench: Bench, name: str, path: str, files: list[str], free: list[str], second: int, third: int
) -> None:
    size = len(bench.cached[path])
    data = bytes(65 + (len(bench.log) + index) % 26 for index in range(third % 8 + 1))
    targets = [other for other in (*free, *files) if other != path]
    if name == "write":
        bench.write(path, second % (size + 3), data)
    elif name == "append":
        bench.write(path, size, data)
    elif name == "truncate":
        bench.truncate(path, second % (size + 4))
    elif name == "rename" and targets:
        bench.rename(path, targets[second % len(targets)])
    elif name == "link" and free:
        bench.link(path, free[second % len(free)])
    elif name == "unlink":
        bench.unlink(path)
    elif name == "fsync":
        bench.fsync(path)
    elif name == "fsync_failed":
        bench.fsync_failed(path)


def a_program(chance: random.Random, length: int, actions: Sequence[str] = ACTIONS) -> list[Action]:
    """One to begin with, without Hypothesis."""
    return [
        (chance.choice(actions), chance.randrange(8), chance.randrange(16), chance.randrange(8))
        for _ in range(length)
    ]
