"""Faults that kill nobody: calls that fail, do less, come late; processes that stand still."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest

from chaos.host import BatonHost
from engine.host.api import OpenMode, Ready, Signal
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses, reap_children

NEW = OpenMode.WRITE | OpenMode.CREATE
SECOND_US = 1_000_000


def file_with(host: BatonHost, content: bytes) -> int:
    """An open file."""
    fd = host.open("file", NEW)
    assert host.pwrite(fd, content, 0) == len(content)
    return fd


CALLS: dict[str, Callable[[BatonHost, int], object]] = {
    "open": lambda host, fd: host.open("new", NEW),
    "close": lambda host, fd: host.close(fd),
    "pread": lambda host, fd: host.pread(fd, 1, 0),
    "pread_into": lambda host, fd: host.pread_into(fd, memoryview(bytearray(1)), 0),
    "pwrite": lambda host, fd: host.pwrite(fd, b"changed", 0),
    "fsync": lambda host, fd: host.fsync(fd),
    "fsync_directory": lambda host, fd: host.fsync_directory("."),
    "truncate": lambda host, fd: host.truncate(fd, 0),
    "file_size": lambda host, fd: host.file_size(fd),
    "rename": lambda host, fd: host.rename("file", "other"),
    "unlink": lambda host, fd: host.unlink("file"),
    "make_directory": lambda host, fd: host.make_directory("new"),
    "list_directory": lambda host, fd: host.list_directory("."),
    "stat": lambda host, fd: host.stat("file"),
    "lock_file": lambda host, fd: host.lock_file("new"),
    "fork": lambda host, fd: host.fork("backend", 1, lambda: None),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_made_to_fail_has_done_nothing(stage: Stage, call: str) -> None:
    """PLACE-1, HOST-2."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        fd = file_with(host, b"content")
        with pytest.raises(OSError, match="No space left on device") as caught:
            CALLS[call](host, fd)
        assert caught.value.errno == errno.ENOSPC
        assert host._baton.places.blow(0) is not None
        assert host.list_directory(".") == ["file"]
        assert host.pread(fd, 100, 0) == b"content", "the descriptor is open still"
        assert host.reap() == []

    count = 2 if call in ("open", "pwrite") else 1
    stage.arm(f"postmaster {call} {count}: enospc")
    stage.play(scene)


def test_a_call_fails_as_often_as_was_asked_and_then_no_more(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        fd = file_with(host, b"content")
        outcomes = []
        for _ in range(6):
            try:
                host.fsync(fd)
            except OSError as error:
                outcomes.append(error.errno)
            else:
                outcomes.append(0)
        assert outcomes == [0, errno.EIO, errno.EIO, errno.EIO, 0, 0]

    stage.arm("postmaster fsync 2: eio 3 times")
    stage.play(scene)


def test_a_short_read_or_write_does_half_and_says_so(stage: Stage) -> None:
    """HOST-2."""

    def scene(host: BatonHost) -> None:
        fd = file_with(host, b"12345678")
        assert host.pread(fd, 8, 0) == b"1234"
        assert host.pread(fd, 8, 0) == b"12345678"
        view = memoryview(bytearray(8))
        assert host.pread_into(fd, view, 0) == 4
        assert bytes(view) == b"1234\0\0\0\0"
        assert host.pwrite(fd, b"abcdefgh", 0) == 4
        assert host.pread(fd, 8, 0) == b"abcd5678"
        assert host.pwrite(fd, b"X", 7) == 1, "nothing at all would be no short write"
        reading, writing = host.pipe()
        assert host.send(writing, b"12345678") == 4
        assert host.receive(reading, 4) == b"12"
        assert host.receive(reading, 4) == b"34"

    for place in ("pread 1", "pread_into 1", "pwrite 2", "pwrite 3", "send 1", "receive 1"):
        stage.arm(f"postmaster {place}: short")
    stage.play(scene)


@pytest.mark.parametrize("call", ["send", "receive"])
def test_a_dropped_connection_is_reset_for_the_server_and_over_for_the_client(
    stage: Stage, call: str
) -> None:
    def scene(host: BatonHost) -> None:
        listener = host.listen_unix(".s")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(stage.data / ".s"))
            fd, _ = host.accept(listener)
            client.send(b"question")
            with pytest.raises(ConnectionResetError):
                host.receive(fd, 100) if call == "receive" else host.send(fd, b"answer")
            assert client.recv(100) == b""
            with pytest.raises(BrokenPipeError):
                client.send(b"more")
            host.close(fd)
            client.close()

    stage.arm(f"postmaster {call}: drop")
    stage.play(scene)


def test_a_wait_that_is_interrupted_ends_early_and_loses_nothing(stage: Stage) -> None:
    """HOST-5."""

    def scene(host: BatonHost) -> None:
        host.create_latches(1)
        host.wake(0)
        before = host.monotonic_us()
        assert host.wait(1000) == Ready.TIMEOUT
        assert host.monotonic_us() - before < 1000
        assert host.wait(1000) == Ready.LATCH, "the wake-up is still there"

    stage.arm("postmaster wait: eintr")
    stage.play(scene)


def test_a_sleep_is_not_ended_by_an_interruption(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        before = host.monotonic_us()
        host.sleep(1000)
        assert host.monotonic_us() - before >= SECOND_US

    stage.arm("postmaster sleep: eintr")
    stage.play(scene)


@pytest.mark.parametrize("call", ["pread", "pwrite", "send", "receive", "stat", "open"])
def test_an_interruption_of_what_does_not_wait_is_not_seen(stage: Stage, call: str) -> None:
    def scene(host: BatonHost) -> None:
        fd = file_with(host, b"content")
        assert host.pread(fd, 100, 0) == b"content"
        assert host.stat("file") is not None
        reading, writing = host.pipe()
        assert host.send(writing, b"bytes") == 5
        assert host.receive(reading, 100) == b"bytes"

    number = stage.arm(f"postmaster {call}: eintr")
    stage.play(scene)
    assert stage.world.baton.places.blow(number) is not None


def test_a_delayed_call_takes_so_long_while_others_go_on(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def count() -> None:
            while not stage.seen[0]:
                stage.seen[1] += 1
                host.sleep(10)

        host.fork("backend", 1, count)
        before = host.monotonic_us()
        host.stat("file")
        assert SECOND_US <= host.monotonic_us() - before < SECOND_US + 10_000
        stage.seen[0] = 1
        assert exit_statuses(host, 1) == [0]

    stage.arm("postmaster stat: delay 1s")
    stage.play(scene)
    assert 95 <= stage.seen[1] <= 102


def test_a_delayed_wake_up_comes_late(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.wake(0))
        before = host.monotonic_us()
        while not host.wait(60_000) & Ready.LATCH or host.monotonic_us() - before < SECOND_US:
            stage.seen[0] += 1
        assert host.monotonic_us() - before < SECOND_US + 10_000
        assert exit_statuses(host, 1) == [0]

    stage.arm("backend wake: delay 1s")
    stage.play(scene)


def test_a_stopped_process_does_nothing_for_so_long_and_then_goes_on(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def work() -> None:
            while not stage.seen[0]:
                host.point(Point.HEAP_PAGE_CHANGED)
                stage.seen[1] = max(stage.seen[1], host.monotonic_us() - stage.seen[2])
                stage.seen[2] = host.monotonic_us()

        stage.seen[2] = host.monotonic_us()
        host.fork("backend", 1, work)
        host.sleep(5000)
        stage.seen[0] = 1
        assert exit_statuses(host, 1) == [0]

    stage.arm("backend heap-page-changed 10: stop 2s")
    stage.play(scene)
    assert 2 * SECOND_US <= stage.seen[1] < 2 * SECOND_US + 10_000


def test_a_stopped_process_is_woken_by_nothing_and_killed_by_a_kill(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def listen() -> None:
            host.wait()
            stage.seen[0] = 1
            host.wait()

        pid = host.fork("bgwriter", 1, listen)
        host.sleep(1)
        host.stat("file")
        host.wake(1)
        host.signal(pid, Signal.QUIT)
        host.sleep(1000)
        assert stage.seen[0] == 0
        host.signal(pid, Signal.KILL)
        assert [one.signal for one in reap_children(host, 1)] == [Signal.KILL]

    stage.arm("postmaster stat: stop bgwriter 1h")
    stage.play(scene)


def test_what_a_stopped_process_was_sent_is_there_when_it_goes_on(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def listen() -> None:
            while not host.take_signals():
                host.wait()
            stage.seen[0] = host.monotonic_us()

        pid = host.fork("bgwriter", 1, listen)
        host.sleep(1)
        host.stat("file")
        host.signal(pid, Signal.HUP)
        assert exit_statuses(host, 1) == [0]
        assert stage.seen[0] >= 3 * SECOND_US

    stage.arm("postmaster stat: stop bgwriter 3s")
    stage.play(scene)


def test_a_stop_of_everybody_is_a_pause_of_the_whole_world(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        before = host.monotonic_us()
        host.stat("file")
        assert SECOND_US <= host.monotonic_us() - before < SECOND_US + 1000

    stage.arm("postmaster stat: stop all 1s")
    stage.play(scene)
