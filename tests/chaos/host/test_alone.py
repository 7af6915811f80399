"""The door of a process that is alone: the contract of files, and what makes it repeatable.
ALONE-1, ALONE-2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.disk.image import Image
from chaos.disk.log import LogWriter, read_log
from chaos.disk.operations import Kind
from chaos.host.alone import AloneHost, Deadlock
from engine.host.api import Host, OpenMode, Ready

# The contract's own tests, on this implementation: they use the fixture `world` below.
from tests.host_contract.test_files import (  # noqa: F401
    test_a_call_that_fails_raises_with_linuxs_errno_and_has_done_nothing,
    test_a_rename_replaces_what_had_the_name,
    test_an_open_mode_does_what_it_says,
    test_an_unlinked_file_lives_on_for_those_who_have_it_open,
    test_each_kind_of_buffer_can_be_written,
    test_paths_are_relative_to_the_data_directory_and_listings_sorted,
    test_stat_tells_files_directories_and_nothing_apart,
    test_what_was_written_is_read_back_at_its_offset,
)

SHOWN = "/world/data"
NEW = OpenMode.WRITE | OpenMode.CREATE


class AloneWorld:
    """Stands for the contract's `World`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, scenario: Callable[[Host], None]) -> None:
        scenario(AloneHost(str(self.root), SHOWN))


@pytest.fixture
def world(tmp_path: Path) -> AloneWorld:
    return AloneWorld(tmp_path)


def test_clock_and_chance_are_the_same_each_time(tmp_path: Path) -> None:
    """ALONE-1."""

    def drawn() -> list[object]:
        host = AloneHost(str(tmp_path), SHOWN)
        host.sleep(20)
        return [
            host.now_us(), host.monotonic_us(), host.random_bytes(8), host.random_bytes(8),
            host.pid(), host.take_signals(),
        ]  # fmt: skip

    first = drawn()
    assert first == drawn()
    assert first[2] != first[3]


def test_a_wait_moves_the_clock_and_one_without_an_end_is_an_error(tmp_path: Path) -> None:
    host = AloneHost(str(tmp_path), SHOWN)
    began = host.monotonic_us()
    assert host.wait(1500) == Ready.TIMEOUT
    assert host.monotonic_us() - began >= 1_500_000
    with pytest.raises(Deadlock, match="waits for somebody to wake it"):
        host.wait()


def test_the_directory_is_the_one_it_is_shown_as(tmp_path: Path) -> None:
    host = AloneHost(str(tmp_path), SHOWN)
    host.close(host.open(f"{SHOWN}/there", NEW))
    assert (tmp_path / "there").exists()
    assert host.stat(SHOWN) == host.stat("")


def test_changes_tell_what_may_have_changed_and_no_more(tmp_path: Path) -> None:
    """ALONE-2."""
    for name in ("read", "written", "moved", "gone"):
        (tmp_path / name).write_bytes(bytes(40000))
    host = AloneHost(str(tmp_path), SHOWN)
    host.pread(host.open("read"), 100, 0)
    host.pwrite(host.open("written", OpenMode.WRITE), bytes(10000), 8000)
    host.rename("moved", "here")
    host.unlink("gone")
    host.make_directory("directory")
    host.close(host.open("directory/new", NEW))
    assert {path: list(chunks) for path, chunks in host.changes.chunks.items()} == {
        "written": [0, 1, 2]
    }
    assert list(host.changes.names) == ["moved", "here", "gone", "directory", "directory/new"]


def test_the_log_has_each_operation_as_a_world_would_have_it(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    host = AloneHost(str(data), SHOWN, LogWriter(log))
    fd = host.open("file", NEW)
    host.pwrite(fd, b"abc", 5)
    host.truncate(fd, 2)
    host.fsync(fd)
    host.rename("file", f"{SHOWN}/other")
    host.make_directory("below")
    host.fsync_directory(".")
    host.unlink("other")
    operations, _ = read_log(log)
    assert [(each.kind, each.path, each.other) for each in operations] == [
        (Kind.CREATE, "file", ""),
        (Kind.WRITE, "file", ""),
        (Kind.TRUNCATE, "file", ""),
        (Kind.FSYNC, "file", ""),
        (Kind.RENAME, "file", "other"),
        (Kind.MAKE_DIRECTORY, "below", ""),
        (Kind.FSYNC_DIRECTORY, "", ""),
        (Kind.UNLINK, "other", ""),
    ]
    assert operations[1].data == b"abc"
    assert operations[1].offset == 5
    assert operations[2].offset == 2
    assert len({each.inode for each in operations[:5]}) == 1
    assert operations[6].inode == Image.read(data).inodes[""]
    assert host.logged == len(operations)
