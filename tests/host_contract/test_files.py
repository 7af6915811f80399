"""The door's files: HOST-1 to HOST-3."""

from __future__ import annotations

import errno

import pytest

from engine.host.api import Host, OpenMode
from tests.host_contract.conftest import World

NEW = OpenMode.WRITE | OpenMode.CREATE


def test_what_was_written_is_read_back_at_its_offset(world: World) -> None:
    def scenario(host: Host) -> None:
        fd = host.open("file", NEW)
        assert host.pwrite(fd, b"hello", 3) == 5
        assert host.file_size(fd) == 8
        assert host.pread(fd, 100, 0) == b"\0\0\0hello"
        view = memoryview(bytearray(5))
        assert host.pread_into(fd, view, 3) == 5
        assert bytes(view) == b"hello"
        host.truncate(fd, 4)
        assert host.pread(fd, 100, 0) == b"\0\0\0h"
        host.fsync(fd)
        host.close(fd)

    world(scenario)


def test_paths_are_relative_to_the_data_directory_and_listings_sorted(world: World) -> None:
    def scenario(host: Host) -> None:
        host.make_directory("d")
        for name in ("b", "a", "c"):
            host.close(host.open(f"d/{name}", NEW))
        assert host.list_directory("d") == ["a", "b", "c"]
        host.rename("d/b", "d/z")
        host.unlink("d/a")
        host.fsync_directory("d")
        assert host.list_directory("d") == ["c", "z"]
        status = host.stat("d")
        assert status is not None
        assert status.is_directory
        assert host.stat("d/b") is None

    world(scenario)


def test_a_call_that_fails_raises_with_linuxs_errno(world: World) -> None:
    def scenario(host: Host) -> None:
        with pytest.raises(FileNotFoundError):
            host.open("missing")
        host.close(host.open("there", NEW))
        with pytest.raises(FileExistsError):
            host.open("there", NEW | OpenMode.EXCLUSIVE)
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            host.pwrite(host.open("there"), b"x", 0)
        assert caught.value.errno == errno.EBADF

    world(scenario)


def test_a_file_lock_lives_as_long_as_any_process_that_inherited_it(world: World) -> None:
    def scenario(host: Host) -> None:
        lock = host.lock_file("lock")
        assert lock is not None
        host.create_latches(3)

        def stay() -> None:
            while True:
                host.wait(postmaster=False)
                if host.take_signals():
                    return

        pid = host.fork("backend", 1, stay)
        host.close(lock)
        assert host.lock_file("lock") is None, "the child still has it"
        host.signal(pid, 15)  # type: ignore[arg-type]
        while not host.reap():
            host.wait(100)
        assert host.lock_file("lock") is not None

    world(scenario)
