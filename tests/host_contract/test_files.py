"""The door's files: HOST-1 to HOST-3."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

import pytest

from engine.host.api import Buffer, Host, OpenMode, Signal
from tests.host_contract.children import exit_statuses, reap_children
from tests.host_contract.conftest import World

NEW = OpenMode.WRITE | OpenMode.CREATE


def write(host: Host, path: str, data: bytes) -> None:
    """A new file with this content."""
    fd = host.open(path, NEW)
    assert host.pwrite(fd, data, 0) == len(data)
    host.close(fd)


def content(host: Host, path: str) -> bytes:
    """What a file holds."""
    fd = host.open(path)
    data = host.pread(fd, 1000, 0)
    host.close(fd)
    return data


def test_what_was_written_is_read_back_at_its_offset(world: World) -> None:
    def scenario(host: Host) -> None:
        fd = host.open("file", NEW)
        assert host.pwrite(fd, b"hello", 3) == 5
        assert host.file_size(fd) == 8
        assert host.pread(fd, 100, 0) == b"\0\0\0hello"
        assert host.pread(fd, 2, 4) == b"el"
        assert host.pread(fd, 100, 8) == b"", "behind the end there is nothing"
        view = memoryview(bytearray(5))
        assert host.pread_into(fd, view, 3) == 5
        assert bytes(view) == b"hello"
        assert host.pread_into(fd, view, 6) == 2, "fewer at the end"
        host.truncate(fd, 4)
        assert host.pread(fd, 100, 0) == b"\0\0\0h"
        host.truncate(fd, 6)
        assert host.pread(fd, 100, 0) == b"\0\0\0h\0\0"
        host.fsync(fd)
        host.close(fd)

    world(scenario)


def test_each_kind_of_buffer_can_be_written(world: World) -> None:
    def scenario(host: Host) -> None:
        fd = host.open("file", NEW)
        buffers: list[Buffer] = [b"a", bytearray(b"b"), memoryview(b"c")]
        for offset, data in enumerate(buffers):
            assert host.pwrite(fd, data, offset) == 1
        assert host.pread(fd, 10, 0) == b"abc"

    world(scenario)


def test_an_open_mode_does_what_it_says(world: World) -> None:
    def scenario(host: Host) -> None:
        write(host, "file", b"old content")
        fd = host.open("file", OpenMode.WRITE)
        assert host.pread(fd, 3, 0) == b"old", "writing includes reading, and empties nothing"
        host.close(fd)
        fd = host.open("file", OpenMode.WRITE | OpenMode.APPEND)
        host.pwrite(fd, b"!", 0)
        assert host.pread(fd, 100, 0) == b"old content!", "appending ignores the offset"
        host.close(fd)
        host.close(host.open("file", OpenMode.WRITE | OpenMode.TRUNCATE))
        assert content(host, "file") == b""

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
        assert host.list_directory(".") == ["d"]

    world(scenario)


def test_stat_tells_files_directories_and_nothing_apart(world: World) -> None:
    def scenario(host: Host) -> None:
        host.make_directory("d")
        write(host, "d/file", b"12345")
        directory, file = host.stat("d"), host.stat("d/file")
        assert directory is not None
        assert directory.is_directory
        assert directory.mode & 0o777 == 0o700
        assert file is not None
        assert not file.is_directory
        assert (file.size, file.mode & 0o777) == (5, 0o600)
        assert host.stat("d/none") is None
        assert host.stat("d/file/none") is None
        root = host.stat("")
        assert root is not None
        assert root.is_directory

    world(scenario)


def test_a_rename_replaces_what_had_the_name(world: World) -> None:
    def scenario(host: Host) -> None:
        write(host, "new", b"new")
        write(host, "name", b"old")
        old = host.open("name")
        host.rename("new", "name")
        assert content(host, "name") == b"new"
        assert host.list_directory(".") == ["name"]
        assert host.pread(old, 10, 0) == b"old", "who has it open keeps it"

    world(scenario)


def test_an_unlinked_file_lives_on_for_those_who_have_it_open(world: World) -> None:
    def scenario(host: Host) -> None:
        write(host, "file", b"here")
        fd = host.open("file", OpenMode.WRITE)
        host.unlink("file")
        assert host.stat("file") is None
        assert host.pwrite(fd, b"t", 0) == 1
        assert host.pread(fd, 10, 0) == b"tere"
        host.fsync(fd)
        host.close(fd)

    world(scenario)


FAILURES: dict[str, tuple[Callable[[Host], object], int]] = {
    "open nothing": (lambda host: host.open("missing"), errno.ENOENT),
    "open below a file": (lambda host: host.open("file/x", NEW), errno.ENOTDIR),
    "create again": (lambda host: host.open("file", NEW | OpenMode.EXCLUSIVE), errno.EEXIST),
    "open a directory to write": (lambda host: host.open("d", OpenMode.WRITE), errno.EISDIR),
    "write what is open to read": (
        lambda host: host.pwrite(host.open("file"), b"x", 0),
        errno.EBADF,
    ),
    "cut what is open to read": (lambda host: host.truncate(host.open("file"), 0), errno.EINVAL),
    "read a closed file": (lambda host: _use_closed(host, "pread"), errno.EBADF),
    "sync a closed file": (lambda host: _use_closed(host, "fsync"), errno.EBADF),
    "close twice": (lambda host: _use_closed(host, "close"), errno.EBADF),
    "rename nothing": (lambda host: host.rename("missing", "other"), errno.ENOENT),
    "unlink nothing": (lambda host: host.unlink("missing"), errno.ENOENT),
    "unlink a directory": (lambda host: host.unlink("d"), errno.EISDIR),
    "make a directory again": (lambda host: host.make_directory("d"), errno.EEXIST),
    "list nothing": (lambda host: host.list_directory("missing"), errno.ENOENT),
    "list a file": (lambda host: host.list_directory("file"), errno.ENOTDIR),
    "sync no directory": (lambda host: host.fsync_directory("missing"), errno.ENOENT),
    "lock below nothing": (lambda host: host.lock_file("missing/lock"), errno.ENOENT),
}


def _use_closed(host: Host, call: str) -> None:
    fd = host.open("file")
    host.close(fd)
    if call == "pread":
        host.pread(fd, 1, 0)
    elif call == "fsync":
        host.fsync(fd)
    else:
        host.close(fd)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_call_that_fails_raises_with_linuxs_errno_and_has_done_nothing(
    world: World, failure: str
) -> None:
    def scenario(host: Host) -> None:
        host.make_directory("d")
        write(host, "file", b"content")
        act, number = FAILURES[failure]
        with pytest.raises(OSError, match=re.escape(os.strerror(number))) as caught:
            act(host)
        assert caught.value.errno == number
        assert host.list_directory(".") == ["d", "file"]
        assert content(host, "file") == b"content"

    world(scenario)


def test_a_child_goes_on_with_its_parents_open_files(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        fd = host.open("file", NEW)

        def child() -> None:
            host.pwrite(fd, b"from the child", 0)
            host.close(fd)

        host.fork("backend", 1, child)
        assert exit_statuses(host, 1) == [0]
        assert host.pread(fd, 100, 0) == b"from the child", "the parent's is open still"

    world(scenario)


def test_a_file_lock_excludes_everyone_who_asks_anew(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        lock = host.lock_file("lock")
        assert lock is not None
        assert host.stat("lock") is not None, "created as needed"
        host.pwrite(lock, b"4711\n", 0)
        assert host.lock_file("lock") is None, "not even its owner twice"

        def child() -> None:
            host.exit(7 if host.lock_file("lock") is None else 8)

        host.fork("backend", 1, child)
        assert exit_statuses(host, 1) == [7]
        host.close(lock)
        again = host.lock_file("lock")
        assert again is not None
        assert host.pread(again, 10, 0) == b"4711\n", "a lock does not empty the file"

    world(scenario)


@pytest.mark.parametrize("ending", [Signal.TERM, Signal.KILL])
def test_a_file_lock_lives_as_long_as_any_process_that_inherited_it(
    world: World, ending: Signal
) -> None:
    def scenario(host: Host) -> None:
        lock = host.lock_file("lock")
        assert lock is not None
        host.create_latches(3)

        def stay() -> None:
            while Signal.TERM not in host.take_signals():
                host.wait(postmaster=False)

        pid = host.fork("backend", 1, stay)
        host.close(lock)
        assert host.lock_file("lock") is None, "the child still has it"
        host.signal(pid, ending)
        assert [ended.pid for ended in reap_children(host, 1)] == [pid]
        assert host.lock_file("lock") is not None

    world(scenario)
