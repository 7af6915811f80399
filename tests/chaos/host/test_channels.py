"""Who waits for a descriptor is woken, however many there are, and whoever else waits for it."""

from __future__ import annotations

import socket

from chaos.host import BatonHost
from chaos.scheduler.layout import CHANNELS, WAITED_CHANNELS
from engine.host.api import Ready
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses


def wait_until_readable(host: BatonHost, fds: list[int]) -> None:
    """Without a deadline: a wake-up that is lost is a deadlock."""
    while not host.wait(read=fds, latch=False) & Ready.READ:
        pass


def read_to_the_end(host: BatonHost, fd: int) -> bytes:
    """Everything, also without a deadline."""
    parts = []
    while True:
        wait_until_readable(host, [fd])
        parts.append(host.receive(fd, 4096))
        if not parts[-1]:
            return b"".join(parts)


def reap_without_deadline(host: BatonHost, count: int) -> list[int | None]:
    """How the next children ended."""
    ended = []
    while len(ended) < count:
        ended += [one.status for one in host.reap()]
        if len(ended) < count:
            host.wait()
    return ended


def make_channels(host: BatonHost, count: int) -> None:
    """As many connections and pipes as a long run has."""
    for _ in range(count):
        for fd in host.pipe():
            host.close(fd)


def test_a_waiter_is_woken_after_more_channels_than_there_are_numbers(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        reading, writing = host.pipe()
        other, ending = host.pipe()

        def wait_for_the_end() -> None:
            host.close(ending)
            assert read_to_the_end(host, other) == b""

        host.fork("backend", 1, lambda: wait_until_readable(host, [reading]))
        host.fork("logger", 2, wait_for_the_end)
        host.sleep(1)
        make_channels(host, CHANNELS + 5)
        host.send(writing, b"x")
        assert reap_without_deadline(host, 1) == [0]
        host.close(ending)
        assert reap_without_deadline(host, 1) == [0]

    stage.play(scene)


def test_the_end_of_a_pipe_is_told_when_its_last_writer_dies_after_many_channels(
    stage: Stage,
) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        reading, writing = host.pipe()

        def read() -> None:
            host.close(writing)
            assert read_to_the_end(host, reading) == b""

        host.fork("backend", 1, lambda: host.wait() and None)
        host.fork("logger", 2, read)
        host.close(writing)
        host.sleep(1)
        make_channels(host, CHANNELS)
        host.wake(1)
        assert reap_without_deadline(host, 2) == [0, 0]

    stage.play(scene)


def test_all_who_wait_for_the_same_pipe_are_woken(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(4)
        reading, writing = host.pipe()
        for latch in (1, 2, 3):
            host.fork("backend", latch, lambda: wait_until_readable(host, [reading]))
        host.sleep(1)
        host.send(writing, b"to whom it may concern")
        assert reap_without_deadline(host, 3) == [0, 0, 0]

    stage.play(scene)


def test_a_wait_for_many_descriptors_is_ended_by_each_of_them(stage: Stage) -> None:
    many = WAITED_CHANNELS + 3

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        pipes = [host.pipe() for _ in range(many)]
        reads = [reading for reading, _ in pipes]
        for reading, writing in pipes:
            host.fork("backend", 1, lambda: wait_until_readable(host, reads))
            host.sleep(1)
            host.send(writing, b"x")
            assert reap_without_deadline(host, 1) == [0]
            assert host.receive(reading, 10) == b"x"

    stage.play(scene)


def test_a_connection_is_heard_after_more_connections_than_there_are_numbers(
    stage: Stage,
) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        listener = host.listen_unix(".s")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(stage.data / ".s"))
            fd, _ = host.accept(listener)
            channel = host._channels[fd]

            def serve() -> None:
                wait_until_readable(host, [fd])
                assert host.receive(fd, 10) == b"hello"

            host.fork("backend", 1, serve)
            host.sleep(1)
            make_channels(host, CHANNELS)
            client.send(b"hello")
            host._baton.hint(channel)
            assert reap_without_deadline(host, 1) == [0]

    stage.play(scene)


def test_a_full_pipe_holds_up_who_writes_until_somebody_reads(stage: Stage) -> None:
    size = 200_000

    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        reading, writing = host.pipe()

        def log() -> None:
            host.close(reading)
            host.redirect_output(writing)
            host.close(writing)
            host.write_log(bytes(size))

        for latch in (1, 2):
            host.fork("backend", latch, log)
        host.close(writing)
        host.sleep(1000)
        assert host.reap() == [], "both wait for room"
        assert len(read_to_the_end(host, reading)) == 2 * size
        assert exit_statuses(host, 2) == [0, 0]

    stage.play(scene)
