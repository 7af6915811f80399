"""What a disk does to who writes to it: bytes that get lost or go astray, and no room for more."""

from __future__ import annotations

import errno
import os

import pytest

from chaos.faults.places import PlaceError, parse_fault
from chaos.host import BatonHost
from chaos.scheduler.layout import DISK_LEFT, NEVER
from engine.host.api import OpenMode
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

NEW = OpenMode.WRITE | OpenMode.CREATE
PAGE = 8192


def letters(host: BatonHost, fd: int) -> bytes:
    """The first byte of each page."""
    return b"".join(host.pread(fd, 1, at) for at in range(0, host.file_size(fd), PAGE))


def lettered(host: BatonHost, pages: bytes) -> int:
    """A file of so many pages, each begun by its letter."""
    fd = host.open("file", NEW)
    for number, letter in enumerate(pages):
        host.pwrite(fd, bytes([letter]) * PAGE, number * PAGE)
    return fd


def test_a_lost_write_says_that_it_was_done_and_leaves_the_file_as_it_was(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        fd = lettered(host, b"ab")
        assert host.pwrite(fd, b"X" * PAGE, PAGE) == PAGE
        assert letters(host, fd) == b"ab"
        assert host.pwrite(fd, b"Y" * PAGE, 2 * PAGE) == PAGE
        assert letters(host, fd) == b"ab", "not even longer"
        assert host.pwrite(fd, b"Z" * PAGE, PAGE) == PAGE
        assert letters(host, fd) == b"aZ"

    stage.arm("postmaster pwrite 3: lose")
    stage.arm("postmaster pwrite 4: lose")
    stage.play(scene)


def test_a_lost_write_to_a_closed_file_fails_as_any_other(stage: Stage) -> None:
    """HOST-2."""

    def scene(host: BatonHost) -> None:
        fd = lettered(host, b"a")
        host.close(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            host.pwrite(fd, b"X", 0)

    stage.arm("postmaster pwrite 2: lose")
    stage.play(scene)


@pytest.mark.parametrize(
    ("pages", "written", "left"),
    [
        (b"abcd", 0, b"aXcd"),
        (b"abcd", 1, b"Xbcd"),
        (b"abcd", 2, b"abcX"),
        (b"abc", 2, b"aXc"),
        (b"abcd", 4, b"abcX"),
        (b"a", 1, b"X"),
        (b"a", 0, b"X"),
    ],
    ids=["first", "second", "third", "last of an odd number", "new one", "new second", "only one"],
)
def test_a_misdirected_write_changes_the_block_beside_its_own(
    stage: Stage, pages: bytes, written: int, left: bytes
) -> None:
    def scene(host: BatonHost) -> None:
        fd = lettered(host, pages)
        assert host.pwrite(fd, b"X" * PAGE, written * PAGE) == PAGE
        assert letters(host, fd) == left

    stage.arm(f"postmaster pwrite {len(pages) + 1}: misdirect")
    stage.play(scene)


@pytest.mark.parametrize(
    "text", ["any fsync: misdirect", "any pread: lose", "time 5s: lose", "lsn 0/15: misdirect"]
)
def test_only_what_writes_is_lost_or_goes_astray(text: str) -> None:
    with pytest.raises(PlaceError, match="is done at"):
        parse_fault(text)


# limited space -----------------------------------------------------------------------------------


def test_files_grow_by_what_is_left_and_no_more(stage: Stage) -> None:
    """QUOTA-1."""

    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        assert host.pwrite(fd, b"x" * 600, 0) == 600
        assert host.pwrite(fd, b"y" * 600, 300) == 600, "half of it lies in the file already"
        assert host.pwrite(fd, b"z" * 600, 900) == 100, "short"
        with pytest.raises(OSError, match="No space left") as caught:
            host.pwrite(fd, b"z", 1000)
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(OSError, match="No space left"):
            host.truncate(fd, 1001)
        with pytest.raises(OSError, match="No space left"):
            host.pwrite(fd, b"z" * 10, 2000)
        assert host.file_size(fd) == 1000
        assert host.pwrite(fd, b"in place", 0) == 8
        assert host.pwrite(fd, b"", 1000) == 0

    stage.world.limit_disk(1000)
    stage.play(scene)
    assert stage.world.layout.words[DISK_LEFT] == 0


def test_a_hole_takes_as_much_as_bytes(stage: Stage) -> None:
    """QUOTA-1."""

    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        assert host.pwrite(fd, b"x" * 10, 95) == 5
        assert host.file_size(fd) == 100

    stage.world.limit_disk(100)
    stage.play(scene)


def test_what_shrinks_or_goes_gives_its_bytes_back(stage: Stage) -> None:
    """QUOTA-1."""
    words = stage.world.layout.words

    def scene(host: BatonHost) -> None:
        left = host._baton.words
        first = host.open("first", NEW)
        host.pwrite(first, b"x" * 600, 0)
        host.truncate(first, 100)
        assert left[DISK_LEFT] == 900
        second = host.open("second", NEW)
        host.pwrite(second, b"y" * 300, 0)
        host.rename("first", "second")
        assert left[DISK_LEFT] == 900, "the second is gone, the first has its name"
        os.link(stage.data / "second", stage.data / "third")
        host.unlink("third")
        assert left[DISK_LEFT] == 900, "it has a name still"
        host.unlink("second")
        assert left[DISK_LEFT] == 1000
        host.truncate(first, 0)
        assert host.pwrite(first, b"z" * 2000, 0) == 2000, "its bytes were given back"
        assert left[DISK_LEFT] == 1000
        third = host.open("third", NEW)
        host.pwrite(third, b"z" * 1000, 0)
        host.close(host.open("third", OpenMode.WRITE | OpenMode.TRUNCATE))
        assert left[DISK_LEFT] == 1000

    stage.world.limit_disk(1000)
    stage.play(scene)
    assert words[DISK_LEFT] == 1000


def test_space_is_limited_for_all_processes_together_and_for_the_data_directory_alone(
    stage: Stage,
) -> None:
    """QUOTA-1."""

    def scene(host: BatonHost) -> None:
        host.create_latches(3)

        def fill() -> None:
            fd = host.open(f"{host.pid()}", NEW)
            offset = 0
            while True:
                offset += host.pwrite(fd, b"x" * 70, offset)

        def write() -> None:
            with pytest.raises(OSError, match="No space left"):
                fill()

        for latch in (1, 2):
            host.fork("backend", latch, write)
        assert exit_statuses(host, 2) == [0, 0]
        assert sum(host.stat(name).size for name in host.list_directory(".")) == 1000  # type: ignore[union-attr]
        assert host.pwrite(host.open("/world/log", NEW), b"x" * 5000, 0) == 5000

    stage.world.limit_disk(1000)
    stage.play(scene)


def test_space_that_is_not_limited_is_not_counted(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        host.pwrite(fd, b"x" * 5000, 0)
        host.truncate(fd, 0)

    stage.world.limit_disk(10)
    stage.world.unlimit_disk()
    stage.play(scene)
    assert stage.world.layout.words[DISK_LEFT] == NEVER
