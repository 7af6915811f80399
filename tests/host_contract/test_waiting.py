"""The door's mutexes, latches, waits and clocks: HOST-4 to HOST-6."""

from __future__ import annotations

from functools import partial

import pytest

from engine.errors import PostmasterDied
from engine.host.api import Host, Mutex, Ready, Signal
from tests.host_contract.children import exit_statuses, reap_children, receive_all
from tests.host_contract.conftest import World

# mutexes and shared memory ------------------------------------------------------------------------


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
        assert exit_statuses(host, 4) == [0, 0, 0, 0]
        assert counter[0] == 8000

    world(scenario)


def test_mutexes_are_independent_of_each_other(world: World) -> None:
    def scenario(host: Host) -> None:
        mutexes = host.create_mutexes(3)
        assert len(mutexes) == 3
        for mutex in mutexes:
            mutex.acquire()
        for mutex in mutexes:
            mutex.release()
            mutex.acquire()

    world(scenario)


def hold_and_be_killed(host: Host, mutex: Mutex) -> None:
    """Let a child, with latch 1, take the mutex, and kill it."""

    def hold() -> None:
        mutex.acquire()
        host.wake(0)
        while True:
            host.wait(postmaster=False)

    pid = host.fork("backend", 1, hold)
    while not host.wait(1000) & Ready.LATCH:
        pass
    host.signal(pid, Signal.KILL)
    assert reap_children(host, 1) == [(pid, None, Signal.KILL)]


def test_a_mutex_whose_holder_was_killed_stays_held_and_new_ones_are_free(world: World) -> None:
    def scenario(host: Host) -> None:
        mutex = host.create_mutexes(1)[0]
        host.create_latches(3)
        reached = host.map_shared(8).cast("Q")
        hold_and_be_killed(host, mutex)

        def want() -> None:
            reached[0] = 1
            mutex.acquire()
            reached[0] = 2

        pid = host.fork("backend", 2, want)
        while not reached[0]:
            host.sleep(1)
        host.sleep(50)
        host.signal(pid, Signal.QUIT)
        assert exit_statuses(host, 1) == [2], "QUIT ends also who waits for a mutex"
        assert reached[0] == 1
        new = host.create_mutexes(1)[0]
        new.acquire()
        new.release()

    world(scenario)


def test_shared_memory_is_zero_at_first_and_seen_by_all_forked_later(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(3)
        memory = host.map_shared(8192)
        assert bytes(memory) == bytes(8192)
        private = bytearray(1)
        memory[0] = 1

        def child() -> None:
            assert memory[0] == 1
            memory[8191] = 2
            private[0] = 3

        host.fork("backend", 1, child)
        assert exit_statuses(host, 1) == [0]
        assert (memory[8191], private[0]) == (2, 0)

    world(scenario)


# latches ------------------------------------------------------------------------------------------


def test_a_wake_up_before_the_wait_is_not_lost(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        host.wake(0)
        host.wake(0)
        assert host.wait(10_000) == Ready.LATCH
        assert host.wait(1) == Ready.TIMEOUT, "wake-ups merge"

    world(scenario)


def test_a_wait_that_ignores_the_latch_leaves_it_set(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        host.wake(0)
        assert host.wait(1, latch=False) == Ready.TIMEOUT
        assert host.wait(10_000) == Ready.LATCH

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
        assert exit_statuses(host, 1) == [0]
        assert order[1] == 1

    world(scenario)


def test_two_processes_hand_each_other_the_word(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(3)
        turn = host.map_shared(8).cast("Q")
        rounds = 100

        def play(own: int) -> None:
            for number in range(own - 1, 2 * rounds, 2):
                while turn[0] != number:
                    host.wait()
                turn[0] += 1
                host.wake(3 - own)

        host.fork("backend", 1, lambda: play(1))
        host.fork("backend", 2, lambda: play(2))
        assert exit_statuses(host, 2) == [0, 0]
        assert turn[0] == 2 * rounds

    world(scenario)


def test_a_wake_up_before_its_owner_is_born_is_not_lost(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        host.wake(1)
        host.fork("backend", 1, lambda: host.exit(7 if host.wait(60_000) else 8))
        assert exit_statuses(host, 1) == [7]

    world(scenario)


def test_new_latches_are_unset_and_take_the_place_of_the_old(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        host.wake(0)
        host.create_latches(3)
        assert host.wait(1) == Ready.TIMEOUT
        host.fork("backend", 2, lambda: host.wake(0))
        while not host.wait(60_000) & Ready.LATCH:
            pass
        assert exit_statuses(host, 1) == [0]

    world(scenario)


# descriptors --------------------------------------------------------------------------------------


def test_a_wait_tells_which_descriptors_are_ready(world: World) -> None:
    def scenario(host: Host) -> None:
        first, second = host.pipe(), host.pipe()
        host.send(second[1], b"x")
        assert host.wait(1000, read=[first[0], second[0]]) == Ready.READ
        assert list(host.ready_descriptors()) == [second[0]]
        with pytest.raises(BlockingIOError):
            host.receive(first[0], 1)
        host.send(first[1], b"x")
        assert host.wait(1000, read=[first[0], second[0]]) == Ready.READ
        assert list(host.ready_descriptors()) == [first[0], second[0]]
        assert host.receive(second[0], 10) == b"x"
        host.close(second[1])
        assert host.wait(1000, read=[second[0]]) == Ready.READ
        assert host.receive(second[0], 10) == b"", "the end of the stream"
        assert host.wait(1000, write=[first[1]]) == Ready.WRITE
        assert list(host.ready_descriptors()) == []

    world(scenario)


def test_what_a_child_sends_ends_the_wait_of_its_parent(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        reading, writing = host.pipe()

        def child() -> None:
            host.wait()
            host.send(writing, b"now")
            host.wait()

        pid = host.fork("backend", 1, child)
        host.wake(1)
        while not host.wait(60_000, read=[reading]) & Ready.READ:
            pass
        assert host.receive(reading, 10) == b"now"
        host.wake(1)
        assert [ended.pid for ended in reap_children(host, 1)] == [pid]

    world(scenario)


# time ---------------------------------------------------------------------------------------------


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
        assert host.wait(0) == Ready.LATCH, "nor does it take one"
        assert host.wait(0) == Ready.TIMEOUT

    world(scenario)


def test_no_wait_of_several_ends_early(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(4)

        def child(pause: int) -> None:
            before = host.monotonic_us()
            host.sleep(pause)
            host.wait(pause)
            assert host.monotonic_us() - before >= 2 * pause * 1000 - 2000

        for latch, pause in ((1, 60), (2, 5), (3, 30)):
            host.fork("backend", latch, partial(child, pause))
        assert exit_statuses(host, 3) == [0, 0, 0]

    world(scenario)


def test_the_clocks_go_on_together(world: World) -> None:
    def scenario(host: Host) -> None:
        assert 0 < host.now_us() < 100 * 366 * 86_400 * 1_000_000, "in the century from 2000 on"
        wall, steady = host.now_us(), host.monotonic_us()
        host.sleep(30)
        passed = host.monotonic_us() - steady
        assert passed >= 29_000
        assert abs(host.now_us() - wall - passed) < 10_000_000

    world(scenario)


def test_chance_gives_as_many_bytes_as_asked_and_others_each_time(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        reading, writing = host.pipe()
        assert [len(host.random_bytes(length)) for length in (0, 1, 16)] == [0, 1, 16]
        host.fork("backend", 1, lambda: host.exit(host.send(writing, host.random_bytes(16))))
        own = [host.random_bytes(16) for _ in range(3)]
        assert exit_statuses(host, 1) == [16]
        host.close(writing)
        draws = [*own, receive_all(host, reading)]
        assert len(set(draws)) == 4, "nor do parent and child draw the same"

    world(scenario)


# the postmaster's death ---------------------------------------------------------------------------


def orphan(host: Host, world: World, tell: int, wait: str) -> None:
    """Start a postmaster that dies at once, and whose child then waits in this way and tells."""

    def postmaster() -> None:
        inner = world.another_postmaster()
        inner.create_latches(2)
        mutex = inner.create_mutexes(1)[0]
        mutex.acquire()

        def child() -> None:
            try:
                if wait == "latch":
                    inner.wait()
                elif wait == "descriptor":
                    inner.wait(read=[inner.pipe()[0]], latch=False)
                elif wait == "sleep":
                    inner.sleep(600_000)
                elif wait == "mutex":
                    mutex.acquire()
                else:
                    assert inner.wait(100, postmaster=False) == Ready.TIMEOUT
                    inner.send(tell, b"timeout, ")
                    inner.wait()
            except PostmasterDied:
                inner.send(tell, b"alone")
                raise
            inner.send(tell, b"not told")

        inner.fork("backend", 1, child)
        inner.exit(0)

    host.create_latches(2)
    host.fork("postmaster", 1, postmaster)
    host.close(tell)


@pytest.mark.parametrize("wait", ["latch", "descriptor", "sleep", "mutex"])
def test_a_child_that_waits_learns_of_the_postmasters_death(world: World, wait: str) -> None:
    def scenario(host: Host) -> None:
        reading, writing = host.pipe()
        orphan(host, world, writing, wait)
        assert receive_all(host, reading) == b"alone"

    world(scenario)


def test_a_wait_that_ignores_the_postmaster_goes_on_after_its_death(world: World) -> None:
    def scenario(host: Host) -> None:
        reading, writing = host.pipe()
        orphan(host, world, writing, "without")
        assert receive_all(host, reading) == b"timeout, alone"

    world(scenario)
