"""The disk under a whole server: what the log of a run says, and what a power loss leaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chaos.disk.choice import Choice
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.faults.places import parse_fault
from chaos.oracle import DEFAULT_SUITE, load
from chaos.plan import BATON, Plan, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.run import Run
from chaos.scheduler.world import Schedule
from chaos.targets.baton import BatonEngineTarget, NoDisk, ServerRuns
from chaos.targets.making import Maker
from chaos.targets.power import DiskDisagrees, PowerLoss
from chaos.verdict import Verdict

BUSY = {
    "shared_buffers": "16",
    "checkpoint_timeout": "1s",
    "checkpoint_completion_target": "0",
    "max_wal_size": "3MB",
    "min_wal_size": "2MB",
    "full_page_writes": "on",
}
"""With many checkpoints and much WAL, so that segments of WAL are recycled and removed."""
WISHES = Wishes(schedule=BATON, cycles=2, workload="bank", faults=["all"], settings=BUSY)
STARTING_S = 60


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    """One launcher and one world for all targets of this file."""
    one = Maker()
    try:
        yield one
    finally:
        one.close()


@contextmanager
def a_target(
    maker: Maker, profile: str | None, schedule: Schedule, settings: dict[str, str]
) -> Iterator[BatonEngineTarget]:
    """A target, not created yet."""
    target = maker.baton(schedule, settings, 1, profile)
    assert isinstance(target, BatonEngineTarget)
    try:
        yield target
    finally:
        target.destroy()
        maker.clear(is_fit=True)


@pytest.fixture
def target(maker: Maker) -> Iterator[BatonEngineTarget]:
    """One with the strict disk, created."""
    with a_target(maker, "strict", Schedule(1), BUSY) as one:
        one.create()
        yield one


def start(target: BatonEngineTarget) -> None:
    """Until it accepts connections."""
    target.launch()
    log: list[str] = []
    while not any("is ready" in line for line in log):
        assert target.exit_status() is None
        target.waiting().sleep(0.01)
        log += target.log.news()


def kill_all(target: BatonEngineTarget) -> None:
    """All of its processes, at one step."""
    slots = [one.slot for one in target.world.participants() if one.status is None]
    target.world.baton.places.kill_all(slots, by_place=False)


def all_lost(disk: Disk) -> Choice:
    """Nothing that was not durable."""
    return disk.all_lost()


# whole runs --------------------------------------------------------------------------------------


@dataclass
class Ran:
    """A whole run: what it left."""

    plan: Plan
    verdict: Verdict
    digest: str
    data: Image
    cached: Image | None
    operations: list[Operation]


def ran(maker: Maker, plan: Plan, profile: str | None) -> Ran:
    """The whole run of a plan, from its creation to the shutdown of its server."""
    assert plan.scheduling is not None
    schedule = Schedule(plan.seeds["schedule"], plan.scheduling.strategy, plan.scheduling.mean_run)
    schedule = replace(schedule, preemptions=plan.scheduling.preemptions)
    with a_target(maker, profile, schedule, plan.settings) as target:
        outcome = Run(plan, target, load(DEFAULT_SUITE), Silent()).execute()
        operations = target.read_io_log() if profile is not None else []
        return Ran(
            plan,
            outcome.verdict,
            target.world.finish(),
            Image.read(target.data_directory),
            target.disk.cached() if target.disk is not None else None,
            operations,
        )


@pytest.fixture(scope="module")
def logged(maker: Maker) -> Ran:
    """A run with two crashes, checkpoints and recycled segments, logged."""
    plan = make_plan(5, WISHES)
    bank = plan.mix["bank"] | {"padding": 7000, "checkpoint": 0.1}
    plan = replace(plan, liveness_operations=150, mix=plan.mix | {"bank": bank})
    return ran(maker, plan, "strict")


def test_the_log_of_a_whole_run_gives_the_data_directory_byte_for_byte(logged: Ran) -> None:
    """IOLOG-1, IOLOG-2, POWER-2."""
    assert logged.verdict is Verdict.HELD
    renamed = {one.path: one.other for one in logged.operations if one.kind is Kind.RENAME}
    first = "pg_wal/000000010000000000000001"
    assert renamed[first].startswith("pg_wal/"), "recycled"
    assert any(path.startswith("pg_wal/xlogtemp") for path in renamed), "made"
    assert sum(one.kind is Kind.FSYNC for one in logged.operations) > 50
    assert any(one.role == "checkpointer" for one in logged.operations)
    assert logged.cached is not None
    assert sorted(logged.cached.files) == sorted(logged.data.files)
    for path, content in logged.data.files.items():
        assert logged.cached.files[path].data == content.data, path
    assert logged.cached == logged.data


def test_the_same_seed_with_and_without_a_log_is_the_same_run(maker: Maker, logged: Ran) -> None:
    """IOLOG-3."""
    bare = ran(maker, logged.plan, None)
    assert (bare.verdict, bare.digest) == (logged.verdict, logged.digest)
    assert bare.data == logged.data


def test_every_operation_of_a_run_has_a_site_in_the_engine_and_a_role(logged: Ran) -> None:
    sites = {one.site for one in logged.operations}
    for site in sites:
        path, function = site.split(": ")
        assert path.startswith("engine/")
        assert not path.startswith("engine/host/")
        name, line = function.rsplit(":", 1)
        assert name.split(".")[-1].isidentifier()
        assert int(line) > 0
    roles = {one.role for one in logged.operations}
    assert {"postmaster", "startup", "checkpointer", "backend", "walwriter"} <= roles
    assert roles.isdisjoint({"controller", "other"})


# power losses ------------------------------------------------------------------------------------


def test_after_a_power_loss_the_data_directory_is_the_image_that_was_chosen(
    target: BatonEngineTarget,
) -> None:
    """POWER-2."""
    start(target)
    target.waiting().sleep(0.5)
    kill_all(target)
    target.read_io_log()
    disk = target.disk
    assert disk is not None
    live = Image.read(target.data_directory)
    loss = target.cut_power(lambda disk: disk.draw(random.Random(7)))
    assert loss.before == live
    assert loss.after == Image.read(target.data_directory)
    assert loss.step == target.world.steps
    assert list(disk.pending) == []
    assert disk.cached() == disk.durable() == loss.after
    assert list((target.directory / "sockets").iterdir()) == []


def cut_again_and_again(target: BatonEngineTarget) -> list[PowerLoss]:
    """Power losses early and late, each on the disk that the one before has left."""
    chance = random.Random(1)
    losses = []
    choices: list[Callable[[Disk], Choice]] = [all_lost] + [lambda disk: disk.draw(chance)] * 3
    for steps, choose in zip((900, 30, 200, 1200), choices, strict=True):
        target.launch()
        goal = target.world.steps + steps
        while target.world.steps < goal:
            target.waiting().sleep(0.0005)
        kill_all(target)
        losses.append(target.cut_power(choose))
    return losses


def test_a_server_whose_power_was_cut_comes_back_again_and_again(
    target: BatonEngineTarget,
) -> None:
    losses = cut_again_and_again(target)
    start(target)
    assert sum(loss.pending for loss in losses) > 0, "something was at risk"
    assert target.stop(10) == 0
    assert target.leftovers() == []


def test_the_same_seed_gives_the_same_power_losses_whatever_the_inode_numbers(
    maker: Maker,
) -> None:
    """BATON-1, IOLOG-3."""
    found = []
    for _ in range(2):
        with a_target(maker, "strict", Schedule(3, mean_run=20), BUSY) as target:
            target.create()
            (target.directory / "takes an inode number").touch()
            losses = cut_again_and_again(target)
            told = [
                (one.step, one.time_us, one.choice, one.pending, one.files, one.after.digest())
                for one in losses
            ]
            found.append((told, target.world.finish()))
    assert found[0] == found[1]


def test_the_power_is_cut_only_when_nobody_lives(target: BatonEngineTarget) -> None:
    """POWER-1."""
    start(target)
    with pytest.raises(ServerRuns, match=r"checkpointer \(\d+\)"):
        target.cut_power(all_lost)
    kill_all(target)
    target.cut_power(all_lost)


def test_a_placed_kill_of_all_is_a_moment_for_a_power_loss(target: BatonEngineTarget) -> None:
    """POWER-1."""
    number = target.arm(parse_fault("startup pwrite 2: kill all"))
    target.launch()
    while target.exit_status() is None:
        target.waiting().sleep(0.01)
    assert target.has_struck(number)
    assert target.survivors() == []
    loss = target.cut_power(all_lost)
    assert loss.after == Image.read(target.data_directory)
    start(target)


def test_a_server_that_was_never_started_loses_nothing(target: BatonEngineTarget) -> None:
    before = Image.read(target.data_directory)
    loss = target.cut_power(all_lost)
    assert loss.pending == 0
    assert Image.read(target.data_directory) == before


def test_what_somebody_else_wrote_is_refused_until_it_is_told_of(
    target: BatonEngineTarget,
) -> None:
    """POWER-2."""
    start(target)
    assert target.stop(10) == 0
    path = target.data_directory / "global" / "pg_control"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(DiskDisagrees, match="global/pg_control differs"):
        target.cut_power(all_lost)
    target.disk_changed_by_hand()
    damaged = Image.read(target.data_directory)
    loss = target.cut_power(all_lost)
    assert (loss.pending, loss.after) == (0, damaged)


def test_a_target_without_a_profile_has_no_disk_and_no_log(maker: Maker) -> None:
    with a_target(maker, None, Schedule(1), BUSY) as target:
        target.create()
        assert target.disk is None
        target.disk_changed_by_hand()
        start(target)
        assert not target.io_log_path().exists()
        with pytest.raises(NoDisk, match="without a disk profile"):
            target.cut_power(all_lost)


def test_the_log_is_not_in_the_data_directory(target: BatonEngineTarget) -> None:
    start(target)
    assert target.read_io_log()
    assert target.io_log_path().parent == target.directory
    assert Path("io.log") not in [path.name for path in target.data_directory.rglob("*")]
