"""What the door writes down of the data directory: exactly what was done, in order, by file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import PROFILES
from chaos.host import BatonHost
from engine.host.api import OpenMode
from tests.chaos.stage import BUSY, Scene, Stage
from tests.host_contract.children import exit_statuses

NEW = OpenMode.WRITE | OpenMode.CREATE
PAGE = 8192

Told = tuple[object, ...]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose world has a log."""
    with Stage(tmp_path / "world", has_log=True) as one:
        yield one


def played(stage: Stage, scene: Scene) -> list[Operation]:
    """What a scene did; IOLOG-1: put together again it is what the directory holds."""
    base = Image.read(stage.data)
    stage.play(scene)
    operations = stage.operations()
    disk = Disk(base, PROFILES["strict"])
    for operation in operations:
        disk.apply(operation)
    assert disk.cached() == Image.read(stage.data)
    return operations


def told(operations: list[Operation]) -> list[Told]:
    """Each as kind, path, and what its kind has beside that."""
    beside = {
        Kind.WRITE: lambda one: (one.offset, one.data),
        Kind.TRUNCATE: lambda one: (one.offset,),
        Kind.RENAME: lambda one: (one.other,),
    }
    return [
        (one.kind.name, one.path, *beside.get(one.kind, lambda _: ())(one)) for one in operations
    ]


def test_a_series_of_calls_is_told_as_it_was_made(stage: Stage) -> None:
    """IOLOG-1, IOLOG-2."""

    def scene(host: BatonHost) -> None:
        host.make_directory("base")
        fd = host.open("base/one", NEW)
        host.pwrite(fd, b"hello", 3)
        host.fsync(fd)
        host.pread(fd, 8, 0)
        host.truncate(fd, 4)
        host.close(fd)
        host.fsync_directory("base")
        host.rename("/world/data/base/one", "./base/../two")
        host.fsync_directory(".")
        again = host.open("two", OpenMode.WRITE | OpenMode.TRUNCATE)
        host.close(again)
        host.close(host.open("two", OpenMode.WRITE | OpenMode.TRUNCATE))
        host.unlink("two")
        host.lock_file("lock")
        host.lock_file("lock")

    assert told(played(stage, scene)) == [
        ("MAKE_DIRECTORY", "base"),
        ("CREATE", "base/one"),
        ("WRITE", "base/one", 3, b"hello"),
        ("FSYNC", "base/one"),
        ("TRUNCATE", "base/one", 4),
        ("FSYNC_DIRECTORY", "base"),
        ("RENAME", "base/one", "two"),
        ("FSYNC_DIRECTORY", ""),
        ("TRUNCATE", "two", 0),
        ("UNLINK", "two"),
        ("CREATE", "lock"),
    ]


def test_an_operation_has_the_step_after_which_it_was_done(stage: Stage) -> None:
    """IOLOG-2."""

    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        host.sleep(10)
        for offset in range(3):
            host.pwrite(fd, b"x", offset)

    operations = played(stage, scene)
    stage.finish()
    steps = stage.steps()
    calls = [steps[operation.step - 1].call for operation in operations]
    assert calls == ["open", "pwrite", "pwrite", "pwrite"]
    assert {operation.role for operation in operations} == {"postmaster"}
    assert [operation.number for operation in operations] == [0, 1, 2, 3]


def test_a_file_is_known_by_its_inode_whatever_its_name(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        first, second = host.open("first", NEW), host.open("second", NEW)
        host.pwrite(first, b"1", 0)
        host.rename("first", "renamed")
        host.pwrite(first, b"2", 1)
        host.rename("second", "renamed")
        host.pwrite(first, b"3", 2)
        host.pwrite(second, b"4", 0)
        host.unlink("renamed")
        host.pwrite(second, b"5", 1)
        host.fsync(second)
        stage.seen[0], stage.seen[1] = os.fstat(first).st_ino, os.fstat(second).st_ino

    operations = played(stage, scene)
    first, second = stage.seen[0], stage.seen[1]
    assert [(one.kind.name, one.inode == first, one.inode == second) for one in operations] == [
        ("CREATE", True, False),
        ("CREATE", False, True),
        ("WRITE", True, False),
        ("RENAME", True, False),
        ("WRITE", True, False),
        ("RENAME", False, True),
        ("WRITE", True, False),
        ("WRITE", False, True),
        ("UNLINK", False, True),
        ("WRITE", False, True),
        ("FSYNC", False, True),
    ]


def test_children_write_to_the_same_log_in_the_order_of_their_turns(stage: Stage) -> None:
    """IOLOG-2."""

    def scene(host: BatonHost) -> None:
        host.create_latches(4)
        shared = host.open("shared", NEW)

        def write(letter: bytes) -> None:
            own = host.open(letter.decode(), NEW)
            for number in range(20):
                host.pwrite(shared, letter * (number + 1), 0)
                host.pwrite(own, letter, number)

        for latch, (role, letter) in enumerate(
            [("backend", b"a"), ("checkpointer", b"b"), ("walwriter", b"c")], start=1
        ):
            host.fork(role, latch, lambda letter=letter: write(letter))  # type: ignore[misc]
        assert exit_statuses(host, 3) == [0, 0, 0]

    operations = played(stage, scene)
    steps = [operation.step for operation in operations]
    assert steps == sorted(steps)
    roles = [operation.role for operation in operations]
    assert roles.count("checkpointer") == roles.count("walwriter") == 41
    assert sum(one != other for one, other in pairwise(roles)) > 5


def test_a_write_that_a_fault_changes_is_told_as_it_went(stage: Stage) -> None:
    """IOLOG-1."""

    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        host.pwrite(fd, bytes(3 * PAGE), 0)
        assert host.pwrite(fd, b"12345678", 0) == 4
        assert host.pwrite(fd, b"lost", 8) == 4
        assert host.pwrite(fd, b"astray", 16) == 6
        with pytest.raises(OSError, match="No space"):
            host.pwrite(fd, b"failed", 0)
        assert host.pread(fd, 24, 0) == b"1234" + bytes(20)

    for place in ("2: short", "3: lose", "4: misdirect", "5: enospc"):
        stage.arm(f"postmaster pwrite {place}")
    assert told(played(stage, scene))[2:] == [
        ("WRITE", "file", 0, b"1234"),
        ("WRITE", "file", PAGE + 16, b"astray"),
    ]


def test_a_failed_fsync_is_told_as_failed_and_a_lost_one_not_at_all(stage: Stage) -> None:
    """IOLOG-1."""

    def scene(host: BatonHost) -> None:
        fd = host.open("file", NEW)
        with pytest.raises(OSError, match="Input/output"):
            host.fsync(fd)
        host.fsync(fd)
        host.fsync(fd)
        with pytest.raises(OSError, match="Input/output"):
            host.fsync_directory(".")
        host.fsync_directory(".")
        host.fsync_directory(".")

    for place in ("fsync 1: eio", "fsync 2: lose"):
        stage.arm(f"postmaster {place}")
    for place in ("fsync_directory 1: eio", "fsync_directory 3: lose"):
        stage.arm(f"postmaster {place}")
    operations = played(stage, scene)
    assert told(operations)[1:] == [
        ("FSYNC_FAILED", "file"),
        ("FSYNC", "file"),
        ("FSYNC_FAILED", ""),
        ("FSYNC_DIRECTORY", ""),
    ]
    assert operations[3].inode == stage.data.stat().st_ino


@pytest.mark.parametrize("call", ["pwrite", "truncate", "open", "rename", "unlink", "fsync"])
def test_who_is_killed_at_a_call_has_not_had_its_effect_in_the_log_either(
    stage: Stage, call: str
) -> None:
    """IOLOG-1, PLACE-1."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.close(host.open("file", NEW))

        def work() -> None:
            fd = host.open("file", OpenMode.WRITE)
            host.pwrite(fd, b"1", 0)
            host.fsync(fd)
            host.truncate(fd, 0)
            host.rename("file", "other")
            host.unlink("other")
            host.close(host.open("new", NEW))
            host.open("newer", NEW)

        host.fork("backend", 1, work)
        assert exit_statuses(host, 1) == [None], "killed"

    stage.arm(f"backend {call} {3 if call == 'open' else 1}: kill")
    done = ["pwrite", "fsync", "truncate", "rename", "unlink", "open"]
    names = ["WRITE", "FSYNC", "TRUNCATE", "RENAME", "UNLINK", "CREATE"]
    assert [one[0] for one in told(played(stage, scene))][1:] == names[: done.index(call)] + (
        ["CREATE"] if call == "open" else []
    )


def test_only_the_data_directory_is_logged(stage: Stage) -> None:
    """IOLOG-4."""

    def scene(host: BatonHost) -> None:
        host.make_directory("/world/logs")
        fd = host.open("/world/logs/server.log", NEW)
        host.pwrite(fd, b"line", 0)
        host.fsync(fd)
        host.truncate(fd, 3)
        host.close(fd)
        host.fsync_directory("/world/logs")
        host.rename("/world/logs/server.log", "/world/logs/old")
        host.unlink("/world/logs/old")
        host.listen_unix(".s")
        host.unlink(".s")

    assert played(stage, scene) == []


def test_what_is_renamed_across_the_edge_is_made_or_gone(stage: Stage) -> None:
    """IOLOG-4."""

    def scene(host: BatonHost) -> None:
        host.close(host.open("replaced", NEW))
        fd = host.open("/world/outside", NEW)
        host.pwrite(fd, b"content", 0)
        host.rename("/world/outside", "replaced")
        host.pwrite(host.open("replaced", OpenMode.WRITE), b"!", 7)
        host.rename("replaced", "/world/away")

    assert told(played(stage, scene)) == [
        ("CREATE", "replaced"),
        ("UNLINK", "replaced"),
        ("CREATE", "replaced"),
        ("WRITE", "replaced", 0, b"content"),
        ("WRITE", "replaced", 7, b"!"),
        ("UNLINK", "replaced"),
    ]


def test_appending_writes_are_told_where_they_went(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.pwrite(host.open("file", NEW), b"old", 0)
        host.pwrite(host.open("file", OpenMode.WRITE | OpenMode.APPEND), b"new", 0)

    assert told(played(stage, scene))[-1] == ("WRITE", "file", 3, b"new")


def test_each_file_with_the_inode_number_of_a_removed_one_is_a_new_file(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        for number in range(20):
            fd = host.open(f"file{number}", NEW)
            host.pwrite(fd, b"%d" % number, 0)
            host.close(fd)
            if number % 3:
                host.unlink(f"file{number}")

    operations = played(stage, scene)
    created = [one.inode for one in operations if one.kind is Kind.CREATE]
    assert len(created) == 20


def test_a_log_changes_no_step(tmp_path: Path) -> None:
    """IOLOG-3."""

    def scene(host: BatonHost) -> None:
        host.create_latches(3)

        def work() -> None:
            for number in range(50):
                fd = host.open(f"{host.pid()}", NEW)
                host.pwrite(fd, b"%d" % number, number)
                host.fsync(fd)
                host.close(fd)
                host.rename(f"{host.pid()}", f"{host.pid()}-{number % 3}")

        for latch in (1, 2):
            host.fork("backend", latch, work)
        assert exit_statuses(host, 2) == [0, 0]

    found = []
    for has_log in (False, True):
        with Stage(tmp_path / f"world{has_log}", BUSY, has_log=has_log) as stage:
            stage.play(scene)
            found.append((stage.finish(), Image.read(stage.data).digest()))
    assert found[0] == found[1]
