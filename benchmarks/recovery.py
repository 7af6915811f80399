"""How many crash states a core recovers and checks in a second, and where the time goes.

    python -m benchmarks.recovery [--states 200] [--transactions 50] [--seed 1] [--functions]

The states are power losses at random places of a run of bank transactions with 1 MB segments, drawn
by the strict model of the disk. Each is recovered in a process of its own, asked for all that it
holds, and has its pages checked. Counted is the CPU time of all processes that take part, pinned
to one CPU: what a core does when nothing else is on it.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import psutil
from rich.console import Console
from rich.table import Table

from chaos.disk.image import Image
from chaos.disk.log import LogWriter, read_log
from chaos.disk.model import Disk
from chaos.disk.profiles import PROFILES
from chaos.explore.recovery import ENGINE, Recoverer
from chaos.explore.recovery_process import SHOWN, Zygote
from chaos.host.alone import AloneHost
from chaos.targets.server import SHARED_MEMORY
from engine.cli.initdb import initialize_through
from engine.processes.single_user import SingleUser

ACCOUNTS: Final = 32
CHECKPOINT_EVERY: Final = 20
SETTINGS: Final = "\nshared_buffers = 128kB\nmax_connections = 40\nlogging_collector = off\n"
AUDIT: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "SELECT id, transfer FROM ledger",
    "SELECT id, balance, version FROM accounts ORDER BY id",
    "COMMIT",
)


def crash_states(states: int, transactions: int, seed: int) -> Iterator[Image]:
    """The base, and then states that a power loss may leave."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as directory:
        data, log = Path(directory) / "data", Path(directory) / "io.log"
        initialize_through(AloneHost(str(data), SHOWN), SHOWN, wal_segment_mb=1)
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)
        base = Image.read(data)
        yield base
        _play(SingleUser(AloneHost(str(data), SHOWN, LogWriter(log)), SHOWN), transactions, seed)
        operations, _ = read_log(log)
    chance = random.Random(seed)
    places = sorted(chance.choices(range(len(operations)), k=states))
    disk, done = Disk(base, PROFILES["strict"]), 0
    for place in places:
        for operation in operations[done:place]:
            disk.apply(operation)
        done = place
        yield disk.crash(disk.draw(chance))


def _play(process: SingleUser, transactions: int, seed: int) -> None:
    chance = random.Random(seed)
    process.start("postgres")
    process.execute("CREATE TABLE accounts (id integer, balance integer, version integer)")
    process.execute("CREATE TABLE ledger (id integer, transfer text)")
    rows = ", ".join(f"({account}, 100, 0)" for account in range(ACCOUNTS))
    process.execute(f"INSERT INTO accounts VALUES {rows}")
    for number in range(transactions):
        process.execute("BEGIN")
        for amount in (-1, 1):
            process.execute(
                f"UPDATE accounts SET balance = balance + {amount}, version = version + 1 "
                f"WHERE id = {chance.randrange(ACCOUNTS)}"
            )
        process.execute(f"INSERT INTO ledger VALUES ({number}, 'transfer')")
        process.execute("COMMIT")
        if number % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1:
            process.execute("CHECKPOINT")


def _descendants_cpu_s() -> float:
    processes = psutil.Process().children(recursive=True)
    return sum(sum(process.cpu_times()[:2]) for process in processes)


class Wrong(Exception):
    """A state was not recovered: what was measured means nothing."""


def _measured(images: Sequence[Image]) -> tuple[list[tuple[str, float]], float]:
    """What one state costs, by what it is spent on, and the wall clock; in milliseconds. The first
    image is the base."""
    with Recoverer(images[0], AUDIT) as recoverer:
        forking, ours, began = _descendants_cpu_s(), time.process_time(), time.perf_counter()
        for image in images[1:]:
            found = recoverer.recover(image, AUDIT)
            if found.failure is not None or found.pages:
                raise Wrong(str(found.failure or found.pages))
        wall = time.perf_counter() - began
        ours = time.process_time() - ours
        forking = _descendants_cpu_s() - forking
        spent = recoverer.spent
    per_state = 1000 / (len(images) - 1)
    parts = [
        ("recovery", spent.recovery_s),
        ("statements", spent.statements_s),
        ("a process: pages copied, its end", spent.cpu_s - spent.recovery_s - spent.statements_s),
        ("forking it, reading its answer", forking),
        ("writing the image, reading it back, checking pages", ours),
    ]
    return [(name, seconds * per_state) for name, seconds in parts], wall * per_state


def _functions(images: Sequence[Image]) -> None:
    """Where recovery and statements spend their time, function by function."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as directory:
        data = Path(directory) / "data"
        zygote = Zygote(str(data), ENGINE)
        request = {"statements": AUDIT, "io_log": "", "shut_down": False, "warm_up": True}
        profile = cProfile.Profile()
        for number, image in enumerate(images):
            image.write(data)
            if number:
                profile.enable()
            zygote.answer(request)
            profile.disable()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)


@click.command()
@click.option("--states", default=200, show_default=True)
@click.option("--transactions", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--functions", is_flag=True, help="Also a profile by function.")
def main(states: int, transactions: int, seed: int, functions: bool) -> None:
    """Print the table."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    images = list(crash_states(states, transactions, seed))
    parts, wall_ms = _measured(images)
    total = sum(cost for _, cost in parts)
    size = sum(content.size for content in images[-1].files.values()) / (1 << 20)
    table = Table(title=f"{states} crash states of {transactions} transactions, {size:.1f} MB each")
    table.add_column("of one state")
    table.add_column("ms of a core", justify="right")
    for name, cost in [*parts, ("all", total)]:
        table.add_row(name, f"{cost:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{1000 / total:.0f} states a second and core; wall clock {wall_ms:.1f} ms")
    if functions:
        _functions(images)


if __name__ == "__main__":
    main()
