"""One schedule: one process at a time, the same decisions every time, and a digest that tells."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.host import BatonHost
from chaos.scheduler.calls import Call
from chaos.scheduler.layout import BLOCK, ENTRY_BYTES
from chaos.scheduler.strategies import STRATEGIES
from chaos.scheduler.trace import NOBODY, read_entries
from chaos.scheduler.world import Schedule
from engine.host.api import OpenMode, Signal
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

NEW = OpenMode.WRITE | OpenMode.CREATE
WORKERS = 3
CONTROLLER = 0


def worker(host: BatonHost, number: int, pause: Callable[[], None]) -> None:
    """A bit of everything."""
    fd = host.open(f"file {number}", NEW)
    for turn in range(20):
        pause()
        host.point(Point.HEAP_PAGE_CHANGED, turn)
        host.pwrite(fd, host.random_bytes(8), 8 * turn)
        host.wait(number + turn % 3)
        host.wake((number + turn) % WORKERS + 1)
    host.close(fd)


def busy_scene(pause: Callable[[], None] = lambda: None) -> Callable[[BatonHost], None]:
    """Some workers, of whom the last is killed; `pause` takes real time, and is no step."""

    def scene(host: BatonHost) -> None:
        host.create_latches(WORKERS + 1)
        pids = [
            host.fork("backend", number, lambda n=number: worker(host, n, pause))  # type: ignore[misc]
            for number in range(1, WORKERS + 1)
        ]
        host.sleep(10)
        host.signal(pids[-1], Signal.KILL)
        exit_statuses(host, WORKERS)

    return scene


def digest_of(directory: Path, schedule: Schedule, scene: Callable[[BatonHost], None]) -> str:
    """Play a scene in a new world."""
    with Stage(directory, schedule) as stage:
        stage.play(scene)
        return stage.finish()


SCHEDULES = [Schedule(7, strategy, 10) for strategy in STRATEGIES]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=STRATEGIES)
def test_the_same_seed_gives_the_same_digest_wherever_and_whenever(
    tmp_path: Path, schedule: Schedule
) -> None:
    """SCHED-2: neither the directory nor how long anything really takes is part of a decision."""
    chance = random.Random(1)
    slow = busy_scene(lambda: time.sleep(chance.random() / 500))
    digests = [
        digest_of(tmp_path / "one", schedule, busy_scene()),
        digest_of(tmp_path / "a directory elsewhere" / "two", schedule, busy_scene()),
        digest_of(tmp_path / "slow", schedule, slow),
    ]
    assert len(set(digests)) == 1


def test_other_seeds_strategies_and_runs_give_other_digests(tmp_path: Path) -> None:
    schedules = [
        Schedule(1, "random-walk", 10),
        Schedule(2, "random-walk", 10),
        Schedule(1, "random-walk", 11),
        Schedule(1, "pct", 10),
        Schedule(1, "random-walk", 10, preemptions=0),
    ]
    digests = [
        digest_of(tmp_path / str(number), schedule, busy_scene())
        for number, schedule in enumerate(schedules)
    ]
    assert len(set(digests)) == len(schedules)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=STRATEGIES)
def test_only_the_holder_takes_steps(tmp_path: Path, schedule: Schedule) -> None:
    """SCHED-1, as the trace has it: who was handed the turn is who steps next."""
    with Stage(tmp_path / "world", schedule) as stage:
        stage.play(busy_scene())
        stage.finish()
        holder, handed_over = CONTROLLER, 0
        for _, slot, call, next_, _, _, _, _ in read_entries(tmp_path / "world" / "trace")[1:]:
            assert slot == holder or call == Call.DEATH
            if next_ != NOBODY:
                holder, handed_over = next_, handed_over + 1
        assert 10 < handed_over <= stage.world.switches


def test_what_lies_between_two_steps_is_done_by_one_process_alone(stage: Stage) -> None:
    """SCHED-1, as memory has it: no update is lost though nothing guards it."""
    rounds = 300

    def scene(host: BatonHost) -> None:
        host.create_latches(5)

        def count() -> None:
            for _ in range(rounds):
                value = stage.seen[0]
                sum(range(200))
                stage.seen[0] = value + 1
                host.point(Point.HEAP_PAGE_CHANGED)

        for latch in (1, 2, 3, 4):
            host.fork("backend", latch, count)
        assert exit_statuses(host, 4) == [0] * 4

    stage.play(scene)
    assert stage.seen[0] == 4 * rounds
    assert stage.world.switches > 100


@pytest.mark.parametrize("ending", ["exit", "place", "signal"])
def test_the_dead_have_let_go_of_everything_at_the_next_step(stage: Stage, ending: str) -> None:
    """SCHED-5."""

    def scene(host: BatonHost) -> None:
        host.create_latches(3)

        def hold() -> None:
            assert host.lock_file("lock") is not None
            stage.seen[0] = 1
            host.sleep(1)
            host.point(Point.HEAP_PAGE_CHANGED)
            if ending == "signal":
                host.sleep(60_000)

        def want() -> None:
            while not stage.seen[0]:
                host.sleep(0.01)
            while host.lock_file("lock") is None:
                stage.seen[1] += 1

        pid = host.fork("backend", 1, hold)
        host.fork("bgwriter", 2, want)
        if ending == "signal":
            host.sleep(5)
            host.signal(pid, Signal.KILL)
        exit_statuses(host, 2)

    if ending == "place":
        stage.arm("backend heap-page-changed: kill")
    stage.play(scene)
    stage.finish()
    steps = stage.steps()
    death = [(step.role, step.call) for step in steps].index(("backend", "death"))
    looks = [step for step in steps[death:] if (step.role, step.call) == ("bgwriter", "lock_file")]
    assert stage.seen[1] > 1, "it looked before"
    assert len(looks) <= 1, "the first look after the death found the lock free"


# TRACE-1 -----------------------------------------------------------------------------------------


def written_scene(
    points: int = 3, value: int = 1, content: bytes = b"content", name: str = "file"
) -> Callable[[BatonHost], None]:
    """A scene of which a little may be different."""

    def scene(host: BatonHost) -> None:
        fd = host.open(name, NEW)
        host.pwrite(fd, content, 0)
        for _ in range(points):
            host.point(Point.HEAP_PAGE_CHANGED, value)
        host.write_log(b"")

    return scene


def test_the_digest_tells_of_each_difference(tmp_path: Path) -> None:
    """TRACE-1: a step more, an argument, a byte that was written, the name of a file."""
    scenes = [
        written_scene(),
        written_scene(points=4),
        written_scene(value=2),
        written_scene(content=b"Content"),
        written_scene(name="file2"),
    ]
    schedule = Schedule(1, mean_run=10**6)
    digests = [
        digest_of(tmp_path / str(number), schedule, scene) for number, scene in enumerate(scenes)
    ]
    assert len(set(digests)) == len(scenes)
    assert digest_of(tmp_path / "again", schedule, written_scene()) == digests[0]


@pytest.mark.parametrize("points", [10, BLOCK - 8, 3 * BLOCK + 100])
def test_the_digest_is_that_of_the_file_that_was_written(tmp_path: Path, points: int) -> None:
    """TRACE-1: block by block, and at the end the names."""
    with Stage(tmp_path / "world", Schedule(1)) as stage:
        stage.play(written_scene(points))
        digest = stage.finish()
        data = (tmp_path / "world" / "trace").read_bytes()
        assert len(data) == (stage.world.steps + 1) * ENTRY_BYTES
        expected = bytes(32)
        for start in range(0, len(data), BLOCK * ENTRY_BYTES):
            block = data[start : start + BLOCK * ENTRY_BYTES]
            expected = hashlib.sha256(expected + block).digest()
        names = b"".join(
            len(name.encode()).to_bytes(2, "little") + name.encode() for name in stage.world.names()
        )
        assert hashlib.sha256(expected + names).hexdigest() == digest


def test_time_never_goes_back_in_a_trace(tmp_path: Path) -> None:
    with Stage(tmp_path / "world") as stage:
        stage.play(busy_scene())
        stage.finish()
        times = [step.time_us for step in stage.steps()]
        assert times == sorted(times)
        assert len(times) == stage.world.steps


def test_a_world_is_as_new_for_the_next_run(tmp_path: Path) -> None:
    schedule = Schedule(7, "pct", 10)
    with Stage(tmp_path / "used", Schedule(1, "random-walk", 3)) as stage:
        stage.arm("time 1h: kill all")
        stage.play(busy_scene())
        stage.finish()
        stage.begin(schedule)
        stage.play(busy_scene())
        again = stage.finish()
    assert again == digest_of(tmp_path / "new", schedule, busy_scene())
