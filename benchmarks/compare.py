"""The engine beside a real PostgreSQL 15, measured by the same code: see README.md."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

import click
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.bank_load import BankLoad, create_accounts
from chaos.targets.api import Target, TargetUnusable
from chaos.targets.catalogue import target_factory
from chaos.targets.launcher import Launcher
from chaos.targets.processes import Role, send

PATIENCE_S: Final = 60.0
RETRY_S: Final = 0.002
LOAD_CLIENTS: Final = 4
LOAD_S: Final = 2.0
THROUGHPUT_S: Final = 5.0
REPLAY_S: Final = 10.0
SEGMENT_MB: Final = 16
REINITIALIZED: Final = "all server processes terminated; reinitializing"


@dataclass(frozen=True)
class Figure:
    """One figure of one target, with every value measured."""

    target: str
    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@contextmanager
def running(name: str) -> Iterator[Target]:
    """A target with the accounts in it, for the time of the block."""
    with Launcher() as launcher:
        target = target_factory(name)(launcher, {"shared_buffers": "16MB"}, SEGMENT_MB)
        try:
            target.create()
            target.launch()
            first_answer(target)
            create_accounts(target.conninfo())
            yield target
        finally:
            target.destroy()


def first_answer(target: Target) -> float:
    """Connect until a query is answered; when that was (`time.monotonic`)."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with psycopg.connect(target.conninfo(), autocommit=True) as connection:
                connection.execute("SELECT 1")
                return time.monotonic()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)


def checkpointer_recovery(name: str) -> list[Figure]:
    """Seconds from the kill of the checkpointer under load to the first answer."""
    with running(name) as target, BankLoad(target.conninfo(), LOAD_CLIENTS):
        time.sleep(LOAD_S)
        target.log.news()
        pid = next(pid for pid, role in target.processes().items() if role is Role.CHECKPOINTER)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        # An answer from before the postmaster has noticed would not measure anything.
        while not any(REINITIALIZED in line for line in target.log.news()):
            time.sleep(RETRY_S / 4)
        seconds = first_answer(target) - killed
    return [Figure(name, "checkpointer killed, back after", "s", [seconds])]


def postmaster_recovery(name: str) -> list[Figure]:
    """Seconds from the kill of the postmaster under load to the first answer of the next one."""
    with running(name) as target, BankLoad(target.conninfo(), LOAD_CLIENTS):
        time.sleep(LOAD_S)
        killed = time.monotonic()
        os.kill(target.postmaster(), signal.SIGKILL)
        while target.exit_status() is None or target.survivors():
            time.sleep(RETRY_S / 4)
        target.launch()
        seconds = first_answer(target) - killed
    return [Figure(name, "postmaster killed, back after", "s", [seconds])]


def throughput(name: str) -> list[Figure]:
    """Bank transactions per second, with one client and with eight."""
    figures = []
    with running(name) as target:
        for clients in (1, 8):
            began = time.monotonic()
            with BankLoad(target.conninfo(), clients) as load:
                time.sleep(THROUGHPUT_S)
                done = load.stop()
            rate = done / (time.monotonic() - began)
            noun = "client" if clients == 1 else "clients"
            figures.append(Figure(name, f"bank transactions, {clients} {noun}", "1/s", [rate]))
    return figures


def replay(name: str) -> list[Figure]:
    """Records and megabytes per second of the redo after everything was killed."""
    with running(name) as target:
        with BankLoad(target.conninfo(), 8):
            time.sleep(REPLAY_S)
            os.kill(target.postmaster(), signal.SIGKILL)
            for pid in target.survivors():
                send(pid, signal.SIGKILL)
        while target.exit_status() is None or target.survivors():
            time.sleep(RETRY_S)
        target.log.news()
        target.launch()
        first_answer(target)
        figure = target.replayed(target.log.news())
    if figure is None or not figure.seconds or figure.records is None or figure.bytes is None:
        return []
    return [
        Figure(name, "replay, records", "1/s", [figure.records / figure.seconds]),
        Figure(name, "replay, WAL", "MB/s", [figure.bytes / figure.seconds / 1e6]),
    ]


MEASUREMENTS: Final[tuple[Callable[[str], list[Figure]], ...]] = (
    checkpointer_recovery,
    postmaster_recovery,
    throughput,
    replay,
)


def measure(targets: list[str], repeat: int, console: Console) -> list[Figure]:
    """All figures; the targets take turns, so that a drift of the machine hits both."""
    values: dict[tuple[str, str, str], list[float]] = {}
    with console.status("") as status:
        for measurement in MEASUREMENTS:
            for turn in range(repeat):
                for target in targets:
                    status.update(f"{measurement.__name__} on {target}, {turn + 1} of {repeat}")
                    for figure in measurement(target):
                        key = (figure.target, figure.name, figure.unit)
                        values.setdefault(key, []).extend(figure.values)
    return [Figure(*key, measured) for key, measured in values.items()]


def show(figures: list[Figure], targets: list[str], console: Console) -> None:
    """A row for each figure: median, and the range measured."""
    table = Table("figure", "unit", *targets, box=None)
    rows = dict.fromkeys((figure.name, figure.unit) for figure in figures)
    for name, unit in rows:
        cells = []
        for target in targets:
            found = [each for each in figures if (each.target, each.name) == (target, name)]
            cells.append(_cell(found[0]) if found else "")
        table.add_row(name, unit, *cells)
    console.print(table)


def _cell(figure: Figure) -> str:
    digits = 3 if figure.unit == "s" else 0
    low, high = min(figure.values), max(figure.values)
    return f"{figure.median:.{digits}f}  ({low:.{digits}f} .. {high:.{digits}f})"


@click.command()
@click.option("--targets", default="engine,postgres", show_default=True, help="What to measure.")
@click.option("--repeat", default=3, show_default=True, help="Times that each is measured.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per figure.")
def main(targets: str, repeat: int, as_json: bool) -> None:
    """Measure recovery, transactions and replay."""
    names = targets.split(",")
    console = Console(stderr=as_json)
    try:
        figures = measure(names, repeat, console)
    except TargetUnusable as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for figure in figures:
            click.echo(json.dumps({**asdict(figure), "median": figure.median}))
    else:
        show(figures, names, console)


if __name__ == "__main__":
    main()
