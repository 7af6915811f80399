"""What the disk model costs: operations applied, and crash images, per second.

    .venv/bin/python -m benchmarks.disk [--megabytes 4] [--seconds 2]

The tree is as a small data directory: one WAL segment of half the size, and files of a few pages.
The load is as an engine's: WAL appended in pages and synced, pages of data written at random, now
and then a checkpoint that syncs all of them and renames a file into place.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos.disk.choice import Choice
from chaos.disk.content import Content
from chaos.disk.image import Image
from chaos.disk.log import LogWriter, read_log
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import PROFILES

PAGE = 8192
FILE_PAGES = 4
CHECKPOINT_EVERY = 400
LAST_CHECKPOINT = 100
"""Crashes are measured so many operations before the end, with pages that are not synced yet."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    base = a_tree(options.megabytes << 20)
    operations = list(a_load(base, 20_000))
    size = sum(content.size for content in base.files.values())
    print(f"{len(base.files)} files, {size / (1 << 20):.1f} MB, {len(operations)} operations")
    measure_log(operations)
    before = operations[:-LAST_CHECKPOINT]
    for profile in PROFILES:
        disk = Disk(base, PROFILES[profile])
        begun = time.process_time()
        for operation in before:
            disk.apply(operation)
        took = time.process_time() - begun
        states = disk.count_states()
        print(
            f"{profile}: {len(before) / took:,.0f} operations/s; {len(disk.pending)} pending, "
            f"2^{states.bit_length() - 1} states"
        )
        if profile in ("strict", "ext4-ordered"):
            measure_crashes(disk, options.seconds)
    measure_exploration(base, operations, options.seconds)
    measure_writing(base, operations)


def a_tree(size: int) -> Image:
    """Random bytes; inode numbers in order of paths."""
    chance = random.Random(1)
    files = {"pg_wal/1": Content.of(chance.randbytes(size // 2))}
    for number in range(size // 2 // (FILE_PAGES * PAGE)):
        files[f"base/{number}"] = Content.of(chance.randbytes(FILE_PAGES * PAGE))
    directories = dict.fromkeys(["", "base", "pg_wal", "global"], 0o700)
    paths = [*directories, *files]
    return Image(directories, files, inodes={path: n for n, path in enumerate(paths, 1)})


def a_load(base: Image, count: int) -> Iterator[Operation]:
    """Always the same."""
    chance = random.Random(2)
    wal = base.inodes["pg_wal/1"]
    wal_pages = base.files["pg_wal/1"].size // PAGE
    data = [path for path in base.files if path.startswith("base/")]
    number = made = at = 0
    dirty: dict[str, None] = {}
    has_control = False

    def operation(kind: Kind, inode: int, path: str, other: str = "", offset: int = 0,
                  data: bytes = b"") -> Operation:  # fmt: skip
        nonlocal number
        number += 1
        return Operation(number - 1, number, kind, inode, path, other, offset, data, "here", "me")

    while number < count:
        at = (at + 1) % wal_pages
        page = chance.randbytes(PAGE)
        yield operation(Kind.WRITE, wal, "pg_wal/1", offset=at * PAGE, data=page)
        yield operation(Kind.FSYNC, wal, "pg_wal/1")
        path = chance.choice(data)
        dirty[path] = None
        offset = chance.randrange(FILE_PAGES) * PAGE
        yield operation(Kind.WRITE, base.inodes[path], path, offset=offset, data=page)
        if number % CHECKPOINT_EVERY < 3:
            for path in dirty:
                yield operation(Kind.FSYNC, base.inodes[path], path)
            dirty.clear()
            made += 1
            inode = 100_000 + made
            yield operation(Kind.CREATE, inode, "global/new")
            yield operation(Kind.WRITE, inode, "global/new", data=page)
            yield operation(Kind.FSYNC, inode, "global/new")
            yield operation(Kind.RENAME, inode, "global/new", "global/control")
            if has_control:
                yield operation(Kind.FSYNC_DIRECTORY, base.inodes["global"], "global")
            has_control = True


def measure_log(operations: list[Operation]) -> None:
    """Append and read."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "io.log"
        log = LogWriter(path)
        begun = time.process_time()
        for one in operations:
            log.append(one.kind, one.step, one.inode, one.offset, one.path, one.other, one.data,
                       one.site, one.role)  # fmt: skip
        appended = time.process_time() - begun
        begun = time.process_time()
        read_log(path)
        was_read = time.process_time() - begun
    print(
        f"log: {appended / len(operations) * 1e6:.1f} us to append an operation, "
        f"{was_read / len(operations) * 1e6:.1f} us to read it"
    )


def rate(seconds: float, do: Callable[[], object]) -> float:
    """How often a second."""
    begun = time.process_time()
    count = 0
    while time.process_time() - begun < seconds:
        do()
        count += 1
    return count / (time.process_time() - begun)


def measure_crashes(disk: Disk, seconds: float) -> None:
    """Of one moment, each choice drawn anew."""
    chance = random.Random(3)
    drawing = rate(seconds, lambda: disk.draw(chance))
    digests = rate(seconds, lambda: disk.crash_digest(disk.draw(chance)))
    images = rate(seconds, lambda: disk.crash(disk.draw(chance)))
    print(
        f"  draws {drawing:,.0f}/s; drawn and digested {digests:,.0f}/s; "
        f"drawn, images {images:,.0f}/s"
    )


def ready_made(disk: Disk) -> Iterator[Choice]:
    """What an exploration tries first at each moment."""
    yield disk.all_lost()
    yield disk.all_kept()
    for place in range(len(disk.pending)):
        for choice in (disk.only_lost(place), disk.only_kept(place), disk.prefix(place)):
            if choice is not None:
                yield choice


def measure_exploration(base: Image, operations: list[Operation], seconds: float) -> None:
    """Single operations lost and kept, and prefixes, after each operation; digests alone."""
    disk = Disk(base, PROFILES["strict"])
    seen: dict[str, None] = {}
    count = 0
    begun = time.process_time()
    for operation in operations:
        disk.apply(operation)
        for choice in ready_made(disk):
            seen[disk.crash_digest(choice)] = None
            count += 1
        if time.process_time() - begun > seconds * 2:
            break
    took = time.process_time() - begun
    print(
        f"exploring: {count / took:,.0f} states/s told apart, {operation.number + 1} operations, "
        f"{len(seen)} distinct of {count}"
    )


def measure_writing(base: Image, operations: list[Operation]) -> None:
    """One crash image after the other into one directory."""
    disk = Disk(base, PROFILES["strict"])
    for operation in operations[:3000]:
        disk.apply(operation)
    chance = random.Random(4)
    images = [disk.crash(disk.draw(chance)) for _ in range(100)]
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as directory:
        base.write(directory)
        previous = base
        begun = time.perf_counter()
        for image in images:
            image.write(directory, previous)
            previous = image
        took = time.perf_counter() - begun
    print(f"written over each other: {len(images) / took:,.0f} images/s")


if __name__ == "__main__":
    main()
