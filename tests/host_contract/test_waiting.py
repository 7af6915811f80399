"""The door's mutexes, latches, signals and waits: HOST-4 to HOST-7."""

from __future__ import annotations

import pytest

from engine.errors import PostmasterDied
from engine.host.api import Host, Ready, Signal
from tests.host_contract.conftest import World


def wait_for_children(host: Host, count: int) -> list[int | None]:
    """The exit statuses of the next `count` children that end, None for one that was killed."""
    statuses: list[int | None] = []
    while len(statuses) < count:
        statuses += [ended.status for ended in host.reap()]
        if len(statuses) < count:
            host.wait(1000)
    return statuses


def test_a_mutex_excludes_every_other_process(world: World) -> None:
    def scenario(host: Host) -> None:
        mutex = host.create_mutexes(1)[0]
        host.create_latches(5)
        counter = host.map_shared(8).cast("Q")

        def count() -> None:
            for _ in range(2000):
                mutex.acquire()
                counter[0] += 1
                mutex.release()

        for latch in range(1, 5):
            host.fork("backend", latch, count)
        assert wait_for_children(host, 4) == [0, 0, 0, 0]
        assert counter[0] == 8000

    world(scenario)


def test_a_wake_up_before_the_wait_is_not_lost(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        host.wake(0)
        host.wake(0)
        assert host.wait(10_000) == Ready.LATCH
        assert host.wait(1) == Ready.TIMEOUT, "wake-ups merge"

    world(scenario)


def test_a_process_wakes_another(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        order = host.map_shared(16).cast("Q")

        def sleeper() -> None:
            while not order[0]:
                host.wait()
            order[1] = 1

        host.fork("backend", 1, sleeper)
        order[0] = 1
        host.wake(1)
        assert wait_for_children(host, 1) == [0]
        assert order[1] == 1

    world(scenario)


def test_signals_arrive_as_flags_and_wake_the_process(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def listen() -> None:
            seen: list[Signal] = []
            while Signal.TERM not in seen:
                host.wait()
                seen += host.take_signals()
            host.exit(7 if Signal.HUP in seen else 8)

        pid = host.fork("backend", 1, listen)
        host.signal(pid, Signal.HUP)
        host.signal(pid, Signal.TERM)
        assert wait_for_children(host, 1) == [7]
        assert not host.process_exists(pid)
        assert not host.signal(pid, Signal.HUP), "nobody is there any more"

    world(scenario)


def test_quit_ends_a_child_at_once_after_its_last_words(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        words = host.map_shared(8).cast("Q")

        def busy() -> None:
            host.last_words(lambda: words.__setitem__(0, 42))
            host.wake(0)
            while True:
                pass

        pid = host.fork("backend", 1, busy)
        while not host.wait(1000) & Ready.LATCH:
            pass
        host.signal(pid, Signal.QUIT)
        assert wait_for_children(host, 1) == [2]
        assert words[0] == 42

    world(scenario)


def test_a_child_that_waits_learns_of_the_postmasters_death(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(3)
        reading, writing = host.pipe()

        def postmaster() -> None:
            host.create_latches(3)
            # The inner postmaster has a pipe of its own for its own child.
            inner = type(host)(".")  # type: ignore[call-arg]
            inner.catch_signals()
            inner.create_latches(2)

            def child() -> None:
                try:
                    inner.wait()
                except PostmasterDied:
                    inner.send(writing, b"alone")
                    raise

            inner.fork("backend", 1, child)
            inner.exit(0)

        host.fork("postmaster", 1, postmaster)
        host.close(writing)
        heard = b""
        while not heard:
            host.wait(5000, read=[reading])
            try:
                heard = host.receive(reading, 10)
            except BlockingIOError:
                continue
        assert heard == b"alone"

    world(scenario)


def test_a_wait_tells_which_descriptors_are_ready(world: World) -> None:
    def scenario(host: Host) -> None:
        first, second = host.pipe(), host.pipe()
        host.send(second[1], b"x")
        assert host.wait(1000, read=[first[0], second[0]]) == Ready.READ
        assert list(host.ready_descriptors()) == [second[0]]
        with pytest.raises(BlockingIOError):
            host.receive(first[0], 1)
        assert host.receive(second[0], 10) == b"x"
        host.close(second[1])
        assert host.wait(1000, read=[second[0]]) == Ready.READ
        assert host.receive(second[0], 10) == b"", "the end of the stream"

    world(scenario)


def test_time_ends_a_wait(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        before = host.monotonic_us()
        assert host.wait(20) == Ready.TIMEOUT
        assert host.monotonic_us() - before >= 19_000
        before = host.monotonic_us()
        host.wake(0)
        host.sleep(20)
        assert host.monotonic_us() - before >= 19_000, "a sleep is not ended by a wake-up"

    world(scenario)
